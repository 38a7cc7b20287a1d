"""An RTP payload of μ-law to a 16 kHz frame of the media bus and back: expanding and resampling.

One candidate is a G.711 codec with a streaming converter; ours does both in one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.converters import Maker, audioop_ratecv, samplerate, soxr, speexdsp
from bench.harness import Candidate, Row, Run, each
from bench.material import items
from bench.peers import module
from bench.pyav import context
from bench.tables import Table
from rapida_media.kernels import PayloadDecoder, PayloadEncoder, ulaw_encode

CONVERTERS: dict[str, Maker] = {
    "audioop + soxr HQ": soxr("HQ"),
    "audioop + speexdsp q3": speexdsp(3),
    "audioop + samplerate sinc_fastest": samplerate("sinc_fastest"),
    "audioop + ratecv": audioop_ratecv,
}


def rows() -> list[Row]:
    payloads = [ulaw_encode(frame) for frame in items(8000, "20 ms")]
    return [
        Row(
            "μ-law payload to 16 kHz, 20 ms",
            payloads,
            [
                Candidate("rapida-media", lambda: each(PayloadDecoder("PCMU").decode)),
                *(Candidate(name, _reader(maker)) for name, maker in CONVERTERS.items()),
                Candidate("PyAV decoder + swresample", pyav_reader),
            ],
        ),
        Row(
            "16 kHz to μ-law payload, 20 ms",
            items(16000, "20 ms"),
            [
                Candidate("rapida-media", lambda: each(PayloadEncoder("PCMU").encode)),
                *(Candidate(name, _writer(maker)) for name, maker in CONVERTERS.items()),
            ],
        ),
    ]


def _reader(maker: Maker) -> Callable[[], Run]:
    def make() -> Run:
        expand, push = module("audioop").ulaw2lin, maker(8000, 16000)
        return each(lambda payload: push(expand(payload, 2)))

    return make


def _writer(maker: Maker) -> Callable[[], Run]:
    def make() -> Run:
        compress, push = module("audioop").lin2ulaw, maker(16000, 8000)
        return each(lambda pcm: compress(push(pcm), 2))

    return make


def pyav_reader() -> Run:
    """FFmpeg all the way: its decoder's frame goes straight to its converter."""
    av = module("av")
    decode, packet = context("pcm_mulaw", "r", 8000).decode, av.Packet
    resample = av.AudioResampler(format="s16", layout="mono", rate=16000).resample

    def read(payload: bytes) -> list[Any]:
        return [
            bytes(made.planes[0])[: 2 * made.samples]
            for frame in decode(packet(payload))
            for made in resample(frame)
        ]

    return each(read)


TABLE = Table("RTP payload to 16 kHz PCM and back", rows)
