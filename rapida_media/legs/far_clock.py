"""The clock of a far end that has neither time stamps nor marks, told by how its audio comes.

Whoever sends audio all the time, a message of 20 ms every 20 ms of its own clock, shows that clock:

    delay = time since the beginning - audio received since then

is the way's delay and a constant, plus what the clocks have drifted apart. Queues only ever add to
it, so the least delay of a window is the way at its emptiest, and what that least delay has changed
since the first window is the drift. A pause in what comes, or a change that no clock makes, begins
anew from what has drifted so far. Used by ``StreamLeg`` only.
"""

from __future__ import annotations

WINDOW_S = 2.0
# No audio for so long is a pause: how long it was by the far end's clock is not known.
PAUSE_S = 0.1
# Crystals are 100 ppm off at worst, and what is far above that is no clock.
LIMIT_PPM = 1000.0
# Clocks that are read in steps, Asterisk's timer or a poll of ours, jump by so much at times.
STEP_S = 0.012


class FarClock:
    """drift_s: how much longer than by the far end's clock it has been by ours; grows while the far
    end's is the slower one."""

    def __init__(self) -> None:
        self.drift_s = 0.0
        self._heard_at: float | None = None
        self._begin(0.0)

    def _begin(self, now: float) -> None:
        self._began_at = self._window_began_at = now
        self._received_s = 0.0
        self._least: float | None = None  # of this window
        self._known: float | None = None  # that of the window before

    def heard(self, duration_s: float, now: float) -> None:
        """Take note of audio that has come, so much by the far end's clock."""
        if self._heard_at is None or now - self._heard_at > PAUSE_S:
            self._begin(now)
        self._heard_at = now
        delay = now - self._began_at - self._received_s
        self._received_s += duration_s
        self._least = delay if self._least is None else min(self._least, delay)
        if now - self._window_began_at >= WINDOW_S:
            self._close_window(self._least, now)

    def _close_window(self, least: float, now: float) -> None:
        limit = STEP_S + LIMIT_PPM / 1e6 * (now - self._window_began_at)
        if self._known is not None and abs(least - self._known) <= limit:
            self.drift_s += least - self._known
        self._known, self._least, self._window_began_at = least, None, now
