"""Compare what was heard with what was said: read a WAV, align, correlate."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]


class Match(NamedTuple):
    """delay_ms: how much later it was heard.  correlation: of the aligned parts, -1…1."""

    delay_ms: float
    correlation: float


def read_wav(path: Path) -> tuple[int, Samples]:
    """Give (rate in Hz, samples by channel: shape (channels, length)) of an s16 WAV file."""
    with wave.open(str(path), "rb") as file:
        assert file.getsampwidth() == 2, f"{path} is not 16 bit"
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return file.getframerate(), pcm.reshape(-1, file.getnchannels()).T.astype(np.float64)


def match(said: Samples, heard: Samples, rate_hz: int) -> Match:
    """Find the shift of ``heard`` against ``said`` that fits best, and how well it fits."""
    size = 1 << (len(said) + len(heard)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(said, size))
    shift = int(np.argmax(np.fft.irfft(spectrum, size)))
    if shift > size // 2:
        shift -= size
    said = said[max(-shift, 0) :]
    heard = heard[max(shift, 0) :]
    length = min(len(said), len(heard))
    correlation = np.corrcoef(said[:length], heard[:length])[0, 1]
    return Match(1000 * shift / rate_hz, float(correlation))


def clipped_to_speech(samples: Samples, floor: float = 200.0) -> Samples:
    """Cut the silence around what is louder than the floor."""
    (loud,) = np.nonzero(np.abs(samples) > floor)
    assert len(loud), "nothing but silence"
    return samples[loud[0] : loud[-1] + 1]
