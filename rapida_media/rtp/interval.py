"""When the next RTCP packet is due: RFC 3550 section 6.2 and 6.3, with the names of appendix A.7.

One ``RtcpTimer`` per stream, owned by ``session``. It knows sizes, times and counts of members,
and nothing of what a packet says:

    due ── now ≥ due ──► reconsider: draw T again; tp + T still ahead → due = tp + T
                                      else transmit → tp = now, due = now + T
    a member leaves     tp and due move towards now (reverse reconsideration)
"""

from __future__ import annotations

from math import e

from rapida_media.ids import IdSource

# Section 6.2: "It is RECOMMENDED that the fraction of the session bandwidth added for RTCP be
# fixed at 5%." Of G.711 with its headers, 80 kbit/s, that is this many octets per second.
BANDWIDTH = 80_000 * 0.05 / 8
# Section 6.2: "The RECOMMENDED value for a fixed minimum interval is 5 seconds."
MINIMUM_S = 5.0
# Section 6.2: "one quarter of the RTCP bandwidth" for the senders, while they are few.
SENDER_SHARE = 0.25
# Section 6.3.1: "to compensate for the fact that the timer reconsideration algorithm converges to
# a value of the RTCP bandwidth below the intended average".
COMPENSATION = e - 3 / 2
# Sizes include "lower-layer transport and network protocol" headers: UDP over IPv4.
HEADER_OCTETS = 28
_FIRST_SIZE = 120 + HEADER_OCTETS
_RANDOM_BITS = 24


def interval_s(
    members: int, senders: int, average_size: float, *, we_sent: bool, initial: bool
) -> float:
    """Give the deterministic interval Td (section 6.3.1)."""
    minimum = MINIMUM_S / 2 if initial else MINIMUM_S
    bandwidth, sharing = BANDWIDTH, members
    if senders <= members * SENDER_SHARE:
        share = SENDER_SHARE if we_sent else 1 - SENDER_SHARE
        bandwidth, sharing = BANDWIDTH * share, senders if we_sent else members - senders
    return max(minimum, average_size * sharing / bandwidth)


class RtcpTimer:
    """tp, tn and the average size of section 6.3. members: ourselves too."""

    def __init__(self, ids: IdSource, now: float) -> None:
        self._ids = ids
        self._initial = True
        self._average_size = float(_FIRST_SIZE)
        self._previous = now  # tp
        self._members_before = 1  # pmembers
        self.members, self.senders, self.we_sent = 1, 0, False
        self.due = now + self._draw()  # tn

    @property
    def member_timeout_s(self) -> float:
        """How long a silent member is remembered: five intervals of a receiver (section 6.3.5)."""
        return 5 * self._interval(we_sent=False)

    @property
    def sender_timeout_s(self) -> float:
        """How long a member that sends no RTP counts as a sender: two intervals (6.3.5)."""
        return 2 * self._interval(we_sent=self.we_sent)

    def expire(self, now: float) -> bool:
        """Whether a report may be sent now; if not, ``due`` has moved on (section 6.3.6)."""
        due = self._previous + self._draw()
        self._members_before = self.members
        if due > now:
            self.due = due
            return False
        return True

    def transmitted(self, octets: int, now: float) -> None:
        """A report of that many octets was sent at the time that ``expire`` allowed."""
        self.received(octets)
        self._previous = now
        # "Don't transmit immediately; redraw the interval" (A.7): it is no longer the initial one.
        self._initial = False
        self.due = now + self._draw()

    def received(self, octets: int) -> None:
        """Section 6.3.3: the average follows every RTCP packet, sent or received."""
        self._average_size += (octets + HEADER_OCTETS - self._average_size) / 16

    def member_left(self, now: float) -> None:
        """Section 6.3.4, reverse reconsideration; ``members`` is the smaller count already."""
        if self.members >= self._members_before:
            return
        share = self.members / self._members_before
        self.due = now + share * (self.due - now)
        self._previous = now - share * (now - self._previous)
        self._members_before = self.members

    def _interval(self, *, we_sent: bool) -> float:
        return interval_s(
            self.members, self.senders, self._average_size, we_sent=we_sent, initial=self._initial
        )

    def _draw(self) -> float:
        """Give Td times a random factor from 0.5 to 1.5, compensated."""
        fraction = self._ids.number(_RANDOM_BITS) / (1 << _RANDOM_BITS)
        return self._interval(we_sent=self.we_sent) * (0.5 + fraction) / COMPENSATION
