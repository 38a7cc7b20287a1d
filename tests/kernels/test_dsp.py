"""Mixing, level, gain ramps and the tone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.kernels import Concealer, Tone, gain_ramp, level_dbov, mix

SAMPLE = st.integers(-32768, 32767)


def packed(samples) -> bytes:
    return np.array(samples, "<i2").tobytes()


def pcm(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2")


@given(st.lists(st.tuples(SAMPLE, SAMPLE), max_size=100))
def test_a_mix_is_the_clipped_sum(pairs):
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    assert list(pcm(mix(packed(left), packed(right)))) == [
        max(-32768, min(32767, a + b)) for a, b in pairs
    ]


def test_a_mix_leaves_its_inputs_alone_and_refuses_two_lengths():
    left, right = packed([30000, -30000]), packed([30000, -30000])
    assert mix(left, right) == packed([32767, -32768])
    assert left == right == packed([30000, -30000])
    with pytest.raises(ValueError, match="expected equal lengths, got 4 and 2 octets"):
        mix(left, right[:2])


@pytest.mark.parametrize(
    ("samples", "dbov"),
    [
        ([], -127),
        ([0] * 160, -127),
        ([1] * 160, -90),
        ([-32768] * 160, 0),
        ([32767, -32767] * 80, 0),
        ([3277, -3277] * 80, -20),
        ([1] + [0] * 9999, -127),
    ],
)
def test_the_level_is_the_rms_relative_to_a_full_scale_square_wave(samples, dbov):
    assert level_dbov(packed(samples)) == dbov


@pytest.mark.parametrize("dbov", [-3.1, -10.0, -26.0, -60.0])
@pytest.mark.parametrize("hz", [50.0, 440.0, 3999.0])
def test_a_tone_has_the_asked_level_and_frequency(hz, dbov):
    tone = pcm(Tone(hz, dbov).read(16000)).astype(float)
    rms = 20 * np.log10(np.sqrt(np.mean(tone**2)) / 32768)
    assert abs(rms - dbov) < 0.05
    assert np.argmax(np.abs(np.fft.rfft(tone))) == hz


@given(st.lists(st.integers(0, 300), max_size=10))
def test_a_tone_goes_on_where_the_last_read_ended(sizes):
    tone = Tone(1234.5)
    assert b"".join(tone.read(size) for size in sizes) == Tone(1234.5).read(sum(sizes))


def test_a_tone_keeps_level_and_pitch_for_an_hour():
    tone = Tone(1000.0, -10.0)
    first = tone.read(16000)
    for _ in range(36):
        tone.read(1_600_000)
    later = tone.read(16000)
    assert max(abs(pcm(first).astype(int) - pcm(later))) <= 1


def test_a_tone_louder_than_full_scale_is_a_full_scale_sine():
    assert max(pcm(Tone(1000.0, 20.0).read(16000))) == 32767


@pytest.mark.parametrize(("hz", "rate_hz"), [(-1.0, 16000), (8001.0, 16000), (1.0, 0)])
def test_a_tone_that_the_rate_cannot_carry_is_refused(hz, rate_hz):
    with pytest.raises(ValueError, match="expected 0 to half of a positive rate"):
        Tone(hz, rate_hz=rate_hz)
    with pytest.raises(ValueError, match="expected a number of samples"):
        Tone(1.0).read(-1)
    with pytest.raises(ValueError, match="expected a level in dBov, got nan"):
        Tone(1.0, float("nan"))


@pytest.mark.parametrize("samples", [2**62, 2**63 - 1])
def test_more_samples_than_memory_can_have_are_refused(samples):
    with pytest.raises(MemoryError):
        Tone(1.0).read(samples)
    with pytest.raises(MemoryError):
        Concealer().extrapolate(samples)


def test_a_gain_ramp_is_a_straight_line_that_the_next_ramp_continues():
    flat = packed([10000] * 320)
    first, second = pcm(gain_ramp(flat, 0.0, 0.5)), pcm(gain_ramp(flat, 0.5, 1.0))
    line = np.concatenate([first, second]).astype(int)
    assert max(abs(line - np.arange(640) * 10000 / 640)) <= 1
    assert set(np.diff(line)) <= {15, 16}


def test_gain_one_changes_nothing_and_a_loud_gain_clips():
    data = packed([-32768, -1, 0, 1, 32767])
    assert gain_ramp(data, 1.0, 1.0) == data
    assert gain_ramp(data, 8.0, 8.0) == packed([-32768, -8, 0, 8, 32767])
    assert gain_ramp(b"", 0.0, 1.0) == b""
    with pytest.raises(ValueError, match="expected gains of 0 to 8"):
        gain_ramp(data, 0.0, 8.1)
