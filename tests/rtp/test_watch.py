"""The detectors of one-way audio and dead air, fed once a second."""

from __future__ import annotations

import pytest

from rapida_media.rtp.watch import MediaWatch


class Side:
    """Counters that run as told."""

    def __init__(self) -> None:
        self.watch = MediaWatch()
        self.figures: dict[str, int | float | None] = dict.fromkeys(
            ("packets_received", "packets_sent", "rtcp_received", "received_active_ms"), 0
        )
        self.highest = 0
        self.now = 100.0
        self.found: list[tuple[str, float]] = []

    def run(
        self, seconds: int, *, received: int = 50, sent: int = 50, spoken: int = 500,
        reports: bool = True, progress: bool = True,
    ) -> list[tuple[str, float]]:  # fmt: skip
        found = []
        for _ in range(seconds):
            self.now += 1
            steps = {
                "packets_received": received,
                "packets_sent": sent,
                "received_active_ms": spoken,
                "rtcp_received": int(reports and self.now % 5 == 0),
            }
            for name, step in steps.items():
                self.figures[name] = (self.figures[name] or 0) + step
            if progress:
                self.highest += 50
            found += self.watch.look(self.figures, self.highest, self.now)
        return found


def test_a_good_call_is_left_alone() -> None:
    assert Side().run(600) == []


def test_a_far_end_not_heard_is_told_once_after_five_seconds() -> None:
    side = Side()
    side.run(10)
    assert side.run(20, received=0) == [("received", 5.0)]
    assert side.run(5) == []
    assert side.run(20, received=0) == [("received", 5.0)]


def test_a_far_end_in_a_pause_of_its_own_is_not_missed_while_its_reports_come() -> None:
    """RFC 3389 section 4: one comfort noise packet may be all that is sent of a pause."""
    side = Side()
    side.run(10)
    side.figures["far_end_pauses"] = 1
    assert side.run(60, received=0) == []
    assert side.run(20, received=0, reports=False) == [("received", 15.0)]


def test_nobody_is_missed_while_we_send_nothing() -> None:
    assert Side().run(30, received=0, sent=0) == []


def test_a_far_end_that_reports_nothing_of_ours_is_told_once() -> None:
    side = Side()
    side.run(12)
    ((missing, seconds),) = side.run(40, progress=False)
    assert missing == "sent"
    assert 8 <= seconds <= 20


def test_a_far_end_without_rtcp_is_not_suspected() -> None:
    assert Side().run(60, reports=False, progress=False) == []


@pytest.mark.parametrize("seconds", [14, 16])
def test_dead_air_is_told_after_fifteen_seconds(seconds: int) -> None:
    side = Side()
    side.run(10)
    assert side.run(seconds, spoken=0) == ([("speech", 15.0)] if seconds > 15 else [])
    assert side.run(3) == []


def test_a_hold_is_silence_on_purpose() -> None:
    side = Side()
    side.run(10)
    side.watch.rest()
    side.now += 60
    assert side.run(4, received=0, spoken=0) == []
