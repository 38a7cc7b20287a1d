"""G.711 as the Recommendation's tables say it: decision values and output values, by search.

Slow and short on purpose. Magnitudes are in the tables' own units: 14-bit for μ-law, 13-bit for
A-law, that is a 16-bit sample divided by 4 and by 8.
"""

from __future__ import annotations

from bisect import bisect_right


def ulaw_decisions() -> list[float]:
    """Lower decision values x_n of table 2a for n = 0..127: 0, 1, 3, 5 … 31, 35, 39 … 7903."""
    values = [0, 1]
    for segment in range(8):
        step = 2 << segment
        values += [values[-1] + step * (i + 1) for i in range(15 if segment == 0 else 16)]
    return [float(value) for value in values[:128]]


def alaw_decisions() -> list[float]:
    """Lower decision values x_n of table 1a for n = 0..127: 0, 2, 4 … 64, 68 … 3968."""
    values = [0]
    for segment in range(8):
        step = 2 << max(segment - 1, 0)
        values += [values[-1] + step * (i + 1) for i in range(16)]
    return [float(value) for value in values[:128]]


ULAW_DECISIONS = ulaw_decisions()
ALAW_DECISIONS = alaw_decisions()


def midpoints(decisions: list[float], virtual_limit: float) -> list[float]:
    upper = [*decisions[1:], virtual_limit]
    return [(low + high) / 2 for low, high in zip(decisions, upper, strict=True)]


# Table 2a, last column: 0, 2, 4 …, 8031. The first interval's value is 0, not its middle.
ULAW_VALUES = [0.0, *midpoints(ULAW_DECISIONS, 8159)[1:]]
ALAW_VALUES = midpoints(ALAW_DECISIONS, 4096)


def interval(sample: int, unit: int, decisions: list[float]) -> int:
    """Return n with x_n <= |sample| < x_n+1 for positive samples, x_n < |sample| for negative ones.

    The tables leave open which side a decision value itself belongs to; the sign-magnitude
    converters they describe see a negative 16-bit sample in one's complement, so -4 lies just
    below μ-law's first decision value and 4 on it.
    """
    return bisect_right(decisions, (sample if sample >= 0 else -sample - 1) // unit) - 1


def ulaw_encode(sample: int) -> int:
    # Note 2 of table 2a: the octet is the bitwise inverse of sign (1 = negative here) and n.
    return 255 - ((128 if sample < 0 else 0) + interval(sample, 4, ULAW_DECISIONS))


def ulaw_decode(code: int) -> int:
    inverted = 255 - code
    magnitude = round(ULAW_VALUES[inverted & 127] * 4)
    return -magnitude if inverted & 128 else magnitude


def alaw_encode(sample: int) -> int:
    return ((128 if sample >= 0 else 0) + interval(sample, 8, ALAW_DECISIONS)) ^ 0x55


def alaw_decode(code: int) -> int:
    inverted = code ^ 0x55
    magnitude = round(ALAW_VALUES[inverted & 127] * 8)
    return magnitude if inverted & 128 else -magnitude
