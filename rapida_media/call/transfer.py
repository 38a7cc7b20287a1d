"""What became of a transfer, as ``await call.transfer(…)`` gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    """One target that was called, and what it answered."""

    uri: str
    status: int


@dataclass(frozen=True, slots=True)
class TransferOutcome:
    """status: what the target answered, or the far end where it refused to call it (RFC 3515).

    202: the far end took the order and hung up before it told the outcome, as many do.
    408: it never told, or nobody answered.
    party: who answered a second leg of ours. tried: all that were called by one, in order.
    """

    status: int
    reason: str
    party: str | None = None
    tried: tuple[Attempt, ...] = ()

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300
