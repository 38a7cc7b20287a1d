"""Streaming sample rate converters: what a push costs, and what it does to the sound and its time.

Longer pushes than 20 ms are timed for the two pairs that telephony lives on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bench.converters import CONVERTERS, Maker, forced
from bench.harness import Candidate, MissingPeerError, Row, Run, each
from bench.material import SIZES_MS, items
from bench.quality import Pair, measure
from bench.tables import Facts, Table

PAIRS = (
    Pair(8000, 16000),
    Pair(16000, 8000),
    Pair(16000, 24000),
    Pair(24000, 16000),
    Pair(24000, 8000),
    Pair(8000, 24000),
    Pair(48000, 16000),
    Pair(16000, 48000),
)
LONG_PUSHES = PAIRS[:2]


def name_of(pair: Pair) -> str:
    return f"{pair.from_hz // 1000}→{pair.to_hz // 1000} kHz"


def rows() -> list[Row]:
    made = [_row(pair, "20 ms") for pair in PAIRS]
    made += [_row(pair, size) for pair in LONG_PUSHES for size in SIZES_MS if size != "20 ms"]
    return made


def _row(pair: Pair, size: str) -> Row:
    def bind(maker: Maker) -> Callable[[], Run]:
        return lambda: each(maker(pair.from_hz, pair.to_hz))

    candidates = [Candidate(name, bind(maker)) for name, maker in CONVERTERS.items()]
    sse2 = Candidate("rapida-media sse2", lambda: forced("sse2", pair.from_hz, pair.to_hz))
    candidates.insert(2, sse2)
    return Row(f"{name_of(pair)}, {size}", items(pair.from_hz, size), candidates)


def facts() -> Facts:
    found: Facts = {}
    for pair in PAIRS:
        group = found.setdefault(name_of(pair), {})
        for name, maker in CONVERTERS.items():
            try:
                group[name] = measure(partial(maker, pair.from_hz, pair.to_hz), pair)
            except MissingPeerError:
                continue
    return found


TABLE = Table("Streaming resamplers: one push", rows, facts)
