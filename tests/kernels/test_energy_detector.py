"""The built-in speech detector: what it takes for speech, frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.kernels import Audio, EnergyDetector, Tone


def frame(pcm: bytes) -> Audio:
    return Audio(0, 0, pcm)


def noise(level_dbov: float, count: int, seed: int = 1) -> list[Audio]:
    samples = np.random.default_rng(seed).standard_normal((count, 320))
    samples *= 32768 * 10 ** (level_dbov / 20)
    return [frame(each.round().astype("<i2").tobytes()) for each in samples]


def answers(frames: list[Audio], detector: EnergyDetector | None = None) -> list[bool]:
    detector = detector or EnergyDetector()
    return [detector.feed(each) for each in frames]


def tone(hz: float, level_dbov: float, count: int) -> list[Audio]:
    oscillator = Tone(hz, dbov=level_dbov)
    return [frame(oscillator.read(320)) for _ in range(count)]


def test_a_steady_background_is_no_speech_at_any_level():
    for level in (-80, -50, -30, -15):
        assert not any(answers(noise(level, 500))), level


def test_six_decibels_above_the_background_begin_speech_and_three_keep_it():
    detector = EnergyDetector()
    assert not any(answers(noise(-40, 200), detector))
    assert not any(answers(noise(-35.5, 10, 2), detector))
    assert all(answers(noise(-33, 10, 3), detector))
    assert all(answers(noise(-35.5, 10, 4), detector))
    assert not any(answers(noise(-40, 10, 5), detector))


def test_what_is_below_fifty_dbov_is_no_speech_however_quiet_it_was_before():
    detector = EnergyDetector()
    answers(noise(-75, 200), detector)
    assert not any(answers(noise(-52, 20, 2), detector))
    assert all(answers(noise(-47, 20, 3), detector))


def test_hum_below_the_telephone_band_counts_for_little():
    detector = EnergyDetector()
    assert not any(answers(noise(-50, 100), detector))
    assert not any(answers(tone(50, -33, 50), detector))
    assert all(answers(tone(400, -33, 50), detector))


def test_a_sound_without_a_dip_is_background_after_two_seconds():
    detector = EnergyDetector()
    answers(noise(-60, 200), detector)
    heard = answers(noise(-30, 150, 2), detector)
    assert all(heard[:48])
    assert not any(heard[101:])


def test_who_speaks_first_on_a_silent_line_is_heard_at_once():
    detector = EnergyDetector()
    assert not any(answers([frame(bytes(640))] * 10, detector))
    assert all(answers(noise(-30, 10), detector))


def test_digital_silence_does_not_make_a_known_background_speech():
    detector = EnergyDetector()
    assert not any(answers(noise(-35, 200), detector))
    assert not any(answers([frame(bytes(640))] * 300, detector))
    assert not any(answers(noise(-35, 100, 2), detector))


def test_the_same_frames_get_the_same_answers():
    frames = noise(-40, 50) + noise(-20, 20, 2) + noise(-40, 50, 3)
    assert answers(frames) == answers(frames)


@given(st.lists(st.binary(max_size=1400).filter(lambda pcm: len(pcm) % 2 == 0), max_size=20))
def test_any_pcm_of_any_length_gets_an_answer(pieces):
    assert all(type(each) is bool for each in answers([frame(pcm) for pcm in pieces]))


def test_half_a_sample_is_refused():
    with pytest.raises(ValueError, match="whole 16-bit samples"):
        EnergyDetector().feed(frame(b"\0" * 3))
