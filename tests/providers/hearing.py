"""What is measured of audio: frequency, likeness and delay. All s16le."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import rapida_media
from rapida_media.kernels import Tone
from rapida_media.media.wav import read_wav
from rapida_media.testing.line import PlatformLine

SPEECH = Path(rapida_media.__file__).parent / "demo" / "speech.wav"
SPEECH_PCM = read_wav(SPEECH)[: 2 * 16_000 * 3]
TONE_PCM = Tone(1000.0, dbov=-16.0).read(16_000 * 2)


def samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def correlation(sent: bytes, heard: bytes) -> float:
    """Align and compare, fractions of a sample included; both at the same rate."""
    left, right = samples(sent), samples(heard)
    size = 1 << (len(left) + len(right)).bit_length()
    spectrum = np.conj(np.fft.rfft(left, size)) * np.fft.rfft(right, size)
    lag = int(np.argmax(np.fft.irfft(spectrum, size)[: len(right)]))
    part = right[lag : lag + len(left)]
    # Between the samples: the filters' delay is no whole number of them.
    width = 1 << len(left).bit_length()
    near = np.conj(np.fft.rfft(left, width)) * np.fft.rfft(part, width)
    fine = np.fft.irfft(near, 4 * width).max() * 4
    return float(fine / np.sqrt(np.dot(left, left) * np.dot(part, part)))


def hertz(pcm: bytes, rate_hz: int) -> float:
    """The strongest frequency, to a small part of a hertz."""
    wave = samples(pcm) * np.hanning(len(pcm) // 2)
    size = 1 << 18
    return float(np.argmax(np.abs(np.fft.rfft(wave, size))) * rate_hz / size)


def steady_hertz(pcm: bytes, rate_hz: int) -> float:
    """The frequency of a tone that may have stumbled, as where a buffer ran dry once: its phase
    jumps there, which moves the line of all of it by hertz. Most tenths of a second hold no jump.
    """
    piece = min(2 * (rate_hz // 10), len(pcm))
    starts = range(0, len(pcm) - piece + 1, piece // 4 * 2)
    return float(np.median([hertz(pcm[at : at + piece], rate_hz) for at in starts]))


def middle(pcm: bytes, rate_hz: int) -> bytes:
    """Cut what is loud out of silence, and a tenth of a second off both its ends."""
    loud = np.flatnonzero(np.abs(samples(pcm)) > 500)
    edge = rate_hz // 10
    return pcm[2 * (int(loud[0]) + edge) : 2 * (int(loud[-1]) - edge)]


def heard_by(line: PlatformLine) -> bytes:
    return line.linear(bytes(line.heard))


def echo_delays_ms(line: PlatformLine) -> list[float]:
    """How much later each quarter of a second of speech was heard than it was said."""
    said, heard = samples(line.linear(bytes(line.said))), samples(heard_by(line))
    word_length = line.audio.rate_hz // 4
    delays = []
    for at in range(0, len(said) - 3 * word_length, word_length):
        word = said[at : at + word_length]
        if np.sqrt(np.mean(word**2)) < 300:
            continue
        window = heard[at : at + 3 * word_length]
        lag = np.argmax(np.correlate(window, word))
        delays.append(float(lag) * 1000 / line.audio.rate_hz)
    return delays
