"""A keeper of records that keeps nothing until it is told to."""

from __future__ import annotations

from collections.abc import Callable

from rapida_media.call.journal import Journal


class Keeper:
    def __init__(self, journal: Journal) -> None:
        self.behind = False
        self._waiting: list[Callable[[], None]] = []
        self._released = False
        journal.add_sink(self)
        journal.keep_by(self)

    def record_changed(self, record: object) -> None:
        self.behind = not self._released

    def when_kept(self, then: Callable[[], None]) -> None:
        if self.behind:
            self._waiting.append(then)
        else:
            then()

    def keep(self) -> None:
        """Keep what was told so far."""
        self.behind = False
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then()

    def keep_all(self) -> None:
        """Keep what was told and whatever comes."""
        self._released = True
        self.keep()
