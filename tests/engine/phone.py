"""A far end in the test's own event loop: SIP over UDP or TCP, hand-written requests, RTP.

It answers a BYE with 200 by itself; everything else happens when the test says so.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.address import Address, format_host
from rapida_media.sip.builder import build_response
from rapida_media.sip.framing import StreamFramer
from rapida_media.sip.message import Request, Response, parse_message

from .rtp import RtpPhone
from .waiting import PATIENCE_S, eventually

Headers = Sequence[tuple[str, str]]
_numbers = itertools.count(1)


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._phone.take(data)


class Phone:
    """One SIP socket and any number of calls on it."""

    def __init__(self, engine: Address, host: str) -> None:
        self.engine = engine
        self.host = host
        self.port = 0
        self.max_forwards = 70
        self.user = "phone"
        self.received: list[Request | Response] = []
        self.raw = b""  # everything a stream brought
        self.closed = False
        self.calls: dict[str, PhoneCall] = {}
        self._send: Callable[[bytes], object]
        self._close: Callable[[], object]
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, engine: Address, host: str = "127.0.0.1", port: int = 0) -> Phone:
        phone = cls(engine, host)
        if engine.transport == "tcp":
            await phone._open_tcp()
        else:
            await phone._open_udp(port)
        return phone

    async def _open_udp(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Udp(self), local_addr=(self.host, port)
        )
        self.port = transport.get_extra_info("sockname")[1]
        destination = (self.engine.host, self.engine.port)
        self._send = lambda data: transport.sendto(data, destination)
        self._close = transport.close

    async def _open_tcp(self) -> None:
        reader, writer = await asyncio.open_connection(self.engine.host, self.engine.port)
        self.port = writer.get_extra_info("sockname")[1]
        self._send, self._close = writer.write, writer.close
        self._reader = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        framer = StreamFramer()
        try:
            while data := await reader.read(65536):
                self.raw += data
                framer.feed(data)
                while (message := framer.next_message()) is not None:
                    self.take(message)
        except ConnectionError:
            pass
        self.closed = True

    async def close(self) -> None:
        for call in self.calls.values():
            call.rtp.close()
        self._close()
        if self._reader is not None:
            await self._reader

    def send(self, data: bytes) -> None:
        self._send(data)

    def cut(self, size: int) -> None:
        """From now on send every message in pieces, each a segment of its own."""
        whole, pieces = self._send, asyncio.Queue[bytes]()

        async def feed() -> None:
            while True:
                whole(await pieces.get())
                await asyncio.sleep(0)

        self._feeder = asyncio.create_task(feed())
        self._send = lambda data: [
            pieces.put_nowait(data[at : at + size]) for at in range(0, len(data), size)
        ]

    def hang_up(self) -> None:
        """Close the connection and leave the calls as they are."""
        self._close()

    def take(self, data: bytes) -> None:
        try:
            message = parse_message(data)
        except RemoteProtocolError as error:
            raise AssertionError(f"the engine sent no SIP message: {data!r}") from error
        self.received.append(message)
        if isinstance(message, Request) and message.method == "BYE":
            self.send(build_response(message, 200).raw)

    def request(
        self,
        method: str,
        uri: str,
        *,
        call_id: str,
        cseq: int = 1,
        branch: str | None = None,
        local_tag: str = "phone",
        to_tag: str | None = None,
        headers: Headers = (),
        body: str = "",
    ) -> bytes:
        transport = self.engine.transport
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{transport.upper()} {format_host(self.host)}:{self.port}"
            f";branch={branch or f'z9hG4bK{self.port}-{next(_numbers)}'};rport",
            f"Max-Forwards: {self.max_forwards}",
            f"From: <sip:{self.user}@{format_host(self.host)}>;tag={local_tag}",
            f"To: <{uri}>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {call_id}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:phone@{format_host(self.host)}:{self.port};transport={transport}>",
            *(f"{name}: {value}" for name, value in headers),
            *(["Content-Type: application/sdp"] if body else []),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def uri(self, user: str) -> str:
        return f"sip:{user}@{format_host(self.engine.host)}:{self.engine.port}"

    async def response(
        self, call_id: str, method: str, cseq: int, patience: float = PATIENCE_S
    ) -> Response:
        """Wait for the final response to one request."""

        def find() -> Response | None:
            for message in self.received:
                if (
                    isinstance(message, Response)
                    and message.status >= 200
                    and message.call_id == call_id
                    and (message.cseq.method, message.cseq.number) == (method, cseq)
                ):
                    return message
            return None

        found: Response = await eventually(find, patience)
        return found

    async def options(self, patience: float = PATIENCE_S) -> Response:
        call_id = f"options-{self.port}-{next(_numbers)}"
        self.send(self.request("OPTIONS", self.uri("x"), call_id=call_id))
        return await self.response(call_id, "OPTIONS", 1, patience)

    def new_call(self, user: str = "echo") -> PhoneCall:
        """Make a call, for an INVITE of the test's own."""
        call = PhoneCall(self, user)
        self.calls[call.call_id] = call
        return call

    def invite(
        self, user: str = "echo", *, sdp: str | None = None, headers: Headers = ()
    ) -> PhoneCall:
        """Send an INVITE, by default with an offer of PCMU and telephone-event."""
        call = self.new_call(user)
        call.send_invite(call.sdp() if sdp is None else sdp, headers)
        return call

    async def call(
        self, user: str = "echo", *, sdp: str | None = None, headers: Headers = ()
    ) -> PhoneCall:
        """Place a call that is answered; returns once it is acknowledged."""
        call = self.invite(user, sdp=sdp, headers=headers)
        assert await call.final() == 200, call.response
        return call


