"""Tones a telephone network makes: DTMF digits (ITU-T Q.23) and call progress (ITU-T E.180).

For agents and legs that must sound like an exchange, and for tests of the DTMF detector. All PCM is
s16le mono. Levels are in dBm0: a full-scale sine is +3.14 (G.711) and -3.01 dBov (RFC 6464).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce

from rapida_media.kernels import Tone, gain_ramp, mix

DBOV_OF_0_DBM0 = -3.01 - 3.14
RAMP_MS = 2  # on and off: short beside the shortest tone, long enough not to click

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")
PAIR_OF = {
    symbol: (ROWS_HZ[row], COLUMNS_HZ[column])
    for row, symbols in enumerate(KEYPAD)
    for column, symbol in enumerate(symbols)
}


def burst(partials: Iterable[tuple[float, float]], samples: int, rate_hz: int) -> bytes:
    """Add sines, each (Hz, dBm0), from phase 0, with the edges rounded off."""
    sines = [Tone(hz, dbm0 + DBOV_OF_0_DBM0, rate_hz).read(samples) for hz, dbm0 in partials]
    return softened(reduce(mix, sines), rate_hz)


def softened(pcm: bytes, rate_hz: int) -> bytes:
    """Ramp both ends of s16le mono up and down, so that they do not click."""
    edge = 2 * min(rate_hz * RAMP_MS // 1000, len(pcm) // 4)
    middle = pcm[edge : len(pcm) - edge]
    return gain_ramp(pcm[:edge], 0, 1) + middle + gain_ramp(pcm[len(pcm) - edge :], 1, 0)


class DtmfGenerator:
    """Renders digits as sound. ValueError for times below 1 ms or symbols that are no digit.

    The default levels have the 2 dB of pre-emphasis of a telephone set and lie well inside what
    receivers accept (Q.24: 0 to -25 dBm each, at least 40 ms on and off).
    """

    def __init__(
        self,
        rate_hz: int = 16000,
        *,
        tone_ms: int = 100,
        gap_ms: int = 100,
        row_dbm0: float = -10.0,
        column_dbm0: float = -8.0,
    ) -> None:
        if tone_ms < 1 or gap_ms < 1:
            raise ValueError(f"expected at least 1 ms on and off, got {tone_ms} and {gap_ms}")
        self._rate_hz = rate_hz
        self._tone_samples = rate_hz * tone_ms // 1000
        self._gap = bytes(2 * (rate_hz * gap_ms // 1000))
        self._levels = (row_dbm0, column_dbm0)

    def render(self, digits: str) -> bytes:
        """Return the PCM of `digits` (0-9 * # A-D), each followed by a gap."""
        unknown = [digit for digit in digits if digit not in PAIR_OF]
        if unknown:
            raise ValueError(f"expected digits of 0-9 * # A-D, got {unknown[0]!r}")
        return b"".join(self._tone(digit) + self._gap for digit in digits)

    def _tone(self, digit: str) -> bytes:
        pair = zip(PAIR_OF[digit], self._levels, strict=True)
        return burst(pair, self._tone_samples, self._rate_hz)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One tone of a plan. partials: (Hz, dBm0) each. cadence_ms: on, off, on …; none: endless."""

    partials: tuple[tuple[int, float], ...]
    cadence_ms: tuple[int, ...] = ()


def at(dbm0: float, *frequencies_hz: int) -> tuple[tuple[int, float], ...]:
    """Give partials of one level."""
    return tuple((hz, dbm0) for hz in frequencies_hz)


# E.180 writes "400x25": 400 Hz modulated by 25 Hz. Full modulation is a carrier and two side tones
# of half its amplitude.
INDIAN_400X25 = ((400, -10.0), (375, -16.0), (425, -16.0))

# E.180 supplement 2 by country; "eu" is E.180's own recommendation, 425 Hz, with the cadences most
# European networks use. US levels are those of its precise tone plan, the others E.180's -10 dBm0.
PLANS: dict[str, dict[str, Pattern]] = {
    "us": {
        "dial": Pattern(at(-13, 350, 440)),
        "ringback": Pattern(at(-19, 440, 480), (2000, 4000)),
        "busy": Pattern(at(-24, 480, 620), (500, 500)),
        "congestion": Pattern(at(-24, 480, 620), (250, 250)),
    },
    "eu": {
        "dial": Pattern(at(-10, 425)),
        "ringback": Pattern(at(-10, 425), (1000, 4000)),
        "busy": Pattern(at(-10, 425), (500, 500)),
        "congestion": Pattern(at(-10, 425), (250, 250)),
    },
    "uk": {
        "dial": Pattern(at(-13, 350, 440)),
        "ringback": Pattern(at(-13, 400, 450), (400, 200, 400, 2000)),
        "busy": Pattern(at(-10, 400), (375, 375)),
        "congestion": Pattern(at(-10, 400), (400, 350, 225, 525)),
    },
    "in": {
        "dial": Pattern(INDIAN_400X25),
        "ringback": Pattern(INDIAN_400X25, (400, 200, 400, 2000)),
        "busy": Pattern(at(-10, 400), (750, 750)),
        "congestion": Pattern(at(-10, 400), (250, 250)),
    },
}


class CallProgressTone:
    """An endless tone with its cadence, the same however it is read; it starts with sound."""

    def __init__(self, period: bytes) -> None:
        self._period = period
        self._position = 0

    def read(self, samples: int) -> bytes:
        """Return the next `samples` samples as s16le mono PCM. ValueError below 0."""
        if samples < 0:
            raise ValueError(f"expected a number of samples, got {samples}")
        end = self._position + 2 * samples
        periods = -(-end // len(self._period))
        pcm = (self._period * periods)[self._position : end]
        self._position = end % len(self._period)
        return pcm


@cache
def period_of(pattern: Pattern, rate_hz: int) -> bytes:
    """Render what repeats: one cadence, or a second, which holds whole cycles of whole Hertz."""
    if not pattern.cadence_ms:
        sines = [Tone(hz, dbm0 + DBOV_OF_0_DBM0, rate_hz) for hz, dbm0 in pattern.partials]
        return reduce(mix, [sine.read(rate_hz) for sine in sines])
    pieces = []
    for place, length_ms in enumerate(pattern.cadence_ms):
        samples = rate_hz * length_ms // 1000
        pieces.append(
            bytes(2 * samples) if place % 2 else burst(pattern.partials, samples, rate_hz)
        )
    return b"".join(pieces)


def call_progress_tone(
    name: str, country_plan: str = "us", rate_hz: int = 16000
) -> CallProgressTone:
    """Start the tone "dial", "ringback", "busy" or "congestion" of the plan us, eu, uk or in.

    ValueError for another name or plan.
    """
    plan = PLANS.get(country_plan)
    if plan is None:
        raise ValueError(f"expected a plan of {', '.join(PLANS)}, got {country_plan!r}")
    if name not in plan:
        raise ValueError(f"expected a tone of {', '.join(plan)}, got {name!r}")
    if rate_hz not in (8000, 16000, 24000, 48000):
        raise ValueError(f"expected 8000, 16000, 24000 or 48000 Hz, got {rate_hz}")
    return CallProgressTone(period_of(plan[name], rate_hz))
