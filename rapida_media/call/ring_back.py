"""What a caller hears while a second leg rings for it.

the caller is answered    a ring-back tone (ITU-T E.180), then the callee's early media
it is not answered yet    180, and its own phone makes the tone; 183 and the early media
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rapida_media.call.bridge import Bridge
from rapida_media.errors import LocalProtocolError
from rapida_media.media.frame import RATE_HZ
from rapida_media.media.tones import PLANS, period_of

if TYPE_CHECKING:
    from rapida_media.agents.events import Ringing
    from rapida_media.call.call import Call

PLAN = "eu"


class RingBack:
    """For one caller and one second leg; ``close`` when that is answered or given up."""

    def __init__(self, caller: Call) -> None:
        self._caller = caller
        self._tone_on = False
        self._rung = False
        self._early: Bridge | None = None

    def ringing(self, leg: Call, event: Ringing) -> None:
        """The second leg got a provisional response."""
        if self._caller.ended is not None or self._early is not None:
            return
        if event.early_media and self._open_early_media():
            self._stop_tone()
            self._early = Bridge(self._caller, leg, _parted)
        elif self._caller.answered:
            self._start_tone()
        elif not self._rung:
            self._rung = True
            with suppress(LocalProtocolError):  # its 200 is on the way, behind a PRACK
                self._caller.ring_now()

    def _open_early_media(self) -> bool:
        if self._caller.answered:
            return True
        try:
            opened = self._caller.progress_now()
        except LocalProtocolError:  # its 200 is on the way, behind a PRACK
            return False
        self._rung = self._rung or not opened  # it rings where it cannot hear
        return opened

    def close(self) -> None:
        self._stop_tone()
        if self._early is not None:
            self._early.close()

    def _start_tone(self) -> None:
        if not self._tone_on:
            self._tone_on = True
            self._play_again(True)

    def _play_again(self, played: bool) -> None:
        """Keep one cadence waiting behind the one that is heard."""
        if not (self._tone_on and played) or self._caller.ended is not None:
            return
        self._caller.write(period_of(PLANS[PLAN]["ringback"], RATE_HZ))
        self._caller.when_played(self._play_again)

    def _stop_tone(self) -> None:
        if self._tone_on:
            self._tone_on = False
            self._caller.leg.clear()


def _parted(ended: Call | None) -> None:
    """Nobody waits for the end of early media."""
