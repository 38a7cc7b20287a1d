"""What a provider and we said to each other about each call, in bounded numbers, and its ladder.

Webhooks and their answers, our requests and theirs, and the control messages of media streams. All
is kept as it came and made readable only when somebody asks: without secrets, phone numbers, keys
that were pressed, and the ids by which media streams find their calls.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rapida_media.providers.http import HttpReply, HttpRequest, Reply, WebhookRequest
from rapida_media.sip.redaction import redact_numbers
from rapida_media.sip.trace import ladder_head, ladder_rung

# Of one call, and of all calls.
CALL_MESSAGES = 100
CALL_BYTES = 128 * 1024
CALLS_BYTES = 8 * 1024 * 1024
# What the store of one message costs beside its body, roughly: the header fields are most of it.
OVERHEAD_BYTES = 2_000
LONGEST_VALUE = 120
INDENT = " " * 15

_SECRET_NAMES = re.compile(
    r"(?i)token|secret|passw|signature|authori[sz]ation|api[-_]?key|jwt|^(dtmf|digits?|keys?|context)$"
)
_CONTEXT = re.compile(r"(/ctx/)[^/?#\s\"'<>&]+")
_USER_INFO = re.compile(r"(?<=://)[^/\s@]*@")
_TOKEN = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*|(?i:\b(?:bearer|basic) )[\w+/=.~-]+")

# A text is a message of the media stream.
Message = WebhookRequest | Reply | HttpRequest | HttpReply | str


class Traced(NamedTuple):
    """at: monotonic seconds. sent: by us."""

    at: float
    sent: bool
    message: Message


class ProviderTrace:
    """The messages of one call, the latest ones where they are too many."""

    def __init__(self, provider: str, grown: Callable[[int], None]) -> None:
        self.provider = provider
        self.messages: deque[Traced] = deque()
        self.dropped = 0
        self.bytes = 0
        self.closed = False
        self._grown = grown

    def add(self, message: Message, now: float, *, sent: bool) -> None:
        """Keep a message, unless the trace had to go for others."""
        if self.closed:
            return
        before = self.bytes
        self.messages.append(Traced(now, sent, message))
        self.bytes += _size(message)
        while len(self.messages) > CALL_MESSAGES or (
            self.bytes > CALL_BYTES and len(self.messages) > 1
        ):
            self.bytes -= _size(self.messages.popleft().message)
            self.dropped += 1
        self._grown(self.bytes - before)


class ProviderTraces:
    """Traces by call; the oldest calls make room for new ones."""

    def __init__(self, limit_bytes: int = CALLS_BYTES) -> None:
        self._limit = limit_bytes
        self._traces: OrderedDict[str, ProviderTrace] = OrderedDict()
        self.bytes = 0

    def open(self, call_id: str, provider: str) -> ProviderTrace:
        """Begin the trace of a call."""
        trace = self._traces[call_id] = ProviderTrace(provider, self._grow)
        return trace

    def _grow(self, by: int) -> None:
        self.bytes += by
        while self.bytes > self._limit and len(self._traces) > 1:
            _, gone = self._traces.popitem(last=False)
            self.bytes -= gone.bytes
            gone.closed = True
            gone.messages.clear()

    def drawn(self, call_id: str) -> str:
        """Draw the messages of a call; empty when nothing is kept of it (any more)."""
        trace = self._traces.get(call_id)
        return "" if trace is None or not trace.messages else ladder(trace)


def ladder(trace: ProviderTrace) -> str:
    """Draw what was said, the time in ms since the first, and below each arrow what it carried."""
    lines = [f"({trace.dropped} earlier messages were not kept)"] if trace.dropped else []
    lines.append(ladder_head(trace.provider))
    start = trace.messages[0].at
    for at, sent, message in trace.messages:
        label, fields = _told(message)
        lines.append(ladder_rung(at - start, redact(label), sent=sent))
        lines += [f"{INDENT}{name}: {_readable(name, value)}" for name, value in fields.items()]
    return "\n".join(lines)


def redact(text: str) -> str:
    """Hide secrets and phone numbers in a text of a provider's."""
    text = _TOKEN.sub("…", _USER_INFO.sub("…@", _CONTEXT.sub(r"\1…", text)))
    return redact_numbers(text)


def _told(message: Message) -> tuple[str, dict[str, Any]]:
    """Give the label of a message and what it carried, by name."""
    match message:
        case WebhookRequest():
            return f"{message.method} {_path(message.url)}", dict(message.fields())
        case HttpRequest():
            said = WebhookRequest(message.method, message.url, message.headers, message.body)
            return f"{message.method} {_path(message.url)}", dict(said.fields())
        case HttpReply():
            return f"{message.status}", dict(_scalars(message.json))
        case Reply():
            kind = f" {message.content_type} ({len(message.body)} bytes)" if message.body else ""
            return f"{message.status}{kind}", {}
        case _:
            return _stream_message(message)


def _stream_message(text: str) -> tuple[str, dict[str, Any]]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return f"stream: {text}", {}
    if not isinstance(said, dict):
        return f"stream: {text}", {}
    # What the providers call the kind of a message.
    names = ("event", "websocket:event", "type", "action", "command")
    kind = next((said[name] for name in names if isinstance(said.get(name), str)), "message")
    return f"stream: {kind}", dict(_scalars(said))


def _scalars(said: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Give the members of an object and of those in it, which are named with dots."""
    if not isinstance(said, dict):
        return
    for name, value in said.items():
        if isinstance(value, dict) and prefix.count(".") < 3:
            yield from _scalars(value, f"{prefix}{name}.")
        elif isinstance(value, str | int | float | bool):
            yield f"{prefix}{name}", value


def _readable(name: str, value: object) -> str:
    last = name.rpartition(".")[2]
    if _SECRET_NAMES.search(last):
        return "…"
    # Cut last: what is hidden must be seen whole.
    text = " ".join(redact(str(value)).split())
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _path(url: str) -> str:
    """Give what comes behind the host, without the query: its fields are shown by themselves."""
    return urlsplit(url).path or "/"


def _size(message: Message) -> int:
    body = message if isinstance(message, str) else message.body
    return len(body) + OVERHEAD_BYTES
