"""The benchmark's quality figures, on converters whose faults are known because we made them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from bench import quality
from bench.quality import Pair
from rapida_media.kernels import Resampler

UP = Pair(8000, 16000)
DOWN = Pair(16000, 8000)


def zero_stuffer() -> Callable[[bytes], bytes]:
    """Up by two without any filter: the image is as loud as the tone."""

    def push(pcm: bytes) -> bytes:
        out = np.zeros(len(pcm), np.int16)
        out[::2] = np.frombuffer(pcm, "<i2")
        return out.tobytes()

    return push


def dropper() -> Callable[[bytes], bytes]:
    """Down by two without any filter: what should be rejected comes back whole."""
    return lambda pcm: np.frombuffer(pcm, "<i2")[::2].tobytes()


def hoarder(frames: int) -> Callable[[bytes], bytes]:
    """A perfect-sounding converter that gives nothing until so many pushes have come."""
    push, held = Resampler(8000, 16000).push, []

    def collect(pcm: bytes) -> bytes:
        held.append(push(pcm))
        if len(held) < frames:
            return b""
        given = b"".join(held)
        held.clear()
        return given

    return collect


def test_an_image_as_loud_as_the_tone_is_no_rejection() -> None:
    figures = quality.measure(zero_stuffer, UP)
    assert figures["rejection dB"] == pytest.approx(6.0, abs=0.1)  # both are halved
    assert figures["ripple dB"] == pytest.approx(6.0, abs=0.1)
    assert figures["SINAD 1 kHz dB"] == pytest.approx(0.0, abs=0.1)


def test_an_alias_as_loud_as_the_tone_is_no_rejection() -> None:
    assert quality.measure(dropper, DOWN)["rejection dB"] == pytest.approx(0.0, abs=0.1)


def test_a_shifted_output_is_a_constant_delay() -> None:
    def make() -> Callable[[bytes], bytes]:
        push, before = Resampler(8000, 16000).push, bytearray(2 * 16)  # a millisecond

        def delayed(pcm: bytes) -> bytes:
            before.extend(push(pcm))
            given = bytes(before[: 2 * len(pcm)])
            del before[: len(given)]
            return given

        return delayed

    figures = quality.measure(make, UP)
    own_ms = Resampler(8000, 16000).delay_ms
    assert figures["filter ms"] == pytest.approx(own_ms + 1.0, abs=0.001)
    assert figures["delay ms"] == pytest.approx(own_ms + 1.0, abs=0.001)
    assert figures["worst delay ms"] == pytest.approx(own_ms + 1.0, abs=0.001)
    assert figures["± ms"] == pytest.approx(0.0, abs=0.001)


def test_collected_frames_are_bursts_and_age_the_sound() -> None:
    figures = quality.measure(partial(hoarder, 3), UP)
    own_ms = Resampler(8000, 16000).delay_ms
    assert (figures["least push ms"], figures["most push ms"]) == (0.0, 60.0)
    assert figures["worst delay ms"] == pytest.approx(own_ms + 40.0, abs=0.001)
    assert figures["delay ms"] == pytest.approx(own_ms + 20.0, abs=0.5)
    # A second of speech is 50 frames: two are still held when it pauses.
    assert figures["lost ms"] == pytest.approx(own_ms + 40.0, abs=0.001)


def test_a_converter_that_forgets_between_pushes_depends_on_the_chunking() -> None:
    def forgetful() -> Callable[[bytes], bytes]:
        return lambda pcm: Resampler(8000, 16000).push(pcm)

    assert quality.measure(forgetful, UP)["any chunking"] is False
    assert quality.measure(lambda: Resampler(8000, 16000).push, UP)["any chunking"] is True


def test_a_response_shows_the_pass_band_and_the_image() -> None:
    hz, gain_db = quality.response(lambda: Resampler(8000, 16000).push, UP, step_hz=400)
    assert np.all(np.abs(gain_db[hz < 3400]) < 0.01)
    assert np.all(gain_db[hz > 4600] < -90)
    assert list(hz) == sorted(hz)
