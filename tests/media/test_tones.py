"""DTMF and call progress tones: frequencies, levels, cadences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.kernels import DtmfDetector
from rapida_media.media.tones import DtmfGenerator, call_progress_tone

FULL_SINE_DBM0 = 3.14
TONES = ("dial", "ringback", "busy", "congestion")
PLANS = ("us", "eu", "uk", "in")


def spectrum_dbm0(pcm: bytes, rate_hz: int) -> dict[int, float]:
    """Give the lines above -50 dBm0 of a piece whose frequencies fit its length."""
    samples = np.frombuffer(pcm, "<i2") / 32768
    lines = np.abs(np.fft.rfft(samples)) * 2 / len(samples)
    levels = 20 * np.log10(lines + 1e-9) + FULL_SINE_DBM0
    step_hz = rate_hz / len(samples)
    return {round(k * step_hz): round(float(levels[k]), 1) for k in np.flatnonzero(levels > -50)}


def cadence_ms(pcm: bytes, rate_hz: int) -> list[int]:
    """Give the lengths of sound, silence, sound … by 5 ms frames, the last one left out."""
    frames = np.frombuffer(pcm, "<i2").reshape(-1, rate_hz // 200)
    on = np.abs(frames).max(axis=1) > 50
    edges = np.flatnonzero(np.diff(on.astype(int))) + 1
    return [int(length) * 5 for length in np.diff([0, *edges])]


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize(
    ("plan", "lines"),
    [
        ("us", {350: -13.0, 440: -13.0}),
        ("eu", {425: -10.0}),
        ("uk", {350: -13.0, 440: -13.0}),
        ("in", {375: -16.0, 400: -10.0, 425: -16.0}),
    ],
)
def test_dial_tones_have_the_frequencies_and_levels_of_their_plan(plan, lines, rate_hz):
    tone = call_progress_tone("dial", plan, rate_hz)
    tone.read(rate_hz // 3)
    assert spectrum_dbm0(tone.read(2 * rate_hz), rate_hz) == lines


@pytest.mark.parametrize(
    ("plan", "name", "lines", "cadence"),
    [
        ("us", "ringback", {440, 480}, [2000, 4000]),
        ("us", "busy", {480, 620}, [500, 500]),
        ("us", "congestion", {480, 620}, [250, 250]),
        ("eu", "ringback", {425}, [1000, 4000]),
        ("eu", "busy", {425}, [500, 500]),
        ("eu", "congestion", {425}, [250, 250]),
        ("uk", "ringback", {400, 450}, [400, 200, 400, 2000]),
        ("uk", "busy", {400}, [375, 375]),
        ("uk", "congestion", {400}, [400, 350, 225, 525]),
        ("in", "ringback", {375, 400, 425}, [400, 200, 400, 2000]),
        ("in", "busy", {400}, [750, 750]),
        ("in", "congestion", {400}, [250, 250]),
    ],
)
def test_the_other_tones_have_the_cadence_of_their_plan(plan, name, lines, cadence):
    pcm = call_progress_tone(name, plan).read(16000 * (2 * sum(cadence) + 100) // 1000)
    assert cadence_ms(pcm, 16000) == cadence * 2
    assert set(spectrum_dbm0(pcm[2 * 320 : 2 * 3520], 16000)) == lines


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", TONES)
def test_a_tone_does_not_jump_and_looks_like_no_digit(plan, name):
    pcm = call_progress_tone(name, plan).read(16000 * 7)
    assert DtmfDetector().push(pcm) == []
    samples = np.frombuffer(pcm, "<i2").astype(int)
    steepest = 2 * np.pi * 620 / 16000 * np.abs(samples).max()
    assert np.abs(np.diff(samples)).max() < steepest


@given(st.lists(st.integers(0, 20000), max_size=10))
def test_a_tone_is_the_same_however_it_is_read(sizes):
    tone, whole = call_progress_tone("busy", "uk"), call_progress_tone("busy", "uk")
    assert b"".join(tone.read(size) for size in sizes) == whole.read(sum(sizes))


def test_a_digit_is_two_sines_of_the_asked_levels_and_lengths():
    generator = DtmfGenerator(8000, tone_ms=1004, gap_ms=30, row_dbm0=-9, column_dbm0=-7)
    pcm = generator.render("0D")
    assert len(pcm) == 2 * 2 * 8 * 1034
    assert not any(pcm[2 * 8 * 1004 : 2 * 8 * 1034])
    steady = slice(2 * 16, 2 * (16 + 8000))
    assert spectrum_dbm0(pcm[steady], 8000) == {941: -9.0, 1336: -7.0}
    assert spectrum_dbm0(pcm[len(pcm) // 2 :][steady], 8000) == {941: -9.0, 1633: -7.0}


def test_what_is_no_digit_tone_plan_rate_or_time_is_refused():
    with pytest.raises(ValueError, match=r"expected digits of 0-9 \* # A-D, got 'x'"):
        DtmfGenerator().render("12x")
    with pytest.raises(ValueError, match="expected at least 1 ms on and off, got 0 and 50"):
        DtmfGenerator(tone_ms=0, gap_ms=50)
    with pytest.raises(ValueError, match="expected a plan of us, eu, uk, in, got 'mars'"):
        call_progress_tone("dial", "mars")
    with pytest.raises(ValueError, match="expected a tone of dial, ringback"):
        call_progress_tone("howler")
    with pytest.raises(ValueError, match="expected 8000, 16000"):
        call_progress_tone("dial", "us", 11025)
    with pytest.raises(ValueError, match="expected a number of samples, got -1"):
        call_progress_tone("dial").read(-1)
    assert DtmfGenerator().render("") == b""
