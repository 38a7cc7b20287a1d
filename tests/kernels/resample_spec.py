"""What the resampler must give, in Python integers, and how its quality is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, gcd, log2
from pathlib import Path

import numpy as np

TABLES = Path(__file__).parents[2] / "csrc" / "fir_tables.h"


def prototype(name: str) -> list[int]:
    """Return the Q30 taps checked in under that name."""
    found = re.search(rf"{name}_taps\[\d+\] = \{{(.*?)\}}", TABLES.read_text(), re.DOTALL)
    assert found, f"no table {name}"
    return [int(tap) for tap in found[1].replace(",", " ").split()]


@dataclass(frozen=True)
class Conversion:
    """A pair of rates and the prototype it takes, with the rounded coefficients it runs on."""

    from_hz: int
    to_hz: int
    profile: str

    @property
    def lower_hz(self) -> int:
        return min(self.from_hz, self.to_hz)

    @property
    def up(self) -> int:
        return self.to_hz // gcd(self.from_hz, self.to_hz)

    @property
    def down(self) -> int:
        return self.from_hz // gcd(self.from_hz, self.to_hz)

    @property
    def factor(self) -> int:
        return max(self.up, self.down)

    @property
    def table(self) -> str:
        band = "telephony" if self.lower_hz == 8000 else "wideband"
        return f"{band}{'_low_delay' if self.profile == 'low_delay' else ''}_{self.factor}"

    @property
    def edges_hz(self) -> tuple[float, float]:
        passed = 0.85 if self.lower_hz == 8000 else 0.875
        return passed * self.lower_hz / 2, (2 - passed) * self.lower_hz / 2

    @property
    def shift(self) -> int:
        """Fractional bits of the taps: 20, and one for each full halving of the gain."""
        return 20 + floor(log2(self.factor / self.up))

    def taps(self) -> list[int]:
        """The integer taps; those of one phase sum to 2**shift."""
        scale = self.factor << (30 - self.shift)
        taps = [tap * self.up for tap in prototype(self.table)]
        return [(abs(t) * 2 + scale) // (2 * scale) * (1 if t >= 0 else -1) for t in taps]

    def resample(self, pcm: Sequence[int]) -> list[int]:
        """Zero-stuff by `up`, convolve, keep every `down`-th sample, round half up and clip."""
        taps = self.taps()
        out = []
        for at in range(0, len(pcm) * self.up, self.down):
            phase, newest = at % self.up, at // self.up
            total = sum(
                tap * pcm[newest - j]
                for j, tap in enumerate(taps[phase :: self.up])
                if newest - j >= 0
            )
            out.append(max(-32768, min(32767, (total + (1 << self.shift - 1)) >> self.shift)))
        return out

    def response_db(self, frequencies_hz: np.ndarray) -> np.ndarray:
        """Gain in dB of the filter as it is computed, at its own rate: factor times the lower."""
        taps = self.taps()
        angles = -2j * np.pi * np.asarray(frequencies_hz) / (self.factor * self.lower_hz)
        gain = np.exp(np.outer(angles, np.arange(len(taps)))) @ np.array(taps) / 2.0**self.shift
        return 20 * np.log10(np.abs(gain) / self.up + 1e-15)


def sinad_db(pcm: np.ndarray, hz: float, rate_hz: int) -> float:
    """Signal over everything else, the sine found by least squares."""
    angle = 2 * np.pi * hz / rate_hz * np.arange(len(pcm))
    basis = np.stack([np.cos(angle), np.sin(angle), np.ones_like(angle)], axis=1)
    fit = basis @ np.linalg.lstsq(basis, pcm, rcond=None)[0]
    return 10 * np.log10(np.sum(fit**2) / np.sum((pcm - fit) ** 2))
