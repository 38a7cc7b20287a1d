"""Design the resamplers' low-pass prototypes and write csrc/fir_tables.h.

Run by hand when a specification changes (`python csrc/design_fir.py > csrc/fir_tables.h`); needs
scipy, which the engine does not. The response printed above each table is measured on its rounded
integers, not on the ideal ones; the kernels round once more, and the tests measure that.

A prototype of factor K runs at K times the lower of the two rates. Edges are fractions of the lower
rate's Nyquist frequency: telephony 0.85 and 1.15 (3.4 and 4.6 kHz when that rate is 8 kHz).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.signal import freqz, group_delay

Q = 30  # fractional bits of the table; a prototype sums to K, so that each of K phases sums to 1
GRID = 1 << 16
TELEPHONY = 0.85  # 3.4 of 4 kHz; the stop band begins as far above the Nyquist frequency: 4.6
WIDEBAND = 0.875  # 7 of 8 kHz; stop band from 9
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
            f"stop from {self.stopband:g}: {outside.max():.1f} dB"
        )

    def delay(self) -> float:
        """Return the group delay in samples at a quarter of the lower Nyquist frequency."""
        _, samples = group_delay((self.taps / 2.0**Q, 1), w=[np.pi / self.factor / 4])
        return float(samples[0])


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


def low_pass(
    name: str, factor: int, length: int, passband: float, looser: float = 1.0
) -> Prototype:
    """Return a linear-phase low-pass; its pass band may err `looser` times more than its stop band.

    The response is exactly 1 at 0 Hz and 0 at the multiples of the lower rate, which makes every
    phase sum to 1: a constant input gives the same constant at every output.
    """
    half = (length - 1) // 2
    stopband = 2 - passband
    weights = np.ones(half + 1) * 2.0
    weights[0] = 1.0

    def cosines(frequency: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.cos(np.pi / factor * np.outer(frequency, np.arange(half + 1))) * weights

    points = 10 * half
    inside = np.linspace(0, passband, round(points * passband / factor))
    outside = np.linspace(stopband, factor, round(points * (factor - stopband) / factor))
    images = np.arange(0, factor // 2 + 1) * 2.0
    branch = minimax(
        np.concatenate([cosines(inside) / looser, cosines(outside)]),
        np.concatenate([np.ones(len(inside)) / looser, np.zeros(len(outside))]),
        equal=(cosines(images), (images == 0).astype(float)),
    )
    taps = np.concatenate([branch[:0:-1], branch]) * factor
    return Prototype(name, factor, passband, stopband, np.round(taps * 2**Q).astype(np.int64))


def minimum_phase(linear: Prototype) -> Prototype:
    """Return the prototype of the same gain that delays least: all zeros moved inside the circle.

    Homomorphic: the phase belonging to a minimum-phase system is the Hilbert transform of the
    logarithm of its gain, that is, its cepstrum is causal.
    """
    size = 1 << 22  # zeros on the circle make the cepstrum decay slowly; this leaves 1e-7
    gain = np.abs(np.fft.rfft(linear.taps / 2.0**Q, size))
    cepstrum = np.fft.irfft(np.log(np.maximum(gain, 1e-9)))
    cepstrum[1 : size // 2] *= 2
    cepstrum[size // 2 + 1 :] = 0
    taps = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[: len(linear.taps)]
    taps *= linear.factor / np.sum(taps)
    name = linear.name.replace("linear", "low_delay")
    return Prototype(
        name,
        linear.factor,
        linear.passband,
        linear.stopband,
        np.round(taps * 2**Q).astype(np.int64),
    )


def table(prototype: Prototype) -> str:
    body = ""
    for start in range(0, len(prototype.taps), 8):
        body += "    " + " ".join(f"{tap}," for tap in prototype.taps[start : start + 8]) + "\n"
    return (
        f"/* {prototype.describe()} */\n"
        f"static const int32_t {prototype.name}_taps[{len(prototype.taps)}] = {{\n{body}}};\n"
        f"static const double {prototype.name}_delay = {prototype.delay():.4f};\n"
    )


def prototypes() -> Iterator[Prototype]:
    """Give each profile's prototype for every factor between 8, 16, 24, 32 and 48 kHz."""
    yield half_band("telephony_2", 79, TELEPHONY)
    yield low_pass("telephony_3", 3, 111, TELEPHONY, looser=10)
    yield low_pass("telephony_4", 4, 151, TELEPHONY, looser=10)
    yield low_pass("telephony_6", 6, 231, TELEPHONY, looser=10)
    yield half_band("wideband_2", 95, WIDEBAND)
    yield low_pass("wideband_3", 3, 133, WIDEBAND, looser=10)
    yield low_pass("wideband_4", 4, 177, WIDEBAND, looser=10)
    for factor, length in ((2, 71), (3, 107), (4, 141), (6, 209)):
        linear = low_pass(f"telephony_linear_{factor}", factor, length, TELEPHONY, looser=10)
        yield minimum_phase(linear)
    for factor, length in ((2, 85), (3, 127), (4, 167)):
        linear = low_pass(f"wideband_linear_{factor}", factor, length, WIDEBAND, looser=10)
        yield minimum_phase(linear)


def main() -> None:
    print(HEADER)
    for prototype in prototypes():
        print(f"\n{table(prototype)}", end="")


if __name__ == "__main__":
    main()
