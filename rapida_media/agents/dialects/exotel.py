"""Exotel's Voicebot stream from Exotel's side: JSON texts with snake_case keys, linear PCM.

    to the bot      connected, start, then media of some 100 ms, dtmf and mark, at last stop
    from the bot    media, mark, clear

Audio is 16-bit little-endian at 8, 16 or 24 kHz, in base64. Marks that wait when the queue is
cleared are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rapida_media.agents.dialects.base import (
    KEYS,
    TEXT_LIMIT,
    BotMessage,
    LinearFromBus,
    Malformed,
    Opening,
    Order,
    Play,
    as_texts,
    clear_or_mark,
    compact,
)
from rapida_media.kernels import MediaMessage, MediaMessageDecoder, base64_encode

# Of a call that belongs to no account of Exotel's.
NO_ACCOUNT = "rapida-media"
RATE_KEYS = ("sample-rate", "sample_rate")


def rate_of(query: Mapping[str, str], default_hz: int) -> int:
    """Give the rate that a URL asks for, as ``?sample-rate=16000`` does."""
    asked = next((query[key] for key in RATE_KEYS if key in query), "")
    return int(asked) if asked in ("8000", "16000", "24000") else default_hz


class ExotelDialect:
    """``Dialect`` of one stream. rate_hz: 8000, 16000 or 24000."""

    returns_cleared_marks = False

    def __init__(self, opening: Opening, rate_hz: int, chunk_ms: int) -> None:
        self.chunk_ms = chunk_ms
        self._opening = opening
        self._rate_hz = rate_hz
        self._stream_sid = opening.stream_id
        self._ids = {
            "call_sid": opening.vendor_call_id or opening.call_id,
            "account_sid": opening.account or NO_ACCOUNT,
        }
        self._to_bot = LinearFromBus(rate_hz)
        self._decoder = MediaMessageDecoder("L16LE", rate_hz, limit_length=TEXT_LIMIT)
        self._sequence = self._chunks = 0

    def begin(self) -> list[BotMessage]:
        asked = {k: v for k, v in self._opening.query.items() if k not in RATE_KEYS}
        start = {
            "stream_sid": self._stream_sid,
            **self._ids,
            "from": self._opening.caller,
            "to": self._opening.called,
            "custom_parameters": {**asked, **as_texts(self._opening.parameters)},
            "media_format": {
                "encoding": "base64",
                "sample_rate": str(self._rate_hz),
                "bit_rate": f"{self._rate_hz * 16 // 1000}kbps",
            },
        }
        return [compact({"event": "connected"}), self._message("start", start=start)]

    def audio(self, pcm: bytes) -> str:
        payload = base64_encode(self._to_bot(pcm)).decode("ascii")
        self._chunks += 1
        at_ms = (self._chunks - 1) * self.chunk_ms
        media = {"chunk": str(self._chunks), "timestamp": str(at_ms), "payload": payload}
        return self._message("media", media=media)

    def digit(self, digit: str, duration_ms: int) -> str | None:
        if digit not in KEYS:
            return None
        return self._message("dtmf", dtmf={"digit": digit, "duration": str(duration_ms)})

    def marked(self, mark: Any, played: bool) -> str:
        return self._message("mark", mark={"name": mark})

    def cleared(self, heard_ms: int) -> None:
        """Exotel does not say."""

    def held(self, held: bool) -> None:
        """A held call is silent, as far as the stream knows."""

    def refused(self, detail: str) -> None:
        """Exotel ignores what it does not understand."""

    def end(self, reason: str) -> str:
        return self._message("stop", stop={**self._ids, "reason": "callended"})

    def receive(self, message: BotMessage) -> Iterable[Order]:
        if isinstance(message, bytes):
            return (Malformed("a binary frame; Exotel takes texts"),)
        said = self._decoder.decode(message)
        if isinstance(said, MediaMessage):
            return (Play(said.pcm),)
        if said is None:
            return (Malformed("no JSON object, or media without whole samples in base64"),)
        return (clear_or_mark(said),)

    def _message(self, event: str, **members: object) -> str:
        self._sequence += 1
        head = {"event": event, "sequence_number": str(self._sequence)}
        return compact({**head, "stream_sid": self._stream_sid, **members})
