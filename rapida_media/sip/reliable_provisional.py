"""Provisional responses that must arrive: RFC 3262 (100rel, PRACK).

The callee's session keeps a ``ReliableProvisional`` from each such response to its PRACK; the
caller's reads ``rseq_of`` and answers with ``rack``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import parse_number
from rapida_media.sip.until_acknowledged import UntilAcknowledged

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.server_transaction import ServerTransaction
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
    if response.status == 100 or not response.has("RSeq") or not response.requires(OPTION):
        return None
    try:
        return parse_number(response.header("RSeq") or "", "RSeq", _LIMIT)
    except RemoteProtocolError:
        return None


class ReliableProvisional(UntilAcknowledged):
    """One provisional response without its PRACK.

    "If a reliable provisional response is retransmitted for 64*T1 seconds without reception of a
    corresponding PRACK, the UAS SHOULD reject the original request with a 5xx response" (section
    3). rack: what its PRACK says. carries_sdp: the 200 has to wait for that.
    """

    __slots__ = ("carries_sdp", "rack")

    def __init__(
        self,
        transaction: ServerTransaction,
        status: int,
        data: bytes,
        *,
        rack: RAck,
        carries_sdp: bool,
        around: Surroundings,
        now: float,
        timed_out: Callable[[float], None],
    ) -> None:
        super().__init__(transaction, status, data, around=around, now=now, timed_out=timed_out)
        self.rack = rack
        self.carries_sdp = carries_sdp
