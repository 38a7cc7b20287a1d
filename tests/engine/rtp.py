"""The media half of a far end: PCMU packets, written and read by hand (RFC 3550, RFC 4733)."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rapida_media.kernels import ulaw_decode, ulaw_encode

from .waiting import eventually

Samples = npt.NDArray[np.int16]

RATE_HZ = 8000
PACKET_SAMPLES = 160
PACKET_S = PACKET_SAMPLES / RATE_HZ
EVENT_TYPE = 101
BLOCK_SAMPLES = 800
QUIET = np.zeros(PACKET_SAMPLES, np.int16)


@dataclass(frozen=True)
class RtpPacket:
    """One packet as it arrived. at: loop time."""

    at: float
    payload_type: int
    sequence_number: int
    timestamp: int
    payload: bytes


def _bound_pair(host: str) -> tuple[socket.socket, socket.socket]:
    """Take two ports in a row: the engine sends RTCP to the second, which must be nobody else's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        first, second = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
        first.bind((host, 0))
        try:
            second.bind((host, first.getsockname()[1] + 1))
        except (OSError, OverflowError):
            first.close()
            second.close()
        else:
            return first, second


class RtpPhone:
    """An RTP socket that keeps what it hears and sends PCMU on an absolute 20 ms schedule."""

    def __init__(self, host: str) -> None:
        self.remote: tuple[str, int] | None = None
        self.heard: list[RtpPacket] = []
        self.sent_packets = 0
        self._loop = asyncio.get_running_loop()
        self._socket, self._rtcp_socket = _bound_pair(host)
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket.fileno(), self._readable)
        self._sequence_number, self._timestamp, self._ssrc = 65_530, 2**32 - 400, self.port

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._rtcp_socket.close()

    def stop_reading(self) -> None:
        """Leave what arrives from now on to ``next_datagram``."""
        self._loop.remove_reader(self._socket.fileno())

    async def next_datagram(self) -> bytes:
        return await self._loop.sock_recv(self._socket, 2048)

    def _readable(self) -> None:
        while True:
            try:
                data = self._socket.recv(2048)
            except OSError:
                return
            first, second, number, timestamp, _ = struct.unpack_from("!BBHII", data)
            if 192 <= second <= 223:  # a report to who had this port before (RFC 5761 section 4)
                continue
            assert first == 0x80, "the engine sends plain headers"
            self.heard.append(
                RtpPacket(self._loop.time(), second & 127, number, timestamp, data[12:])
            )

    def send(self, data: bytes) -> None:
        assert self.remote is not None
        self._socket.sendto(data, self.remote)

    def _packet(self, payload_type: int, payload: bytes, *, marker: bool = False) -> bytes:
        second = payload_type | (0x80 if marker else 0)
        header = struct.pack(
            "!BBHII", 0x80, second, self._sequence_number, self._timestamp, self._ssrc
        )
        self._sequence_number = (self._sequence_number + 1) % 2**16
        self.sent_packets += 1
        return header + payload

    async def say(self, samples: Samples) -> None:
        """Send 8 kHz samples in real time, then one silent packet: the converters' delay."""
        start = self._loop.time()
        payload = ulaw_encode(np.append(samples, QUIET).astype("<i2").tobytes())
        for index in range(0, len(payload), PACKET_SAMPLES):
            await asyncio.sleep(start + index / RATE_HZ - self._loop.time())
            self.send(self._packet(0, payload[index : index + PACKET_SAMPLES], marker=index == 0))
            self._timestamp = (self._timestamp + PACKET_SAMPLES) % 2**32

    async def press(self, event: int, packets: int = 5) -> None:
        """Press one key: updates every 20 ms, the end three times (RFC 4733 section 2.5.1.4)."""
        for index in range(packets + 2):
            end = index >= packets - 1
            duration = min(index + 1, packets) * PACKET_SAMPLES
            payload = struct.pack("!BBH", event, 0x8A if end else 10, duration)
            self.send(self._packet(EVENT_TYPE, payload, marker=index == 0))
            await asyncio.sleep(0.005 if end else PACKET_S)
        self._timestamp = (self._timestamp + (packets + 5) * PACKET_SAMPLES) % 2**32

    def audio(self) -> Samples:
        """Decode the PCMU heard so far onto one time line."""
        packets = [packet for packet in self.heard if packet.payload_type == 0]
        if not packets:
            return np.zeros(0, np.int16)
        first = packets[0].timestamp
        ends = [(p.timestamp - first) % 2**32 + len(p.payload) for p in packets]
        line = np.zeros(max(ends), np.int16)
        for packet, end in zip(packets, ends, strict=True):
            pcm = np.frombuffer(ulaw_decode(packet.payload), "<i2")
            line[end - len(pcm) : end] = pcm
        return line

    async def hears(self, said: Samples) -> None:
        """Wait until what was heard contains what was said."""
        await eventually(lambda: share_heard(said, self.audio()) >= 0.75, every=0.05)


def speech(seconds: float, seed: int = 1) -> Samples:
    """Make band-limited noise with the rhythm of syllables: as easy to align as speech."""
    count = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum[(hertz < 300) | (hertz > 3000)] = 0
    noise = np.fft.irfft(spectrum, count)
    rhythm = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE_HZ)
    samples: Samples = (6000 * rhythm * noise / noise.std()).clip(-32000, 32000).astype(np.int16)
    return samples


def correlation(said: npt.ArrayLike, heard: npt.ArrayLike) -> float:
    """Give Pearson's correlation of what was said with the best aligned part of what was heard."""
    left, right = np.asarray(said, float), np.asarray(heard, float)
    if len(right) < max(2, len(left)):
        return 0.0
    size = 1 << (len(left) + len(right)).bit_length()
    scores = np.fft.irfft(np.fft.rfft(right, size) * np.conj(np.fft.rfft(left, size)), size)
    lag = int(np.argmax(scores[: len(right) - len(left) + 1]))
    part = right[lag : lag + len(left)]
    if not part.any():
        return 0.0
    return float(np.corrcoef(left, part)[0, 1])


def finer(samples: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Double the rate: a converter's delay may be half a sample."""
    values = np.asarray(samples, float)
    if not len(values):
        return values
    return 2 * np.fft.irfft(np.fft.rfft(values), 2 * len(values))


def share_heard(said: Samples, heard: Samples) -> float:
    """Give the share of the 100 ms blocks of what was said that were heard faithfully.

    An echo has no buffer against jitter: on a busy machine it may stumble once between two blocks.
    """
    fine_said, fine_heard = finer(said), finer(heard)
    step = 2 * BLOCK_SAMPLES
    blocks = [fine_said[i : i + step] for i in range(0, len(fine_said), step)]
    return sum(correlation(block, fine_heard) >= 0.98 for block in blocks) / len(blocks)


def loudest_hz(samples: npt.ArrayLike, rate_hz: int = RATE_HZ) -> float:
    """Give the frequency of the strongest spectral line."""
    values = np.asarray(samples, float)
    spectrum = np.abs(np.fft.rfft(values * np.hanning(len(values))))
    return float(np.argmax(spectrum)) * rate_hz / len(values)
