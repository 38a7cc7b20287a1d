"""The SIP side of the far ends: places calls, acknowledges answers, hangs up. A UAC, no more.

Called by `level.py` and `churn.py`. Plain RFC 3261 over UDP from one socket: INVITE with an offer
of PCMU only, ACK, BYE, retransmission at T1 doubling, 200 again to a repeated BYE of the peer.
Everything goes to the address of the target (as to an outbound proxy); the request URI inside a
dialog is the peer's Contact. Set-up time is measured between the clock before the INVITE leaves
and the kernel's receive stamp of its 200, so that a slow generator does not lengthen it.
"""

from __future__ import annotations

import contextlib
import heapq
import re
import secrets
import select
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

T1_S = 0.5
GIVE_UP_S = 8.0
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; not in Python's socket module before 3.14
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact"}


@dataclass(slots=True, eq=False)
class SipCall:
    """One call of the generator, from INVITE to the answer of the BYE."""

    index: int
    rtp_port: int
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    local_tag: str = field(default_factory=lambda: secrets.token_hex(4))
    branch: str = ""
    cseq: int = 1
    remote_to: str = ""
    remote_target: str = ""
    routes: list[str] = field(default_factory=list)
    state: str = "inviting"  # inviting, answered, failed, leaving, ended
    status: int = 0  # of the final response to INVITE; 408 when none came
    invited_ns: int = 0
    answered_ns: int = 0
    media: tuple[str, int] | None = None  # where the peer wants RTP; None: no PCMU answer
    acknowledgement: bytes = b""


def read_message(data: bytes) -> tuple[str, dict[str, list[str]], str]:
    """Split a SIP message into start line, headers by lower-case long name, and body."""
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    start, *lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.setdefault(_COMPACT.get(name, name), []).append(value.strip())
    return start, headers, body


def read_media(sdp: str) -> tuple[str, int] | None:
    """Address and port of the first audio line if it takes PCMU (static type 0), else None."""
    session, *sections = re.split(r"(?m)^m=", sdp)
    for section in sections:
        words = section.split("\n", 1)[0].split()
        if len(words) < 4 or words[0] != "audio":
            continue
        address = re.search(r"(?m)^c=IN IP4 (\S+)", section) or re.search(
            r"(?m)^c=IN IP4 (\S+)", session
        )
        port = int(words[1].partition("/")[0]) if words[1].partition("/")[0].isdigit() else 0
        return (address[1], port) if address and port and "0" in words[3:] else None
    return None


