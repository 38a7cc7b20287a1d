"""Independent G.722 codecs as black boxes: FFmpeg's through PyAV, spandsp's through ctypes.

A peer that is not installed skips its tests (fails them in CI) and says how to get it.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from missing import skip_or_fail


class Peer(Protocol):
    wraps_overload: bool

    def encode(self, pcm: bytes) -> bytes: ...
    def decode(self, codes: bytes) -> bytes: ...


class FFmpeg:
    """libavcodec's "g722" without its trellis search, one stream per call."""

    wraps_overload = False

    def __init__(self) -> None:
        if find_spec("av") is None:
            skip_or_fail("FFmpeg's G.722 not compared: pip install av")
        self.av = import_module("av")

    def _context(self, mode: str):
        context = self.av.CodecContext.create("g722", mode)
        context.sample_rate, context.layout = 16000, "mono"
        return context

    def encode(self, pcm: bytes) -> bytes:
        context = self._context("w")
        context.format = "s16"
        samples = np.frombuffer(pcm, "<i2").reshape(1, -1)
        frame = self.av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16000
        return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])

    def decode(self, codes: bytes) -> bytes:
        context = self._context("r")
        frames = [*context.decode(self.av.Packet(codes)), *context.decode(None)]
        return b"".join(frame.to_ndarray().astype("<i2").tobytes() for frame in frames)


class SpanDSP:
    """spandsp's g722_encode and g722_decode at 64 kbit/s, one stream per call."""

    wraps_overload = True  # of releases up to 0.0.6 at least

    def __init__(self) -> None:
        try:
            self.library = ctypes.CDLL("libspandsp.so.2")
        except OSError:
            skip_or_fail("spandsp's G.722 not compared: apt-get install libspandsp2")

    def _run(self, verb: str, data: bytes, units: int, room: int, unit_octets: int) -> bytes:
        start = getattr(self.library, f"g722_{verb}_init")
        start.restype, start.argtypes = (
            ctypes.c_void_p,
            [ctypes.c_void_p, ctypes.c_int, ctypes.c_int],
        )
        step = getattr(self.library, f"g722_{verb}")
        step.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int]
        end = getattr(self.library, f"g722_{verb}_free")
        end.argtypes = [ctypes.c_void_p]
        state = start(None, 64000, 0)
        out = ctypes.create_string_buffer(room)
        given = step(state, out, data, units)
        end(state)
        return out.raw[: given * unit_octets]

    def encode(self, pcm: bytes) -> bytes:
        return self._run("encode", pcm, len(pcm) // 2, len(pcm) // 4 + 1, 1)

    def decode(self, codes: bytes) -> bytes:
        return self._run("decode", codes, len(codes), 4 * len(codes) + 4, 2)
