"""Once a second every call is looked over: media that stopped, durations, calls nobody carries.

Owned by the engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from rapida_media import clock
from rapida_media.call.endings import ended
from rapida_media.call.journal import Journal
from rapida_media.call.watchdog import NEVER_CONNECTED, never_connected
from rapida_media.config import Config
from rapida_media.net.calls import Calls

SWEEP_S = 1.0


class Others(Protocol):
    """Calls that came by another way than SIP."""

    def look_over(self, now: float, media_timeout: float, max_call_seconds: float) -> None: ...


class Sweep:
    """config: the one that counts now. others: those that did not come over SIP."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: Callable[[], Config],
        calls: Calls,
        others: Iterable[Others],
        journal: Journal,
    ) -> None:
        self._loop = loop
        self._config = config
        self._calls = calls
        self._others = tuple(others)
        self._journal = journal
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._timer = self._loop.call_later(SWEEP_S, self._look_over)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look_over(self) -> None:
        """End calls whose media stopped or that last too long."""
        self.start()
        now = clock.monotonic()
        config = self._config()
        limits = config.rtp.media_timeout, config.limits.max_call_seconds
        for call in self._calls.alive:
            call.look_over(now, *limits)
        for each in self._others:
            each.look_over(now, *limits)
        self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        """End calls that never connected, also those that nobody carries any more."""
        ending = ended(NEVER_CONNECTED)
        for call_id in never_connected(self._journal.live.values(), clock.wall()):
            carried = next((each for each in self._calls.alive if each.call.id == call_id), None)
            if carried is not None:
                carried.hang_up(ending.reason)
            else:
                self._journal.ended(call_id, **ending.facts())
