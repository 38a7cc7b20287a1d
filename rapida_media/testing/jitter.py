"""Put a jitter policy beside another: calls over trace models, and a pipe that anyone can drive.

``python -m rapida_media.testing.jitter --policy adaptive|immediate|fixed:N [--tick 10|20]`` reads
records on standard input, little-endian, and answers on standard output:

    'P' int64 arrival_us, int32 sequence, uint32 timestamp, uint32 ssrc, int32 payload_type,
        int32 marker, int32 length, payload      a packet arrives (0 PCMU, 13 comfort noise)
    'G' int64 tick_us                            a playout tick
    'Q'                                          the end

adaptive, fixed:N: each 'G' is answered with tick × 8 s16 samples at 8 kHz. immediate: each 'P' and
'G' is answered with an int32 count and as many pieces: int64 position (samples at 8 kHz since the
first packet's timestamp), int32 real (1) or concealed (0), int32 length, s16 samples.

Called by the quality bench and the tests as a library: ``make_call`` lays speech over a trace.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.kernels import MediaStream
from rapida_media.kernels._g711 import ulaw_encode
from rapida_media.testing.traces import Trace

PCMU, COMFORT_NOISE = 0, 13
PEER = ("192.0.2.1", 4000)
RTP_HEADER = struct.Struct("!BBHII")
PACKET = struct.Struct("<qiIIiii")
TICK = struct.Struct("<q")
COUNT = struct.Struct("<i")
PIECE = struct.Struct("<qii")


class RtpPacket(NamedTuple):
    """A packet as it reaches the receiver."""

    arrival_us: int
    sequence_number: int
    timestamp: int
    ssrc: int
    payload_type: int
    marker: bool
    payload: bytes

    def datagram(self) -> bytes:
        second = self.payload_type | (0x80 if self.marker else 0)
        header = RTP_HEADER.pack(
            0x80, second, self.sequence_number & 0xFFFF, self.timestamp, self.ssrc
        )
        return header + self.payload


@dataclass(frozen=True, slots=True)
class Begin:
    """From packet ``number`` on the sender counts anew; None keeps what it had."""

    number: int
    ssrc: int | None = None
    sequence_number: int | None = None
    timestamp_step: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """Packets in order of arrival. pcm: what was said, s16 at 8 kHz. places: the first sample of
    each packet in it.

    heard_us: when the first sample would be heard without a buffer. first_sample: of the first
    packet with sound that arrives.
    """

    packets: Sequence[RtpPacket]
    places: Sequence[int]
    pcm: bytes
    ptime_ms: int
    heard_us: float
    drift_ppm: float
    spoken: Sequence[tuple[int, int]]  # ranges of samples that were sent as sound
    first_sample: int


def make_call(
    trace: Trace,
    pcm: bytes,
    *,
    first: tuple[int, int] = (65_000, 4_294_900_000),
    spoken: Sequence[tuple[int, int]] | None = None,
    begins: Sequence[Begin] = (),
) -> Call:
    """Cut speech into packets and let them arrive as the trace says.

    pcm: s16 at 8 kHz, repeated when it is short. first: sequence number and timestamp. spoken:
    sample ranges outside of which the sender is silent (DTX): it sends one RFC 3389 packet at the
    end of each and a marker at the next beginning.
    """
    samples = trace.ptime_ms * 8
    total = len(trace.sent_ms) * samples
    pcm = (pcm * (total * 2 // len(pcm) + 1))[: total * 2]
    numbers = _send(trace, pcm, first, spoken, begins)
    arrived = [
        (packet._replace(arrival_us=round(arrival.at_ms * 1000)), arrival.number * samples)
        for arrival in trace.arrivals
        if (packet := numbers[arrival.number]) is not None
    ]
    packets, places = [packet for packet, _ in arrived], [place for _, place in arrived]
    heard_us = (trace.sent_ms[0] + trace.least_delay_ms) * 1000
    ranges = list(spoken) if spoken is not None else [(0, total)]
    first_sample = next(place for packet, place in arrived if packet.payload_type == PCMU)
    return Call(
        packets, places, pcm, trace.ptime_ms, heard_us, trace.drift_ppm, ranges, first_sample
    )


def _send(
    trace: Trace,
    pcm: bytes,
    first: tuple[int, int],
    spoken: Sequence[tuple[int, int]] | None,
    begins: Sequence[Begin],
) -> list[RtpPacket | None]:
    """What the sender makes of each frame: sound, comfort noise, or nothing."""
    frame_bytes = trace.ptime_ms * 16
    sequence, timestamp = first
    ssrc, marker, was_spoken = 0x1234, True, True
    at = {begin.number: begin for begin in begins}
    made: list[RtpPacket | None] = []
    for number in range(len(trace.sent_ms)):
        begin = at.get(number)
        if begin is not None:
            ssrc = ssrc if begin.ssrc is None else begin.ssrc
            sequence = sequence if begin.sequence_number is None else begin.sequence_number
            timestamp = (timestamp + begin.timestamp_step) & 0xFFFFFFFF
        here = number * frame_bytes // 2
        speaks = spoken is None or any(low <= here < high for low, high in spoken)
        frame = pcm[here * 2 : here * 2 + frame_bytes]
        if speaks:
            packet = RtpPacket(0, sequence, timestamp, ssrc, PCMU, marker, ulaw_encode(frame))
        elif was_spoken:
            packet = RtpPacket(0, sequence, timestamp, ssrc, COMFORT_NOISE, False, bytes([65]))
        if speaks or was_spoken:
            made.append(packet)
            sequence = (sequence + 1) & 0xFFFF
        else:
            made.append(None)
        marker = not speaks
        was_spoken = speaks
        timestamp = (timestamp + frame_bytes // 2) & 0xFFFFFFFF
    return made


def open_stream(policy: str) -> MediaStream:
    """Make a stream that takes PCMU and comfort noise from ``PEER``, 8 kHz on this side.

    Raises LocalProtocolError for a policy that there is not.
    """
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1, jitter=policy, framed=False)
    stream.configure(
        receive={PCMU: "PCMU"},
        send_payload_type=PCMU,
        send_encoding="PCMU",
        remote=PEER,
        sending=False,
    )
    return stream


def take_pieces(stream: MediaStream) -> Iterator[tuple[int, int, bytes]]:
    """Take what an immediate stream has to give: position, 1 real or 0 concealed, samples."""
    while (frame := stream.next_frame()) is not None:
        yield frame.pts, 0 if frame.concealed else 1, frame.pcm


class Pipe:
    """One policy behind the pipe protocol: records in, answers out."""

    def __init__(self, policy: str, tick_ms: int, source: BinaryIO, sink: BinaryIO) -> None:
        self._stream = open_stream(policy)
        self._immediate = policy == "immediate"
        self._tick_ms = tick_ms
        self._source = source
        self._sink = sink

    def run(self) -> None:
        """Answer records until 'Q' or the end of the input. RemoteProtocolError says what a record
        has wrong."""
        while (kind := self._source.read(1)) not in (b"Q", b""):
            if kind == b"P":
                self._packet()
            elif kind == b"G":
                self._tick()
            else:
                raise RemoteProtocolError(f"expected a record of 'P', 'G' or 'Q', got {kind!r}")
            if self._immediate:
                self._answer_pieces()
            self._sink.flush()

    def _read(self, size: int, what: str) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            raise RemoteProtocolError(f"expected {size} bytes of {what}, got {len(data)}")
        return data

    def _packet(self) -> None:
        fields = PACKET.unpack(self._read(PACKET.size, "a 'P' record"))
        arrival_us, sequence, timestamp, ssrc, payload_type, marker, length = fields
        for name, value, most in (("payload_type", payload_type, 127), ("length", length, 65_507)):
            if not 0 <= value <= most:
                raise RemoteProtocolError(f"{name}: expected 0 to {most}, got {value}")
        payload = self._read(length, "payload")
        packet = RtpPacket(
            arrival_us, sequence, timestamp, ssrc, payload_type, bool(marker), payload
        )
        now = arrival_us / 1e6
        self._stream.handle_timeout(now)
        self._stream.receive_datagram(packet.datagram(), PEER, now)

    def _tick(self) -> None:
        now = TICK.unpack(self._read(TICK.size, "a 'G' record"))[0] / 1e6
        self._stream.handle_timeout(now)
        if not self._immediate:
            self._sink.write(self._stream.pull(now, self._tick_ms))

    def _answer_pieces(self) -> None:
        pieces = list(take_pieces(self._stream))
        self._sink.write(COUNT.pack(len(pieces)))
        for position, real, pcm in pieces:
            self._sink.write(PIECE.pack(position, real, len(pcm) // 2) + pcm)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m rapida_media.testing.jitter",
        description="Run a jitter policy behind the pipe protocol (see the module's docstring).",
    )
    parser.add_argument("--policy", default="adaptive", help="adaptive, immediate or fixed:N (ms)")
    parser.add_argument("--tick", type=int, choices=(10, 20), default=10, help="ms of each answer")
    options = parser.parse_args(arguments)
    try:
        pipe = Pipe(options.policy, options.tick, sys.stdin.buffer, sys.stdout.buffer)
    except LocalProtocolError as error:
        parser.error(str(error))
    try:
        pipe.run()
    except RemoteProtocolError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
