"""Vonage's WebSocket: audio as binary frames of exactly 20 ms, all else as JSON texts.

    from Vonage    websocket:connected, then audio, websocket:dtmf, websocket:notify and
                   websocket:cleared; at the end it just closes
    to Vonage      audio, and the actions clear and notify

The rate was our choice in the NCCO: 16 kHz, the bus format, so that nothing has to be converted.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rapida_media.media.frame import FRAME_BYTES, FRAME_MS
from rapida_media.providers.stream import (
    BUS,
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Started,
    StreamEvent,
    StreamMessage,
)
from rapida_media.providers.vonage.ncco import CONTENT_TYPE

DIGITS = frozenset("0123456789*#ABCD")
CLEAR = '{"action":"clear"}'
# Audio has been seen before the first text: a second of it is kept.
EARLY_FRAMES = 50
# No key is pressed for longer.
LONGEST_DIGIT_MS = 60_000

Events = tuple[StreamEvent, ...]


class VonageStream:
    """``StreamProtocol`` of one socket, which is one call: there is no stream id."""

    receives = sends = BUS
    chunk_ms = FRAME_MS

    def __init__(self) -> None:
        self._connected = False
        self._early: deque[AudioReceived] = deque(maxlen=EARLY_FRAMES)

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        if isinstance(message, bytes):
            return self._audio(message)
        try:
            said = json.loads(message)
        except (ValueError, RecursionError):
            return (Malformed("no JSON"),)
        event = said.get("event") if isinstance(said, dict) else None
        if not isinstance(event, str):
            return (Malformed("there is no event"),)
        if event == "websocket:connected":
            return self._connect(said)
        reader = _READERS.get(event)
        if reader is None:
            return ()  # websocket:cleared, too: what it cleared is forgotten already
        return reader(said) if self._connected else (Malformed(f"{event} before the start"),)

    def _audio(self, payload: bytes) -> Events:
        if not payload or len(payload) % 2:
            return (Malformed(f"{len(payload)} bytes are no 16-bit audio"),)
        if self._connected:
            return (AudioReceived(payload),)
        if len(payload) == FRAME_BYTES:
            self._early.append(AudioReceived(payload))
        return ()

    def _connect(self, said: dict[str, Any]) -> Events:
        if self._connected:
            return (Malformed("a second websocket:connected"),)
        audio = said.get("content-type", CONTENT_TYPE)
        if not isinstance(audio, str) or audio.replace(" ", "").lower() != CONTENT_TYPE:
            return (Malformed(f"expected {CONTENT_TYPE}"),)
        self._connected = True
        own = ("event", "content-type")
        handed = {
            name: value
            for name, value in said.items()
            if name not in own and isinstance(value, str)
        }
        early, self._early = tuple(self._early), deque()
        return (Started(parameters=handed), *early)

    def media(self, payload: bytes) -> StreamMessage:
        # Vonage stops to listen after a frame of any other size.
        assert len(payload) == FRAME_BYTES, "a frame is 20 ms"
        return payload

    def clear(self) -> StreamMessage:
        return CLEAR

    def mark(self, name: str) -> StreamMessage:
        said = {"action": "notify", "payload": {"mark": name}}
        return json.dumps(said, separators=(",", ":"))

    def goodbye(self) -> None:
        """Closing is enough for the stream; the call is hung up by the REST API."""


def _digit(said: dict[str, Any]) -> Events:
    # A sibling product of Vonage's puts the digit one level deeper.
    nested = said.get("dtmf")
    told = nested if isinstance(nested, dict) else said
    digit, duration = told.get("digit"), told.get("duration", said.get("duration"))
    if not isinstance(digit, str) or digit not in DIGITS:
        return (Malformed("websocket:dtmf without a digit"),)
    told_ms = duration if isinstance(duration, int) and 0 <= duration <= LONGEST_DIGIT_MS else 0
    return (DigitReceived(digit, told_ms),)


def _mark(said: dict[str, Any]) -> Events:
    payload = said.get("payload")
    name = payload.get("mark") if isinstance(payload, dict) else None
    return (MarkReached(name) if isinstance(name, str) else Malformed("a notify without our mark"),)


_READERS: Mapping[str, Callable[[dict[str, Any]], Events]] = {
    "websocket:dtmf": _digit,
    "websocket:notify": _mark,
}
