"""What a far end does with requests of the engine: wait for one, answer it as the test says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from rapida_media.ids import SystemIds
from rapida_media.net.resolver import Resolver
from rapida_media.net.target import Target, resolve_target
from rapida_media.sip.builder import build_request, build_response
from rapida_media.sip.message import Request, Response, parse_message

from .phone import PhoneCall
from .rtp import RtpPhone
from .waiting import PATIENCE_S, eventually


async def request_number(
    call: PhoneCall, method: str, number: int = 1, patience: float = PATIENCE_S
) -> Request:
    """Wait for the engine's ``number``-th request of a method; repeats count once."""

    def find() -> Request | None:
        seen = {request.cseq.number: request for request in call.requests(method)}
        return seen[sorted(seen)[number - 1]] if len(seen) >= number else None

    found: Request = await eventually(find, patience)
    return found


def answer(
    call: PhoneCall,
    request: Request,
    status: int = 200,
    *,
    headers: Sequence[tuple[str, str]] = (),
    body: str = "",
) -> None:
    phone = call.phone
    fields = [("Contact", f"<sip:phone@{phone.host}:{phone.port}>"), *headers]
    if body:
        fields.append(("Content-Type", "application/sdp"))
    response = build_response(request, status, to_tag="phone", headers=fields, body=body.encode())
    phone.send(response.raw)


class Callee:
    """A far end that is called: one SIP socket over UDP, one RTP socket, nothing by itself."""

    def __init__(self) -> None:
        self.received: list[Request | Response] = []
        self.rtp = RtpPhone("127.0.0.1")
        self.port = 0
        self._peer: tuple[str, int] | None = None
        self._transport: asyncio.DatagramTransport

    @classmethod
    async def open(cls, host: str = "127.0.0.1", port: int = 0) -> Callee:
        callee = cls()
        loop = asyncio.get_running_loop()
        callee._transport, _ = await loop.create_datagram_endpoint(
            lambda: _Receiver(callee.take), local_addr=(host, port)
        )
        callee.port = callee._transport.get_extra_info("sockname")[1]
        return callee

    def close(self) -> None:
        self._transport.close()
        self.rtp.close()

    def take(self, data: bytes, source: tuple[str, int]) -> None:
        self._peer = source
        self.received.append(parse_message(data))

    @property
    def uri(self) -> str:
        return f"sip:callee@127.0.0.1:{self.port}"

    async def target(self) -> Target:
        return await resolve_target(self.uri, "udp", Resolver(SystemIds()))

    @property
    def contact(self) -> tuple[str, str]:
        return "Contact", f"<{self.uri}>"

    def sdp(self, direction: str = "sendrecv", *, version: int = 1) -> str:
        return (
            f"v=0\r\no=- 8 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )

    @staticmethod
    def audio_of(message: Request | Response) -> tuple[str, int]:
        """Give where the engine receives RTP."""
        match = re.search(rb"m=audio (\d+)", message.body)
        assert match
        return "127.0.0.1", int(match[1])

    async def request(self, method: str, number: int = 1, patience: float = PATIENCE_S) -> Request:
        """Wait for the ``number``-th request of a method; repeats count once."""

        def find() -> Request | None:
            seen: dict[tuple[str, int], Request] = {}
            for message in self.received:
                if isinstance(message, Request) and message.method == method:
                    seen.setdefault((message.call_id, message.cseq.number), message)
            return list(seen.values())[number - 1] if len(seen) >= number else None

        found: Request = await eventually(find, patience)
        return found

    async def response(self, method: str, patience: float = PATIENCE_S) -> Response:
        """Wait for the latest final response to a request of ours."""

        def find() -> Response | None:
            for message in reversed(self.received):
                if isinstance(message, Response) and message.cseq.method == method:
                    return message if message.status >= 200 else None
            return None

        found: Response = await eventually(find, patience)
        return found

    def respond(
        self,
        request: Request,
        status: int,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str = "",
        tag: str = "callee",
    ) -> None:
        fields = [*headers] if any(n == "Contact" for n, _ in headers) else [self.contact, *headers]
        if body:
            fields.append(("Content-Type", "application/sdp"))
        assert self._peer is not None
        response = build_response(request, status, to_tag=tag, headers=fields, body=body.encode())
        self._transport.sendto(response.raw, self._peer)

    def ask(
        self,
        invite: Request,
        method: str,
        cseq: int,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: str = "",
        content: str = "application/sdp",
        tag: str = "callee",
    ) -> None:
        """Send a request within the dialog that an INVITE of the engine began."""
        fields = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{method}{cseq}"),
            ("From", f"{invite.header('To')};tag={tag}"),
            ("To", invite.header("From") or ""),
            ("Call-ID", invite.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Max-Forwards", "70"),
            self.contact,
            *headers,
            *([("Content-Type", content)] if body else []),
        ]
        uri = invite.contacts[0].uri_text
        assert self._peer is not None
        self._transport.sendto(build_request(method, uri, fields, body.encode()).raw, self._peer)


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._take(data, address)
