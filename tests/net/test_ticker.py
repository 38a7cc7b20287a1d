"""The ticker keeps an absolute schedule and measures its lateness; on a loop with a set clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

import pytest

from rapida_media.net.ticker import LATENESS_BOUNDS_MS, Ticker


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ScriptedLoop:
    """The part of an event loop that the ticker uses; ``now`` moves only when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self._timers: list[tuple[float, int, Handle, Callable[[], object]]] = []
        self._order = count()

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], object]) -> Handle:
        handle = Handle()
        heapq.heappush(self._timers, (when, next(self._order), handle, callback))
        return handle

    def advance(self, seconds: float) -> None:
        """Let time pass, then run the timers due by its end, as one iteration of asyncio does."""
        self.now += seconds
        due = []
        while self._timers and self._timers[0][0] <= self.now:
            due.append(heapq.heappop(self._timers))
        for *_, handle, callback in due:
            if not handle.cancelled:
                callback()


@pytest.fixture
def loop() -> ScriptedLoop:
    return ScriptedLoop()


def test_ticks_come_at_multiples_of_the_period_however_late_each_one_is(loop):
    ticks = []
    ticker = Ticker(loop, 0.005, ticks.append)
    ticker.start()
    for late in (0.0, 0.003, 0.001, 0.004, 0.0):
        loop.now = 100.0 + 0.005 * (len(ticks) + 1) + late
        loop.advance(0)
    assert ticks == pytest.approx([100.005, 100.013, 100.016, 100.024, 100.025])


def test_ticks_missed_altogether_are_one_tick(loop):
    ticks = []
    ticker = Ticker(loop, 0.005, ticks.append)
    ticker.start()
    loop.advance(0.0521)
    assert len(ticks) == 1
    loop.advance(0.0030)
    assert len(ticks) == 2
    assert ticks[1] == pytest.approx(100.0551)


def test_lateness_is_counted_in_classes_and_the_worst_is_kept(loop):
    ticker = Ticker(loop, 0.005, lambda now: None)
    ticker.start()
    for gap in (0.0055, 0.0085, 0.1000):
        loop.advance(gap)
    counted = dict(zip((*LATENESS_BOUNDS_MS, "more"), ticker.lateness, strict=True))
    assert counted == {1: 1, 2: 0, 5: 1, 10: 0, 20: 0, 40: 0, "more": 1}
    assert ticker.worst_ms == pytest.approx(99.0)
    assert ticker.ticks == 3


def test_a_stopped_ticker_ticks_no_more_until_it_is_started_again(loop):
    ticks = []
    ticker = Ticker(loop, 0.005, ticks.append)
    ticker.start()
    ticker.stop()
    loop.advance(1.0)
    assert ticks == []
    ticker.start()
    loop.advance(0.006)
    assert len(ticks) == 1
