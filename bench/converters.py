"""Everybody's streaming sample rate converters behind one call: s16le octets in, s16le octets out.

Used by the tables "resamplers", "rtp" and "messages" and by `quality.py`. What turns octets into a
library's arrays is part of the time: a media engine holds octets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from bench.harness import MissingPeerError, Run, each
from bench.peers import library, module
from rapida_media.kernels import Resampler, _resample

Push = Callable[[bytes], bytes]
# (from_hz, to_hz) → the push of a fresh stream; raises MissingPeerError
Maker = Callable[[int, int], Push]


def ours(profile: str | None = None) -> Maker:
    return lambda from_hz, to_hz: Resampler(from_hz, to_hz, profile).push


def soxr(quality: str) -> Maker:
    def make(from_hz: int, to_hz: int) -> Push:
        numpy = module("numpy")
        stream = module("soxr").ResampleStream(from_hz, to_hz, 1, dtype="int16", quality=quality)
        chunk, view, kind = stream.resample_chunk, numpy.frombuffer, numpy.int16
        return lambda pcm: chunk(view(pcm, kind)).tobytes()

    return make


def speexdsp(quality: int) -> Maker:
    def make(from_hz: int, to_hz: int) -> Push:
        ffi, speex = library("speexdsp")
        state = speex.speex_resampler_init(1, from_hz, to_hz, quality, ffi.NULL)
        taken, given = ffi.new("uint32_t *"), ffi.new("uint32_t *")
        process, room = speex.speex_resampler_process_int, 0
        out: Any = None
        view: Any = None

        def push(pcm: bytes) -> bytes:
            nonlocal room, out, view
            samples = len(pcm) >> 1
            wanted = samples * to_hz // from_hz + 64
            if wanted > room:
                room = wanted
                out = ffi.new("int16_t[]", room)
                view = ffi.buffer(out)
            taken[0], given[0] = samples, room
            process(state, 0, pcm, taken, out, given)
            return bytes(view[: 2 * given[0]])

        return push

    return make


def samplerate(quality: str) -> Maker:
    def make(from_hz: int, to_hz: int) -> Push:
        numpy, library_ = module("numpy"), module("samplerate")
        process, ratio = library_.Resampler(quality, channels=1).process, to_hz / from_hz
        view, kind, single, scale = numpy.frombuffer, numpy.int16, numpy.float32, 1 / 32768
        rint, clip = numpy.rint, numpy.clip

        def push(pcm: bytes) -> bytes:
            made = process(view(pcm, kind).astype(single) * scale, ratio)
            return bytes(clip(rint(made * 32768), -32768, 32767).astype(kind).tobytes())

        return push

    return make


def scipy_per_frame(from_hz: int, to_hz: int) -> Push:
    """resample_poly of each push on its own, as scripts do: no state from push to push."""
    numpy, signal = module("numpy"), module("scipy.signal")
    up, down = _ratio(from_hz, to_hz)
    poly, view, kind = signal.resample_poly, numpy.frombuffer, numpy.int16

    def push(pcm: bytes) -> bytes:
        made = poly(view(pcm, kind).astype(numpy.float32), up, down)
        return bytes(numpy.clip(numpy.rint(made), -32768, 32767).astype(kind).tobytes())

    return push


def audioop_ratecv(from_hz: int, to_hz: int) -> Push:
    """Linear interpolation, of the standard library up to Python 3.12."""
    ratecv, state = module("audioop").ratecv, None

    def push(pcm: bytes) -> bytes:
        nonlocal state
        made, state = ratecv(pcm, 2, 1, from_hz, to_hz, state)
        return bytes(made)

    return push


def pyav(from_hz: int, to_hz: int) -> Push:
    """FFmpeg's swresample with its defaults."""
    av = module("av")
    resample = av.AudioResampler(format="s16", layout="mono", rate=to_hz).resample
    new_frame = av.AudioFrame

    def push(pcm: bytes) -> bytes:
        frame = new_frame(format="s16", layout="mono", samples=len(pcm) >> 1, align=1)
        frame.planes[0].update(pcm)
        frame.sample_rate = from_hz
        return b"".join([bytes(made.planes[0])[: 2 * made.samples] for made in resample(frame)])

    return push


CONVERTERS: dict[str, Maker] = {
    "rapida-media": ours(),
    "rapida-media low_delay": ours("low_delay"),
    "soxr HQ": soxr("HQ"),
    "soxr VHQ": soxr("VHQ"),
    "soxr LQ": soxr("LQ"),
    "speexdsp q3": speexdsp(3),
    "speexdsp q10": speexdsp(10),
    "samplerate sinc_fastest": samplerate("sinc_fastest"),
    "samplerate sinc_best": samplerate("sinc_best"),
    "PyAV swresample": pyav,
    "scipy resample_poly per frame": scipy_per_frame,
    "audioop ratecv": audioop_ratecv,
}


def forced(variant: str, from_hz: int, to_hz: int) -> Run:
    """Give our own converter held to one vector variant; it is switched once a batch."""
    if variant not in _resample.variants():
        raise MissingPeerError(f"the variant {variant} is for another processor")
    run = each(Resampler(from_hz, to_hz).push)

    def run_forced(batch: Any) -> None:
        _resample._force_variant(variant)
        try:
            run(batch)
        finally:
            _resample._force_variant(None)

    return run_forced


def _ratio(from_hz: int, to_hz: int) -> tuple[int, int]:
    common = math.gcd(from_hz, to_hz)
    return to_hz // common, from_hz // common
