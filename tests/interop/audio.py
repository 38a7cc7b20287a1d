"""Compare what was heard with what was said: read a WAV, align, correlate."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]

# Two resamplers on the way may delay by half a sample of the telephone's 8 kHz, at which speech
# no longer correlates with itself; on this grid they are aligned to a thirty-second of it.
GRID_HZ = 64_000


class Sound(NamedTuple):
    """One channel of s16 audio."""

    rate_hz: int
    samples: Samples

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate_hz

    def without_silence_around(self, floor: float = 200.0) -> Sound:
        """Cut what is not louder than the floor off both ends."""
        (loud,) = np.nonzero(np.abs(self.samples) > floor)
        assert len(loud), "nothing but silence"
        return Sound(self.rate_hz, self.samples[loud[0] : loud[-1] + 1])

    def on_grid(self) -> Samples:
        """Give the samples at GRID_HZ: the same band, interpolated by a longer transform."""
        factor = GRID_HZ // self.rate_hz
        assert factor * self.rate_hz == GRID_HZ
        spectrum = np.fft.rfft(self.samples)
        return np.fft.irfft(spectrum, factor * len(self.samples)) * factor


class Match(NamedTuple):
    """delay_ms: how much later it was heard.  correlation: of the aligned parts, -1…1."""

    delay_ms: float
    correlation: float


def read_wav(path: Path) -> list[Sound]:
    """Give the channels of an s16 WAV file."""
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2, f"{path} is not 16 bit"
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        channels = pcm.reshape(-1, file.getnchannels()).T.astype(np.float64)
        return [Sound(file.getframerate(), channel) for channel in channels]


def match(said: Sound, heard: Sound) -> Match:
    """Find the shift of ``heard`` against ``said`` that fits best, and how well it fits."""
    first, second = said.on_grid(), heard.on_grid()
    size = 1 << (len(first) + len(second)).bit_length()
    spectrum = np.fft.rfft(second, size) * np.conj(np.fft.rfft(first, size))
    shift = int(np.argmax(np.fft.irfft(spectrum, size)))
    if shift > size // 2:
        shift -= size
    first = first[max(-shift, 0) :]
    second = second[max(shift, 0) :]
    length = min(len(first), len(second))
    correlation = np.corrcoef(first[:length], second[:length])[0, 1]
    return Match(1000 * shift / GRID_HZ, float(correlation))


def words_within(speech: Path, heard: Sound) -> float:
    """Give how well all words of a speech file are found in what was heard, as a correlation."""
    (said,) = read_wav(speech)
    words = said.without_silence_around()
    assert heard.seconds >= words.seconds, "shorter than the words"
    return match(words, heard).correlation


def match_of_most_pieces(said: Sound, heard: Sound, piece_seconds: float = 0.5) -> Match:
    """Align each piece by itself; give the median delay and correlation.

    For an echo of packets that came unevenly: where the agent had nothing to send in time, a
    silent frame was sent, and what follows is later than what went before.
    """
    length = int(piece_seconds * said.rate_hz)
    matches = []
    for at in range(0, len(said.samples) - length, length):
        piece = said.samples[at : at + length]
        around = heard.samples[at : at + 2 * length]
        if np.abs(piece).max() > 500 and len(around) == 2 * length:
            matches.append(match(Sound(said.rate_hz, piece), Sound(heard.rate_hz, around)))
    return Match(*(float(np.median(values)) for values in zip(*matches, strict=True)))
