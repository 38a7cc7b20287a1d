"""The lossy call of ``make demo``: speech through a bad network and the adaptive playout.

The media streams of two ends, with a network between them that loses packets singly and in bursts,
delays them unevenly and once stands still, by a seed; all in virtual time. What became of each
20 ms is kept for the picture: sent, lost, made up, and how late it was heard.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from rapida_media.kernels import MediaStream, parse_rtp
from rapida_media.media.frame import RATE_HZ
from rapida_media.media.wav import read_wav
from rapida_media.rtp.quality import QualityMeter

HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.2", 5000)
TICK_S = 0.005
PCMU_HZ = 8000
# The network: shares and lengths of losses in the bad state and out of it, delays in ms.
BAD_SHARE, BAD_PACKETS, LOSS_GOOD, LOSS_BAD = 0.02, 8, 0.01, 0.5
DELAY_MS, JITTER_MS = 30, 8
STALL_AT_S, STALL_S = 3.0, 0.12


@dataclass
class LossyCall:
    """sent, heard: ±1.0 at RATE_HZ, heard from the first frame on. Times in seconds.

    lost: when each packet that never came was sent. network: (sent, its delay in ms) of those that
    came. concealed: when a frame with made-up sound was heard. heard_delay: (when, ms behind).
    """

    sent: NDArray[np.float64]
    heard: NDArray[np.float64]
    heard_at: float = 0.0
    lost: list[float] = field(default_factory=list)
    network: list[tuple[float, float]] = field(default_factory=list)
    concealed: list[float] = field(default_factory=list)
    heard_delay: list[tuple[float, float]] = field(default_factory=list)
    figures: dict[str, int | float | None] = field(default_factory=dict)


class BadNetwork:
    """Decides the fate of packets: None for lost, else the time of arrival. First in, first out."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 — repeatable on purpose
        self._bad = False
        self._free_at = 0.0

    def carry(self, now: float) -> float | None:
        leave = 1 / BAD_PACKETS if self._bad else BAD_SHARE
        if self._random.random() < leave:
            self._bad = not self._bad
        delay_ms = DELAY_MS + self._random.expovariate(1 / JITTER_MS)
        if self._random.random() < (LOSS_BAD if self._bad else LOSS_GOOD):
            return None
        arrival = now + delay_ms / 1000
        if STALL_AT_S <= now < STALL_AT_S + STALL_S:
            arrival = max(arrival, STALL_AT_S + STALL_S + DELAY_MS / 1000)
        self._free_at = max(arrival, self._free_at + 0.0002)
        return self._free_at


def place_lossy_call(speech: Path, seed: int = 4) -> LossyCall:
    """Send the speech through the network; the same seed gives the same call."""
    pcm = read_wav(speech)
    sender, receiver = _stream(1, THERE), _stream(2, HERE)
    sender.write(pcm)
    sender.start(0.0)
    call = LossyCall(_samples(pcm), np.zeros(0))
    network, flying, heard = BadNetwork(seed), list[tuple[float, bytes]](), bytearray()
    now, end = 0.0, len(pcm) / 2 / RATE_HZ
    while now < end + DELAY_MS / 1000:
        if now < end:
            _send(sender, network, flying, call, now)
        while flying and flying[0][0] <= now:
            at, data = heapq.heappop(flying)
            receiver.receive_datagram(data, HERE, at)
        receiver.handle_timeout(now)
        while (frame := receiver.next_frame()) is not None:
            _hear(receiver, frame.concealed, call, now)
            if not heard:
                call.heard_at = now
            heard += frame.pcm
        now = round(now + TICK_S, 6)
    call.heard = _samples(bytes(heard))
    meter = QualityMeter()
    meter.codec = "PCMU"
    call.figures = receiver.statistics()
    call.figures |= meter.assess({**call.figures, "round_trip_ms": 2 * DELAY_MS})
    return call


def _stream(ssrc: int, remote: tuple[str, int]) -> MediaStream:
    stream = MediaStream(ssrc=ssrc, sequence_number=1, timestamp=0, jitter="adaptive")
    stream.configure(receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=remote)
    return stream


def _send(
    sender: MediaStream,
    network: BadNetwork,
    flying: list[tuple[float, bytes]],
    call: LossyCall,
    now: float,
) -> None:
    for data, _ in sender.datagrams_to_send(now):
        packet = parse_rtp(data)
        assert packet is not None, "our own packets are well-formed"
        sent = packet.timestamp / PCMU_HZ
        arrival = network.carry(sent)
        if arrival is None:
            call.lost.append(sent)
        else:
            call.network.append((sent, 1000 * (arrival - sent)))
            heapq.heappush(flying, (arrival, data))


def _hear(receiver: MediaStream, concealed: bool, call: LossyCall, now: float) -> None:
    if concealed:
        call.concealed.append(now)
    position, _, pausing = receiver.playout_state()
    if not pausing:
        call.heard_delay.append((now, 1000 * (now - position / PCMU_HZ)))


def _samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2") / 32768.0
