"""DTMF detection over the grid of ITU-T Q.24, on speech, through codecs, cut anywhere."""

from __future__ import annotations

import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from dtmf_signals import DIGITS, noisy, packed, pause, tone
from g722_material import speech
from hypothesis import given, settings
from hypothesis import strategies as st

import rapida_media
from rapida_media.kernels import (
    DtmfDetector,
    G722Decoder,
    G722Encoder,
    Resampler,
    alaw_decode,
    alaw_encode,
    ulaw_decode,
    ulaw_encode,
)

RATES = pytest.mark.parametrize("rate_hz", [8000, 16000])
PLACES_MS = np.arange(0, 5, 0.7)  # beside the detector's 5 ms grid


def heard(pcm: bytes, rate_hz: int) -> str:
    return "".join(symbol for symbol, _, _ in DtmfDetector(rate_hz).push(pcm))


def signals(ms: float, rate_hz: int, **line):
    """Give every digit at every place of the grid, alone between silences."""
    for digit, place in product(DIGITS, PLACES_MS):
        sound = tone(digit, ms, rate_hz, phase=place, **line)
        yield digit, np.concatenate([pause(50 + place, rate_hz), sound, pause(60, rate_hz)])


def share_heard(ms: float, rate_hz: int, **line) -> float:
    right = [
        heard(packed(sound), rate_hz) == digit for digit, sound in signals(ms, rate_hz, **line)
    ]
    return sum(right) / len(right)


@RATES
@pytest.mark.parametrize("place_ms", PLACES_MS)
def test_digits_that_follow_without_a_gap_do_not_overlap(place_ms, rate_hz):
    sounds = [tone(digit, 60, rate_hz) for digit in "2580"]
    pcm = packed(pause(50 + place_ms, rate_hz), *sounds, pause(60, rate_hz))
    digits = DtmfDetector(rate_hz).push(pcm)
    assert "".join(symbol for symbol, _, _ in digits) == "2580"
    for (_, start, length_ms), (_, next_start, _) in pairwise(digits):
        assert start + (length_ms - 0.5) * rate_hz / 1000 <= next_start


@RATES
@pytest.mark.parametrize("ms", [40, 41.3, 50, 70, 100, 1000])
def test_a_tone_of_40_ms_or_more_is_a_digit_with_its_place_and_length(ms, rate_hz):
    for digit, sound in signals(ms, rate_hz):
        ((symbol, start, length_ms),) = DtmfDetector(rate_hz).push(packed(sound))
        assert symbol == digit
        assert abs(start - np.flatnonzero(sound)[0]) <= 3.2 * rate_hz / 1000
        assert abs(length_ms - ms) <= 5.5


@RATES
@pytest.mark.parametrize("ms", [5, 10, 20, 23])
def test_a_tone_of_23_ms_or_less_is_no_digit(ms, rate_hz):
    assert all(heard(packed(sound), rate_hz) == "" for _, sound in signals(ms, rate_hz))


@RATES
@pytest.mark.parametrize("percent", [0.5, 1.0, 1.5])
def test_frequencies_within_one_and_a_half_percent_are_accepted(percent, rate_hz):
    for row, column in product((-percent, 0, percent), repeat=2):
        line = {"row_off": row / 100, "column_off": column / 100}
        assert share_heard(40, rate_hz, **line) == 1


@RATES
@pytest.mark.parametrize("percent", [3.5, 4.0, 4.5])
def test_one_frequency_three_and_a_half_percent_off_is_rejected(percent, rate_hz):
    for off in (-percent / 100, percent / 100):
        for line in ({"row_off": off}, {"column_off": off}, {"row_off": off, "column_off": off}):
            assert share_heard(100, rate_hz, **line) == 0


@RATES
@pytest.mark.parametrize("dbm0", [0, -3, -10, -20, -25])
def test_levels_from_0_to_minus_25_dbm0_are_accepted_clipped_or_not(dbm0, rate_hz):
    assert share_heard(40, rate_hz, row_dbm0=dbm0, column_dbm0=dbm0) == 1


@RATES
def test_a_level_of_minus_29_dbm0_is_rejected(rate_hz):
    assert share_heard(100, rate_hz, row_dbm0=-29, column_dbm0=-29) == 0


@RATES
@pytest.mark.parametrize("twist_db", [-8, -4, 2, 4])
def test_a_twist_of_plus_4_to_minus_8_db_is_accepted_at_the_frequency_limits(twist_db, rate_hz):
    for row, column in product((-0.015, 0.015), repeat=2):
        levels = {"row_dbm0": -14, "column_dbm0": -14 + twist_db}
        assert share_heard(40, rate_hz, row_off=row, column_off=column, **levels) == 1


@RATES
@pytest.mark.parametrize("twist_db", [-12, 8])
def test_a_pair_of_very_different_levels_is_rejected(twist_db, rate_hz):
    assert share_heard(100, rate_hz, row_dbm0=-14, column_dbm0=-14 + twist_db) == 0


