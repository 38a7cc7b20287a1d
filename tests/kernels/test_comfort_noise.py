"""Comfort noise by RFC 3389: payloads, the noise they describe, and descriptions of noise."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.kernels import ComfortNoise, describe_noise, level_dbov


def pcm(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2").astype(float)


def noise_of(payload: bytes, samples: int = 16000) -> np.ndarray:
    noise = ComfortNoise()
    assert noise.receive(payload)
    return pcm(noise.read(samples))


@pytest.mark.parametrize("level", [20, 35, 50, 70])
def test_the_first_octet_is_the_level_in_minus_dbov(level):
    assert level_dbov(noise_of(bytes([level])).astype("<i2").tobytes()) == pytest.approx(
        -level, abs=1
    )


def test_the_most_significant_bit_of_the_level_is_ignored():
    assert np.array_equal(noise_of(bytes([0x80 | 40])), noise_of(bytes([40])))


def quantised(index: int) -> float:
    """RFC 3389 section 3.2."""
    return 258 * (index - 127) / 32768


@pytest.mark.parametrize("index", [0, 40, 127, 200, 254])
def test_one_coefficient_gives_noise_with_that_first_correlation(index):
    made = noise_of(bytes([30, index]))
    correlation = np.mean(made[1:] * made[:-1]) / np.mean(made * made)
    assert correlation == pytest.approx(-quantised(index), abs=0.03)


@given(st.lists(st.binary(min_size=1, max_size=11), min_size=1, max_size=5))
def test_no_payload_makes_noise_much_louder_than_any_asks_for(payloads):
    noise = ComfortNoise()
    for payload in payloads:
        noise.receive(payload)
        noise.read(320)
    loudest = max(0.0, *(10 ** (-(payload[0] & 127) / 20) for payload in payloads))
    rms = np.sqrt(np.mean(pcm(noise.read(16000)) ** 2)) / 32768
    assert rms <= 10 * loudest + 1e-4


@pytest.mark.parametrize("index", [0, 254, 255])
def test_coefficients_that_no_sound_has_leave_the_noise_at_its_level(index):
    made = noise_of(bytes([30] + 10 * [index]), 80000)
    assert 20 * np.log10(np.sqrt(np.mean(made[40000:] ** 2)) / 32768) == pytest.approx(-30, abs=3)


def correlations(samples: np.ndarray) -> list[float]:
    energy = np.mean(samples * samples)
    return [float(np.mean(samples[lag:] * samples[:-lag]) / energy) for lag in (1, 2, 3)]


def ffmpeg_noise(payload: bytes) -> np.ndarray:
    decoder = av.CodecContext.create("comfortnoise", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"
    frames = [frame for _ in range(60) for frame in decoder.decode(av.Packet(payload))]
    made = np.concatenate([frame.to_ndarray().ravel() for frame in frames])
    return made[2000:].astype(float)  # it takes some frames to reach the spectrum


@pytest.mark.parametrize("indices", [[40], [200], [60, 180], [90, 150, 100]])
def test_the_spectrum_is_the_one_that_ffmpeg_makes_of_a_payload(indices):
    payload = bytes([40, *indices])
    assert correlations(noise_of(payload, 36000)) == pytest.approx(
        correlations(ffmpeg_noise(payload)), abs=0.05
    )


@given(st.lists(st.integers(70, 184), max_size=10))
def test_a_spectrum_leaves_the_level_alone(indices):
    made = noise_of(bytes([40, *indices]), 64000)
    level = 20 * np.log10(np.sqrt(np.mean(made**2)) / 32768)
    assert level == pytest.approx(-40, abs=2.5)


@given(st.binary(max_size=40))
def test_any_payload_gives_noise(payload):
    noise = ComfortNoise()
    assert noise.receive(payload) is bool(payload)
    assert len(noise.read(400)) == 800


def test_an_empty_payload_changes_nothing():
    one, other = ComfortNoise(), ComfortNoise()
    for noise in (one, other):
        noise.receive(b"\x23\x30")
    assert not one.receive(b"")
    assert one.read(100) == other.read(100)


def test_coefficients_beyond_the_tenth_are_zero():
    payload = bytes([40, *range(100, 110)])
    assert np.array_equal(noise_of(payload + b"\0\xff"), noise_of(payload))


@given(level=st.integers(10, 60), indices=st.lists(st.integers(60, 190), min_size=1, max_size=3))
def test_a_description_of_noise_comes_near_what_made_it(level, indices):
    payload = bytes([level, *indices])
    made = noise_of(payload, 4000)
    described = describe_noise(made.astype("<i2").tobytes(), len(indices))
    assert len(described) == len(payload)
    assert abs(described[0] - level) <= 2
    for ours, theirs in zip(described[1:], indices, strict=True):
        assert abs(ours - theirs) < 25


@pytest.mark.parametrize(
    ("samples", "payload"),
    [([], b"\x7f"), ([0] * 200, b"\x7f"), ([-32768] * 50, b"\0"), ([3277, -3277] * 80, b"\x14")],
)
def test_levels_are_counted_from_a_full_scale_square_wave(samples, payload):
    assert describe_noise(np.array(samples, "<i2").tobytes()) == payload


def test_silence_has_a_flat_spectrum():
    assert describe_noise(bytes(320), 4) == bytes([127, 127, 127, 127, 127])


@pytest.mark.parametrize("order", [-1, 11])
def test_an_order_out_of_range_is_refused(order):
    with pytest.raises(ValueError, match=f"expected an order of 0 to 10, got {order}"):
        describe_noise(bytes(320), order)


def test_noise_before_the_first_payload_is_that_of_an_idle_line():
    assert level_dbov(ComfortNoise().read(8000)) == pytest.approx(-75, abs=1)
