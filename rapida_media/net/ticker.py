"""The one shared ticker: calls back on an absolute schedule and measures how late it was.

A late tick is followed at once by the next one that is due, so the schedule never drifts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Lateness classes in ms; the last counts everything above.
LATENESS_BOUNDS_MS = (1, 2, 5, 10, 20, 40)


class Ticker:
    """Calls ``tick(now)`` every ``period_s`` seconds between ``start`` and ``stop``."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, period_s: float, tick: Callable[[float], None]
    ) -> None:
        self._loop = loop
        self._period_s = period_s
        self._tick = tick
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self.ticks = 0
        self.worst_ms = 0.0
        self.late_s = 0.0
        self.lateness = [0] * (len(LATENESS_BOUNDS_MS) + 1)

    def start(self) -> None:
        if self._handle is None:
            self._due = self._loop.time() + self._period_s
            self._handle = self._loop.call_at(self._due, self._run)

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        now = self._loop.time()
        self._measure((now - self._due) * 1000)
        # Ticks that were missed altogether are not made up one by one: a tick sends all that
        # is due by ``now``.
        self._due += self._period_s * (1 + max(0, int((now - self._due) / self._period_s)))
        self._handle = self._loop.call_at(self._due, self._run)
        self._tick(now)

    def _measure(self, late_ms: float) -> None:
        self.ticks += 1
        self.worst_ms = max(self.worst_ms, late_ms)
        self.late_s += late_ms / 1000
        for index, bound in enumerate(LATENESS_BOUNDS_MS):
            if late_ms <= bound:
                self.lateness[index] += 1
                return
        self.lateness[-1] += 1
