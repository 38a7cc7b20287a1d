"""WAV files: ``read_wav`` for greetings and players, ``wave_header`` for the recorder.

Only 16-bit linear PCM. What is read becomes the bus format, 16 kHz s16le mono.
"""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import samplerate  # type: ignore[import-not-found]

from rapida_media.errors import ConfigError
from rapida_media.kernels import Resampler
from rapida_media.media.frame import RATE_HZ

WAVE_HEADER_BYTES = 44
# One hour: a prompt is never longer, and a wrong file must not fill the memory.
_LONGEST_SECONDS = 3600


def wave_header(rate_hz: int, channels: int, frames: int) -> bytes:
    """Write the 44-byte RIFF/WAVE header of 16-bit PCM (one frame: a sample of each channel)."""
    block_bytes = 2 * channels
    data_bytes = frames * block_bytes
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        data_bytes + WAVE_HEADER_BYTES - 8,
        b"WAVE",
        b"fmt ",
        16,
        1,  # WAVE_FORMAT_PCM
        channels,
        rate_hz,
        rate_hz * block_bytes,
        block_bytes,
        16,
        b"data",
        data_bytes,
    )


def read_wav(path: str | Path) -> bytes:
    """Read a WAV file as 16 kHz s16le mono.

    16-bit PCM of 8 to 48 kHz, at most an hour; several channels are averaged to one. Raises
    ConfigError, which names the file and what was expected, for everything else.
    """
    try:
        with wave.open(str(path), "rb") as source:
            sample_bits, channels = 8 * source.getsampwidth(), source.getnchannels()
            rate_hz, frames = source.getframerate(), source.getnframes()
            if sample_bits != 16 or not 8000 <= rate_hz <= 48000:
                raise _unreadable(path, f"{sample_bits} bits at {rate_hz} Hz")
            if frames > _LONGEST_SECONDS * rate_hz:
                raise _unreadable(path, f"{frames / rate_hz:.0f} s of audio")
            pcm = source.readframes(frames)
    except (OSError, EOFError, wave.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise _unreadable(path, reason or "a file cut short") from error
    return _to_bus_rate(_to_mono(pcm, channels), rate_hz)


def _unreadable(path: str | Path, got: str) -> ConfigError:
    return ConfigError(
        f"{path}: expected a WAV file of 16-bit PCM, 8000 to 48000 Hz, up to an hour; got {got}"
    )


def _to_mono(pcm: bytes, channels: int) -> bytes:
    whole = len(pcm) - len(pcm) % (2 * channels)
    if channels == 1:
        return pcm[:whole]
    samples = np.frombuffer(pcm[:whole], dtype="<i2").reshape(-1, channels)
    return _to_pcm(samples.mean(axis=1))


def _to_bus_rate(pcm: bytes, rate_hz: int) -> bytes:
    if rate_hz == RATE_HZ or not pcm:
        return pcm
    if rate_hz == 8000:
        return _double(pcm)
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    return _to_pcm(samplerate.resample(samples, RATE_HZ / rate_hz, "sinc_best"))


def _double(pcm: bytes) -> bytes:
    """Resample 8 to 16 kHz and take the filter's delay off again."""
    resampler = Resampler(8000, RATE_HZ)
    delay_samples = round(resampler.delay_ms * RATE_HZ / 1000)
    tail = bytes(2 * (delay_samples // 2 + 1))
    whole = resampler.push(pcm) + resampler.push(tail)
    return whole[2 * delay_samples :][: 2 * len(pcm)]


def _to_pcm(samples: npt.NDArray[np.floating]) -> bytes:
    rounded: npt.NDArray[np.floating] = np.clip(np.rint(samples), -32768, 32767)
    return rounded.astype("<i2").tobytes()
