"""A transaction and what is around it: its timers run, and what it sends is taken, by hand."""

from __future__ import annotations

from rapida_media.sip.timers import TimerValues
from rapida_media.sip.transaction import Surroundings
from rapida_media.stats import Counters


class Surrounded:
    """The surroundings of one transaction."""

    def __init__(self) -> None:
        self.around = Surroundings(TimerValues(), Counters())

    def run(self, until: float) -> list[float]:
        """Let time pass; give when something was sent."""
        times = [0.0] * len(self.sent())
        while (at := self.around.timers.next_deadline()) is not None and at <= until:
            self.around.timers.fire(at)
            times += [at] * len(self.sent())
        return times

    def sent(self) -> list[bytes]:
        data = [datagram.data for datagram in self.around.outbox]
        self.around.outbox.clear()
        return data
