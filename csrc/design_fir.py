"""Design the resamplers' low-pass prototypes and write csrc/fir_tables.h.

Run by hand when a specification changes (`python csrc/design_fir.py > csrc/fir_tables.h`); needs
numpy and scipy, which the engine does not. The response printed above each table is measured on
the rounded coefficients, not on the ideal ones.

A prototype of factor K runs at K times the lower of the two rates. Edges are fractions of the lower
rate's Nyquist frequency: telephony 0.85 and 1.15 (3.4 and 4.6 kHz when that rate is 8 kHz).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import freqz, remez

Q = 30  # fractional bits of the table; a prototype sums to K, so that each of K phases sums to 1
GRID = 1 << 16


@dataclass(frozen=True)
class Prototype:
    name: str
    factor: int
    passband: float  # upper edge, in units of the lower rate's Nyquist frequency
    stopband: float
    taps: NDArray[np.int64]

    def response(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Frequency in units of the lower Nyquist frequency, and gain in dB."""
        omega, gain = freqz(self.taps / 2.0**Q / self.factor, worN=GRID)
        return omega / np.pi * self.factor, 20 * np.log10(np.abs(gain) + 1e-12)

    def describe(self) -> str:
        frequency, gain = self.response()
        inside = gain[frequency <= self.passband]
        outside = gain[frequency >= self.stopband]
        return (
            f"pass to {self.passband:g}: {inside.min():+.5f} to {inside.max():+.5f} dB; "
            f"stop from {self.stopband:g}: {outside.max():.1f} dB; {len(self.taps)} taps"
        )


def half_band(name: str, length: int, passband: float) -> Prototype:
    """Return a linear-phase half-band low-pass: every second tap but the middle one is zero.

    The taps that are not zero form, at the lower rate, an equiripple approximation of a delay of
    half a sample; so one Chebyshev fit on [0, passband] gives pass band and stop band at once.
    """
    branch = remez((length + 1) // 2, [0, passband / 2], [1], fs=1.0, maxiter=200)
    taps = np.zeros(length)
    taps[::2] = (branch + branch[::-1]) / 2
    taps[length // 2] = 1.0
    return Prototype(name, 2, passband, 2 - passband, np.round(taps * 2**Q).astype(np.int64))


def table(prototype: Prototype) -> str:
    body = ""
    for start in range(0, len(prototype.taps), 8):
        body += "    " + " ".join(f"{tap}," for tap in prototype.taps[start : start + 8]) + "\n"
    return (
        f"/* {prototype.describe()} */\n"
        f"static const int32_t {prototype.name}_taps[{len(prototype.taps)}] = {{\n{body}}};\n"
    )


def main() -> None:
    print("/* Written by design_fir.py. Low-pass prototypes in Q30, sum = factor; band edges are")
    print(" * fractions of the lower rate's Nyquist frequency, responses those of these integers. */")
    for prototype in (half_band("telephony_2", 79, 0.85),):
        print(f"\n{table(prototype)}", end="")


if __name__ == "__main__":
    main()
