"""Exotel's Voicebot stream: JSON texts, 16-bit linear audio in base64, the low octet first.

    from Exotel    connected, start, then media, dtmf and mark, at last stop
    to Exotel      media, mark, clear; each with the stream's id, and nothing before start

``start`` says what the audio is, and is measured against it (``meter``). Both spellings of the
keys are understood, ``stream_sid`` and ``streamSid``; only the first is written. One kernel call
turns a media message into the bus format, and one writes it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from rapida_media.kernels import MediaMessage
from rapida_media.media.frame import FRAME_BYTES, FRAME_MS, RATE_HZ
from rapida_media.providers.exotel.meter import Wire, WireMeter
from rapida_media.providers.json_stream import Events, JsonStream, either, members, number, texts
from rapida_media.providers.stream import AudioReceived, Started, StreamMessage

log = logging.getLogger(__name__)

ULAW = re.compile("mu-?law|ulaw|pcmu|g711", re.IGNORECASE)
RATES_HZ = (8000, 16000, 24000)
# What Exotel wants a message to hold, in octets before base64: a multiple of the first, at least
# the second, which also is to last no less than CHUNK_MS.
ALIGNMENT, SMALLEST_CHUNK = 320, 3200
CHUNK_MS = 100


class ExotelStream(JsonStream):
    """``StreamProtocol`` of one stream.

    wire: what is on the line, in both directions.  wanted_chunk_ms: in place of what Exotel's
    pages ask for; set before the start.
    """

    id_key, id_alias = "stream_sid", "streamSid"
    wanted_chunk_ms: int | None = None

    def __init__(self) -> None:
        super().__init__()
        self._use(Wire())

    def _use(self, wire: Wire) -> None:
        self.wire = wire
        self.chunk_ms = self.wanted_chunk_ms or _chunk_ms(wire)
        self._meter = WireMeter()
        self._open(wire.encoding, wire.rate_hz)

    # -- from Exotel ---------------------------------------------------------------------------

    def _started(self, start: dict[str, Any], stream_id: str) -> Events:
        self._stream_id = stream_id
        self._use(_wire_of(members(start, "media_format", "mediaFormat")))
        call_id = either(start, "call_sid", "callSid")
        return (
            Started(
                call_id if isinstance(call_id, str) else None,
                stream_id,
                texts(members(start, "custom_parameters", "customParameters")),
            ),
        )

    def _audio(self, said: MediaMessage, message: str) -> Events:
        samples = round(len(said.pcm) / 2 * self.wire.rate_hz / RATE_HZ)
        found = self._meter.push(samples * self.wire.sample_octets, said.timestamp)
        pcm = said.pcm
        if found is not None and found != self.wire:
            log.warning("exotel: start says %s, the audio is %s: followed", self.wire, found)
            self._use(found)
            again = self._decoder.decode(message)
            pcm = again.pcm if isinstance(again, MediaMessage) else b""
        # Without the number of the chunk: TCP keeps the order, and how it counts is not sure.
        return (AudioReceived(pcm, None, said.timestamp),)

    # -- to Exotel -----------------------------------------------------------------------------

    def media(self, payload: bytes) -> StreamMessage:
        # Linear audio of whole frames is aligned; a frame of μ-law is half of what it has to be.
        frame_octets = FRAME_MS * self.wire.octets_per_ms
        step = FRAME_BYTES * max(1, ALIGNMENT // frame_octets)
        return super().media(payload + bytes(-len(payload) % step))

    def goodbye(self) -> None:
        """Closing is enough: the flow goes on to its next applet, or the call ends."""


def _chunk_ms(wire: Wire) -> int:
    """Give how long a message lasts: 200 ms at 8 kHz, 100 ms above.

    The smallest chunk is written for linear audio; μ-law lasts as long in half the octets.
    """
    shortest_ms = SMALLEST_CHUNK * 1000 // (2 * wire.rate_hz)
    return max(CHUNK_MS, shortest_ms)


def _wire_of(media_format: Mapping[str, Any]) -> Wire:
    """Read ``media_format``. The rates known are followed, everything else is linear at 8 kHz."""
    encoding = str(media_format.get("encoding", ""))
    if ULAW.search(encoding):
        return Wire("PCMU", 8000)
    rate = either(media_format, "sample_rate", "sampleRate")
    if rate is None:
        rate = encoding.rpartition("rate=")[2]  # audio/L16;rate=16000
    rate_hz = number(rate) or 0
    if "k" in str(rate).lower() and rate_hz < 1000:
        rate_hz *= 1000  # 16kHz
    return Wire("L16LE", rate_hz if rate_hz in RATES_HZ else 8000)
