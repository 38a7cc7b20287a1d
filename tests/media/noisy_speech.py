"""Backgrounds of a call, and speech that begins at a known moment on top of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rapida_media.media.frame import FRAME_BYTES, FRAME_SAMPLES, RATE_HZ, Audio

Samples = npt.NDArray[np.float64]

# Lowest and highest frequency in Hz, and how the spectrum falls in dB per octave.
BACKGROUNDS = {
    "hiss": (0, 8000, 0),
    "telephone line": (300, 3400, 0),
    "room": (20, 8000, 3),
    "car": (20, 8000, 6),
}


def background(kind: str, seconds: float, level_dbov: float, seed: int = 1) -> Samples:
    low, high, fall = BACKGROUNDS[kind]
    count = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    spectrum[(hertz < low) | (hertz > high)] = 0
    spectrum *= (np.maximum(hertz, 50) / 1000) ** (-fall / 6)
    noise = np.fft.irfft(spectrum, count)
    result: Samples = noise / noise.std() * 32768 * 10 ** (level_dbov / 20)
    return result


def frames(samples: Samples) -> list[Audio]:
    pcm = samples.clip(-32768, 32767).astype("<i2").tobytes()
    return [
        Audio(at // 2, 0, pcm[at : at + FRAME_BYTES])
        for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)
    ]


def levels(samples: Samples) -> npt.NDArray[np.float64]:
    """Give the dBov of each whole frame."""
    whole = samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    result: npt.NDArray[np.float64] = 10 * np.log10(np.mean(whole**2, axis=1) / 2**30 + 1e-13)
    return result
