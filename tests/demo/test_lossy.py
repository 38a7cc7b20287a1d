"""The lossy call of the demo: repeatable, and its picture shows what happened to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.lossy import LossyCall, place_lossy_call
from rapida_media.demo.lossy_picture import draw_lossy, facts_of


@pytest.fixture(scope="module")
def call() -> LossyCall:
    return place_lossy_call(SPEECH)


def test_losses_are_made_up_and_the_rest_is_heard(call: LossyCall) -> None:
    assert 10 < len(call.lost) < 60
    made_up = call.figures["concealed_ms"]
    assert made_up is not None
    assert made_up > 300
    assert len(call.heard) == pytest.approx(len(call.sent), rel=0.02)
    assert np.abs(call.heard).max() == pytest.approx(np.abs(call.sent).max(), rel=0.1)


def test_what_is_heard_is_never_ahead_of_the_network(call: LossyCall) -> None:
    least = min(ms for _, ms in call.network)
    assert all(ms > least - 20 for _, ms in call.heard_delay)


def test_the_same_seed_is_the_same_call(call: LossyCall) -> None:
    again = place_lossy_call(SPEECH)
    assert (again.lost, again.network) == (call.lost, call.network)
    assert np.array_equal(again.heard, call.heard)


def test_the_picture_is_drawn_with_its_figures(call: LossyCall, tmp_path: Path) -> None:
    draw_lossy(call, tmp_path / "lossy.png")
    assert (tmp_path / "lossy.png").stat().st_size > 20_000
    assert f"lost {len(call.lost)} of" in facts_of(call)
