"""Counters: how dropped, late and refused input stays visible without a log line per packet."""

from __future__ import annotations

from collections import Counter


class Counters:
    """Named event counts of one component."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        self._counts[name] += amount

    def __getitem__(self, name: str) -> int:
        return self._counts[name]

    def snapshot(self) -> dict[str, int]:
        """Give all counts by name, in alphabetical order."""
        return dict(sorted(self._counts.items()))
