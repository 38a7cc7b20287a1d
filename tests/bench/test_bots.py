"""The table of bots, small: two calls of a second. Its figures are not judged here."""

from __future__ import annotations

from bench.bots import BOTS, engine_with_bots, measure
from bench.tables.bots import rows


def test_every_burst_of_two_calls_comes_back_from_the_bot() -> None:
    with engine_with_bots({"twilio": BOTS["twilio"]}) as engine:
        found = measure(engine, "a0", calls=2, seconds=1.0)
    print([round(each, 1) for each in found])
    assert len(found) in (4, 5, 6)
    assert all(0 < each < 1000 for each in found)


def test_every_dialect_is_timed_on_what_it_would_hear_back() -> None:
    for row in rows():
        for candidate in row.candidates:
            items = row.items if candidate.prepare is None else map(candidate.prepare, row.items)
            candidate.make()(list(items)[:3])
