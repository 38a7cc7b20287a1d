"""A hand-driven SIP peer for scenarios: it sends exactly what a test says and answers nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rapida_media.sip.address import Address
from rapida_media.sip.builder import build_response
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.testing.network import Packet
from rapida_media.testing.world import World

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 0\r\n"
)
SDP = ("Content-Type", "application/sdp")


class SipPeer:
    """A node that keeps what it receives and sends what it is told."""

    def __init__(self, world: World, host: str, port: int = 5060) -> None:
        self.address = Address(host, port)
        self.received: list[Request | Response] = []
        self._world = world
        self._branches = 0
        self._outbox: list[Packet] = []
        world.add(self)

    # Node.

    def receive(self, packet: Packet, now: float) -> None:
        self.received.append(parse_message(packet.data))

    def next_timeout(self) -> float | None:
        return None

    def handle_timeout(self, now: float) -> None:
        """No timer runs here."""

    def packets_to_send(self, now: float) -> list[Packet]:
        waiting, self._outbox = self._outbox, []
        return waiting

    # What a test does.

    def send(self, data: bytes, destination: Address) -> None:
        """Send bytes; they leave when the world runs."""
        self._outbox.append(Packet(data, self.address, destination))

    def branch(self) -> str:
        """Give a new branch."""
        self._branches += 1
        return f"z9hG4bK-{self.address.host}-{self._branches}"

    def request(
        self,
        method: str,
        *,
        uri: str = "sip:bob@192.0.2.2",
        branch: str | None = None,
        via: str | None = None,
        from_tag: str | None = "a",
        to_tag: str | None = None,
        call_id: str = "call-1",
        cseq: int = 1,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> bytes:
        """Write a request with exactly these identifying values."""
        host, port = self.address.host, self.address.port
        if via is None:
            via = f"SIP/2.0/UDP {host}:{port};branch={branch or self.branch()}"
        fields = [
            ("Via", via),
            ("Max-Forwards", "70"),
            ("From", f"<sip:alice@{host}>" + (f";tag={from_tag}" if from_tag else "")),
            ("To", f"<{uri}>" + (f";tag={to_tag}" if to_tag else "")),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            *headers,
        ]
        if not any(name == "Contact" for name, _ in headers):
            fields.append(("Contact", f"<sip:{host}:{port}>"))
        if body and not any(name == "Content-Type" for name, _ in headers):
            fields.append(SDP)
        head = "".join(f"{name}: {value}\r\n" for name, value in fields)
        return (
            f"{method} {uri} SIP/2.0\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )

    def respond(
        self,
        request: Request,
        status: int,
        *,
        to_tag: str | None = "b",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> bytes:
        """Write a response to a request received."""
        host, port = self.address.host, self.address.port
        fields = [("Contact", f"<sip:{host}:{port}>"), *headers]
        if any(name == "Contact" for name, _ in headers):
            del fields[0]
        if body:
            fields.append(SDP)
        return build_response(request, status, to_tag=to_tag, headers=fields, body=body).raw

    def requests(self, method: str) -> list[Request]:
        """Give the requests of a method received so far."""
        return [m for m in self.received if isinstance(m, Request) and m.method == method]

    def responses(self, method: str) -> list[Response]:
        """Give the responses to a method received so far."""
        return [m for m in self.received if isinstance(m, Response) and m.cseq.method == method]

    def statuses(self, method: str) -> list[int]:
        return [response.status for response in self.responses(method)]