class PhoneCall:
    """One call of a phone, the caller."""

    def __init__(self, phone: Phone, user: str) -> None:
        self.phone = phone
        self.user = user
        self.call_id = f"call-{phone.port}-{next(_numbers)}"
        self.rtp = RtpPhone(phone.host)
        self.cseq = 0
        self.response: Response | None = None
        self.to_tag: str | None = None
        self._target = phone.uri(user)
        self._branch = ""

    def sdp(
        self, direction: str = "sendrecv", *, address: str | None = None, version: int = 1
    ) -> str:
        host = self.phone.host
        return (
            f"v=0\r\no=- 7 {version} IN IP4 {host}\r\ns=-\r\n"
            f"c=IN IP4 {address or host}\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
            f"a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n"
        )

    def _request(self, method: str, cseq: int, **options: Any) -> bytes:
        return self.phone.request(
            method, self._target, call_id=self.call_id, cseq=cseq, to_tag=self.to_tag, **options
        )

    def send_invite(self, sdp: str, headers: Headers = ()) -> None:
        self.cseq += 1
        self._branch = f"z9hG4bK{self.phone.port}-{next(_numbers)}"
        self.phone.send(
            self._request("INVITE", self.cseq, branch=self._branch, headers=headers, body=sdp)
        )

    async def final(self, answer: str = "", *, acknowledge: bool = True) -> int:
        """Wait for the final response and acknowledge it; answer goes into the ACK of a 2xx."""
        self.response = await self.phone.response(self.call_id, "INVITE", self.cseq)
        self.to_tag = self.response.to.tag
        status: int = self.response.status
        if status < 300:
            self._target = self.response.contacts[0].uri_text
            if self.response.body:
                self.listen_to(self.response.body.decode())
            if acknowledge:
                self.acknowledge(answer)
        else:
            self.phone.send(self._request("ACK", self.cseq, branch=self._branch))
            self.to_tag = None
        return status

    def acknowledge(self, answer: str = "") -> None:
        self.phone.send(self._request("ACK", self.cseq, body=answer))

    def listen_to(self, sdp: str) -> None:
        address, port = re.search(r"c=IN IP[46] (\S+)", sdp), re.search(r"m=audio (\d+)", sdp)
        assert address
        assert port
        self.rtp.remote = (address[1], int(port[1]))

    async def reinvite(self, sdp: str) -> Response:
        self.send_invite(sdp)
        assert await self.final() == 200
        assert self.response is not None
        return self.response

    def cancel(self) -> None:
        self.phone.send(self._request("CANCEL", self.cseq, branch=self._branch))

    def send_bye(self) -> None:
        self.cseq += 1
        self.phone.send(self._request("BYE", self.cseq))

    async def bye(self) -> int:
        """Hang up; gives the status of the answer."""
        self.send_bye()
        status: int = (await self.phone.response(self.call_id, "BYE", self.cseq)).status
        self.rtp.close()
        return status

    def requests(self, method: str) -> list[Request]:
        """Give what the engine asked on this call."""
        return [
            message
            for message in self.phone.received
            if isinstance(message, Request)
            and message.method == method
            and message.call_id == self.call_id
        ]

    def provisional(self) -> list[int]:
        return [
            message.status
            for message in self.phone.received
            if isinstance(message, Response)
            and message.call_id == self.call_id
            and message.status < 200
        ]

    async def hung_up(self, patience: float = PATIENCE_S) -> Request:
        """Wait for the engine's BYE."""
        return (await eventually(lambda: self.requests("BYE"), patience))[0]  # type: ignore[no-any-return]
