"""What became of a transfer, as ``await call.transfer(…)`` gives it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransferOutcome:
    """status: what the target answered, or the far end where it refused to call it (RFC 3515).

    202: the far end took the order and hung up before it told the outcome, as many do.
    408: it never told.
    """

    status: int
    reason: str

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300
