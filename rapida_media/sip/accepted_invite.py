"""A 2xx on its way to the caller: RFC 3261 section 13.3.1.4.

The callee's session keeps one from its 200 to the ACK, for an INVITE as for a re-INVITE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.timers import Timer
    from rapida_media.sip.transaction import Surroundings


class Acceptor(Protocol):
    """Who wants to know that nobody acknowledged."""

    def ack_timed_out(self, now: float) -> None: ...


class AcceptedInvite:
    """Repeats a 2xx until its ACK comes.

    "The 2xx response is passed to the transport with an interval that starts at T1 seconds and
    doubles for each retransmission until it reaches T2 seconds" over any transport, since hops
    beyond the next may be unreliable; "if the server retransmits the 2xx response for 64*T1
    seconds without receiving an ACK, the dialog is confirmed, but the session SHOULD be
    terminated".
    """

    __slots__ = (
        "_around",
        "_data",
        "_give_up",
        "_interval",
        "_owner",
        "_timer",
        "_transaction",
        "cseq",
        "initial",
    )

    def __init__(
        self,
        owner: Acceptor,
        transaction: ServerTransaction,
        data: bytes,
        *,
        cseq: int,
        initial: bool,
        around: Surroundings,
        now: float,
    ) -> None:
        self.cseq = cseq
        self.initial = initial
        self._owner = owner
        self._transaction = transaction
        self._data = data
        self._around = around
        self._interval = around.values.t1
        self._give_up = now + around.values.give_up
        self._timer: Timer | None = around.timers.start(now + self._interval, self, "repeat")

    def handle_timer(self, event: str, now: float) -> None:
        self._timer = None
        if now >= self._give_up:
            self._owner.ack_timed_out(now)
            return
        self._transaction.respond(200, self._data, now)
        self._interval = min(self._interval * 2, self._around.values.t2)
        deadline = min(now + self._interval, self._give_up)
        self._timer = self._around.timers.start(deadline, self, "repeat")

    def stop(self) -> None:
        self._around.timers.cancel(self._timer)
        self._timer = None
