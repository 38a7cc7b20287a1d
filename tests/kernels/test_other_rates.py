"""Rates outside the telephone family, behind the same Resampler."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapida_media.kernels import Resampler

PAIRS = pytest.mark.parametrize("pair", [(44100, 16000), (16000, 44100), (11025, 8000)], ids=str)


def sine(hz: float, rate_hz: int, samples: int) -> np.ndarray:
    return 20000 * np.sin(2 * np.pi * hz / rate_hz * np.arange(samples))


@PAIRS
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 1500), max_size=12))
def test_cuts_change_neither_the_samples_nor_their_number(pair, sizes):
    data = np.random.default_rng(1).integers(-32768, 32768, sum(sizes)).astype("<i2").tobytes()
    resampler, at, pieces = Resampler(*pair), 0, []
    for size in sizes:
        pieces.append(resampler.push(data[at : at + 2 * size]))
        at += 2 * size
        assert sum(map(len, pieces)) // 2 == -(-(at // 2) * pair[1] // pair[0])
    assert b"".join(pieces) == Resampler(*pair).push(data)


@pytest.mark.parametrize("pair", [(16000, 100), (100, 8000), (7, 1), (100, 25600)], ids=str)
def test_the_lowest_rates_keep_their_number_of_samples_too(pair):
    resampler, taken, given_out = Resampler(*pair), 0, 0
    for size in (1, 0, 700, 3, 1500, 1, 1):
        given_out += len(resampler.push(bytes(2 * size))) // 2
        taken += size
        assert given_out == -(-taken * pair[1] // pair[0])


@PAIRS
def test_a_tone_comes_out_later_by_the_declared_delay_and_otherwise_the_same(pair):
    resampler = Resampler(*pair)
    assert resampler.delay_ms < 7
    out = resampler.push(np.round(sine(1000, pair[0], pair[0])).astype("<i2").tobytes())
    late = round(resampler.delay_ms * pair[1] / 1000)
    wanted = sine(1000, pair[1], pair[1] - late)
    edges = slice(400, -400)
    assert max(abs(np.frombuffer(out, "<i2")[late:] - wanted)[edges]) < 4


def test_a_reset_starts_a_new_stream():
    data = np.random.default_rng(2).integers(-9999, 9999, 2000).astype("<i2").tobytes()
    used = Resampler(44100, 16000)
    first = used.push(data)
    used.reset()
    assert used.push(data) == first


def test_what_these_rates_cannot_do_is_refused():
    with pytest.raises(ValueError, match="no conversion from 100 to 96000 Hz"):
        Resampler(100, 96000)
    with pytest.raises(ValueError, match="no conversion from -8000 to 16000 Hz"):
        Resampler(-8000, 16000)
    with pytest.raises(LookupError, match="no push_into from 44100 to 16000 Hz"):
        Resampler(44100, 16000).push_into(b"", bytearray(10))
    with pytest.raises(ValueError, match="expected whole 16-bit samples"):
        Resampler(44100, 16000).push(b"abc")
