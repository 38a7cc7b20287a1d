"""Concealment: what may come out for any input, and what must for speech-like sound."""

from __future__ import annotations

import itertools
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rapida_media
from rapida_media.kernels import Concealer, level_dbov

SPEECH = Path(rapida_media.__file__).parent / "demo" / "speech.wav"
RATES = pytest.mark.parametrize("rate_hz", [8000, 16000])


def pcm(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2").astype(int)


def packed(samples) -> bytes:
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


def speech() -> np.ndarray:
    with wave.open(str(SPEECH)) as recording:
        return np.frombuffer(recording.readframes(recording.getnframes()), "<i2")


def voice(rate_hz: int, seconds: float, pitch_hz=lambda t: 120 + 0 * t) -> np.ndarray:
    """A steady vowel: the harmonics of a pitch, which may move."""
    time = np.arange(round(rate_hz * seconds)) / rate_hz
    phase = 2 * np.pi * np.cumsum(pitch_hz(time)) / rate_hz
    return 3000 * sum(np.sin(k * phase + k * k) / k for k in range(1, 12))


def noise(rate_hz: int, seconds: float, rms: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, rms, round(rate_hz * seconds))


def error_db(made: np.ndarray, wanted: np.ndarray) -> float:
    return float(10 * np.log10(np.mean((made - wanted) ** 2.0) / np.mean(wanted**2.0)))


def largest_step(samples) -> int:
    return int(np.abs(np.diff(samples)).max())


OPERATIONS = st.lists(
    st.tuples(st.sampled_from("hhebr"), st.integers(0, 400), st.integers(0, 700)), max_size=12
)


@RATES
@given(
    operations=OPERATIONS,
    seed=st.integers(0, 5),
    kind=st.sampled_from(["noise", "extremes", "zeros", "constant", "impulses", "faint"]),
)
def test_any_samples_in_any_pieces_are_filled_in_length_and_never_louder(
    rate_hz, operations, seed, kind
):
    random = np.random.default_rng(seed)
    content = {
        "noise": lambda n: random.integers(-32768, 32768, n),
        "extremes": lambda n: random.choice([-32768, 32767], n),
        "zeros": np.zeros,
        "constant": lambda n: np.full(n, -32768),
        "impulses": lambda n: 32767 * (random.random(n) < 0.01),
        "faint": lambda n: random.integers(-1, 2, n),
    }[kind]
    concealer, loudest, active = Concealer(rate_hz), 24, False
    for operation, n, ahead in operations:
        if operation == "h":
            real = packed(content(n))
            loudest = max(loudest, np.abs(pcm(real)).max(initial=0))
            assert len(concealer.heard(real)) == len(real)
            active = active and n == 0
        elif operation == "r":
            concealer.reset()
            active = False
        else:
            later = packed(content(ahead))
            loudest = max(loudest, np.abs(pcm(later)).max(initial=0) if operation == "b" else 0)
            made = concealer.extrapolate(n) if operation == "e" else concealer.bridge(n, later)
            assert len(made) == 2 * n
            # The floor is tracked, so what was loud long ago may still be heard as noise.
            assert np.abs(pcm(made)).max(initial=0) <= max(loudest, 4 * 104)
            active = active or n > 0
        assert concealer.active is active


@RATES
def test_what_is_heard_without_a_loss_is_left_alone(rate_hz):
    concealer = Concealer(rate_hz)
    for size in (1, 7, 160, 2000):
        real = packed(noise(rate_hz, size / rate_hz, 5000))
        assert concealer.heard(real) == real


@RATES
def test_what_is_heard_after_a_bridge_is_left_alone(rate_hz):
    concealer, gap = Concealer(rate_hz), rate_hz // 50
    sound = voice(rate_hz, 0.3)
    concealer.heard(packed(sound[: 5 * gap]))
    concealer.bridge(gap, packed(sound[6 * gap : 7 * gap]))
    assert concealer.heard(packed(sound[6 * gap : 7 * gap])) == packed(sound[6 * gap : 7 * gap])


@RATES
def test_a_steady_vowel_goes_on_as_if_nothing_were_missing(rate_hz):
    concealer, gap = Concealer(rate_hz), rate_hz // 100
    sound = voice(rate_hz, 0.3)
    concealer.heard(packed(sound[: 10 * gap]))
    made = pcm(concealer.extrapolate(gap))
    assert error_db(made, sound[10 * gap : 11 * gap]) < -20


@RATES
@pytest.mark.parametrize("gap_ms", [10, 20, 40, 60])
@pytest.mark.parametrize("slope_hz", [-150, 0, 150])
def test_a_bridge_follows_a_pitch_that_moves(rate_hz, gap_ms, slope_hz):
    concealer, start, gap = Concealer(rate_hz), rate_hz // 5, rate_hz * gap_ms // 1000
    sound = voice(rate_hz, 0.5, lambda time: 140 + slope_hz * (time - 0.2))
    concealer.heard(packed(sound[:start]))
    made = pcm(concealer.bridge(gap, packed(sound[start + gap : start + gap + rate_hz // 25])))
    assert error_db(made, sound[start : start + gap]) < -10


@RATES
@pytest.mark.parametrize("sound", [voice, lambda rate, seconds: noise(rate, seconds, 1500)])
@pytest.mark.parametrize("gap_ms", [5, 10, 20, 40, 200, 1500])
@pytest.mark.parametrize("way", ["extrapolate", "bridge"])
def test_neither_edge_of_a_gap_clicks(rate_hz, sound, gap_ms, way):
    concealer, start, gap = Concealer(rate_hz), rate_hz // 4 + 13, rate_hz * gap_ms // 1000
    real = np.rint(sound(rate_hz, 2.0))
    before = concealer.heard(packed(real[:start]))
    after = packed(real[start + gap : start + gap + rate_hz // 25])
    made = concealer.extrapolate(gap) if way == "extrapolate" else concealer.bridge(gap, after)
    played = pcm(before + made + concealer.heard(after))
    edges = [played[at - 9 : at + 40] for at in (start, start + gap)]
    assert max(map(largest_step, edges)) <= 1.3 * largest_step(real)


@RATES
@pytest.mark.parametrize("background_rms", [10, 40, 150])
def test_a_stall_fades_into_the_background_and_not_into_silence(rate_hz, background_rms):
    concealer, tenth = Concealer(rate_hz), rate_hz // 10
    concealer.heard(packed(noise(rate_hz, 3.0, background_rms)))
    concealer.heard(packed(voice(rate_hz, 0.3)))
    stalled = concealer.extrapolate(20 * tenth)
    levels = [level_dbov(stalled[2 * at : 2 * (at + tenth)]) for at in range(0, 20 * tenth, tenth)]
    background_dbov = 20 * np.log10(background_rms / 32768)
    assert levels[0] > background_dbov + 10
    assert all(abs(level - background_dbov) < 3 for level in levels[2:])


@RATES
def test_a_stall_sounds_like_the_background(rate_hz):
    concealer = Concealer(rate_hz)
    hiss = noise(rate_hz, 4.0, 150)
    rumble = np.convolve(hiss, np.ones(8) / 4, "same")
    concealer.heard(packed(rumble))
    stalled = pcm(concealer.extrapolate(rate_hz))[rate_hz // 5 :]

    def likeness(samples, lag):
        return np.mean(samples[lag:] * samples[:-lag]) / np.mean(samples * samples)

    for lag in (1, 2, 4):
        assert likeness(stalled, lag) == pytest.approx(likeness(rumble, lag), abs=0.15)


def test_nothing_heard_at_all_is_filled_with_the_noise_of_an_idle_line():
    levels = [level_dbov(Concealer(rate).extrapolate(rate)) for rate in (8000, 16000)]
    assert all(-80 < level < -45 for level in levels)


@given(
    cuts=st.lists(st.integers(1, 300), min_size=1, max_size=6),
    rate_hz=st.sampled_from((8000, 16000)),
)
def test_pieces_of_any_size_make_no_difference(cuts, rate_hz):
    sound = packed(voice(rate_hz, 0.2))
    whole, parts = Concealer(rate_hz), Concealer(rate_hz)
    total = sum(cuts)
    for concealer in (whole, parts):
        concealer.heard(sound)
    assert whole.extrapolate(total) == b"".join(parts.extrapolate(n) for n in cuts)
    ends = list(itertools.accumulate(cuts))
    after = packed(noise(rate_hz, 0.5, 900))[: 2 * total]
    assert whole.heard(after) == b"".join(
        parts.heard(after[2 * (end - n) : 2 * end]) for n, end in zip(cuts, ends, strict=True)
    )


def test_two_concealers_with_the_same_input_give_the_same_output():
    one, other = Concealer(), Concealer()
    for concealer in (one, other):
        concealer.heard(speech()[:20000].tobytes())
    assert one.extrapolate(3000) == other.extrapolate(3000)
    one.reset()
    assert one.extrapolate(500) == Concealer().extrapolate(500)


def test_misuse_is_refused():
    concealer = Concealer()
    with pytest.raises(ValueError, match="expected 8000 or 16000 Hz, got 48000"):
        Concealer(48000)
    with pytest.raises(ValueError, match="whole 16-bit samples"):
        concealer.heard(b"\0")
    with pytest.raises(ValueError, match="whole 16-bit samples"):
        concealer.bridge(160, b"\0")
    for call in (concealer.extrapolate, lambda n: concealer.bridge(n, b"")):
        with pytest.raises(ValueError, match="expected a number of samples, got -1"):
            call(-1)
    assert not concealer.active