@RATES
@pytest.mark.parametrize("gap_ms", [1, 5, 10])
def test_an_interruption_of_10_ms_is_bridged(gap_ms, rate_hz):
    for digit, sound in signals(40, rate_hz):
        again = tone(digit, 40, rate_hz, phase=1.1)
        pcm = packed(sound[: -len(pause(60, rate_hz))], pause(gap_ms, rate_hz), again)
        ((symbol, _, length_ms),) = DtmfDetector(rate_hz).push(pcm + bytes(rate_hz // 5))
        assert symbol == digit
        assert abs(length_ms - 80 - gap_ms) <= 5.5


@RATES
@pytest.mark.parametrize("gap_ms", [30, 40, 60])
def test_a_pause_of_30_ms_separates_two_equal_digits(gap_ms, rate_hz):
    for digit, sound in signals(40, rate_hz):
        again = tone(digit, 40, rate_hz, phase=1.1)
        pcm = packed(sound[: -len(pause(60, rate_hz))], pause(gap_ms, rate_hz), again)
        assert heard(pcm + bytes(rate_hz // 5), rate_hz) == 2 * digit


@RATES
def test_digits_without_any_pause_are_told_apart(rate_hz):
    pcm = packed(*(tone(digit, 60, rate_hz) for digit in DIGITS), pause(60, rate_hz))
    assert heard(pcm, rate_hz) == DIGITS


@RATES
@pytest.mark.parametrize("decibels", [12, 15, 24])
def test_digits_are_heard_in_noise_12_db_below(decibels, rate_hz):
    for seed, (digit, sound) in enumerate(signals(50, rate_hz)):
        assert heard(packed(noisy(sound, decibels, seed)), rate_hz) == digit


@RATES
def test_noise_alone_and_single_tones_are_no_digit(rate_hz):
    random = np.random.default_rng(5)
    for level in (100, 3000, 12000):
        assert heard(packed(random.normal(0, level, 20 * rate_hz)), rate_hz) == ""
    turns = 2 * np.pi * np.arange(rate_hz // 5) / rate_hz
    for hz in range(300, 3400, 37):
        assert heard(packed(12000 * np.sin(hz * turns)), rate_hz) == ""


@pytest.mark.parametrize(
    "through",
    [
        lambda pcm: ulaw_decode(ulaw_encode(pcm)),
        lambda pcm: alaw_decode(alaw_encode(pcm)),
        lambda pcm: G722Decoder().decode(G722Encoder().encode(pcm)),
        lambda pcm: Resampler(8000, 16000).push(Resampler(16000, 8000).push(pcm)),
    ],
)
def test_digits_survive_the_codecs(through):
    pcm = packed(*(piece for digit in DIGITS for piece in (tone(digit, 40, 16000), np.zeros(640))))
    assert heard(through(pcm) + bytes(1280), 16000) == DIGITS


def demo_speech() -> bytes:
    with wave.open(str(Path(rapida_media.__file__).parent / "demo" / "speech.wav")) as file:
        return Resampler(file.getframerate(), 16000).push(file.readframes(file.getnframes()))


@pytest.mark.parametrize("talk", [speech, demo_speech])
@pytest.mark.parametrize("speed", [0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4])
def test_speech_at_any_pitch_holds_no_digit(talk, speed):
    samples = np.frombuffer(talk(), "<i2").astype(float)
    places = np.arange(0, len(samples) - 1, speed)
    spoken = np.interp(places, np.arange(len(samples)), samples)
    assert heard(packed(spoken), 16000) == ""
    assert heard(Resampler(16000, 8000).push(packed(spoken)), 8000) == ""


SERIES = packed(
    *(
        piece
        for digit, ms in zip("15*D9", (40, 60, 45, 80, 41), strict=True)
        for piece in (tone(digit, ms, 16000), pause(47.3, 16000))
    )
)


@given(st.lists(st.integers(0, 1500), max_size=12))
@settings(max_examples=60)
def test_digits_do_not_depend_on_where_the_stream_was_cut(cuts):
    detector, digits, at = DtmfDetector(), [], 0
    for cut in cuts:
        digits += detector.push(SERIES[at : at + 2 * cut])
        at += 2 * cut
    digits += detector.push(SERIES[at:])
    assert digits == DtmfDetector().push(SERIES)
    assert [symbol for symbol, _, _ in digits] == list("15*D9")


@given(st.binary(max_size=4000).map(lambda data: data[: len(data) // 2 * 2]))
@settings(max_examples=60)
def test_any_samples_are_taken_and_a_reset_detector_is_a_new_one(data):
    detector = DtmfDetector(8000)
    detector.push(data)
    detector.reset()
    assert detector.push(SERIES) == DtmfDetector(8000).push(SERIES)


def test_what_cannot_be_pushed_is_refused_and_changes_nothing():
    detector = DtmfDetector()
    with pytest.raises(ValueError, match="expected whole 16-bit samples, got 5 octets"):
        detector.push(SERIES[:5])
    assert detector.push(b"") == []
    assert detector.push(SERIES) == DtmfDetector().push(SERIES)
    with pytest.raises(ValueError, match="expected 8000 or 16000 Hz, got 44100"):
        DtmfDetector(44100)


def test_pushes_of_several_threads_come_one_after_the_other_and_touch_no_foreign_memory():
    """Long ones run without the GIL, each from where it began: digits suffer then, memory not."""
    detector, short, long = DtmfDetector(8000), bytes(2 * 160), bytes(2 * 9000)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for piece, count in ((short, 500), (long, 20)):
            detector.reset()
            with ThreadPoolExecutor(4) as threads:
                assert all(not digits for digits in threads.map(detector.push, [piece] * count))
            if piece is short:
                key = packed(tone("5", 100, 8000), pause(100, 8000))
                ((symbol, start, _),) = detector.push(key)
                assert symbol == "5"
                assert abs(start - 500 * 160) <= 3.2 * 8
    finally:
        sys.setswitchinterval(interval)


def test_a_digit_held_for_an_hour_is_reported_once_it_ends():
    detector = DtmfDetector(8000)
    second = packed(tone("5", 1000, 8000))  # 770 and 1336 Hz: the seconds join without a step
    assert all(detector.push(second) == [] for _ in range(3600))
    ((symbol, start, length_ms),) = detector.push(bytes(800))
    assert (symbol, start) == ("5", 0)
    assert abs(length_ms - 3_600_000) <= 5
