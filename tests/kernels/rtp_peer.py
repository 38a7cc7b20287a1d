"""The far end of a stream in virtual time: numbered packets in, frames and digits out."""

from __future__ import annotations

from array import array

from rapida_media.kernels import MediaStream, format_rtp

HOST = ("192.0.2.1", 40000)
US = ("192.0.2.2", 30000)
EVENT = 101
FRAME = 320


def make_stream(**options: float | str) -> MediaStream:
    stream = MediaStream(ssrc=0xA1, sequence_number=65534, timestamp=2**32 - 320, **options)
    configure(stream)
    return stream


def configure(stream: MediaStream, **changes: object) -> None:
    settings: dict[str, object] = {
        "receive": {0: "PCMU", 8: "PCMA", 96: "L16/16000"},
        "send_payload_type": 0,
        "send_encoding": "PCMU",
        "receive_events": (EVENT,),
        "send_event": EVENT,
        "remote": HOST,
    }
    stream.configure(**{**settings, **changes})  # type: ignore[arg-type]


def constant(value: int, samples: int) -> bytes:
    return array("h", [value] * samples).tobytes()


class Peer:
    """Sends L16/16000 packets whose samples all equal the packet's number: easy to recognise."""

    def __init__(self, stream: MediaStream, *, sequence: int = 100, timestamp: int = 5000) -> None:
        self.stream = stream
        self.sequence = sequence
        self.timestamp = timestamp
        self.ssrc = 7
        self.source = HOST
        self.now = 10.0

    def packet(self, value: int = 1000, ms: int = 20, **fields: object) -> bytes:
        """Make the next packet; sequence and timestamp move on."""
        samples = 16 * ms
        swapped = array("h", [value] * samples)
        swapped.byteswap()
        return self.raw(swapped.tobytes(), units=samples, **{"payload_type": 96, **fields})

    def raw(self, payload: bytes, *, units: int = 0, **fields: object) -> bytes:
        settings: dict[str, object] = {
            "marker": False,
            "sequence_number": self.sequence % 65536,
            "timestamp": self.timestamp % 2**32,
            "ssrc": self.ssrc,
            "payload": payload,
        }
        self.sequence += 1
        self.timestamp += units
        return format_rtp(**{**settings, **fields})  # type: ignore[arg-type]

    def event(self, code: int, duration: int, *, end: bool = False, **fields: object) -> bytes:
        payload = bytes([code, 0x8A if end else 0x0A]) + duration.to_bytes(2, "big")
        return self.raw(payload, **{"payload_type": EVENT, **fields})

    def deliver(self, *datagrams: bytes) -> None:
        """Hand the packets over now, without time passing."""
        for datagram in datagrams:
            self.stream.receive_datagram(datagram, self.source, self.now)

    def send(self, *values: int, ms: int = 20) -> None:
        """Send packets at their pace."""
        for value in values:
            self.deliver(self.packet(value, ms))
            self.wait(ms)

    def wait(self, ms: float) -> None:
        """Let time pass, and the stream's deadlines with it."""
        end = self.now + ms / 1000
        while (due := self.stream.next_timeout()) is not None and due <= end:
            self.stream.handle_timeout(due)
        self.now = end

    def frames(self) -> list[tuple[int, int, int]]:
        """Take all frames as (pts in frames, flags, first sample)."""
        taken = []
        while (frame := self.stream.next_frame()) is not None:
            assert len(frame.pcm) == 2 * FRAME
            taken.append((frame.pts / FRAME, frame.flags, array("h", frame.pcm)[0]))
        return taken

    def digits(self) -> list[tuple[str, int, int]]:
        taken = []
        while (digit := self.stream.next_digit()) is not None:
            taken.append(digit)
        return taken
