"""Times candidates against each other in one process: interleaved rounds, medians and quartiles.

Called by `__main__.py` for every row of a table. A round gives each candidate one slot of about
half a millisecond, in an order that turns from round to round, so that whatever else the machine
does hits all alike; slow candidates sit out rounds. A candidate's ratio is taken round by round,
each against the reference in the same round: that holds still where absolute figures drift.

The floor is a call of a C function that does nothing, measured in the same loop.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.results import Figure, RowResult

NO_OP = "no-op call"
SECONDS = 0.3  # per candidate and row, for figures to compare with

# One candidate made ready: run over a batch of items, keeping its state from item to item.
Run = Callable[[Sequence[Any]], object]


class MissingPeerError(Exception):
    """A peer is not here; the text says how to get it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to do a row's work.

    make: gives a fresh Run, or raises MissingPeerError. prepare: turns an item into what this
    candidate's users would already hold (an array, a frame object); it is not timed.
    """

    name: str
    make: Callable[[], Run]
    prepare: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One job. The first candidate is the reference of all ratios."""

    name: str
    items: Sequence[Any]
    candidates: Sequence[Candidate]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure. Seconds are per candidate and row."""

    seconds: float = SECONDS
    slot_ns: int = 500_000
    least_samples: int = 5
    clock_ns: Callable[[], int] = field(default=time.perf_counter_ns)

    @property
    def rounds(self) -> int:
        return max(self.least_samples, round(self.seconds * 1e9 / self.slot_ns))


def each(function: Callable[[Any], object]) -> Run:
    """Make a Run of a function of one item."""

    def run(batch: Sequence[Any]) -> None:
        for item in batch:
            function(item)

    return run


def each_of(make: Callable[[], Callable[[Any], object]]) -> Callable[[], Run]:
    """Make a candidate's `make` of one that gives a function of one item."""
    return lambda: each(make())


@dataclass(slots=True)
class _Entry:
    """A candidate at work: `repeats` runs of `size` items fill a slot, every `stride`-th round."""

    run: Run
    items: Sequence[Any]
    size: int
    position: int = 0
    repeats: int = 1
    stride: int = 1
    samples: dict[int, float] = field(default_factory=dict)

    def time_once(self, clock_ns: Callable[[], int]) -> float:
        """Give nanoseconds per item over one slot; the next one goes on where it ends."""
        if self.position + self.size > len(self.items):
            self.position = 0
        batch = self.items[self.position : self.position + self.size]
        self.position += self.size
        run, repeats = self.run, range(self.repeats)
        start = clock_ns()
        for _ in repeats:
            run(batch)
        return (clock_ns() - start) / (self.repeats * self.size)

    def calibrate(self, plan: Plan) -> None:
        self.time_once(plan.clock_ns)  # the first run loads code and grows buffers
        item_ns = max(0.1, self.time_once(plan.clock_ns))
        self.size = max(1, min(len(self.items), round(plan.slot_ns / item_ns)))
        self.repeats = max(1, round(plan.slot_ns / (item_ns * self.size)))
        rounds = math.ceil(plan.seconds * 1e9 / (item_ns * self.size * self.repeats))
        rounds = min(plan.rounds, max(plan.least_samples, rounds))
        self.stride = plan.rounds // rounds


def _entries(row: Row) -> tuple[dict[str, _Entry], dict[str, str]]:
    entries: dict[str, _Entry] = {}
    missing: dict[str, str] = {}
    for candidate in row.candidates:
        try:
            run = candidate.make()
            items = row.items
            if candidate.prepare is not None:
                items = [candidate.prepare(item) for item in items]
        except MissingPeerError as reason:
            missing[candidate.name] = str(reason)
        else:
            entries[candidate.name] = _Entry(run, items, len(items))
    entries[NO_OP] = _Entry(each(callable), row.items, len(row.items))
    return entries, missing


def measure(row: Row, plan: Plan) -> RowResult:
    """Time a row's candidates; those whose peer is not here come back as missing."""
    entries, missing = _entries(row)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for entry in entries.values():
            entry.calibrate(plan)
        order = list(entries.values())
        for number in range(plan.rounds):
            order.append(order.pop(0))
            for entry in order:
                if number % entry.stride == 0:
                    entry.samples[number] = entry.time_once(plan.clock_ns)
    finally:
        if collecting:
            gc.enable()
    reference = entries.get(row.candidates[0].name)
    base = reference.samples if reference is not None else {}
    figures = {name: summarize(entry.samples, base) for name, entry in entries.items()}
    return {"floor_ns": figures[NO_OP]["median_ns"], "figures": figures, "missing": missing}


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Give the lower quartile, the median and the upper quartile."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, median, upper


def summarize(samples: dict[int, float], reference: dict[int, float]) -> Figure:
    """Give the figures of one candidate; both arguments are nanoseconds by round.

    The ratio says how many times the reference's time this one takes; it is 0 when they share no
    round.
    """
    lower, median, upper = quartiles(list(samples.values()))
    ratios = [value / reference[number] for number, value in samples.items() if number in reference]
    ratio = quartiles(ratios) if ratios else (0.0, 0.0, 0.0)
    return {
        "lower_ns": lower,
        "median_ns": median,
        "upper_ns": upper,
        "samples": len(samples),
        "ratio": ratio[1],
        "ratio_lower": ratio[0],
        "ratio_upper": ratio[2],
    }
