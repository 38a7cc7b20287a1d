"""chan_websocket: the media of a channel of Asterisk's over a WebSocket.

    binary    audio in the channel's codec, without a header, both ways
    text      control: one event or command, as JSON (``f(json)``) or as a line of words

Asterisk cuts what it is sent into frames and plays them in real time from a queue of its own,
which MARK_MEDIA asks about and FLUSH_MEDIA empties. Commands are written the way MEDIA_START was;
those of more than 128 bytes Asterisk passes over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from rapida_media.providers.stream import (
    PCMA,
    PCMU,
    AudioFormat,
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Paused,
    Started,
    Stopped,
    StreamEvent,
    StreamMessage,
)

DIGITS = frozenset("0123456789*#ABCD")
COMMAND_BYTES = 128
# Asterisk's names of the codecs that there are converters for.
FORMATS: Mapping[str, AudioFormat] = {
    "ulaw": PCMU,
    "alaw": PCMA,
    "slin": AudioFormat("s16le", 8_000),
    "slin12": AudioFormat("s16le", 12_000),
    "slin16": AudioFormat("s16le", 16_000),
    "slin24": AudioFormat("s16le", 24_000),
    "slin32": AudioFormat("s16le", 32_000),
    "slin44": AudioFormat("s16le", 44_100),
    "slin48": AudioFormat("s16le", 48_000),
    "slin96": AudioFormat("s16le", 96_000),
    "slin192": AudioFormat("s16le", 192_000),
}
# Of plain events: what follows the name whole, where it is no list of pairs.
WHOLE = {"MEDIA_MARK_PROCESSED": "correlation_id", "MEDIA_BUFFERING_COMPLETED": "correlation_id"}

Events = tuple[StreamEvent, ...]


class ChanWebsocketStream:
    """``StreamProtocol`` of one media channel. Its audio is what MEDIA_START says."""

    chunk_ms = 20

    def __init__(self) -> None:
        self.receives = self.sends = FORMATS["slin16"]
        self._frame_bytes = 0  # of 20 ms; 0 before MEDIA_START
        self._rest = b""  # of what was to be sent: Asterisk drops what fills no frame
        self._json = False
        self._paused = self._flushed = False

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        resumed = self._after_flush()
        if isinstance(message, bytes):
            # Audio may come before MEDIA_START says what it is: nothing can be made of it.
            return (*resumed, AudioReceived(message)) if self._frame_bytes and message else resumed
        said = _parse(message)
        if said is None:
            return (*resumed, Malformed("neither an event as JSON nor one in words"))
        event = said["event"]
        reader = self._READERS.get(event)
        if reader is None:
            return resumed
        if not self._frame_bytes and event != "MEDIA_START":
            return (*resumed, Malformed(f"{event} before MEDIA_START"))
        return (*resumed, *reader(self, said))

    def _after_flush(self) -> Events:
        """A queue that was emptied takes audio again, and Asterisk does not always say so."""
        resumed = self._paused and self._flushed
        self._flushed = False
        if resumed:
            self._paused = False
            return (Paused(False),)
        return ()

    def _start(self, said: Mapping[str, Any]) -> Events:
        if self._frame_bytes:
            return (Malformed("a second MEDIA_START"),)
        audio = FORMATS.get(str(said.get("format")))
        if audio is None:
            detail = f"codec {str(said.get('format'))[:32]!r}: expected one such as c(slin16)"
            return (Malformed(detail), Stopped(detail, ended=False))
        self.receives = self.sends = audio
        usual = audio.rate_hz // 50 * (2 if audio.encoding == "s16le" else 1)
        told = str(said.get("optimal_frame_size", ""))
        # A frame of more than a message holds is no frame.
        self._frame_bytes = int(told) if told.isdecimal() and 0 < len(told) <= 4 else usual
        self._frame_bytes = self._frame_bytes or usual
        self._json = bool(said.get("is_json"))
        return (Started(stream_id=_text(said, "connection_id") or None),)

    def _digit(self, said: Mapping[str, Any]) -> Events:
        digit = _text(said, "digit")
        return (DigitReceived(digit) if digit in DIGITS else Malformed("DTMF_END without a key"),)

    def _mark(self, said: Mapping[str, Any]) -> Events:
        name = _text(said, "correlation_id")
        return (MarkReached(name) if name else Malformed("a mark without a name"),)

    def _pause(self, said: Mapping[str, Any]) -> Events:
        self._paused = True
        return (Paused(True),)

    def _resume(self, said: Mapping[str, Any]) -> Events:
        self._paused = False
        return (Paused(False),)

    _READERS: ClassVar[Mapping[str, Callable[[ChanWebsocketStream, Mapping[str, Any]], Events]]] = {
        "MEDIA_START": _start,
        "DTMF_END": _digit,
        "MEDIA_MARK_PROCESSED": _mark,
        "MEDIA_XOFF": _pause,
        "MEDIA_XON": _resume,
    }

    def media(self, payload: bytes) -> bytes:
        """Give whole frames; what is left of a frame goes with the next."""
        assert self._frame_bytes, "nothing is sent before MEDIA_START"
        payload = self._rest + payload
        whole = len(payload) - len(payload) % self._frame_bytes
        self._rest = payload[whole:]
        return payload[:whole]

    def clear(self) -> str:
        self._flushed, self._rest = True, b""
        return self._command("FLUSH_MEDIA")

    def mark(self, name: str) -> str:
        return self._command("MARK_MEDIA", name)

    def goodbye(self) -> str:
        return self._command("HANGUP")

    def _command(self, name: str, correlation_id: str = "") -> str:
        if self._json:
            said = {"command": name}
            if correlation_id:
                said["correlation_id"] = correlation_id
            command = json.dumps(said, separators=(",", ":"))
        else:
            command = f"{name} {correlation_id}".rstrip()
        assert len(command.encode()) <= COMMAND_BYTES, "Asterisk would pass over it"
        return command


def _parse(message: str) -> dict[str, Any] | None:
    """Read an event in either form; ``is_json`` tells which."""
    if message.startswith("{"):
        try:
            said = json.loads(message)
        except (ValueError, RecursionError):
            return None
        if not isinstance(said, dict) or not isinstance(said.get("event"), str):
            return None
        return {**said, "is_json": True}
    name, _, rest = message.strip().partition(" ")
    if not name.replace("_", "").isalpha() or not name.isupper():
        return None
    if name in WHOLE:
        return {"event": name, WHOLE[name]: rest.strip()}
    pairs = (word.partition(":") for word in rest.split(" "))
    return {"event": name} | {key: value for key, colon, value in pairs if colon and key != "event"}


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""
