"""Ways to fill lost packets of telephone speech: ours, published ones, and other implementations.

Called by the table "concealment". Each takes all of a coded recording at 8 kHz and which packets of
20 ms are lost, and gives what would be played, without delay against the original.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.peers import library
from rapida_media.kernels import Concealer

Samples = NDArray[np.int16]
Floats = NDArray[np.float64]
Lost = NDArray[np.bool_]
Fill = Callable[[Samples, Lost], Samples]

PACKET = 160


def silence(pcm: Samples, lost: Lost) -> Samples:
    played = pcm.copy()
    played.reshape(-1, PACKET)[lost] = 0
    return played


def ours(packets_ahead: int) -> Fill:
    """Fill with our kernel; so many packets after a gap are here, as far as they are not lost."""

    def fill(pcm: Samples, lost: Lost) -> Samples:
        concealer, parts = Concealer(), []
        for start, end in _runs(lost):
            if not lost[start]:
                parts.append(concealer.heard(_packets(pcm, start, end)))
                continue
            ahead = end
            while ahead < min(len(lost), end + packets_ahead) and not lost[ahead]:
                ahead += 1
            later = _packets(pcm, end, ahead)
            parts.append(concealer.bridge((end - start) * PACKET, later))
        return np.frombuffer(b"".join(parts), np.int16)

    return fill


def _runs(lost: Lost) -> list[tuple[int, int]]:
    """Cut into runs of packets that came and of packets that are lost."""
    edges = [0, *(np.flatnonzero(np.diff(lost)) + 1).tolist(), len(lost)]
    return list(pairwise(edges))


def _packets(pcm: Samples, start: int, end: int) -> bytes:
    return pcm[start * PACKET : end * PACKET].tobytes()


def spandsp(pcm: Samples, lost: Lost) -> Samples:
    ffi, lib = library("spandsp")
    state, played = lib.plc_init(ffi.NULL), pcm.copy()
    for number, missing in enumerate(lost):
        at = ffi.cast("int16_t *", played.ctypes.data + 2 * PACKET * number)
        (lib.plc_fillin if missing else lib.plc_rx)(state, at, PACKET)
    lib.plc_free(state)
    return played


class AppendixI:
    """ITU-T G.711 Appendix I in blocks of 10 ms, written from its text; 3.75 ms of delay."""

    BLOCK, SHORTEST, LONGEST, COMPARED, HISTORY = 80, 40, 120, 160, 390
    DELAY = 30  # a quarter of the longest period
    FADE = 0.2  # of the first amplitude, each 10 ms from the second on
    LAST_SOUNDING = 6  # blocks

    def __init__(self) -> None:
        self.history = np.zeros(self.HISTORY)
        self.frozen = self.cycles = self.history
        self.erased = 0  # blocks of this gap
        self.period = self.length = self.quarter = self.offset = 0

    def received(self, block: Floats) -> Floats:
        """Take a good block; the first after a gap is overlapped with the sound that goes on."""
        block = block.copy()
        if self.erased:
            overlap = min(self.quarter + 32 * (self.erased - 1), self.BLOCK)
            rising = np.arange(1, overlap + 1) / overlap
            sound = self._read(overlap) * max(0.0, 1 - self.FADE * (self.erased - 1))
            block[:overlap] = sound * (1 - rising) + block[:overlap] * rising
            self.erased = 0
        return self._delay(block)

    def missing(self) -> Floats:
        """Make a block: one period is repeated, then two, then three, fading."""
        if self.erased == 0:
            self._begin()
            sound = self._read(self.BLOCK)
        elif self.erased < 3:
            sound = self._lengthen()
        elif self.erased < self.LAST_SOUNDING:
            sound = self._read(self.BLOCK)
        else:
            sound = np.zeros(self.BLOCK)
        if 0 < self.erased < self.LAST_SOUNDING:
            slope = np.arange(self.BLOCK) / self.BLOCK
            sound = sound * (1 - self.FADE * (self.erased - 1 + slope))
        self.erased += 1
        return self._delay(sound)

    def _begin(self) -> None:
        self.frozen, self.period = self.history.copy(), self._find_period()
        self.quarter, self.offset = self.period // 4, 0
        self._use(1)
        self.history[-self.quarter :] = self.cycles[-self.quarter :]

    def _find_period(self) -> int:
        newest = self.history[-self.COMPARED :]

        def likeness(lag: int) -> float:
            earlier = self.history[-self.COMPARED - lag : -lag]
            return float(newest @ earlier / np.sqrt(max(earlier @ earlier, 1600.0)))

        return max(range(self.SHORTEST, self.LONGEST + 1), key=likeness)

    def _use(self, periods: int) -> None:
        """Repeat so many periods; their end is blended into what stood before their beginning."""
        self.length, quarter = periods * self.period, self.quarter
        rising = np.arange(1, quarter + 1) / quarter
        end = len(self.frozen) - self.length
        self.cycles = self.frozen.copy()
        before = self.frozen[end - quarter : end]
        self.cycles[-quarter:] = self.frozen[-quarter:] * (1 - rising) + before * rising

    def _lengthen(self) -> Floats:
        offset = self.offset
        ending = self._read(self.quarter)
        self.offset = offset % self.period
        self._use(self.erased + 1)
        sound = self._read(self.BLOCK)
        rising = np.arange(1, self.quarter + 1) / self.quarter
        sound[: self.quarter] = ending * (1 - rising) + sound[: self.quarter] * rising
        return sound

    def _read(self, n: int) -> Floats:
        places = (self.offset + np.arange(n)) % self.length
        self.offset = (self.offset + n) % self.length
        return self.cycles[len(self.cycles) - self.length + places]

    def _delay(self, block: Floats) -> Floats:
        self.history = np.concatenate([self.history[self.BLOCK :], block])
        return self.history[-self.BLOCK - self.DELAY : -self.DELAY].copy()


def appendix_i(pcm: Samples, lost: Lost) -> Samples:
    filler, blocks = AppendixI(), []
    for number, block in enumerate(pcm.reshape(-1, AppendixI.BLOCK).astype(float)):
        packet = number * AppendixI.BLOCK // PACKET
        blocks.append(filler.missing() if lost[packet] else filler.received(block))
    played = np.concatenate([*blocks, np.zeros(AppendixI.DELAY)])[AppendixI.DELAY :]
    return np.clip(np.rint(played), -32768, 32767).astype(np.int16)


def wsola(pcm: Samples, lost: Lost) -> Samples:
    """Stretch what was heard over the gap: 10 ms segments, each overlapped where it fits best.

    Segments are taken from the last 40 ms, found by normalised correlation with the 5 ms before
    them; the first packet after the gap is overlapped in the same way, in 5 ms. The 5 ms before the
    gap are changed as well, which in use would cost as much delay.
    """
    overlap, segment, searched = 40, 80, 320
    rising = np.arange(1, overlap + 1) / overlap
    played = pcm.astype(float)
    for start, end in [(s * PACKET, e * PACKET) for s, e in _runs(lost) if lost[s]]:
        sound = played[max(0, start - searched) : start].copy()
        heard = sound
        while len(sound) < len(heard) + end - start + overlap:
            at = _most_alike(sound[-overlap:], heard[: len(heard) - segment])
            piece = heard[at : at + overlap + segment]
            sound[-overlap:] = sound[-overlap:] * (1 - rising) + piece[:overlap] * rising
            sound = np.concatenate([sound, piece[overlap:]])
        played[start - overlap : end] = sound[len(heard) - overlap :][: end - start + overlap]
        meet = played[end : end + overlap]
        after = sound[len(heard) + end - start :][: len(meet)]
        played[end : end + overlap] = after * (1 - rising[: len(meet)]) + meet * rising[: len(meet)]
    return np.clip(np.rint(played), -32768, 32767).astype(np.int16)


def _most_alike(template: Floats, where: Floats) -> int:
    windows = np.lib.stride_tricks.sliding_window_view(where, len(template))
    energies = np.einsum("ij,ij->i", windows, windows)
    return int(np.argmax(windows @ template / np.sqrt(energies + 1)))


FILLS: dict[str, Fill] = {
    "rapida-media, two packets ahead": ours(2),
    "rapida-media, one packet ahead": ours(1),
    "rapida-media, nothing ahead": ours(0),
    "G.711 Appendix I": appendix_i,
    "spandsp": spandsp,
    "WSOLA": wsola,
    "silence": silence,
}
