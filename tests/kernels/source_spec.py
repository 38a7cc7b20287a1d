"""RFC 3550 appendix A.1, A.3 and A.8 as executable sentences, to hold the kernel against.

One difference from the appendix, on purpose: numbers wrap on probation too (the C of the appendix
compares in the width of int, so that a source beginning at 65535 would never pass).
"""

from __future__ import annotations

RTP_SEQ_MOD = 1 << 16
MAX_DROPOUT = 3000
MAX_MISORDER = 100
MIN_SEQUENTIAL = 2


class SourceSpec:
    def __init__(self, first_seq: int) -> None:
        self._begin(first_seq)
        self.max_seq = (first_seq - 1) % RTP_SEQ_MOD
        self.probation = MIN_SEQUENTIAL
        self.transit: int | None = None
        self.jitter = 0

    def _begin(self, seq: int) -> None:
        self.base_seq = self.max_seq = seq
        self.bad_seq = RTP_SEQ_MOD + 1
        self.cycles = self.received = self.received_prior = self.expected_prior = 0

    def update_seq(self, seq: int) -> bool:
        """A.1: whether the packet is valid."""
        if self.probation:
            expected = (self.max_seq + 1) % RTP_SEQ_MOD
            self.max_seq = seq
            if seq != expected:
                self.probation = MIN_SEQUENTIAL - 1
                return False
            self.probation -= 1
            if self.probation:
                return False
            self._begin(seq)
            self.received = 1
            return True
        udelta = (seq - self.max_seq) % RTP_SEQ_MOD
        if udelta < MAX_DROPOUT:
            if seq < self.max_seq:
                self.cycles += RTP_SEQ_MOD
            self.max_seq = seq
        elif udelta <= RTP_SEQ_MOD - MAX_MISORDER:
            if seq != self.bad_seq:
                self.bad_seq = (seq + 1) % RTP_SEQ_MOD
                return False
            self._begin(seq)
        self.received += 1
        return True

    def arrive(self, timestamp: int, arrival: int) -> None:
        """A.8: all numbers in RTP units modulo 2^32; jitter is kept times 16."""
        transit = (arrival - timestamp) % 2**32
        if self.transit is not None:
            d = (transit - self.transit + 2**31) % 2**32 - 2**31
            self.jitter += abs(d) - ((self.jitter + 8) >> 4)
        self.transit = transit

    def report(self) -> tuple[int, int, int, int]:
        """A.3: fraction lost, cumulative lost, extended highest sequence number, jitter."""
        extended_max = self.cycles + self.max_seq
        expected = 0 if self.probation else extended_max - self.base_seq + 1
        lost = max(-0x800000, min(0x7FFFFF, expected - self.received))
        expected_interval = expected - self.expected_prior
        received_interval = self.received - self.received_prior
        self.expected_prior, self.received_prior = expected, self.received
        lost_interval = expected_interval - received_interval
        none = expected_interval == 0 or lost_interval <= 0
        fraction = 0 if none else (lost_interval << 8) // expected_interval
        return fraction, lost, extended_max % 2**32, self.jitter >> 4
