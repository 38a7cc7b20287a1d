"""Audio codecs by name: what stands between RTP payloads and 16 kHz PCM, whichever codec it is.

For everyone who holds payloads or PCM but no media stream: tools, providers, benchmarks, tests. A
coder serves one direction of one stream; it carries state from call to call.
"""

from __future__ import annotations

from typing import Protocol

from rapida_media.kernels import PayloadDecoder, PayloadEncoder

OPUS = "opus"
CODECS = ("PCMU", "PCMA", "G722", "L16/16000", OPUS)


class AudioEncoder(Protocol):
    def encode(self, pcm: bytes, /) -> bytes:
        """Turn s16le mono at 16 kHz into one RTP payload as long as the PCM.

        Whole 20 ms frames (640 bytes) suit every codec; Opus takes nothing else.
        """


class AudioDecoder(Protocol):
    def decode(self, payload: bytes, /) -> bytes:
        """Turn one RTP payload into s16le mono at 16 kHz, 640 bytes per 20 ms. Never raises."""


def encoder(name: str) -> AudioEncoder:
    """Start an encoder for one of CODECS, with that codec's defaults.

    Raises LocalProtocolError for another name, ImportError for "opus" without PyAV.
    """
    if name != OPUS:
        return PayloadEncoder(name)
    from rapida_media.media.opus import OpusEncoder  # noqa: PLC0415, needs an optional package

    return OpusEncoder()


def decoder(name: str) -> AudioDecoder:
    """Start a decoder for one of CODECS; raises like `encoder`."""
    if name != OPUS:
        return PayloadDecoder(name)
    from rapida_media.media.opus import OpusDecoder  # noqa: PLC0415, needs an optional package

    return OpusDecoder()
