"""Where the far end's sound lies on our time line: by its own time stamps, and by what its clock
and ours drift apart.

    lateness = when a frame came - its time stamp

Queues only ever add to it, so the least lateness of a window is the way at its emptiest. The first
window's anchors the sound: its first frame alone may have waited somewhere. What the least lateness
changes from then on is the drift of the clocks, except for steps that no clock makes: a longer way,
a new source. 100 ppm are a third of a second in an hour. One ``Placement`` per recording.
"""

from __future__ import annotations

from rapida_media.media.frame import RATE_HZ

WINDOW = 10 * RATE_HZ
# Crystals are 100 ppm off at worst. Frames are fetched every 5 ms, and ways are never quite empty.
LIMIT_PPM = 1000
STEP = RATE_HZ * 12 // 1000
# So far beside its place sound is moved in a pause, and so far in any case: seldom, for what is
# heard before and after is no longer as far apart as it was said.
QUIET, ANYWHERE = RATE_HZ * 40 // 1000, RATE_HZ * 200 // 1000


class Placement:
    """All numbers are samples of 16 kHz, since any beginning."""

    def __init__(self) -> None:
        self._offset: int | None = None
        self._wanted = 0
        self._known: int | None = None  # the least lateness of the window before
        self._least = self._closed_at = 0

    def place(self, pts: int, now: int, *, quiet: bool) -> int:
        """Give the place of a frame with that time stamp that came now. quiet: it is a pause."""
        lateness = now - pts
        if self._offset is None:
            self._offset = self._wanted = self._least = lateness
            self._closed_at = now
        self._least = min(self._least, lateness)
        if now - self._closed_at >= WINDOW:
            self._close_window(now)
            self._least = lateness
        if abs(self._wanted - self._offset) > (QUIET if quiet else ANYWHERE):
            self._offset = self._wanted
        return self._offset + pts

    def _close_window(self, now: int) -> None:
        limit = STEP + LIMIT_PPM * (now - self._closed_at) // 1_000_000
        if self._known is None:
            self._wanted = self._least
        elif abs(self._least - self._known) <= limit:
            self._wanted += self._least - self._known
        self._known, self._closed_at = self._least, now