class Caller:
    """All calls of one level, one socket. `on_answered` and `on_ended` are called synchronously."""

    def __init__(self, target: str, destination: tuple[str, int], address: str) -> None:
        self.calls: dict[str, SipCall] = {}
        self.statuses: Counter[int] = Counter()
        self.retransmissions = 0  # ours, because the peer was silent
        self.repeated_answers = 0  # the peer's 200s after our ACK
        self.ended_by_peer = 0
        self.unanswered_byes = 0
        self.on_answered: Callable[[SipCall], None] = lambda call: None
        self.on_ended: Callable[[SipCall], None] = lambda call: None
        self._target, self._destination, self._address = target, destination, address
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_count = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((address, 0))
        self._port = self._socket.getsockname()[1]

    def close(self) -> None:
        """Close the socket. Calls still up are the engine's to clean away."""
        self._socket.close()

    # -- time --

    def at(self, when: float, action: Callable[[], None]) -> None:
        """Call `action` from `pump` at that time.monotonic()."""
        self._timer_count += 1
        heapq.heappush(self._timers, (when, self._timer_count, action))

    def pump(self, until: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Receive and run timers until that time or until done(); gives what done() says."""
        while not done():
            now = time.monotonic()
            while self._timers and self._timers[0][0] <= now:
                heapq.heappop(self._timers)[2]()
            if now >= until:
                return done()
            wake = min(until, self._timers[0][0]) if self._timers else until
            if select.select([self._socket], [], [], max(0.0, wake - time.monotonic()))[0]:
                self._receive_all()
        return True

    # -- requests --

    def ping(self, timeout: float) -> bool:
        """Whether the target answers an OPTIONS, whatever the answer."""
        call = SipCall(index=-1, rtp_port=0, state="pinging")
        self._send_request(call, "OPTIONS", give_up_s=timeout)
        self.calls[call.call_id] = call
        answered = self.pump(time.monotonic() + timeout, lambda: call.state == "ended")
        del self.calls[call.call_id]
        return answered

    def invite(self, index: int, rtp_port: int) -> SipCall:
        """Place a call that offers PCMU at our address and this port."""
        call = SipCall(index, rtp_port)
        self.calls[call.call_id] = call
        call.invited_ns = time.time_ns()
        self._send_request(call, "INVITE", body=self._offer(rtp_port))
        return call

    def bye(self, call: SipCall) -> None:
        """Hang up an answered call; any other is left alone."""
        if call.state == "answered":
            call.state = "leaving"
            call.cseq += 1
            self._send_request(call, "BYE")

    def _offer(self, port: int) -> str:
        lines = [
            "v=0",
            f"o=- {port} 1 IN IP4 {self._address}",
            "s=load",
            f"c=IN IP4 {self._address}",
            "t=0 0",
            f"m=audio {port} RTP/AVP 0",
            "a=rtpmap:0 PCMU/8000",
            "a=ptime:20",
        ]
        return "\r\n".join(lines) + "\r\n"

    def _format(self, call: SipCall, method: str, branch: str, body: str = "") -> bytes:
        me = f"sip:load-{call.index}@{self._address}:{self._port}"
        lines = [
            f"{method} {call.remote_target or self._target} SIP/2.0",
            f"Via: SIP/2.0/UDP {self._address}:{self._port};branch={branch};rport",
            "Max-Forwards: 70",
            *(f"Route: {route}" for route in call.routes),
            f"From: <{me}>;tag={call.local_tag}",
            f"To: {call.remote_to or f'<{self._target}>'}",
            f"Call-ID: {call.call_id}",
            f"CSeq: {call.cseq} {method}",
            f"Contact: <sip:load@{self._address}:{self._port}>",
            "User-Agent: rapida-media-load",
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _send_request(
        self, call: SipCall, method: str, body: str = "", give_up_s: float = GIVE_UP_S
    ) -> None:
        call.branch = branch = "z9hG4bK" + secrets.token_hex(8)
        message = self._format(call, method, branch, body)
        waiting, give_up_at = call.state, time.monotonic() + give_up_s

        def repeat(interval: float) -> None:
            if call.state != waiting or call.branch != branch:
                return
            if time.monotonic() >= give_up_at:
                self._give_up(call)
                return
            self.retransmissions += 1
            self._send(message)
            self.at(time.monotonic() + 2 * interval, lambda: repeat(2 * interval))

        self._send(message)
        self.at(time.monotonic() + T1_S, lambda: repeat(T1_S))

    def _send(self, message: bytes) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._socket.sendto(message, self._destination)

    # -- what arrives --

    def _receive_all(self) -> None:
        while True:
            try:
                data, control, _, _ = self._socket.recvmsg(65535, 64)
            except (BlockingIOError, ConnectionError):
                return
            stamp = next((value for _, kind, value in control if kind == SO_TIMESTAMPNS), b"")
            seconds, nanoseconds = struct.unpack("qq", stamp) if len(stamp) == 16 else (0, 0)
            arrived_ns = seconds * 10**9 + nanoseconds or time.time_ns()
            start, headers, body = read_message(data)
            call = self.calls.get(headers.get("call-id", [""])[0])
            if not start.startswith("SIP/2.0 "):
                self._answer(start, headers, call)
            elif call is not None and start[8:11].isdigit():
                method = headers.get("cseq", [""])[0].rpartition(" ")[2]
                self._receive_response(call, method, int(start[8:11]), headers, body, arrived_ns)

    def _receive_response(
        self,
        call: SipCall,
        method: str,
        status: int,
        headers: dict[str, list[str]],
        body: str,
        arrived_ns: int,
    ) -> None:
        if status < 200:
            return
        if call.state == "pinging":
            call.state = "ended"
        elif method != "INVITE":
            if call.state == "leaving":
                self._finish(call)
        elif call.state != "inviting":  # our ACK was lost or late
            self.repeated_answers += 1
            self._send(call.acknowledgement)
        elif status < 300:
            self._accept(call, headers, body, arrived_ns)
        else:
            # RFC 3261 section 17.1.1.3: same branch, same request URI, the To of the response.
            call.remote_to = headers["to"][0]
            call.acknowledgement = self._format(call, "ACK", call.branch)
            self._send(call.acknowledgement)
            self._fail(call, status)

    def _accept(
        self, call: SipCall, headers: dict[str, list[str]], body: str, arrived_ns: int
    ) -> None:
        contact = headers.get("contact", [""])[0]
        bracketed = re.search(r"<([^>]*)>", contact)
        call.remote_target = bracketed[1] if bracketed else contact.partition(";")[0].strip()
        call.remote_to = headers["to"][0]
        call.routes = list(reversed(headers.get("record-route", [])))
        call.media = read_media(body)
        call.answered_ns = arrived_ns
        call.status = 200
        call.state = "answered"
        call.acknowledgement = self._format(call, "ACK", "z9hG4bK" + secrets.token_hex(8))
        self._send(call.acknowledgement)
        self.statuses[200] += 1
        self.on_answered(call)

    def _answer(self, start: str, headers: dict[str, list[str]], call: SipCall | None) -> None:
        method = start.partition(" ")[0]
        if method == "ACK":
            return
        known = method in {"BYE", "OPTIONS"}
        lines = ["SIP/2.0 200 OK" if known else "SIP/2.0 501 Not Implemented"]
        lines += [f"Via: {value}" for value in headers.get("via", [])]
        for name in ("From", "To", "Call-ID", "CSeq"):
            lines.append(f"{name}: {headers.get(name.lower(), [''])[0]}")
        self._send(("\r\n".join([*lines, "Content-Length: 0"]) + "\r\n\r\n").encode())
        if method == "BYE" and call is not None and call.state in {"answered", "leaving"}:
            self.ended_by_peer += call.state == "answered"
            self._finish(call)

    def _give_up(self, call: SipCall) -> None:
        if call.state == "inviting":
            self._fail(call, 408)
        elif call.state == "leaving":
            self.unanswered_byes += 1
            self._finish(call)

    def _fail(self, call: SipCall, status: int) -> None:
        call.status = status
        call.state = "failed"
        self.statuses[status] += 1
        self.on_ended(call)

    def _finish(self, call: SipCall) -> None:
        call.state = "ended"
        self.on_ended(call)
