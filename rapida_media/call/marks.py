"""Points of what an agent writes that somebody waits for: told when the audio before is over.

Each ``Call`` has one; the leg reports the points by their number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapida_media.legs.base import Leg

Told = Callable[[bool], None]


class Marks:
    """The marks of one leg that were not reached yet."""

    def __init__(self, leg: Leg) -> None:
        self._leg = leg
        self._waiting: dict[int, Told] = {}
        self._last = 0

    def add(self, told: Told) -> None:
        """Have ``told`` called once the audio before is over: True if it was heard.

        LocalProtocolError when too many wait.
        """
        self._last += 1
        self._leg.mark(self._last)
        self._waiting[self._last] = told

    def reached(self, mark_id: int, played: bool) -> None:
        self._waiting.pop(mark_id)(played)

    def drop(self) -> None:
        """The call is over: nothing more is heard."""
        for mark_id in list(self._waiting):
            self.reached(mark_id, False)
