"""What the counters of a call come to."""

from __future__ import annotations

import pytest

from rapida_media.rtp.quality import QualityMeter, voip_metrics
from rapida_media.rtp.rtcp import format_rtcp, parse_rtcp
from rapida_media.rtp.xr import UNAVAILABLE, ExtendedReport

CLEAN: dict[str, int | float | None] = {
    "heard_ms": 60_000, "concealed_ms": 0, "loss": 0.0, "loss_run": 0.0, "round_trip_ms": 40.0,
    "packets_received": 3000, "packets_lost": 0, "discarded": 0, "burst_ms": 0.0,
    "gap_ms": 60_000.0, "received_speech_dbov": -26.4, "received_noise_dbov": -127.0,
}  # fmt: skip


def meter() -> QualityMeter:
    made = QualityMeter()
    made.codec = "PCMU"
    return made


def test_a_clean_call_is_near_the_best_there_is() -> None:
    quality = meter().assess(CLEAN)
    assert quality["mouth_to_ear_ms"] == 40.0
    assert quality["loss_after_buffer"] == 0.0
    assert quality["mos"] == pytest.approx(4.39, abs=0.02)


def test_longer_packets_are_later_in_the_ear() -> None:
    assert meter().assess({**CLEAN, "packet_ms": 60.0})["mouth_to_ear_ms"] == 80.0


def test_the_call_is_judged_by_its_mean_delay_and_its_worst_piece_by_the_delay_there() -> None:
    made, figures = meter(), {**CLEAN, "heard_ms": 0, "delay_mean_ms": 20.0, "delay_ms": 300.0}
    made.look(figures, 100.0)
    figures["heard_ms"] = 10_000
    made.look(figures, 110.0)
    quality = made.assess(figures)
    assert quality["mouth_to_ear_ms"] == 60.0
    assert quality["mos"] is not None
    assert quality["mos_worst_10s"] is not None
    assert quality["mos_worst_10s"] < quality["mos"] - 0.2


def test_what_was_made_up_counts_not_what_was_lost() -> None:
    recovered = meter().assess({**CLEAN, "loss": 0.05})
    made_up = meter().assess({**CLEAN, "loss": 0.05, "concealed_ms": 3000})
    assert (recovered["r_factor"] or 0) - (made_up["r_factor"] or 0) == pytest.approx(15.8, abs=0.1)


def test_nothing_is_claimed_before_anything_was_heard() -> None:
    assert meter().assess({"heard_ms": 0})["mos"] is None
    assert QualityMeter().assess(CLEAN)["mos"] is None


def test_the_worst_ten_seconds_are_remembered() -> None:
    made = meter()
    figures = dict(CLEAN, heard_ms=0)
    for second in range(60):
        figures["heard_ms"] = second * 1000
        if 25 <= second < 30:
            figures["concealed_ms"] = (figures["concealed_ms"] or 0) + 200
        made.look(figures, 100.0 + second)
    worst = made.assess(figures)
    assert worst["mos_worst_10s"] is not None
    assert worst["mos"] is not None
    assert 3.0 < worst["mos_worst_10s"] < worst["mos"] - 0.3


def test_the_report_of_rfc_3611_says_the_same() -> None:
    figures = {
        **CLEAN,
        "loss": 0.1,
        "packets_lost": 300,
        "packets_received": 2700,
        "discarded": 30,
        "burst_density": 0.5,
        "burst_ms": 120.4,
        "concealed_ms": 6600,
    }
    doubled = {**figures, "packets_received": 2800, "duplicate": 100}
    assert voip_metrics(7, doubled, {}) == voip_metrics(7, figures, {})
    metrics = voip_metrics(7, figures, meter().assess(figures))
    assert (metrics.loss_rate, metrics.discard_rate, metrics.burst_density) == (25, 2, 128)
    assert (metrics.burst_duration, metrics.gap_duration) == (120, 60_000)
    assert (metrics.round_trip_delay, metrics.end_system_delay) == (40, 20)
    assert (metrics.signal_level, metrics.noise_level) == (-20, UNAVAILABLE)
    assert metrics.mos_lq >= metrics.mos_cq > 20
    report = ExtendedReport(1, (metrics,))
    assert parse_rtcp(format_rtcp([report])) == (report,)


# RFC 3611 sections 4.7.6 and 4.7.7: enhanced concealment (2 in bits 7 and 6), a buffer that adapts
# (3 in bits 5 and 4) or does not (2), and its nominal, maximum and absolute maximum delay.
@pytest.mark.parametrize(
    ("figures", "configuration", "delays"),
    [
        ({}, 0b1010_0000, (0, 0, 0)),
        ({"delay_ms": 60.0, "delay_adapts": 0, "delay_max_ms": 960}, 0b1010_0000, (60, 960, 960)),
        ({"delay_ms": 41.6, "delay_adapts": 1, "delay_max_ms": 960}, 0b1011_0000, (42, 960, 960)),
    ],
)
def test_the_report_names_the_kind_of_buffer_and_what_it_holds(
    figures: dict[str, float], configuration: int, delays: tuple[int, int, int]
) -> None:
    metrics = voip_metrics(7, {**CLEAN, **figures}, meter().assess(CLEAN))
    assert metrics.receiver_configuration == configuration
    assert (
        metrics.jitter_buffer_nominal,
        metrics.jitter_buffer_maximum,
        metrics.jitter_buffer_absolute_maximum,
    ) == delays


def test_before_anything_was_heard_the_report_says_unavailable() -> None:
    metrics = voip_metrics(7, {}, meter().assess({}))
    assert (metrics.r_factor, metrics.mos_lq, metrics.mos_cq) == (UNAVAILABLE,) * 3
