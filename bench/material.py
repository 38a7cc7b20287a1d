"""The sound that candidates work on: the demo's recorded speech, at any rate, cut into items.

Called by the tables. s16le mono throughout. Silence or a tone would flatter code whose speed
depends on the data, so everything is timed on speech.
"""

from __future__ import annotations

import wave
from functools import cache
from pathlib import Path

from rapida_media.kernels import Resampler

SPEECH = Path(__file__).resolve().parent.parent / "rapida_media" / "demo" / "speech.wav"
FRAME_MS = 20
FRAMES = 50  # distinct 20 ms frames in a batch: a second, all of it in the nearest cache

SIZES_MS = {"20 ms": 20, "1 s": 1_000, "60 s": 60_000}


@cache
def speech(rate_hz: int) -> bytes:
    """Give a minute of speech at 8, 16, 24, 32 or 48 kHz."""
    with wave.open(str(SPEECH)) as recording:
        assert (recording.getsampwidth(), recording.getnchannels()) == (2, 1)
        pcm, recorded_hz = recording.readframes(recording.getnframes()), recording.getframerate()
    minute = 60 * 2 * recorded_hz
    pcm = (pcm * (minute // len(pcm) + 1))[:minute]
    return pcm if rate_hz == recorded_hz else Resampler(recorded_hz, rate_hz).push(pcm)


def pieces(data: bytes, octets: int, most: int) -> list[bytes]:
    """Cut data into at most so many pieces of that length."""
    starts = range(0, min(len(data) - octets + 1, octets * most), octets)
    return [data[start : start + octets] for start in starts]


def items(rate_hz: int, size: str) -> list[bytes]:
    """Give speech in pieces of "20 ms", "1 s" or "60 s"."""
    return pieces(speech(rate_hz), octets_in(rate_hz, SIZES_MS[size]), FRAMES)


def octets_in(rate_hz: int, milliseconds: int) -> int:
    return 2 * rate_hz * milliseconds // 1000
