"""What the resampler must give, in Python integers, and how its quality is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

TABLES = Path(__file__).parents[2] / "csrc" / "fir_tables.h"


def prototype(name: str) -> list[int]:
    """Return the Q30 taps checked in under that name."""
    found = re.search(rf"{name}_taps\[\d+\] = \{{(.*?)\}}", TABLES.read_text(), re.DOTALL)
    assert found, f"no table {name}"
    return [int(tap) for tap in found[1].replace(",", " ").split()]


def coefficients(name: str, factor: int, up: int) -> tuple[list[int], int]:
    """Return the integer taps for interpolation by `up`, and the shift that undoes their scale."""
    shift = 23 if up < factor else 22
    scale = factor << (30 - shift)
    taps = [tap * up for tap in prototype(name)]
    return [(abs(t) * 2 + scale) // (2 * scale) * (1 if t >= 0 else -1) for t in taps], shift


def resample(name: str, factor: int, up: int, down: int, pcm: Sequence[int]) -> list[int]:
    """Zero-stuff by `up`, convolve, keep every `down`-th sample, round half up and clip."""
    taps, shift = coefficients(name, factor, up)
    out = []
    for at in range(0, len(pcm) * up, down):
        phase, newest = at % up, at // up
        total = sum(
            tap * pcm[newest - j] for j, tap in enumerate(taps[phase::up]) if newest - j >= 0
        )
        out.append(max(-32768, min(32767, (total + (1 << shift - 1)) >> shift)))
    return out


def response_db(name: str, factor: int, up: int, frequencies: np.ndarray, lower_hz: int):
    """Gain in dB at the frequencies (Hz) of the filter as it is computed, coefficients rounded."""
    taps, shift = coefficients(name, factor, up)
    angles = -2j * np.pi * np.asarray(frequencies) / (factor * lower_hz)
    gain = np.exp(np.outer(angles, np.arange(len(taps)))) @ np.array(taps) / 2.0**shift / up
    return 20 * np.log10(np.abs(gain) + 1e-15)


def sinad_db(pcm: np.ndarray, hz: float, rate_hz: int) -> float:
    """Signal over everything else, the sine found by least squares."""
    angle = 2 * np.pi * hz / rate_hz * np.arange(len(pcm))
    basis = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], axis=1)
    fit = basis @ np.linalg.lstsq(basis, pcm, rcond=None)[0]
    return 10 * np.log10(np.sum(fit**2) / np.sum((pcm - fit) ** 2))
