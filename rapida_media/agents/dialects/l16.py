"""Our own dialect: binary frames are 16-bit linear audio, text frames are JSON events.

    to the bot      start, then audio of 20 ms a frame, dtmf, mark, cleared, hold and error,
                    at last stop
    from the bot    audio of any length, and mark, clear, dtmf, transfer and hangup

docs/l16.schema.json describes every event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rapida_media.agents.dialects.base import (
    KEYS,
    BotMessage,
    Clear,
    HangUp,
    LinearFromBus,
    LinearToBus,
    Malformed,
    Mark,
    Opening,
    Order,
    Play,
    Press,
    Transfer,
    compact,
    parse,
)

VERSION = 1
TEXT_MAX = 256
DIGITS_MAX = 64
REASON = re.compile(r"[A-Za-z0-9_-]+")


class L16Dialect:
    """``Dialect`` of one stream. rate_hz: 16000 or 24000."""

    chunk_ms = 20
    returns_cleared_marks = True

    def __init__(self, opening: Opening, rate_hz: int) -> None:
        self._opening = opening
        self._rate_hz = rate_hz
        self._to_bot, self._from_bot = LinearFromBus(rate_hz), LinearToBus(rate_hz)

    def begin(self) -> list[BotMessage]:
        told = self._opening
        start = {
            "event": "start",
            "version": VERSION,
            "call_id": told.call_id,
            "stream_id": told.stream_id,
            "direction": told.direction,
            "provider": told.provider,
            "assistant": told.assistant,
            "caller": told.caller,
            "called": told.called,
            "parameters": dict(told.parameters),
            "audio": {"encoding": "s16le", "rate_hz": self._rate_hz, "channels": 1, "frame_ms": 20},
        }
        return [compact(start)]

    def audio(self, pcm: bytes) -> bytes:
        return self._to_bot(pcm)

    def digit(self, digit: str, duration_ms: int) -> str:
        return compact({"event": "dtmf", "digit": digit, "duration_ms": duration_ms})

    def marked(self, mark: Any, played: bool) -> str:
        return compact({"event": "mark", "name": mark, "played": played})

    def cleared(self, heard_ms: int) -> str:
        return compact({"event": "cleared", "heard_ms": heard_ms})

    def held(self, held: bool) -> str:
        return compact({"event": "hold", "held": held})

    def refused(self, detail: str) -> str:
        return compact({"event": "error", "detail": detail})

    def end(self, reason: str) -> str:
        return compact({"event": "stop", "reason": reason})

    def receive(self, message: BotMessage) -> Iterable[Order]:
        if isinstance(message, bytes):
            return (Play(self._from_bot(message)),)
        said = parse(message)
        if said is None:
            return (Malformed("expected a JSON object"),)
        read = _READERS.get(str(said.get("event")))
        if read is None:
            return (Malformed(f"expected an event of {', '.join(_READERS)}"),)
        return (read(said),)


def _clear(said: dict[str, Any]) -> Order:
    return Clear()


def _mark(said: dict[str, Any]) -> Order:
    name = _text(said, "name")
    return Mark(name) if name else Malformed(f"mark: expected a name of 1 to {TEXT_MAX} characters")


def _press(said: dict[str, Any]) -> Order:
    digits = _text(said, "digits")
    if not digits or len(digits) > DIGITS_MAX or set(digits) - KEYS:
        return Malformed(f"dtmf: expected 1 to {DIGITS_MAX} digits of 0-9 * # A-D")
    return Press(digits)


def _transfer(said: dict[str, Any]) -> Order:
    target = _text(said, "target")
    return (
        Transfer(target) if target else Malformed("transfer: expected a target such as a SIP URI")
    )


def _hang_up(said: dict[str, Any]) -> Order:
    reason = _text(said, "reason") if "reason" in said else "bot_hangup"
    if not REASON.fullmatch(reason):
        return Malformed("hangup: expected a reason of letters, digits, _ and -")
    return HangUp(reason)


def _text(said: dict[str, Any], key: str) -> str:
    value = said.get(key)
    return value if isinstance(value, str) and 0 < len(value) <= TEXT_MAX else ""


_READERS: Mapping[str, Callable[[dict[str, Any]], Order]] = {
    "clear": _clear,
    "mark": _mark,
    "dtmf": _press,
    "transfer": _transfer,
    "hangup": _hang_up,
}
