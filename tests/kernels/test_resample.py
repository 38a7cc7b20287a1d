"""The 8 ↔ 16 kHz resamplers against their definition, their figures and any chunking."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from resample_spec import resample, response_db, sinad_db

from rapida_media.kernels import Resampler

UP = (8000, 16000)
DOWN = (16000, 8000)
PAIRS = pytest.mark.parametrize("pair", [UP, DOWN], ids=["8 to 16", "16 to 8"])
SAMPLES = st.binary(max_size=1500).map(lambda data: data[: len(data) & ~1])


def noise(samples: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(-32768, 32768, samples).astype("<i2").tobytes()


def sine(hz: float, rate_hz: int, seconds: float, amplitude: float = 32000.0) -> bytes:
    angle = 2 * np.pi * hz / rate_hz * np.arange(int(seconds * rate_hz))
    return np.round(amplitude * np.sin(angle)).astype("<i2").tobytes()


def pcm(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2")


def specified(pair: tuple[int, int], data: bytes) -> bytes:
    up, down = (2, 1) if pair == UP else (1, 2)
    out = resample("telephony_2", 2, up, down, [int(s) for s in pcm(data)])
    return np.array(out, "<i2").tobytes()


@PAIRS
def test_the_output_is_the_convolution_with_the_checked_in_taps(pair):
    data = noise(1001)
    assert Resampler(*pair).push(data) == specified(pair, data)


@PAIRS
def test_the_loudest_input_the_taps_can_meet_clips_and_does_not_wrap(pair):
    """Full scale with the signs of the taps: the largest sum of all, 2.5 times full scale."""
    impulse = np.zeros(200, "<i2")
    impulse[100] = 16384
    taps = pcm(Resampler(8000, 16000).push(impulse.tobytes()))
    signs = np.where(taps[::2] >= 0, 32767, -32768).astype("<i2")
    worst = (signs if pair == UP else np.repeat(signs, 2)).tobytes()
    assert Resampler(*pair).push(worst) == specified(pair, worst)
    assert max(pcm(Resampler(*pair).push(worst))) == 32767


@PAIRS
@given(data=SAMPLES, cuts=st.lists(st.integers(0, 200), max_size=20))
def test_the_output_does_not_depend_on_where_the_input_was_cut(pair, data, cuts):
    whole = Resampler(*pair).push(data)
    pieces, resampler, at = [], Resampler(*pair), 0
    for cut in [*cuts, len(data)]:
        pieces.append(resampler.push(data[at : at + 2 * cut]))
        at += 2 * cut
    assert b"".join(pieces) == whole


@PAIRS
@given(st.lists(st.integers(0, 700), max_size=12))
def test_after_any_pushes_the_number_of_samples_is_exact(pair, sizes):
    resampler = Resampler(*pair)
    given_out = sum(len(resampler.push(bytes(2 * size))) // 2 for size in sizes)
    assert given_out == -(-sum(sizes) * pair[1] // pair[0])


@PAIRS
def test_every_20_ms_give_20_ms_from_the_first_push_on(pair):
    resampler = Resampler(*pair)
    assert {len(resampler.push(noise(pair[0] // 50, n))) for n in range(50)} == {pair[1] // 25}


@PAIRS
def test_a_reset_resampler_behaves_as_a_new_one(pair):
    used = Resampler(*pair)
    used.push(noise(333))
    used.reset()
    assert used.push(noise(500, 2)) == Resampler(*pair).push(noise(500, 2))


@PAIRS
@pytest.mark.parametrize("value", [0, 8, -8, 1, 32767, -32768])
def test_a_constant_stays_the_same_constant(pair, value):
    out = pcm(Resampler(*pair).push(np.full(800, value, "<i2").tobytes()))
    assert set(out[100:]) == {value}


@pytest.mark.parametrize("up", [2, 1])
def test_the_telephony_band_is_flat_and_everything_else_rejected(up):
    passed = response_db("telephony_2", 2, up, np.linspace(0, 3400, 3401), 8000)
    stopped = response_db("telephony_2", 2, up, np.linspace(4600, 8000, 3401), 8000)
    assert max(abs(passed)) <= 0.005
    assert max(stopped) <= -96


@PAIRS
@pytest.mark.parametrize("hz", [300.3, 1000.7, 3000.3])
def test_a_full_scale_tone_keeps_93_db_over_all_that_was_added(pair, hz):
    out = pcm(Resampler(*pair).push(sine(hz, pair[0], 1.0)))
    assert sinad_db(out[200:].astype(float), hz, pair[1]) >= 93


@pytest.mark.parametrize("hz", [4600.0, 5123.4, 6800.0, 7900.0])
def test_what_would_alias_into_the_telephone_band_vanishes(hz):
    out = pcm(Resampler(*DOWN).push(sine(hz, 16000, 0.5)))
    assert max(abs(out[100:])) <= 1


@PAIRS
@pytest.mark.parametrize("hz", [300.0, 1000.0, 3300.0])
def test_the_delay_is_the_declared_one_at_every_frequency(pair, hz):
    resampler = Resampler(*pair)
    assert resampler.delay_ms == 2.4375
    out = pcm(resampler.push(sine(hz, pair[0], 0.5))).astype(float)
    time = np.arange(len(out)) / pair[1] - resampler.delay_ms / 1000
    steady = slice(200, None)
    wanted = 32000 * np.sin(2 * np.pi * hz * time)[steady]
    assert max(abs(out[steady] - wanted)) < 2.5


def test_there_and_back_is_the_signal_39_samples_later():
    data = sine(1000.0, 8000, 0.5, 20000)
    back = pcm(Resampler(*DOWN).push(Resampler(*UP).push(data)))
    assert max(abs(back[100:].astype(int) - pcm(data)[61:-39])) <= 2


@PAIRS
def test_half_a_sample_is_refused_and_changes_nothing(pair):
    resampler = Resampler(*pair)
    resampler.push(noise(101))
    with pytest.raises(ValueError, match="expected whole 16-bit samples, got 5 octets"):
        resampler.push(b"12345")
    fresh = Resampler(*pair)
    fresh.push(noise(101))
    assert resampler.push(noise(50, 3)) == fresh.push(noise(50, 3))


def test_an_unknown_pair_of_rates_is_refused():
    with pytest.raises(ValueError, match="got 8000 to 8001"):
        Resampler(8000, 8001)
