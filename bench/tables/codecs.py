"""The codecs side by side: one 20 ms frame of 16 kHz PCM to a payload and back.

All work on the same speech, at the bus's 16 kHz, so G.711 is here with its resampler; times are
compared with our G.722. "aiortc Opus" is what its streams hold: stereo at 48 kHz and 96 kbit/s,
another job of the same library. The facts are of ten seconds of speech: what goes over the wire
(without headers), how late the sound comes back and how like the sent sound it is. No such figure
says how Opus sounds: it keeps what an ear notices, not the waveform.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from bench import pyav
from bench.harness import Candidate, MissingPeerError, Row, Run, each
from bench.material import octets_in, pieces, speech
from bench.peers import module
from bench.results import Fact
from bench.tables import Facts, Table
from rapida_media.kernels import Resampler
from rapida_media.media import codec

FRAME_OCTETS = octets_in(16000, 20)
FRAMES = 500
LATEST_MS = 20
AIORTC = "aiortc Opus, stereo 48 kHz"

Start = Callable[[], Any]


def plain(name: str) -> tuple[Start, Start]:
    """Give what starts an encoder and a decoder that the package itself has."""
    return lambda: codec.encoder(name), lambda: codec.decoder(name)


def opus(**settings: Any) -> tuple[Start, Start]:
    """Give what starts our Opus, which needs PyAV, with these settings of the encoder."""

    def encoder() -> Any:
        module("av")
        from rapida_media.media.opus import OpusEncoder  # only this needs PyAV

        return OpusEncoder(**settings)

    def decoder() -> Any:
        module("av")
        return codec.decoder(codec.OPUS)

    return encoder, decoder


CODECS = {
    "rapida-media G722": plain("G722"),
    "rapida-media PCMU": plain("PCMU"),
    "rapida-media PCMA": plain("PCMA"),
    "rapida-media L16/16000": plain("L16/16000"),
    "rapida-media Opus 24 kbit/s": opus(),
    "rapida-media Opus without FEC": opus(fec=False),
    "rapida-media Opus with DTX": opus(dtx=True),
    "rapida-media Opus, complexity 5": opus(complexity=5),
    "rapida-media Opus, complexity 0": opus(complexity=0),
    "rapida-media Opus 48 kbit/s": opus(bitrate=48_000),
}


def frames() -> list[bytes]:
    return pieces(speech(16000), FRAME_OCTETS, FRAMES)


def rows() -> list[Row]:
    encoders = [Candidate(name, _run(start, "encode")) for name, (start, _) in CODECS.items()]
    decoders = [
        Candidate(name, _run(start, "decode"), _Payloads(encoder))
        for name, (encoder, start) in CODECS.items()
    ]
    return [
        Row("encode, 20 ms", frames(), [*encoders, aiortc_encoder()]),
        Row("decode, 20 ms", frames(), [*decoders, aiortc_decoder()]),
    ]


def _run(start: Start, verb: str) -> Callable[[], Run]:
    return lambda: each(getattr(start(), verb))


class _Payloads:
    """Makes a candidate's payloads with an encoder of its own, begun at the first frame."""

    def __init__(self, start: Start) -> None:
        self._start = start
        self._encoder: Any = None

    def __call__(self, pcm: bytes) -> bytes:
        if self._encoder is None:
            self._encoder = self._start()
        payload: bytes = self._encoder.encode(pcm)
        return payload


def aiortc_encoder() -> Candidate:
    candidate = pyav.aiortc_encoder("opus.Opus", 48000)
    return Candidate(AIORTC, candidate.make, _StereoFrames())


class _StereoFrames:
    """Makes what aiortc's encoder is given: stereo frames at 48 kHz."""

    def __init__(self) -> None:
        self._resampler = Resampler(16000, 48000)

    def __call__(self, pcm: bytes) -> Any:
        mono = np.frombuffer(self._resampler.push(pcm), "<i2")
        both = np.repeat(mono, 2).reshape(1, -1)
        frame = module("av").AudioFrame.from_ndarray(both, format="s16", layout="stereo")
        frame.sample_rate, frame.time_base = 48000, Fraction(1, 48000)
        return frame


def aiortc_decoder() -> Candidate:
    candidate = pyav.aiortc_decoder("opus.Opus")
    return Candidate(AIORTC, candidate.make, _StereoPayloads())


class _StereoPayloads:
    """Makes what aiortc's decoder is given: packets of aiortc's encoder."""

    def __init__(self) -> None:
        self._frames = _StereoFrames()
        self._encoder: Any = None
        self._position = 0

    def __call__(self, pcm: bytes) -> Any:
        if self._encoder is None:
            self._encoder = module("aiortc.codecs.opus").OpusEncoder()
        frame = self._frames(pcm)
        frame.pts = self._position
        self._position += frame.samples
        (payload,), _ = self._encoder.encode(frame)
        return module("aiortc.jitterbuffer").JitterFrame(data=payload, timestamp=0)


def facts() -> Facts:
    found: Facts = {"speech": {}}
    for name, (encoder, decoder) in CODECS.items():
        try:
            encode, decode = encoder().encode, decoder().decode
        except MissingPeerError:
            continue
        payloads = [encode(frame) for frame in frames()]
        heard = b"".join([decode(payload) for payload in payloads])
        found["speech"][name] = {
            "kbit/s": round(8 * sum(map(len, payloads)) / (20 * len(payloads)), 1),
            **likeness(b"".join(frames()), heard),
        }
    return found


def likeness(sent: bytes, heard: bytes) -> dict[str, Fact]:
    """Compare at the delay, to a third of a sample, where both are most alike."""
    ours, theirs = (
        np.frombuffer(Resampler(16000, 48000).push(pcm), "<i2").astype(float)
        for pcm in (sent, heard)
    )
    ours = ours[: len(ours) - 48 * LATEST_MS]
    size = 1 << (2 * len(theirs)).bit_length()
    spectrum = np.fft.rfft(theirs, size) * np.conj(np.fft.rfft(ours, size))
    lag = int(np.argmax(np.fft.irfft(spectrum, size)[: 48 * LATEST_MS]))
    theirs = theirs[lag : lag + len(ours)]
    noise = float(np.mean((theirs - ours) ** 2))
    return {
        "delay ms": round(lag / 48, 2),
        "signal to noise dB": round(10 * float(np.log10(np.mean(ours**2) / max(noise, 1e-9))), 1),
        "correlation": round(float(np.corrcoef(ours, theirs)[0, 1]), 4),
    }


TABLE = Table("Codecs: 20 ms of s16le at 16 kHz to a payload and back", rows, facts)
