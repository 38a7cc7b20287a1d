"""Vonage's voice WebSocket from Vonage's side: binary frames are audio, text frames are JSON.

    to the bot      websocket:connected, then audio of exactly 20 ms a frame, websocket:dtmf,
                    websocket:cleared, websocket:notify; the end is the closing of the socket
    from the bot    audio, {"action":"clear"}, {"action":"notify","payload":{…}}

Notifications that wait when the queue is cleared are dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rapida_media.agents.dialects.base import (
    KEYS,
    BotMessage,
    Clear,
    LinearFromBus,
    LinearToBus,
    Malformed,
    Mark,
    Opening,
    Order,
    Play,
    compact,
    parse,
)


class VonageDialect:
    """``Dialect`` of one stream. rate_hz: 8000, 16000 or 24000."""

    chunk_ms = 20
    returns_cleared_marks = False

    def __init__(self, opening: Opening, rate_hz: int) -> None:
        self._opening = opening
        self._rate_hz = rate_hz
        self._to_bot, self._from_bot = LinearFromBus(rate_hz), LinearToBus(rate_hz)

    def begin(self) -> list[BotMessage]:
        head = {
            "event": "websocket:connected",
            "content-type": f"audio/l16;rate={self._rate_hz}",
        }
        # The parameters stand beside the event, and cannot take its place.
        return [compact({**head, **self._opening.parameters, **head})]

    def audio(self, pcm: bytes) -> bytes:
        return self._to_bot(pcm)

    def digit(self, digit: str, duration_ms: int) -> str | None:
        if digit not in KEYS:
            return None
        return compact({"event": "websocket:dtmf", "digit": digit, "duration": duration_ms})

    def marked(self, mark: Any, played: bool) -> str:
        return compact({"event": "websocket:notify", "payload": mark})

    def cleared(self, heard_ms: int) -> str:
        return compact({"event": "websocket:cleared"})

    def held(self, held: bool) -> None:
        """A held call is silent, as far as the stream knows."""

    def refused(self, detail: str) -> None:
        """Vonage ignores what it does not understand."""

    def end(self, reason: str) -> None:
        """Closing the socket says it."""

    def receive(self, message: BotMessage) -> Iterable[Order]:
        if isinstance(message, bytes):
            return (Play(self._from_bot(message)),)
        said = parse(message)
        match (said or {}).get("action"):
            case "clear":
                return (Clear(),)
            case "notify" if isinstance((said or {}).get("payload"), dict):
                return (Mark((said or {})["payload"]),)
        return (Malformed("a text that is neither clear nor notify with a payload"),)
