"""Notices that something is wrong with the media of a call while it is: one side is not heard, or
nobody speaks.

The RTP leg asks once a second, with the statistics of its stream. Each trouble is told once, and
again only after it was over.

    what is missing                         told after
    packets of the far end, while we send   5 s
    and its reports, in a pause of its own  15 s
    ours at the far end, says its RTCP      two of its reports in a row without progress
    speech, of either side                  15 s
"""

from __future__ import annotations

from collections.abc import Mapping

ONE_WAY_S = 5.0
# RFC 3389 section 4 lets a sender say once that it is silent and then send nothing. Its reports go
# on, every 6 s at the latest (RFC 3550 section 6.3.1): two in a row may be lost.
ONE_WAY_IN_PAUSE_S = 15.0
STALLED_REPORTS = 2
# Fewer packets than this between two reports may still be on their way.
REPORTED_PACKETS = 100
DEAD_AIR_S = 15.0

Figures = Mapping[str, int | float | None]


class MediaWatch:
    """One call's. Findings are "received" or "sent" for the side that is missing, "speech"."""

    def __init__(self) -> None:
        self._heard: tuple[int, int] | None = None  # received, sent at the last progress
        self._heard_at = 0.0
        self._reported: tuple[int, int, int] | None = None  # reports, highest, sent
        self._reported_at = 0.0
        self._stalled = 0
        self._spoken = -1
        self._spoken_at = 0.0
        self._told: set[str] = set()

    def look(self, figures: Figures, highest: int, now: float) -> list[tuple[str, float]]:
        """Give what is newly wrong, and for how many seconds. highest: as the far end reports."""
        troubles = {
            "received": self._deaf(figures, now),
            "sent": self._unheard(figures, highest, now),
            "speech": self._speechless(figures, now),
        }
        found = [(name, s) for name, s in troubles.items() if s and name not in self._told]
        self._told = {name for name, seconds in troubles.items() if seconds}
        return found

    def rest(self) -> None:
        """Silence is expected now: a hold."""
        self._heard = self._reported = None
        self._stalled, self._spoken = 0, -1
        self._told.clear()

    def _deaf(self, figures: Figures, now: float) -> float:
        received, sent = _count(figures, "packets_received"), _count(figures, "packets_sent")
        enough = ONE_WAY_S
        if figures.get("far_end_pauses"):
            received += _count(figures, "rtcp_received")
            enough = ONE_WAY_IN_PAUSE_S
        if self._heard is None or received != self._heard[0]:
            self._heard, self._heard_at = (received, sent), now
        seconds = now - self._heard_at
        return seconds if seconds >= enough and sent > self._heard[1] else 0.0

    def _unheard(self, figures: Figures, highest: int, now: float) -> float:
        reports, sent = _count(figures, "rtcp_received"), _count(figures, "packets_sent")
        if self._reported is None:
            self._reported = reports, highest, sent
            self._reported_at = now
        elif reports != self._reported[0] and sent - self._reported[2] >= REPORTED_PACKETS:
            if highest == self._reported[1]:
                self._stalled += 1
            else:
                self._stalled, self._reported_at = 0, now
            self._reported = reports, highest, sent
        return now - self._reported_at if self._stalled >= STALLED_REPORTS else 0.0

    def _speechless(self, figures: Figures, now: float) -> float:
        spoken = _count(figures, "received_active_ms") + _count(figures, "sent_active_ms")
        if spoken != self._spoken:
            self._spoken, self._spoken_at = spoken, now
        seconds = now - self._spoken_at
        return seconds if seconds >= DEAD_AIR_S else 0.0


def _count(figures: Figures, name: str) -> int:
    return int(figures.get(name) or 0)
