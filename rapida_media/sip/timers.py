"""The one deadline heap of a SIP endpoint, and the values RFC 3261 gives its timers (table 4).

Transactions and sessions start timers here; the endpoint asks ``next_deadline`` and calls
``fire``. A timer names its event (``"timer_a"``) so that a state table can be indexed by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TimerValues:
    """Base values in seconds: RFC 3261 section 17.1.1.1 and table 4."""

    t1: float = 0.5  # round-trip estimate
    t2: float = 4.0  # longest retransmit interval of non-INVITE requests and INVITE responses
    t4: float = 5.0  # longest time a message stays in the network
    d: float = 32.0  # "Timer D … a value of at least 32 seconds for unreliable transports"

    @property
    def give_up(self) -> float:
        """Timers B, F, H, J, L and M: 64*T1."""
        return 64 * self.t1


class TimerOwner(Protocol):
    """What a timer calls when its deadline has come."""

    def handle_timer(self, event: str, now: float) -> None: ...


class Timer:
    """A started timer; kept by its owner only to cancel it."""

    __slots__ = ("event", "owner")

    def __init__(self, owner: TimerOwner, event: str) -> None:
        self.owner: TimerOwner | None = owner
        self.event = event


class Timers:
    """A heap of deadlines. Cancelling is lazy, and the heap is rebuilt before the dead outnumber
    the living, so its size stays within twice the number of running timers."""

    __slots__ = ("_cancelled", "_heap", "_started")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._started = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def start(self, deadline: float, owner: TimerOwner, event: str) -> Timer:
        """Call ``owner.handle_timer(event, now)`` once ``deadline`` (monotonic s) has come."""
        timer = Timer(owner, event)
        self._started += 1  # equal deadlines fire in the order they were started
        heappush(self._heap, (deadline, self._started, timer))
        return timer

    def cancel(self, timer: Timer | None) -> None:
        """Forget a timer; None, a fired and a cancelled one are fine."""
        if timer is None or timer.owner is None:
            return
        timer.owner = None
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].owner is not None]
            heapify(self._heap)
            self._cancelled = 0

    def next_deadline(self) -> float | None:
        """Give the earliest deadline, or None when no timer runs."""
        heap = self._heap
        while heap and heap[0][2].owner is None:
            heappop(heap)
            self._cancelled -= 1
        return heap[0][0] if heap else None

    def fire(self, now: float) -> None:
        """Run every timer due at ``now``, earliest first, including those started meanwhile."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            timer = heappop(self._heap)[2]
            owner, timer.owner = timer.owner, None
            assert owner is not None, "next_deadline leaves a live timer at the top"
            owner.handle_timer(timer.event, now)
