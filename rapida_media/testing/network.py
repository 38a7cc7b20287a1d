"""A bad network on virtual time: seeded loss, delay, reordering and duplication of datagrams.

``World`` puts datagrams in and takes them out when they arrive. Scenario tests set the rates, or
install a ``filter`` that decides about single datagrams ("lose the first ACK").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import NamedTuple

from rapida_media.sip.address import Address


class Packet(NamedTuple):
    """A datagram between two addresses."""

    data: bytes
    source: Address
    destination: Address


@dataclass(slots=True)
class Conditions:
    """How a network treats what is sent.

    loss, duplication: shares in [0, 1]. delay and jitter in seconds: a packet takes ``delay`` plus
    a uniform random part of ``jitter``, so that jitter also reorders.
    """

    loss: float = 0.0
    duplication: float = 0.0
    delay: float = 0.010
    jitter: float = 0.0


class Network:
    """Packets in flight, ordered by arrival."""

    def __init__(self, seed: int = 0, conditions: Conditions | None = None) -> None:
        self.conditions = conditions or Conditions()
        self.filter: Callable[[Packet], bool] | None = None  # False loses the packet
        self.sent = 0
        self.lost = 0
        self._random = Random(seed)  # noqa: S311 — repeatable on purpose
        self._flying: list[tuple[float, int, Packet]] = []

    def __len__(self) -> int:
        return len(self._flying)

    def send(self, packet: Packet, now: float) -> None:
        """Put a packet on its way, or lose it."""
        self.sent += 1
        if self.filter is not None and not self.filter(packet):
            self.lost += 1
            return
        copies = 2 if self._random.random() < self.conditions.duplication else 1
        for _ in range(copies):
            if self._random.random() < self.conditions.loss:
                self.lost += 1
                continue
            delay = self.conditions.delay + self._random.random() * self.conditions.jitter
            # The count keeps equal arrivals in the order they were sent.
            heappush(self._flying, (now + delay, self.sent, packet))

    def next_arrival(self) -> float | None:
        return self._flying[0][0] if self._flying else None

    def receive(self, now: float) -> Packet | None:
        """Take the next packet that has arrived by ``now``."""
        if self._flying and self._flying[0][0] <= now:
            return heappop(self._flying)[2]
        return None
