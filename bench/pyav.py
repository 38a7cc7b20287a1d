"""FFmpeg's audio codecs through PyAV, and aiortc's codecs on top of them, one item at a time.

Used by the tables "g711", "rtp" and "g722". "PyAV" gets and gives octets; "aiortc" gets and gives
what its own streams hold: frames of a jitter buffer, AudioFrame objects.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from bench.harness import Candidate, Run, each
from bench.peers import module


def context(codec: str, mode: str, rate_hz: int) -> Any:
    """Open a codec by FFmpeg's name to read ("r") or to write ("w") 16-bit mono."""
    made = module("av").CodecContext.create(codec, mode)
    made.sample_rate, made.layout, made.format = rate_hz, "mono", "s16"
    if mode == "w":
        made.time_base = Fraction(1, rate_hz)
    return made


def decoder(codec: str, rate_hz: int) -> Callable[[bytes], bytes]:
    packet, decode = module("av").Packet, context(codec, "r", rate_hz).decode

    def run(payload: bytes) -> bytes:
        frames = decode(packet(payload))
        return b"".join([bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames])

    return run


def encoder(codec: str, rate_hz: int) -> Callable[[bytes], bytes]:
    encode = context(codec, "w", rate_hz).encode
    return lambda pcm: b"".join([bytes(packet) for packet in encode(audio_frame(pcm, rate_hz))])


def audio_frame(pcm: bytes, rate_hz: int) -> Any:
    frame = module("av").AudioFrame(format="s16", layout="mono", samples=len(pcm) // 2, align=1)
    frame.planes[0].update(pcm)
    frame.sample_rate = rate_hz
    return frame


def aiortc_decoder(codec: str) -> Candidate:
    """codec: "g711.Pcmu", "g711.Pcma" or "g722.G722", the beginning of aiortc's class name."""

    def make() -> Run:
        return each(_aiortc_class(codec, "Decoder")().decode)

    def prepare(payload: bytes) -> Any:
        return module("aiortc.jitterbuffer").JitterFrame(data=payload, timestamp=0)

    return Candidate("aiortc", make, prepare)


def aiortc_encoder(codec: str, rate_hz: int) -> Candidate:
    def make() -> Run:
        encode, position = _aiortc_class(codec, "Encoder")().encode, 0

        def run(frames: Any) -> None:
            nonlocal position
            for frame in frames:
                frame.pts = position  # its own resampler wants time to go on
                position += frame.samples
                encode(frame)

        return run

    def prepare(pcm: bytes) -> Any:
        frame = audio_frame(pcm, rate_hz)
        frame.time_base = Fraction(1, rate_hz)
        return frame

    return Candidate("aiortc", make, prepare)


def _aiortc_class(codec: str, suffix: str) -> Any:
    file, _, name = codec.partition(".")
    return getattr(module(f"aiortc.codecs.{file}"), name + suffix)
