"""What was said about each call on the wire: a bounded store of SIP messages, and ladders of them.

The transport hands every message in, both ways. Those of an unknown Call-ID wait among the
strangers' until a call claims it (``adopt``); what nobody claims, scanners' noise and refused
calls, is soon pushed out by more of its kind and never pushes out a call's.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rapida_media.sip.address import Address, format_host_port
from rapida_media.sip.redaction import redact_line, redact_message

_CALL_ID = re.compile(rb"\r\n(?:call-id|i)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_CSEQ = re.compile(rb"\r\ncseq[ \t]*:[ \t]*\d+[ \t]+([^\s]+)", re.IGNORECASE)
_WARNING = re.compile(rb"\r\nwarning[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_SDP = re.compile(rb"\r\n(?:content-type|c)[ \t]*:[ \t]*application/sdp", re.IGNORECASE)
# What the store of one message costs beside its bytes, roughly.
OVERHEAD_BYTES = 200
ARROW_WIDTH = 56

# Which milestone of its call a message is, by how it starts (and by the method it answers).
_REQUESTS = {b"INVITE": "invite", b"ACK": "ack", b"BYE": "bye"}
_RESPONSES = {b"100": "trying", b"180": "ringing", b"183": "ringing", b"200": "answered"}


class TracedMessage(NamedTuple):
    """One message. at: monotonic seconds. sent: by us. local: our address, where it is known."""

    at: float
    sent: bool
    data: bytes
    remote: Address
    local: Address | None


@dataclass(frozen=True, slots=True)
class TraceLimits:
    """What is kept: of one call, of all calls and of strangers. Sizes count OVERHEAD_BYTES."""

    call_messages: int = 200
    call_bytes: int = 128 * 1024
    calls_bytes: int = 16 * 1024 * 1024
    strangers_bytes: int = 256 * 1024


class CallTrace:
    """The messages of one call, the latest ones where they are too many."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.call_ids: list[bytes] = []
        self.messages: deque[TracedMessage] = deque()
        self.dropped = 0
        self.bytes = 0
        self.note: Callable[[str, float], object] | None = None
        self.tap: Callable[[TracedMessage], None] | None = None

    def add(self, message: TracedMessage, limits: TraceLimits) -> int:
        """Keep a message; gives by how many bytes the trace grew."""
        before = self.bytes
        self.messages.append(message)
        self.bytes += _size(message)
        while len(self.messages) > limits.call_messages or (
            self.bytes > limits.call_bytes and len(self.messages) > 1
        ):
            self.bytes -= _size(self.messages.popleft())
            self.dropped += 1
        if self.note is not None and (name := milestone(message.data)) is not None:
            self.note(name, message.at)
        if self.tap is not None:
            self.tap(message)
        return self.bytes - before


