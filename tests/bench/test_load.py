"""The load test, small: five calls through the real engine and its Python agent, and ten in a row.

Figures of time are not judged here, a test machine may be busy; `make load` prints them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from bench.load.churn import measure_churn
from bench.load.engine import DEFAULT_COMMAND, Engine, start_engine
from bench.load.level import Plan, measure_level
from bench.load.report import format_churn, format_levels, format_setups
from bench.load.setups import COMMAND, measure_setups
from bench.load.twilio import format_twilio, measure_twilio

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the far ends need cc")


@pytest.fixture
def engine() -> Iterator[Engine]:
    with start_engine(DEFAULT_COMMAND) as engine:
        yield engine


def test_five_calls_are_answered_and_hear_themselves(engine: Engine) -> None:
    result = measure_level(engine, 5, Plan(window_s=3.0, setups_per_second=20.0))
    print(format_levels([result]))

    assert (result.answered, result.statuses) == (5, {200: 5})
    assert not any(result.signalling.values()), result.signalling
    if result.refused:
        pytest.skip(f"the generator was starved: {result.refused}")
    assert result.echoed_share is not None
    assert result.echoed_share >= 0.99
    assert result.media["silent_calls"] == result.media["foreign"] == 0
    assert result.core_percent is not None
    assert result.core_percent > 0


def test_calls_in_a_row_give_back_what_they_took(engine: Engine) -> None:
    result = measure_churn(engine, 40, parallel=10, settle_s=1.0)
    print(format_churn(result))

    assert result.answered == 40
    assert result.readings[-1].calls_ended == 40
    assert result.readings[-1].fds == result.readings[0].fds
    assert result.readings[-1].threads == result.readings[0].threads


def test_set_ups_are_counted_by_the_cpu_they_cost() -> None:
    with start_engine(COMMAND) as engine:
        result = measure_setups(engine, 20, 40.0)
    assert (result.answered, result.statuses) == (20, {200: 20})
    assert result.cpu_ms_per_call > 0
    assert result.per_core_second == pytest.approx(1000 / result.cpu_ms_per_call)
    assert 0 < result.answer_ms["p50"] <= result.answer_ms["p95"] <= result.answer_ms["max"]
    assert "20 answered" in format_setups(result)


def test_streams_of_twilio_are_opened_and_hear_themselves() -> None:
    ours, *beside = measure_twilio(4, 2.0)
    print(format_twilio([ours, *beside]))

    assert (ours.server, ours.calls, ours.lost) == ("rapida-media", 4, 0)
    assert ours.echoed_share >= 0.9
    assert 0 < ours.round_trip_ms["p50"] <= ours.round_trip_ms["p95"]
    assert ours.core_percent > 0
    assert ours.late_ticks is not None
    assert ours.late_ticks[1] > 0
    for each in beside:  # measured where its parts are installed
        assert each.echoed_share >= 0.9
