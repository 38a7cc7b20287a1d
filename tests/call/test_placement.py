"""Where received sound is put on the time line of a recording."""

from __future__ import annotations

from random import Random

import pytest

from rapida_media.call.placement import Placement

FRAME, RATE_HZ = 320, 16_000
MS = RATE_HZ // 1000
HOUR = 3600 * 50  # frames


def errors(
    frames: int, *, ppm: float = 0, delays: dict[int, int] | None = None, pause_every: int = 100
) -> list[float]:
    """Give how many ms each frame lies beside the time it was said, on a way with jitter of 0 to 15
    ms. delays: so many ms more from that frame on."""
    random, placement, delay = Random(7), Placement(), 0
    beside = []
    for number in range(frames):
        delay = (delays or {}).get(number, delay)
        said = number * FRAME / (1 + ppm * 1e-6)
        now = round(said + delay * MS + random.choice((0, 3, 5, 15)) * MS)
        place = placement.place(number * FRAME, now, quiet=number % pause_every > pause_every - 20)
        beside.append((place - said) / MS)
    return beside


def test_without_drift_every_frame_keeps_its_place_to_the_sample() -> None:
    beside = errors(HOUR // 6)
    assert max(beside) == min(beside)
    assert 0 <= beside[-1] <= 15


@pytest.mark.parametrize("ppm", [-300, -40, 100, 300])
def test_in_an_hour_of_drift_nothing_is_further_beside_than_can_be_heard(ppm: float) -> None:
    beside = errors(HOUR, ppm=ppm)
    assert -60 < min(beside) < max(beside) < 60


def test_a_loud_caller_without_a_pause_is_moved_before_it_is_a_quarter_of_a_second() -> None:
    beside = errors(HOUR, ppm=200, pause_every=10**9)
    assert 150 < max(map(abs, beside)) < 250


def test_a_first_frame_that_waited_does_not_shift_the_call() -> None:
    beside = errors(2000, delays={0: 200, 1: 180, 2: 160, 3: 0})
    assert beside[0] >= 200
    assert all(0 <= each <= 15 for each in beside[700:])


def test_a_longer_way_is_no_drift() -> None:
    beside = errors(15_000, delays={2500: 80, 10_000: 0})
    assert max(beside) == min(beside)
