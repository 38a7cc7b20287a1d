"""The far end's clock, seen by the audio it sends."""

from __future__ import annotations

import random

import pytest

from rapida_media.legs.far_clock import FarClock


def hear(clock: FarClock, begin: float, seconds: float, ppm: float, jitter_s: float = 0.0) -> float:
    """Have a far end, its clock so much faster, send 20 ms messages; gives when it ends."""
    chance = random.Random(1)
    step = 0.02 / (1 + ppm / 1e6)
    count = round(seconds / step)
    for index in range(count):
        clock.heard(0.02, begin + index * step + chance.expovariate(1) * jitter_s)
    return begin + count * step


@pytest.mark.parametrize("ppm", [-200.0, 0.0, 50.0, 200.0])
def test_what_clocks_drift_apart_in_an_hour_is_known_to_a_few_milliseconds(ppm: float) -> None:
    clock = FarClock()
    hear(clock, 100.0, 3600.0, ppm, jitter_s=0.004)
    assert clock.drift_s == pytest.approx(-ppm * 3600e-6, abs=0.004)


def test_a_pause_is_no_drift_and_what_had_drifted_stays() -> None:
    clock = FarClock()
    ended = hear(clock, 0.0, 600.0, -100.0)
    drifted = clock.drift_s
    assert drifted == pytest.approx(0.06, abs=0.001)
    hear(clock, ended + 30.0, 60.0, 0.0)
    assert clock.drift_s == pytest.approx(drifted, abs=1e-6)


def test_a_longer_way_is_no_drift() -> None:
    clock = FarClock()
    ended = hear(clock, 0.0, 60.0, 0.0)
    hear(clock, ended + 0.05, 60.0, 0.0)
    assert clock.drift_s == pytest.approx(0.0, abs=1e-6)


def test_a_far_end_that_is_far_too_fast_is_not_followed() -> None:
    clock = FarClock()
    hear(clock, 0.0, 300.0, 20_000.0)
    assert clock.drift_s == 0.0
