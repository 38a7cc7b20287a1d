"""Provisional responses that must arrive: RFC 3262 (100rel, PRACK).

The callee's session keeps a ``ReliableProvisional`` from each such response to its PRACK; the
caller's reads ``rseq_of`` and answers with ``rack``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import parse_number

if TYPE_CHECKING:
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.timers import Timer
    from rapida_media.sip.transaction import Surroundings

OPTION = "100rel"
_LIMIT = 2**32 - 1  # RSeq and both numbers of RAck are 32 bits (section 10)


class RAck(NamedTuple):
    """Which provisional response a PRACK acknowledges (section 7.2)."""

    rseq: int
    cseq: int
    method: str

    def __str__(self) -> str:
        return f"{self.rseq} {self.cseq} {self.method}"


def rack_of(prack: Request) -> RAck:
    """Read RAck. Raises RemoteProtocolError (400) when it is missing or malformed."""
    parts = (prack.header("RAck") or "").split()
    if len(parts) != 3:
        raise RemoteProtocolError("malformed RAck", 400)
    rseq, cseq, method = parts
    return RAck(parse_number(rseq, "RAck", _LIMIT), parse_number(cseq, "RAck", _LIMIT), method)


def rseq_of(response: Response) -> int | None:
    """Give the number under which a provisional response wants its PRACK, None if it wants none.

    "If a provisional response is received for an initial request, and that response contains a
    Require header field containing the option tag 100rel, the response is to be sent reliably"
    (section 4). One without a usable RSeq cannot be acknowledged and counts as unreliable.
    """
    if response.status == 100 or not response.has("RSeq") or OPTION not in response.require:
        return None
    try:
        return parse_number(response.header("RSeq") or "", "RSeq", _LIMIT)
    except RemoteProtocolError:
        return None


class Provider(Protocol):
    """Who wants to know that no PRACK came."""

    def prack_timed_out(self, now: float) -> None: ...


class ReliableProvisional:
    """Repeats a provisional response until its PRACK comes.

    "The reliable provisional response is passed to the transaction layer periodically with an
    interval that starts at T1 seconds and doubles for each retransmission", over any transport;
    after 64*T1 "the UAS SHOULD reject the original request with a 5xx response" (section 3).
    carries_sdp: the 200 has to wait for the PRACK.
    """

    __slots__ = (
        "_around",
        "_data",
        "_give_up",
        "_interval",
        "_owner",
        "_status",
        "_timer",
        "_transaction",
        "carries_sdp",
        "rack",
    )

    def __init__(
        self,
        owner: Provider,
        transaction: ServerTransaction,
        data: bytes,
        *,
        status: int,
        rack: RAck,
        carries_sdp: bool,
        around: Surroundings,
        now: float,
    ) -> None:
        self.rack = rack
        self.carries_sdp = carries_sdp
        self._owner = owner
        self._transaction = transaction
        self._data = data
        self._status = status
        self._around = around
        self._interval = around.values.t1
        self._give_up = now + around.values.give_up
        self._timer: Timer | None = around.timers.start(now + self._interval, self, "repeat")

    def handle_timer(self, event: str, now: float) -> None:
        self._timer = None
        if now >= self._give_up:
            self._owner.prack_timed_out(now)
            return
        self._transaction.respond(self._status, self._data, now)
        self._interval *= 2
        deadline = min(now + self._interval, self._give_up)
        self._timer = self._around.timers.start(deadline, self, "repeat")

    def stop(self) -> None:
        """Repeat it no more; its PRACK is still welcome."""
        self._around.timers.cancel(self._timer)
        self._timer = None
