"""Twilio's bidirectional Media Stream: JSON texts, μ-law 8 kHz in base64.

    from Twilio    connected, start, then media, dtmf and mark, at last stop
    to Twilio      media, mark, clear; each with the stream's id, and nothing before start

One kernel call turns a media message into the bus format, and one writes it: no JSON library, no
base64 library and no resampler stand between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rapida_media.kernels import MediaMessage, MediaMessageDecoder, MediaMessageEncoder
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

DIGITS = frozenset("0123456789*#ABCD")
ENCODING, RATE_HZ = "audio/x-mulaw", 8000

Events = tuple[StreamEvent, ...]


class TwilioStream:
    """``StreamProtocol`` of one stream. Converts itself, so both ends speak the bus format."""

    receives = sends = BUS
    chunk_ms = 20

    def __init__(self) -> None:
        self._decoder = MediaMessageDecoder("PCMU")
        self._encoder: MediaMessageEncoder | None = None
        self._stream_id = ""
        self._readers: Mapping[str, Callable[[dict[str, Any]], Events]] = {
            "start": self._start,
            "dtmf": self._digit,
            "mark": self._mark,
            "stop": self._stop,
        }

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        if not isinstance(message, str):
            return (Malformed("expected a text, got a binary message"),)
        said = self._decoder.decode(message)
        if isinstance(said, MediaMessage):
            return self._audio(said)
        if said is None:
            return (Malformed("no JSON object, or a media message without audio"),)
        event = said.get("event")
        if not isinstance(event, str):
            return (Malformed("there is no event"),)
        reader = self._readers.get(event)
        if reader is None:
            return ()
        if event != "start" and not self._is_ours(said.get("streamSid")):
            return (Malformed(f"{event} of another stream, or before start"),)
        return reader(said)

    def _audio(self, said: MediaMessage) -> Events:
        if not self._is_ours(said.stream_id):
            return (Malformed("media of another stream, or before start"),)
        if said.track == "outbound":
            return ()  # what we said ourselves
        return (AudioReceived(said.pcm, said.chunk, said.timestamp),)

    def _is_ours(self, stream_id: object) -> bool:
        return bool(self._stream_id) and stream_id in (self._stream_id, None)

    def _start(self, said: dict[str, Any]) -> Events:
        start = _members(said, "start")
        stream_id = start.get("streamSid", said.get("streamSid"))
        if self._stream_id:
            return (Malformed("a second start"),)
        if not isinstance(stream_id, str) or not stream_id:
            return (Malformed("start without a streamSid"),)
        audio = _members(start, "mediaFormat")
        if audio and (audio.get("encoding"), str(audio.get("sampleRate"))) != (
            ENCODING,
            str(RATE_HZ),
        ):
            return (Malformed(f"expected {ENCODING} at {RATE_HZ} Hz"),)
        self._stream_id = stream_id
        template = {"event": "media", "streamSid": stream_id, "media": {"payload": ""}}
        self._encoder = MediaMessageEncoder(template, "PCMU")
        call_id = start.get("callSid")
        return (
            Started(
                call_id if isinstance(call_id, str) else None,
                stream_id,
                _texts(_members(start, "customParameters")),
            ),
        )

    def _digit(self, said: dict[str, Any]) -> Events:
        digit = _members(said, "dtmf").get("digit")
        if not isinstance(digit, str) or digit not in DIGITS:
            return (Malformed("dtmf without a digit"),)
        return (DigitReceived(digit),)

    def _mark(self, said: dict[str, Any]) -> Events:
        name = _members(said, "mark").get("name")
        return (MarkReached(name) if isinstance(name, str) else Malformed("mark without a name"),)

    def _stop(self, said: dict[str, Any]) -> Events:
        # The stream also stops when somebody gives the call other TwiML. Either way the call is
        # no longer ours, and must not be hung up.
        return (Stopped("stop"),)

    def media(self, payload: bytes) -> StreamMessage:
        assert self._encoder is not None, "nothing is sent before start"
        return self._encoder.encode(payload)

    def clear(self) -> StreamMessage:
        return self._message("clear")

    def mark(self, name: str) -> StreamMessage:
        return self._message("mark", mark={"name": name})

    def goodbye(self) -> None:
        """Closing is enough: the call ends where nothing follows ``<Connect>``."""

    def _message(self, event: str, **members: object) -> str:
        said = {"event": event, "streamSid": self._stream_id, **members}
        return json.dumps(said, separators=(",", ":"))


def _members(said: dict[str, Any], name: str) -> dict[str, Any]:
    members = said.get(name)
    return members if isinstance(members, dict) else {}


def _texts(members: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in members.items() if isinstance(value, str)}
