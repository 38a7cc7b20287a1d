"""How long to wait before an offer that met another one is made again (RFC 3261 section 14.1).

Each session keeps one ``OfferWait`` for its re-INVITEs and UPDATEs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol
from weakref import proxy

from rapida_media.sip.back_off import retry_after

if TYPE_CHECKING:
    from rapida_media.sip.message import Response
    from rapida_media.sip.timers import Timer
    from rapida_media.sip.user_agent import UserAgent

# How long a Retry-After may put an offer of ours off, and how often in a row that may happen.
LONGEST_WAIT_S = 32
MOST_REFUSALS = 8


class Offerer(Protocol):
    """Who offers again."""

    direction: str

    def offer_again(self, now: float) -> None: ...


class OfferWait:
    """refusals: how often in a row an offer was refused for now."""

    __slots__ = ("_agent", "_owner", "_timer", "refusals")

    def __init__(self, owner: Offerer, agent: UserAgent) -> None:
        self._owner = proxy(owner)  # which holds us
        self._agent = agent
        self._timer: Timer | None = None
        self.refusals = 0

    def start(self, status: int, response: Response | None, now: float) -> bool:
        """Wait, if a refused offer may be made again; False when it may not."""
        wait = self._seconds(status, response)
        if wait is None or not self.count():
            return False
        self._timer = self._agent.timers.start(now + wait, self, "offer_again")
        return True

    def count(self) -> bool:
        """Count a refusal that asks for another try; False when there were too many."""
        self.refusals += 1
        return self.refusals <= MOST_REFUSALS

    def stop(self) -> None:
        self._agent.timers.cancel(self._timer)
        self._timer = None

    def handle_timer(self, event: str, now: float) -> None:
        self._timer = None
        self._owner.offer_again(now)

    def _seconds(self, status: int, response: Response | None) -> float | None:
        """Draw the wait.

        After a 491: "If the UAC is the owner of the Call-ID of the dialog ID …, T has a randomly
        chosen value between 2.1 and 4 seconds in units of 10 ms", otherwise "between 0 and 2
        seconds in units of 10 ms". A 500 tells by Retry-After when the peer's INVITE is done.
        """
        draw = self._agent.ids.number(16)
        if status == 491:
            owner = self._owner.direction == "outgoing"
            return 2.1 + draw % 191 / 100 if owner else draw % 201 / 100
        if status == 500 and response is not None and response.has("Retry-After"):
            return float(min(retry_after(response) or 0, LONGEST_WAIT_S))
        return None
