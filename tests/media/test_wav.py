from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from rapida_media.errors import ConfigError
from rapida_media.media.wav import read_wav, wave_header


def tone(rate_hz: int, seconds: float, hz: float = 440.0) -> npt.NDArray[np.float64]:
    return 10000 * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)


def write_wav(
    path: Path, samples: npt.NDArray[np.float64], rate_hz: int, *, width: int = 2
) -> Path:
    """Write with the standard library; samples are (frames,) or (frames, channels)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(samples.round().astype("<i2" if width == 2 else "u1").tobytes())
    return path


@pytest.mark.parametrize(("rate_hz", "channels", "frames"), [(16000, 2, 320), (8000, 1, 0)])
def test_the_header_is_the_one_the_standard_library_writes(
    tmp_path: Path, rate_hz: int, channels: int, frames: int
) -> None:
    path = write_wav(tmp_path / "a.wav", np.zeros((frames, channels)), rate_hz)
    assert path.read_bytes()[:44] == wave_header(rate_hz, channels, frames)


def test_16_khz_mono_is_given_byte_for_byte(tmp_path: Path) -> None:
    samples = tone(16000, 0.1)
    path = write_wav(tmp_path / "a.wav", samples, 16000)
    assert read_wav(path) == samples.round().astype("<i2").tobytes()


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 24000, 32000, 44100, 48000])
def test_other_rates_become_16_khz_without_a_delay(tmp_path: Path, rate_hz: int) -> None:
    pcm = read_wav(write_wav(tmp_path / "a.wav", tone(rate_hz, 1.0), rate_hz))
    heard = np.frombuffer(pcm, dtype="<i2").astype(float)
    assert abs(len(heard) - 16000) <= 1
    middle = slice(1000, 15000)
    assert np.abs(heard[middle] - tone(16000, 1.0)[middle]).max() < 20


def test_channels_are_averaged(tmp_path: Path) -> None:
    stereo = np.column_stack([np.full(100, 1000.0), np.full(100, -200.0)])
    pcm = read_wav(write_wav(tmp_path / "a.wav", stereo, 16000))
    assert pcm == np.full(100, 400, dtype="<i2").tobytes()


def test_loud_audio_is_clipped_not_wrapped(tmp_path: Path) -> None:
    square = np.where(np.arange(24000) % 100 < 50, 32767.0, -32768.0)
    pcm = read_wav(write_wav(tmp_path / "a.wav", square, 24000))
    heard = np.frombuffer(pcm, dtype="<i2").astype(int)
    assert np.abs(np.diff(heard)).max() <= 65535
    assert (heard == 32767).any()


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
def test_an_empty_file_is_no_audio(tmp_path: Path, rate_hz: int) -> None:
    assert read_wav(write_wav(tmp_path / "a.wav", np.zeros(0), rate_hz)) == b""


def test_what_cannot_be_played_is_refused_with_the_reason(tmp_path: Path) -> None:
    eight_bits = write_wav(tmp_path / "eight.wav", np.full(100, 128.0), 16000, width=1)
    slow = write_wav(tmp_path / "slow.wav", np.zeros(100), 6000)
    endless = tmp_path / "endless.wav"
    endless.write_bytes(wave_header(8000, 1, 8000 * 3601))
    noise = tmp_path / "noise.wav"
    noise.write_bytes(b"no wave at all")
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    for path, reason in [
        (eight_bits, "got 8 bits"),
        (slow, "got 16 bits at 6000 Hz"),
        (endless, "got 3601 s"),
        (noise, "got file does not start"),
        (empty, "got a file cut short"),
        (tmp_path / "missing.wav", "No such file"),
    ]:
        with pytest.raises(ConfigError, match=reason) as refusal:
            read_wav(path)
        assert str(path) in str(refusal.value)
