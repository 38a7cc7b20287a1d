"""Whether something was said: one piece of audio found in a longer one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rapida_media.media.frame import RATE_HZ

Samples = npt.NDArray[np.float64]

# Of the same words through a telephone codec; speech of others stays far below.
ALIKE = 0.85
# In energy, all that was heard against what was said: it cannot be in there, and mostly nothing is.
QUIETER = 0.1
# What a telephone carries, with room for the slope of its filters.
LOWEST_HZ, HIGHEST_HZ = 100, 3600


def find(said: bytes, heard: bytes) -> int | None:
    """Give the sample of ``heard`` at which ``said`` begins, None where it is not in there.

    Both s16le mono 16 kHz; compared in the telephone's band.
    """
    left, right = _samples(said), _samples(heard)
    if len(right) < len(left) or _energy(right) <= QUIETER * _energy(left):
        return None
    size = 1 << (len(left) + len(right)).bit_length()
    band = _band(size)
    spectrum_left, spectrum_right = np.fft.rfft(left, size) * band, np.fft.rfft(right, size) * band
    places = len(right) - len(left) + 1
    scores = np.fft.irfft(spectrum_right * np.conj(spectrum_left), size)[:places]
    energy = np.concatenate(([0.0], np.cumsum(np.fft.irfft(spectrum_right, size) ** 2)))
    windows = energy[len(left) : len(left) + places] - energy[:places]
    own = _energy(np.fft.irfft(spectrum_left, size))
    # Windows that hold next to nothing would be alike to anything.
    alike = scores / np.sqrt(own * np.maximum(windows, own / 1000))
    best = int(np.argmax(alike))
    return best if alike[best] >= ALIKE else None


def _energy(samples: Samples) -> float:
    # No dot product: that wakes threads, one for each processor, for a tenth of a millisecond.
    return float(np.square(samples).sum())


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def _band(size: int) -> npt.NDArray[np.bool_]:
    hertz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    band: npt.NDArray[np.bool_] = (hertz >= LOWEST_HZ) & (hertz <= HIGHEST_HZ)
    return band
