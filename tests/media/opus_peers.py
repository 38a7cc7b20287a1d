"""Other Opus codecs as black boxes: FFmpeg's own decoder, and libopus itself through ctypes.

FFmpeg's "opus" decoder shares no code with libopus. libopus, called directly, does what FFmpeg's
wrapper cannot: it decodes the copy of a lost frame that the next packet carries.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from collections.abc import Iterable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from missing import skip_or_fail

from rapida_media.kernels import Resampler

FRAME_SAMPLES_48K = 960
APPLICATION_VOIP = 2048


def require_av() -> None:
    """Skip the whole module without PyAV, or fail it in CI."""
    if find_spec("av") is None:
        reason = "Opus not tested: pip install av"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason, allow_module_level=True)


def ffmpeg_decode(payloads: Iterable[bytes]) -> bytes:
    """Decode with FFmpeg's own decoder; gives s16le mono at 16 kHz."""
    import av

    context = av.CodecContext.create("opus", "r")
    context.sample_rate, context.layout = 48000, "mono"
    assert context.codec.name == "opus"
    frames = [frame for payload in payloads for frame in context.decode(av.Packet(payload))]
    frames += context.decode(None)
    samples = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    pcm = np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
    return Resampler(48000, 16000).push(pcm)


def browser_encode(pcm16k: bytes, frame_ms: float, application: str = "audio") -> list[bytes]:
    """Encode as a browser does, stereo at 48 kHz, which no encoder of ours ever does."""
    import av

    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = 48000, "stereo", "s16"
    context.bit_rate, context.time_base = 64000, Fraction(1, 48000)
    context.options = {"frame_duration": str(frame_ms), "application": application}
    mono = np.frombuffer(Resampler(16000, 48000).push(pcm16k), "<i2")
    size = int(48 * frame_ms)
    payloads = []
    for start in range(0, len(mono) - size + 1, size):
        both = np.repeat(mono[start : start + size], 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate = 48000
        payloads += [bytes(packet) for packet in context.encode(frame)]
    return payloads


class LibOpus:
    """libopus by its C interface: the system's, or else the one that PyAV brought."""

    def __init__(self) -> None:
        import av

        bundled = Path(av.__file__).parent.parent.glob("av.libs/libopus-*.so*")
        names = [ctypes.util.find_library("opus"), *map(str, bundled)]
        found = next((name for name in names if name), None)
        if found is None:
            skip_or_fail("libopus not compared: apt-get install libopus0")
        self.library = ctypes.CDLL(found)
        self.library.opus_decoder_create.restype = ctypes.c_void_p
        self.library.opus_decode.argtypes = [
            ctypes.c_void_p,
            ctypes.c_char_p,
            ctypes.c_int32,
            ctypes.c_char_p,
            ctypes.c_int,
            ctypes.c_int,
        ]
        self.library.opus_decoder_destroy.argtypes = [ctypes.c_void_p]

    def decode(self, payloads: list[bytes], lost: set[int], use_fec: bool) -> bytes:
        """Decode at 16 kHz with these packets lost, from the next one's copy or concealed."""
        state = self.library.opus_decoder_create(16000, 1, None)
        out = ctypes.create_string_buffer(640)
        pcm = b""
        for number, payload in enumerate(payloads):
            given = payload if number not in lost else None
            if given is None and use_fec:
                given = payloads[number + 1]
            fec = int(use_fec and number in lost)
            size = len(given) if given is not None else 0
            assert self.library.opus_decode(state, given, size, out, 320, fec) == 320
            pcm += out.raw
        self.library.opus_decoder_destroy(state)
        return pcm
