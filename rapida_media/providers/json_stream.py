"""Media streams of JSON texts, as several platforms have them: the part that is the same.

    from the platform    start, then media, dtmf and mark, at last stop
    to the platform      media, mark, clear; each with the stream's id, and nothing before start

A subclass says how the id is spelt, reads ``start`` and ``media``, and opens the kernels that turn
a media message into the bus format and write one, in one call each.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from rapida_media.kernels import MediaMessage, MediaMessageDecoder, MediaMessageEncoder
from rapida_media.providers.stream import (
    BUS,
    DigitReceived,
    Malformed,
    MarkReached,
    Stopped,
    StreamEvent,
    StreamMessage,
)

DIGITS = frozenset("0123456789*#ABCD")

Events = tuple[StreamEvent, ...]


class JsonStream(ABC):
    """``StreamProtocol`` of one stream. Converts itself, so both ends speak the bus format.

    id_key: the member with the stream's id; id_alias: another spelling that is understood.
    """

    receives = sends = BUS
    id_key: ClassVar[str]
    id_alias: ClassVar[str] = ""

    def __init__(self) -> None:
        self._stream_id = ""

    def _open(self, encoding: str, rate_hz: int) -> None:
        """Make the kernels for what is on the line."""
        self._decoder = MediaMessageDecoder(encoding, rate_hz)
        template = {"event": "media", self.id_key: self._stream_id, "media": {"payload": ""}}
        self._encoder = MediaMessageEncoder(template, encoding, rate_hz)

    # -- from the platform ---------------------------------------------------------------------

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        if not isinstance(message, str):
            return (Malformed("expected a text, got a binary message"),)
        said = self._decoder.decode(message)
        if isinstance(said, MediaMessage):
            if not self._is_ours(said.stream_id):
                return (Malformed("media of another stream, or before start"),)
            return self._audio(said, message)
        if said is None:
            return (Malformed("no JSON object, or a media message without audio"),)
        event = said.get("event")
        if not isinstance(event, str):
            return (Malformed("there is no event"),)
        reader = _READERS.get(event)
        if reader is None:
            return ()
        if event != "start" and not self._is_ours(either(said, self.id_key, self.id_alias)):
            return (Malformed(f"{event} of another stream, or before start"),)
        return reader(self, said)

    def _is_ours(self, stream_id: object) -> bool:
        return bool(self._stream_id) and stream_id in (self._stream_id, None)

    @abstractmethod
    def _audio(self, said: MediaMessage, message: str) -> Events:
        """Give what a media message of this stream carried. message: as it came."""

    def _start(self, said: dict[str, Any]) -> Events:
        start = members(said, "start")
        stream_id = either(start, self.id_key, self.id_alias)
        if stream_id is None:
            stream_id = either(said, self.id_key, self.id_alias)
        if self._stream_id:
            return (Malformed("a second start"),)
        if not isinstance(stream_id, str) or not stream_id:
            return (Malformed(f"start without a {self.id_key}"),)
        return self._started(start, stream_id)

    @abstractmethod
    def _started(self, start: dict[str, Any], stream_id: str) -> Events:
        """Take up the stream: set ``_stream_id`` and open the kernels."""

    def _digit(self, said: dict[str, Any]) -> Events:
        dtmf = members(said, "dtmf")
        digit = dtmf.get("digit")
        if not isinstance(digit, str) or digit not in DIGITS:
            return (Malformed("dtmf without a digit"),)
        return (DigitReceived(digit, number(dtmf.get("duration")) or 0),)

    def _mark(self, said: dict[str, Any]) -> Events:
        name = members(said, "mark").get("name")
        return (MarkReached(name) if isinstance(name, str) else Malformed("mark without a name"),)

    def _stop(self, said: dict[str, Any]) -> Events:
        reason = members(said, "stop").get("reason")
        return (Stopped(reason if isinstance(reason, str) else "stop"),)

    # -- to the platform -----------------------------------------------------------------------

    def media(self, payload: bytes) -> StreamMessage:
        assert self._stream_id, "nothing is sent before start"
        return self._encoder.encode(payload)

    def clear(self) -> StreamMessage:
        return self._message("clear")

    def mark(self, name: str) -> StreamMessage:
        return self._message("mark", mark={"name": name})

    @abstractmethod
    def goodbye(self) -> None:
        """Say nothing: closing is enough, and what it does is the platform's own."""

    def _message(self, event: str, **told: object) -> str:
        said = {"event": event, self.id_key: self._stream_id, **told}
        return json.dumps(said, separators=(",", ":"))


_READERS: Mapping[str, Callable[[JsonStream, dict[str, Any]], Events]] = {
    "start": lambda stream, said: stream._start(said),
    "dtmf": lambda stream, said: stream._digit(said),
    "mark": lambda stream, said: stream._mark(said),
    "stop": lambda stream, said: stream._stop(said),
}


def number(value: object) -> int | None:
    """Read the digits that a number or a text begins with, nine at most."""
    found = re.match(r"[0-9]{1,9}(?![0-9])", str(value))
    return int(found[0]) if found is not None else None


def either(said: Mapping[str, Any], name: str, alias: str) -> Any:
    """Give a member under either name; None where there is none."""
    value = said.get(name)
    return said.get(alias) if value is None else value


def members(said: Mapping[str, Any], name: str, alias: str = "") -> dict[str, Any]:
    """Give an object that is a member, under either name; empty where there is none."""
    inner = either(said, name, alias)
    return inner if isinstance(inner, dict) else {}


def texts(inner: Mapping[str, Any]) -> dict[str, str]:
    """Give the members that are texts."""
    return {name: value for name, value in inner.items() if isinstance(value, str)}
