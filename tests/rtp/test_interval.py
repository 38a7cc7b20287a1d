"""The RTCP timer: the rule of RFC 3550 section 6.2 and 6.3, by example and over many draws."""

from __future__ import annotations

import itertools
from math import e

import pytest

from rapida_media.rtp.interval import RtcpTimer, interval_s
from rapida_media.testing.clock import SeededIds


class Draws:
    """An ``IdSource`` that draws one fraction for ever."""

    def __init__(self, fraction: float) -> None:
        self.fraction = fraction

    def token(self) -> str:
        return "0" * 32

    def number(self, bits: int) -> int:
        return int(self.fraction * 2**bits)


@pytest.mark.parametrize(
    ("members", "senders", "we_sent", "size", "expected"),
    [
        (2, 2, True, 150, 5.0),  # a call: the minimum rules
        (2, 1, False, 150, 5.0),
        (2, 2, True, 1500, 6.0),  # 1500 octets by two at 500 octets a second
        (100, 1, True, 150, 5.0),  # one sender has a quarter of the bandwidth for itself
        (100, 1, False, 150, 99 * 150 / 375),
        (100, 50, True, 150, 100 * 150 / 500),
    ],
)
def test_the_bandwidth_is_shared_but_nobody_reports_more_often_than_every_5_s(
    members: int, senders: int, we_sent: bool, size: float, expected: float
) -> None:
    interval = interval_s(members, senders, size, we_sent=we_sent, initial=False)
    assert interval == pytest.approx(expected)


def test_the_first_report_may_come_after_half_the_minimum() -> None:
    assert interval_s(2, 2, 150, we_sent=True, initial=True) == 2.5


@pytest.mark.parametrize(("fraction", "factor"), [(0.0, 0.5), (0.5, 1.0), (0.999, 1.499)])
def test_the_interval_is_drawn_around_its_compensated_value(fraction: float, factor: float) -> None:
    timer = RtcpTimer(Draws(fraction), 100.0)
    assert timer.due == pytest.approx(100 + 2.5 * factor / (e - 1.5))
    assert timer.expire(timer.due)
    timer.transmitted(100, timer.due)
    assert timer.due - 100 == pytest.approx((2.5 + 5) * factor / (e - 1.5))


def test_reconsideration_puts_a_report_off_when_the_members_have_grown() -> None:
    draws = Draws(0.0)
    timer = RtcpTimer(draws, 0.0)
    timer.members = 10_000
    due = timer.due
    assert not timer.expire(due)
    assert timer.due > due


def test_those_who_leave_bring_the_next_report_nearer() -> None:
    timer = RtcpTimer(Draws(0.5), 0.0)
    timer.members = 4
    timer.expire(0.0)
    due = timer.due
    timer.members = 2
    timer.member_left(1.0)
    assert timer.due == pytest.approx(1.0 + (due - 1.0) / 2)
    timer.member_left(1.0)
    assert timer.due == pytest.approx(1.0 + (due - 1.0) / 2)


def test_large_reports_grow_the_average_slowly() -> None:
    timer = RtcpTimer(Draws(0.5), 0.0)
    timer.members = timer.senders = 2
    for _ in range(200):
        timer.received(3000)
    assert timer.expire(100.0)
    timer.transmitted(3000, 100.0)
    assert timer.due - 100 == pytest.approx(2 * 3028 / 500 / (e - 1.5), rel=0.01)


def test_over_a_long_call_the_mean_interval_is_what_the_rule_intends() -> None:
    """The mean of the factor is 1 / (e - 1.5) before reconsideration lengthens it (section 6.3)."""
    timer = RtcpTimer(SeededIds(3), 0.0)
    timer.members = timer.senders = 2
    timer.we_sent = True
    sent, now = [], 0.0
    while now < 20_000:
        now = timer.due
        if timer.expire(now):
            timer.transmitted(150, now)
            sent.append(now)
    intervals = [b - a for a, b in itertools.pairwise(sent)]
    assert min(intervals) >= 2.5 / (e - 1.5)
    assert 4.7 < sum(intervals) / len(intervals) < 5.3
