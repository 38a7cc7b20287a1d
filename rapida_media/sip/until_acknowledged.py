"""A response to an INVITE that the session repeats until the caller acknowledges it.

    2xx                  until its ACK       RFC 3261 section 13.3.1.4
    reliable 1xx         until its PRACK     RFC 3262 section 3

Both are repeated "with an interval that starts at T1 seconds and doubles for each retransmission",
over any transport, since hops beyond the next may be unreliable, and are given up after 64*T1. A
2xx doubles "until it reaches T2 seconds", a provisional response goes on doubling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.timers import Timer
    from rapida_media.sip.transaction import Surroundings


class UntilAcknowledged:
    """One response on its way, from the moment it was first sent.

    data: the response as sent. timed_out: told when nobody acknowledged it. longest_interval:
    in seconds, None for no limit.
    """

    __slots__ = (
        "_around",
        "_data",
        "_give_up",
        "_interval",
        "_longest",
        "_status",
        "_timed_out",
        "_timer",
        "_transaction",
    )

    def __init__(
        self,
        transaction: ServerTransaction,
        status: int,
        data: bytes,
        *,
        around: Surroundings,
        now: float,
        timed_out: Callable[[float], None],
        longest_interval: float | None = None,
    ) -> None:
        self._transaction = transaction
        self._status = status
        self._data = data
        self._around = around
        self._timed_out = timed_out
        self._longest = longest_interval
        self._interval = around.values.t1
        self._give_up = now + around.values.give_up
        self._timer: Timer | None = around.timers.start(now + self._interval, self, "repeat")

    def handle_timer(self, event: str, now: float) -> None:
        self._timer = None
        if now >= self._give_up:
            self._timed_out(now)
            return
        self._transaction.respond(self._status, self._data, now)
        self._interval *= 2
        if self._longest is not None:
            self._interval = min(self._interval, self._longest)
        deadline = min(now + self._interval, self._give_up)
        self._timer = self._around.timers.start(deadline, self, "repeat")

    def stop(self) -> None:
        """Repeat it no more."""
        self._around.timers.cancel(self._timer)
        self._timer = None


class AcceptedInvite(UntilAcknowledged):
    """A 2xx without its ACK: "if the server retransmits the 2xx response for 64*T1 seconds without
    receiving an ACK, the dialog is confirmed, but the session SHOULD be terminated".

    cseq: what the ACK says. initial: it answered the INVITE that began the call.
    """

    __slots__ = ("cseq", "initial")

    def __init__(
        self,
        transaction: ServerTransaction,
        data: bytes,
        *,
        cseq: int,
        initial: bool,
        around: Surroundings,
        now: float,
        timed_out: Callable[[float], None],
    ) -> None:
        super().__init__(
            transaction,
            200,
            data,
            around=around,
            now=now,
            timed_out=timed_out,
            longest_interval=around.values.t2,
        )
        self.cseq = cseq
        self.initial = initial
