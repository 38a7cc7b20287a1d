"""Time and randomness that repeat: what tests hand to protocol code in place of the real ones."""

from __future__ import annotations

from random import Random


class VirtualClock:
    """Monotonic seconds that only move when told. ``World`` moves it from deadline to deadline."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def advance_to(self, now: float) -> None:
        if now < self.now:
            raise ValueError(f"time runs forward: {now} is before {self.now}")
        self.now = now


class SeededIds:
    """``IdSource`` that gives the same ids for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 — repeatable on purpose

    def token(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def number(self, bits: int) -> int:
        return self._random.getrandbits(bits)
