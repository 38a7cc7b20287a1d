"""RTP streams as nodes of a ``World``: they send on their schedule and keep what they hear."""

from __future__ import annotations

from math import isfinite

from rapida_media.kernels import Audio, MediaStream
from rapida_media.sip.address import Address
from rapida_media.testing.network import Packet


class MediaNode:
    """One end of a PCMU stream at an address.

    frames: as they came out; arrivals: when each did.
    """

    def __init__(self, host: str, port: int, stream: MediaStream) -> None:
        self.address = Address(host, port)
        self.stream = stream
        self.frames: list[Audio] = []
        self.arrivals: list[float] = []
        self.digits: list[tuple[str, int, int]] = []
        self.marks: list[tuple[int, bool]] = []

    def connect(self, remote: Address, now: float, *, sending: bool = True) -> None:
        """Configure the stream for PCMU with telephone-events towards a peer and start it."""
        self.stream.configure(
            receive={0: "PCMU"},
            send_payload_type=0,
            send_encoding="PCMU",
            receive_events=(101,),
            send_event=101,
            remote=(remote.host, remote.port),
            sending=sending,
        )
        self.stream.start(now)

    # Node.

    def receive(self, packet: Packet, now: float) -> None:
        source = packet.source
        self.stream.receive_datagram(packet.data, (source.host, source.port), now)

    def next_timeout(self) -> float | None:
        waiting, sending = self.stream.next_timeout(), self.stream.next_send_time()
        if not isfinite(sending):
            return waiting
        return sending if waiting is None else min(waiting, sending)

    def handle_timeout(self, now: float) -> None:
        self.stream.handle_timeout(now)

    def packets_to_send(self, now: float) -> list[Packet]:
        while (frame := self.stream.next_frame()) is not None:
            self.frames.append(frame)
            self.arrivals.append(now)
        while (digit := self.stream.next_digit()) is not None:
            self.digits.append(digit)
        while (mark := self.stream.next_mark()) is not None:
            self.marks.append(mark)
        return [
            Packet(data, self.address, Address(*destination))
            for data, destination in self.stream.datagrams_to_send(now)
        ]
