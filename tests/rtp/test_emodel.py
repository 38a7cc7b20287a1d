"""The E-model against the values that ITU-T G.107 and G.113 print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.rtp.emodel import CODECS, Impairment, effective, mos, r_factor

G711 = CODECS["PCMU"]


def test_a_perfect_connection_has_the_default_of_the_recommendation() -> None:
    """G.107: with all default values R = 93.2, and then MOS = 4.41."""
    assert round(r_factor(0, 0, G711), 1) == 93.2
    assert round(mos(r_factor(0, 0, G711)), 2) == 4.41


@pytest.mark.parametrize(
    ("r", "score"), [(90, 4.34), (80, 4.03), (70, 3.60), (60, 3.10), (50, 2.58)]
)
def test_r_and_mos_go_together_as_annex_b_prints(r: float, score: float) -> None:
    assert mos(r) == pytest.approx(score, abs=0.01)


@pytest.mark.parametrize(
    ("codec", "loss", "ie"),
    [
        # G.113 Appendix I, figures derived from Ie and Bpl: G.711 with and without concealment.
        (Impairment(0, 25.1), 0.05, 95 * 5 / (5 + 25.1)),
        (Impairment(0, 4.3), 0.05, 95 * 5 / (5 + 4.3)),
        (Impairment(11, 19), 0.02, 11 + 84 * 2 / 21),  # G.729A + VAD
        (Impairment(11, 19), 0.0, 11),
    ],
)
def test_losses_impair_as_section_7_5_says(codec: Impairment, loss: float, ie: float) -> None:
    assert effective(codec, loss, 1.0) == pytest.approx(ie)


def test_bursts_are_worse_than_scattered_losses() -> None:
    assert effective(G711, 0.05, 2.0) > effective(G711, 0.05, 1.0)


def test_delay_costs_little_to_150_ms_and_much_beyond() -> None:
    """G.107 Annex B, figure of R over Ta without echo: about 90 at 150 ms, under 75 at 300."""
    assert r_factor(150, 0, G711) > 89
    assert r_factor(300, 0, G711) < 75


@given(
    delay=st.floats(0, 5000), loss=st.floats(0, 1), worse=st.floats(0, 1),
    burst=st.floats(1, 2),
)  # fmt: skip
def test_r_stays_in_its_range_and_falls_with_loss(
    delay: float, loss: float, worse: float, burst: float
) -> None:
    low, high = sorted((loss, worse))
    better = r_factor(delay, low, G711, burst_ratio=burst)
    assert 0 <= r_factor(delay, high, G711, burst_ratio=burst) <= better <= 100
    assert 1 <= mos(better) <= 4.5
