"""Speech in 20 ms frames, for the tests of codecs."""

from __future__ import annotations

from pathlib import Path

import pytest

import rapida_media
from rapida_media.media.wav import read_wav

SPEECH = Path(rapida_media.__file__).parent / "demo" / "speech.wav"


@pytest.fixture(scope="session")
def speech_frames() -> list[bytes]:
    """Give the demo's speech, 6.7 seconds as s16le mono at 16 kHz, in whole frames of 640 bytes."""
    pcm = read_wav(SPEECH)
    return [pcm[start : start + 640] for start in range(0, len(pcm) - 639, 640)]
