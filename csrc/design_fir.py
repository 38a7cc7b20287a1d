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
from scipy.optimize import linprog
from scipy.signal import freqz

Q = 30  # fractional bits of the table; a prototype sums to K, so that each of K phases sums to 1
GRID = 1 << 16
HEADER = """\
/* Written by design_fir.py. Low-pass prototypes in Q30, sum = factor; band edges are fractions of
 * the lower rate's Nyquist frequency, responses those of these very integers. */"""


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


def minimax(
    matrix: NDArray[np.float64],
    wanted: NDArray[np.float64],
    equal: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Return x with the least largest |matrix x - wanted| among the exact solutions of `equal`."""
    scale = 1e4  # errors of 1e-5 are far above the solver's tolerance only when scaled up
    rows = np.concatenate([matrix, -matrix]) * scale
    slack = -np.ones((len(rows), 1))
    solution = linprog(
        c=np.append(np.zeros(matrix.shape[1]), 1.0),
        A_ub=np.hstack([rows, slack]),
        b_ub=np.concatenate([wanted, -wanted]) * scale,
        A_eq=np.hstack([equal[0], np.zeros((len(equal[0]), 1))]),
        b_eq=equal[1],
        bounds=(None, None),
    )
    assert solution.success, solution.message
    taps: NDArray[np.float64] = solution.x[:-1]
    return taps


def half_band(name: str, length: int, passband: float) -> Prototype:
    """Return a linear-phase half-band low-pass: every second tap but the middle one is zero.

    The taps that are not zero form, at the lower rate, an equiripple approximation of a delay of
    half a sample; so one Chebyshev fit on [0, passband] gives pass band and stop band at once. The
    gain at 0 Hz is exact: a constant input gives the same constant at every output.
    """
    half = (length + 1) // 4
    frequency = np.linspace(0, passband / 2, 16 * half)
    cosines = 2 * np.cos(2 * np.pi * np.outer(frequency, np.arange(half) + 0.5))
    branch = minimax(cosines, np.ones(len(frequency)), equal=(cosines[:1], np.ones(1)))
    taps = np.zeros(length)
    taps[::2] = np.concatenate([branch[::-1], branch])
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
    print(HEADER)
    for prototype in (half_band("telephony_2", 79, 0.85),):
        print(f"\n{table(prototype)}", end="")


if __name__ == "__main__":
    main()
