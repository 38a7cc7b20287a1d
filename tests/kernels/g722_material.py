"""Signals and code streams for the G.722 tests, the same on every machine, 16 kHz s16le mono."""

from __future__ import annotations

import math
import wave
from pathlib import Path
from random import Random

import numpy as np

FULL = 32767


def packed(samples) -> bytes:
    clipped = np.clip(np.round(np.asarray(list(samples), dtype=float)), -32768, FULL)
    return clipped.astype("<i2").tobytes()


def speech() -> bytes:
    """Six seconds of espeak-ng, an English man and a Spanish woman, with sibilants up to 8 kHz."""
    with wave.open(str(Path(__file__).parent / "speech16k.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
        pcm = file.readframes(file.getnframes())
    return pcm[: len(pcm) // 4 * 4]


def sine(hz: float, amplitude: float, samples: int = 8000) -> bytes:
    return packed(amplitude * math.sin(2 * math.pi * hz * i / 16000) for i in range(samples))


def sweep(samples: int = 16000) -> bytes:
    return packed(FULL * math.sin(math.pi * 8000 * i * i / 16000 / samples) for i in range(samples))


def noise(seed: int, shift: int, samples: int = 8000) -> bytes:
    octets = Random(seed).randbytes(2 * samples)
    return (np.frombuffer(octets, "<i2") >> shift).astype("<i2").tobytes()


def square(half_period: int, samples: int = 8000) -> bytes:
    return packed(FULL if i // half_period % 2 else -32768 for i in range(samples))


def signals() -> dict[str, bytes]:
    """Within full scale: encoders and decoders of every make agree on these."""
    return {
        "silence": bytes(4000),
        "speech": speech(),
        "quiet noise": noise(1, 12),
        "noise": noise(2, 3),
        "300 Hz": sine(300, 10000),
        "1 kHz": sine(1000, 20000),
        "6 kHz": sine(6000, 20000),
        "least bits": packed(i % 3 - 1 for i in range(4000)),
        "clicks": packed(FULL if i % 400 == 0 else 0 for i in range(8000)),
    }


def overloads() -> dict[str, bytes]:
    """At full scale: the receive mirror filter overshoots 16 bits."""
    return {
        "full noise": noise(3, 0),
        "full 5 kHz": sine(5000, FULL),
        "full sweep": sweep(),
        "square 400 Hz": square(20),
        "square 4 kHz": square(2),
        "Nyquist": square(1),
        "highest sample": packed([FULL] * 4000),
        "lowest sample": packed([-32768] * 4000),
    }


def code_streams() -> dict[str, bytes]:
    """Codes that no encoder makes: a decoder still has one answer."""
    random = Random(4)
    return {
        "every octet": bytes(range(256)) * 8,
        "random": random.randbytes(8000),
        "random, held": b"".join(bytes([random.randrange(256)]) * 50 for _ in range(160)),
        "extremes": bytes(random.choice(b"\x04\x20\xa0\x84\x00\x3f\xff") for _ in range(8000)),
    }