class _Shelf:
    """Traces by key; the ones that were silent for longest make room for others."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self.traces: OrderedDict[str, CallTrace] = OrderedDict()
        self.bytes = 0

    def put(self, trace: CallTrace) -> None:
        self.traces[trace.key] = trace
        self.bytes += trace.bytes

    def take(self, key: str) -> CallTrace:
        trace = self.traces.pop(key)
        self.bytes -= trace.bytes
        return trace

    def grown(self, trace: CallTrace, by: int) -> list[CallTrace]:
        """Account for a message; gives the traces that had to go for it."""
        self.bytes += by
        self.traces.move_to_end(trace.key)
        gone = []
        while self.bytes > self._limit:
            # One that is being written to a file still has its end to come.
            key = next((each.key for each in self.traces.values() if each.tap is None), trace.key)
            if key == trace.key:
                break
            gone.append(self.take(key))
        return gone


class Tracer:
    """The store of one endpoint."""

    def __init__(self, limits: TraceLimits | None = None) -> None:
        self._limits = limits or TraceLimits()
        self._calls = _Shelf(self._limits.calls_bytes)
        self._strangers = _Shelf(self._limits.strangers_bytes)
        self._by_call_id: dict[bytes, tuple[_Shelf, CallTrace]] = {}

    def record(
        self, data: bytes, *, sent: bool, remote: Address, local: Address | None, now: float
    ) -> None:
        """Keep one message. Never raises; one without a Call-ID belongs to nobody."""
        match = _CALL_ID.search(data)
        if match is None:
            return
        call_id = match[1].strip()
        found = self._by_call_id.get(call_id)
        if found is None:
            trace = CallTrace(call_id.decode("utf-8", "replace"))
            found = self._by_call_id[call_id] = (self._strangers, trace)
            trace.call_ids.append(call_id)
            # Two Call-IDs that differ in undecodable octets only share a key: the later one stays.
            self._forget(self._strangers, trace.key)
            self._strangers.put(trace)
        shelf, trace = found
        by = trace.add(TracedMessage(now, sent, data, remote, local), self._limits)
        for gone in shelf.grown(trace, by):
            self._unlink(gone)

    def adopt(
        self, call_id: str, key: str, note: Callable[[str, float], object] | None = None
    ) -> None:
        """Keep what has this Call-ID for the call ``key``, which may have several.

        note: told each milestone, with its time, whenever its message passes.
        """
        wire = call_id.encode("utf-8", "surrogateescape")
        found = self._by_call_id.get(wire)
        if found is not None and found[0] is self._calls:
            return
        trace = self._calls.traces.get(key)
        if trace is None:
            trace = CallTrace(key)
            self._calls.put(trace)
        trace.note = note or trace.note
        trace.call_ids.append(wire)
        self._by_call_id[wire] = (self._calls, trace)
        if found is not None:
            for message in self._strangers.take(found[1].key).messages:
                for gone in self._calls.grown(trace, trace.add(message, self._limits)):
                    self._unlink(gone)

    def of(self, key: str) -> CallTrace | None:
        """Give what is kept of a call, None when nothing is any more."""
        return self._calls.traces.get(key)

    @property
    def bytes(self) -> int:
        return self._calls.bytes + self._strangers.bytes

    def _forget(self, shelf: _Shelf, key: str) -> None:
        if key in shelf.traces:
            self._unlink(shelf.take(key))

    def _unlink(self, trace: CallTrace) -> None:
        for call_id in trace.call_ids:
            found = self._by_call_id.get(call_id)
            if found is not None and found[1] is trace:
                del self._by_call_id[call_id]


def milestone(data: bytes) -> str | None:
    """Name what this message is in the life of its call, None when it is none of that."""
    if not data.startswith(b"SIP/2.0 "):
        return _REQUESTS.get(data[: data.find(b" ")])
    name = _RESPONSES.get(data[8:11])
    if name is None:
        return None
    answered = _CSEQ.search(data)
    return name if answered is not None and answered[1] == b"INVITE" else None


def ladder(trace: CallTrace, *, whole: bool = False) -> str:
    """Draw the messages of a call, the time in ms since the first; fit to be shown (``redaction``).

    whole: with every message below its arrow.
    """
    lines: list[str] = []
    if trace.dropped:
        lines.append(f"({trace.dropped} earlier messages were not kept)")
    peer: Address | None = None
    start = trace.messages[0].at if trace.messages else 0.0
    for message in trace.messages:
        if message.remote != peer:
            peer = message.remote
            where = f"{format_host_port(peer.host, peer.port)} {peer.transport}"
            lines.append(ladder_head(where))
        lines.append(ladder_rung(message.at - start, _label(message), sent=message.sent))
        lines += [f"{'':15}{each}" for each in _warnings(message.data)] if not whole else []
        if whole:
            lines += [
                f"{'':15}{line}".rstrip() for line in redact_message(message.data).split("\n")
            ]
    return "\n".join(lines)


def ladder_head(where: str) -> str:
    """Name the two sides of what follows: us and somebody there."""
    return f"{'us':>15}{where:>{ARROW_WIDTH}}"


def ladder_rung(seconds: float, label: str, *, sent: bool) -> str:
    """Draw one message as an arrow. seconds: since the first one."""
    if len(label) > ARROW_WIDTH - 8:
        label = label[: ARROW_WIDTH - 9] + "…"
    if sent:
        arrow = f"-- {label} ".ljust(ARROW_WIDTH - 1, "-") + ">"
    else:
        arrow = f"<-- {label} ".ljust(ARROW_WIDTH, "-")
    return f"{seconds * 1000:10.1f} ms |{arrow}|"


def _label(message: TracedMessage) -> str:
    line = message.data[: message.data.find(b"\r\n")].decode("utf-8", "replace")
    response = line.startswith("SIP/2.0 ")
    label = redact_line(line.removeprefix("SIP/2.0 ") if response else line.rpartition(" ")[0])
    notes = []
    if response and (cseq := _CSEQ.search(message.data)) is not None:
        notes.append(cseq[1].decode("utf-8", "replace"))
    if _SDP.search(message.data) is not None:
        notes.append("SDP")
    return label + (f" ({', '.join(notes)})" if notes else "")


def _warnings(data: bytes) -> list[str]:
    """Give why something was refused, where a response says so (RFC 3261 section 20.43)."""
    head = data[: data.find(b"\r\n\r\n")] if data.startswith(b"SIP/2.0 ") else b""
    said = [each.decode("utf-8", "replace") for each in _WARNING.findall(head)]
    return [redact_line(f"Warning: {each}") for each in said]


def _size(message: TracedMessage) -> int:
    return len(message.data) + OVERHEAD_BYTES
