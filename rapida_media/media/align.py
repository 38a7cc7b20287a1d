"""How much later and how faithfully one recording channel repeats another: the echo measurement."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Below this the "sent" channel holds no signal worth aligning (about -66 dBov).
QUIET_RMS = 16.0


@dataclass(frozen=True, slots=True)
class Echo:
    """delay_ms: how much later the right channel is.  correlation: 1.0 for a perfect copy."""

    delay_ms: float
    correlation: float


def measure_echo(path: Path, max_delay_ms: float = 2000.0) -> Echo | None:
    """Align the right channel of a stereo recording with the left one.

    None when the left channel is silent or the file too short. The correlation is Pearson's, over
    the part both channels cover after alignment.
    """
    left, right, rate_hz = _read_stereo(path)
    if len(left) < rate_hz // 10 or np.sqrt(np.mean(np.square(left))) < QUIET_RMS:
        return None
    lag = _best_lag(left, right, int(max_delay_ms * rate_hz / 1000))
    length = len(left) - lag
    return Echo(lag * 1000 / rate_hz, _correlation(left[:length], right[lag:]))


def _read_stereo(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    with wave.open(str(path), "rb") as source:
        samples = np.frombuffer(source.readframes(source.getnframes()), "<i2").astype(np.float64)
        return samples[0::2], samples[1::2], source.getframerate()


def _best_lag(left: NDArray[np.float64], right: NDArray[np.float64], limit: int) -> int:
    """Give the lag of the highest cross-correlation, 0 to ``limit``, by FFT."""
    size = 1 << (2 * len(left) - 1).bit_length()
    spectrum = np.fft.rfft(right, size) * np.conj(np.fft.rfft(left, size))
    scores = np.fft.irfft(spectrum, size)[: min(limit, len(left) // 2) + 1]
    return int(np.argmax(scores))


def _correlation(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    left, right = left - left.mean(), right - right.mean()
    scale = float(np.sqrt(np.dot(left, left) * np.dot(right, right)))
    return float(np.dot(left, right)) / scale if scale else 0.0
