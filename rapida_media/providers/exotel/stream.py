"""Exotel's Voicebot stream: JSON texts, 16-bit linear audio in base64, the low octet first.

    from Exotel    connected, start, then media, dtmf and mark, at last stop
    to Exotel      media, mark, clear; each with the stream's id, and nothing before start

``start`` says what the audio is, and is measured against it (``meter``). Both spellings of the
keys are understood, ``stream_sid`` and ``streamSid``; only the first is written. One kernel call
turns a media message into the bus format, and one writes it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rapida_media.kernels import MediaMessage, MediaMessageDecoder, MediaMessageEncoder
from rapida_media.media.frame import FRAME_BYTES, FRAME_MS, RATE_HZ
from rapida_media.providers.exotel.meter import Wire, WireMeter
from rapida_media.providers.stream import (
    BUS,
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Started,
    Stopped,
    StreamEvent,
    StreamMessage,
)

log = logging.getLogger(__name__)

DIGITS = frozenset("0123456789*#ABCD")
ULAW = re.compile("mu-?law|ulaw|pcmu|g711", re.IGNORECASE)
RATES_HZ = (8000, 16000, 24000)
# What Exotel wants a message to hold, in octets before base64: a multiple of the first, at least
# the second, which also is to last no less than CHUNK_MS.
ALIGNMENT, SMALLEST_CHUNK = 320, 3200
CHUNK_MS = 100

Events = tuple[StreamEvent, ...]


class ExotelStream:
    """``StreamProtocol`` of one stream. Converts itself, so both ends speak the bus format.

    wire: what is on the line, in both directions.  wanted_chunk_ms: in place of what Exotel's
    pages ask for; set before the start.
    """

    receives = sends = BUS
    wanted_chunk_ms: int | None = None

    def __init__(self) -> None:
        self._stream_id = ""
        self._use(Wire())
        self._readers: Mapping[str, Callable[[dict[str, Any]], Events]] = {
            "start": self._start,
            "dtmf": self._digit,
            "mark": self._mark,
            "stop": self._stop,
        }

    def _use(self, wire: Wire) -> None:
        self.wire = wire
        self.chunk_ms = self.wanted_chunk_ms or _chunk_ms(wire)
        self._meter = WireMeter()
        self._decoder = MediaMessageDecoder(wire.encoding, wire.rate_hz)
        template = {"event": "media", "stream_sid": self._stream_id, "media": {"payload": ""}}
        self._encoder = MediaMessageEncoder(template, wire.encoding, wire.rate_hz)

    # -- from Exotel ---------------------------------------------------------------------------

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        if not isinstance(message, str):
            return (Malformed("expected a text, got a binary message"),)
        said = self._decoder.decode(message)
        if isinstance(said, MediaMessage):
            return self._audio(said, message)
        if said is None:
            return (Malformed("no JSON object, or a media message without audio"),)
        event = said.get("event")
        if not isinstance(event, str):
            return (Malformed("there is no event"),)
        reader = self._readers.get(event)
        if reader is None:
            return ()
        if event != "start" and not self._is_ours(_either(said, "stream_sid", "streamSid")):
            return (Malformed(f"{event} of another stream, or before start"),)
        return reader(said)

    def _audio(self, said: MediaMessage, message: str) -> Events:
        if not self._is_ours(said.stream_id):
            return (Malformed("media of another stream, or before start"),)
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

    def _is_ours(self, stream_id: object) -> bool:
        return bool(self._stream_id) and stream_id in (self._stream_id, None)

    def _start(self, said: dict[str, Any]) -> Events:
        start = _members(said, "start")
        stream_id = _either(start, "stream_sid", "streamSid")
        if stream_id is None:
            stream_id = _either(said, "stream_sid", "streamSid")
        if self._stream_id:
            return (Malformed("a second start"),)
        if not isinstance(stream_id, str) or not stream_id:
            return (Malformed("start without a stream_sid"),)
        self._stream_id = stream_id
        self._use(_wire_of(_members(start, "media_format", "mediaFormat")))
        call_id = _either(start, "call_sid", "callSid")
        parameters = _members(start, "custom_parameters", "customParameters")
        return (
            Started(
                call_id if isinstance(call_id, str) else None,
                stream_id,
                {name: value for name, value in parameters.items() if isinstance(value, str)},
            ),
        )

    def _digit(self, said: dict[str, Any]) -> Events:
        dtmf = _members(said, "dtmf")
        digit = dtmf.get("digit")
        if not isinstance(digit, str) or digit not in DIGITS:
            return (Malformed("dtmf without a digit"),)
        return (DigitReceived(digit, _number(dtmf.get("duration")) or 0),)

    def _mark(self, said: dict[str, Any]) -> Events:
        name = _members(said, "mark").get("name")
        return (MarkReached(name) if isinstance(name, str) else Malformed("mark without a name"),)

    def _stop(self, said: dict[str, Any]) -> Events:
        reason = _members(said, "stop").get("reason")
        return (Stopped(reason if isinstance(reason, str) else "stop"),)

    # -- to Exotel -----------------------------------------------------------------------------

    def media(self, payload: bytes) -> StreamMessage:
        assert self._stream_id, "nothing is sent before start"
        # Linear audio of whole frames is aligned; a frame of μ-law is half of what it has to be.
        frame_octets = FRAME_MS * self.wire.octets_per_ms
        step = FRAME_BYTES * max(1, ALIGNMENT // frame_octets)
        return self._encoder.encode(payload + bytes(-len(payload) % step))

    def clear(self) -> StreamMessage:
        return self._message("clear")

    def mark(self, name: str) -> StreamMessage:
        return self._message("mark", mark={"name": name})

    def goodbye(self) -> None:
        """Closing is enough: the flow goes on to its next applet, or the call ends."""

    def _message(self, event: str, **members: object) -> str:
        said = {"event": event, "stream_sid": self._stream_id, **members}
        return json.dumps(said, separators=(",", ":"))


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
    rate = _either(media_format, "sample_rate", "sampleRate")
    if rate is None:
        rate = encoding.rpartition("rate=")[2]  # audio/L16;rate=16000
    rate_hz = _number(rate) or 0
    if "k" in str(rate).lower() and rate_hz < 1000:
        rate_hz *= 1000  # 16kHz
    return Wire("L16LE", rate_hz if rate_hz in RATES_HZ else 8000)


def _number(value: object) -> int | None:
    """Read the digits that a number or a text begins with, nine at most."""
    found = re.match(r"[0-9]{1,9}(?![0-9])", str(value))
    return int(found[0]) if found is not None else None


def _either(said: Mapping[str, Any], name: str, alias: str) -> Any:
    value = said.get(name)
    return said.get(alias) if value is None else value


def _members(said: Mapping[str, Any], name: str, alias: str = "") -> dict[str, Any]:
    members = _either(said, name, alias)
    return members if isinstance(members, dict) else {}
