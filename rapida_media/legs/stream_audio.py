"""Between a provider's audio and the bus: one stateful converter for each direction."""

from __future__ import annotations

from collections.abc import Callable

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import (
    PayloadDecoder,
    PayloadEncoder,
    Resampler,
)
from rapida_media.media.frame import RATE_HZ
from rapida_media.providers.stream import AudioFormat

Converter = Callable[[bytes], bytes]
G711 = ("PCMU", "PCMA")


def to_bus(source: AudioFormat) -> Converter:
    """Make what turns a provider's audio into s16le mono 16 kHz.

    LocalProtocolError for a format that there is no converter for. Linear audio has to be cut at
    whole samples.
    """
    _check(source)
    if source.encoding in G711:
        return PayloadDecoder(source.encoding).decode
    return _same if source.rate_hz == RATE_HZ else Resampler(source.rate_hz, RATE_HZ).push


def from_bus(target: AudioFormat) -> Converter:
    """Make what turns s16le mono 16 kHz, in 20 ms steps, into a provider's audio."""
    _check(target)
    if target.encoding in G711:
        return PayloadEncoder(target.encoding).encode
    return _same if target.rate_hz == RATE_HZ else Resampler(RATE_HZ, target.rate_hz).push


def _check(audio: AudioFormat) -> None:
    linear = audio.encoding == "s16le" and audio.rate_hz > 0
    if not linear and not (audio.encoding in G711 and audio.rate_hz == 8000):
        raise LocalProtocolError(f"no converter for {audio}: expected PCMU, PCMA or s16le")


def _same(pcm: bytes) -> bytes:
    return pcm
