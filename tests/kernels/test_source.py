"""Source statistics against RFC 3550 appendix A, by example and by its executable text."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_spec import SourceSpec

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import SourceStatistics, Verdict

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)
# Steps that tell the branches of A.1 apart, and their edges.
STEPS = st.one_of(
    st.sampled_from([1, 1, 1, 1, 0, 2, -1, -99, -100, -101, 2999, 3000, 3001, 32768]),
    st.integers(-70000, 70000),
)


def sequence(statistics: SourceStatistics, *numbers: int) -> list[Verdict]:
    return [statistics.update(n % 65536, 0, 0.0) for n in numbers]


def test_a_source_is_believed_after_two_packets_in_sequence() -> None:
    statistics = SourceStatistics(8000)
    assert sequence(statistics, 7, 9, 10, 11) == [
        Verdict.PROBATION,
        Verdict.PROBATION,
        Verdict.RESTARTED,
        Verdict.PLAYABLE,
    ]
    assert statistics.packets_expected == 2


def test_a_source_that_begins_at_65535_is_believed_at_0() -> None:
    assert sequence(SourceStatistics(8000), 65535, 0)[-1] is Verdict.RESTARTED


def test_a_duplicate_is_told_from_a_reordered_packet_as_far_as_99_back() -> None:
    statistics = SourceStatistics(8000)
    sequence(statistics, 65500, 65501, 65502)
    sequence(statistics, 65502 + 99)
    assert sequence(statistics, 65503, 65503, 65502, 65601) == [
        Verdict.REORDERED,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]


def test_a_jump_back_restarts_at_the_second_packet_in_a_row() -> None:
    statistics = SourceStatistics(8000)
    sequence(statistics, 20000, 20001, 20002)
    assert sequence(statistics, 5, 20003, 100, 101, 102) == [
        Verdict.PROBATION,
        Verdict.PLAYABLE,
        Verdict.PROBATION,
        Verdict.RESTARTED,
        Verdict.PLAYABLE,
    ]
    assert (statistics.packets_expected, statistics.packets_lost) == (2, 0)


def test_the_sequence_wraps_into_the_extended_highest_number() -> None:
    statistics = SourceStatistics(8000)
    sequence(statistics, *range(65530, 65546))
    assert statistics.report().extended_highest_sequence == 65536 + 9
    assert statistics.packets_lost == 0


def test_each_report_covers_its_own_interval() -> None:
    statistics = SourceStatistics(8000)
    sequence(statistics, 0, 1, *range(3, 41, 2))
    assert statistics.report()[:2] == ((19 << 8) // 39, 19)
    sequence(statistics, 40, 41)
    assert statistics.report()[:2] == (0, 19)


def test_jitter_of_an_even_stream_is_zero_and_a_late_packet_adds_a_sixteenth() -> None:
    statistics = SourceStatistics(8000)
    for n in range(10):
        statistics.update(n, 2**32 - 800 + 160 * n & 0xFFFFFFFF, 5.0 + n * 0.02)
    assert statistics.report().jitter == 0
    statistics.update(10, 800, 5.0 + 10 * 0.02 + 0.04)
    assert statistics.report().jitter == 320 // 16


def test_an_arrival_that_is_no_number_is_refused_before_anything_is_counted() -> None:
    statistics = SourceStatistics(8000)
    with pytest.raises(LocalProtocolError):
        statistics.update(1, 0, math.nan)
    assert statistics.packets_expected == 0


@given(first=U16, steps=st.lists(STEPS, max_size=60), reports=st.sets(st.integers(0, 60)))
def test_sequence_and_loss_follow_the_appendix(
    first: int, steps: list[int], reports: set[int]
) -> None:
    spec, statistics, seq = SourceSpec(first), SourceStatistics(8000), first
    for n, step in enumerate([0, *steps]):
        seq = (seq + step) % 65536
        valid = spec.update_seq(seq)
        assert (statistics.update(seq, 0, 0.0) is not Verdict.PROBATION) == valid
        if n in reports:
            assert tuple(statistics.report())[:3] == spec.report()[:3]
    assert tuple(statistics.report())[:3] == spec.report()[:3]


@given(packets=st.lists(st.tuples(U32, st.integers(0, 2**40)), min_size=2, max_size=40))
def test_jitter_follows_the_appendix(packets: list[tuple[int, int]]) -> None:
    spec, statistics = SourceSpec(0), SourceStatistics(8000)
    for n, (timestamp, arrival) in enumerate(packets):
        if spec.update_seq(n):
            spec.arrive(timestamp, arrival % 2**32)
        statistics.update(n, timestamp, arrival / 8000)
    assert statistics.report().jitter == spec.report()[3]
