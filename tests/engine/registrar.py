"""A carrier's server in small: registers whoever asks, answers pings, and keeps count."""

from __future__ import annotations

import asyncio
from typing import Any

from rapida_media.sip.builder import build_response
from rapida_media.sip.message import Request, parse_message


class Registrar(asyncio.DatagramProtocol):
    """received: every request, repeats included. Calls are refused with 486."""

    def __init__(self) -> None:
        self.received: list[Request] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport

    @classmethod
    async def open(cls) -> Registrar:
        loop = asyncio.get_running_loop()
        _, registrar = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        return registrar

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, address: Any) -> None:
        if not data.strip():  # it keeps its NAT binding open
            return
        request = parse_message(data)
        assert isinstance(request, Request)
        self.received.append(request)
        if request.method == "ACK":
            return
        headers = []
        if request.method == "REGISTER":
            expires = request.header("Expires") or "0"
            headers = [("Contact", request.header("Contact") or ""), ("Expires", expires)]
        status = 486 if request.method == "INVITE" else 200
        answer = build_response(request, status, to_tag="registrar", headers=headers)
        self._transport.sendto(answer.raw, address)

    def registers(self, user: str) -> list[tuple[int, str]]:
        """Give what one user asked for, in order: the seconds, and by which registration."""
        return [
            (int(each.header("Expires") or 0), each.call_id)
            for each in self.received
            if each.method == "REGISTER" and each.to.uri_text.startswith(f"sip:{user}@")
        ]
