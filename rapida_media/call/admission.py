"""Admission: how many calls at once, how many new ones a second, and none while draining."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not admitted. retry_after_s: whole seconds, for ``Retry-After``."""

    reason: str
    retry_after_s: int


class Admission:
    """A concurrency limit and a token bucket that holds one second's worth of calls."""

    def __init__(self, max_calls: int, calls_per_second: float) -> None:
        self._max_calls = max_calls
        self._rate = calls_per_second
        self._burst = max(1.0, calls_per_second)
        self._tokens = self._burst
        self._refilled_at: float | None = None
        self.draining = False

    def admit(self, active: int, now: float) -> Refusal | None:
        """Tell why another call may not come in beside ``active`` ones, None when it may."""
        if (full := self.full(active)) is not None:
            return full
        self._refill(now)
        if self._tokens < 1:
            return Refusal("calls_per_second", ceil((1 - self._tokens) / self._rate))
        self._tokens -= 1
        return None

    def full(self, active: int) -> Refusal | None:
        """Tell why calls are not taken for now, beside ``active`` ones; admits none."""
        if self.draining:
            return Refusal("draining", 30)
        return Refusal("max_calls", 5) if active >= self._max_calls else None

    def _refill(self, now: float) -> None:
        if self._refilled_at is not None:
            earned = (now - self._refilled_at) * self._rate
            self._tokens = min(self._burst, self._tokens + earned)
        self._refilled_at = now
