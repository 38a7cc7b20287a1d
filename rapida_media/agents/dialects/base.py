"""What a dialect is: the words of one vendor's media stream, spoken from the vendor's side.

A ``Dialect`` is pure and made for one connection. What happens on the call becomes messages to the
bot, and the bot's messages become orders for the call. It converts audio itself, both ways.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from rapida_media.kernels import Resampler
from rapida_media.media.frame import RATE_HZ

# A text frame or a binary frame.
BotMessage = str | bytes
KEYS = frozenset("0123456789*#ABCD")
# As much as the parsers take of a text; the socket's limit is larger.
TEXT_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class Opening:
    """What a bot is told of the call.

    call_id, stream_id: 32 hexadecimal digits.  vendor_call_id: what the vendor itself calls a call
    that came over it, "" for any other.  account: whose account the call belongs to, as the vendor
    calls it; "" where there is none.  caller, called: as the call has them.
    query: the parameters of the bot's URL.
    """

    call_id: str
    stream_id: str
    vendor_call_id: str = ""
    account: str = ""
    caller: str = ""
    called: str = ""
    direction: str = "inbound"
    provider: str = "sip"
    assistant: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Play:
    """Audio for the far end: s16le mono 16 kHz, whole samples."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Clear:
    """Drop what the far end has not heard yet."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Tell when what was sent so far is over. mark: given back with ``Dialect.marked``."""

    mark: Any


@dataclass(frozen=True, slots=True)
class Press:
    """Press keys towards the far end."""

    digits: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """Connect the far end with somebody else."""

    target: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the call once what was sent so far has been heard."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """The message says nothing that the vendor would understand. detail: why, without its text."""

    detail: str


Order = Play | Clear | Mark | Press | Transfer | HangUp | Malformed


class Dialect(Protocol):
    """One stream to one bot. What gives None is not said in this dialect.

    chunk_ms: how much audio one message carries, a multiple of 20.
    returns_cleared_marks: a mark is told of, too, when ``Clear`` dropped what was before it.
    """

    chunk_ms: int
    returns_cleared_marks: bool

    def begin(self) -> list[BotMessage]:
        """Give what is said first."""
        ...

    def audio(self, pcm: bytes) -> BotMessage:
        """Wrap ``chunk_ms`` of s16le mono 16 kHz audio, the next in time."""
        ...

    def digit(self, digit: str, duration_ms: int) -> BotMessage | None: ...
    def marked(self, mark: Any, played: bool) -> BotMessage | None: ...
    def cleared(self, heard_ms: int) -> BotMessage | None: ...
    def held(self, held: bool) -> BotMessage | None: ...
    def refused(self, detail: str) -> BotMessage | None:
        """Say that a message of the bot could not be obeyed."""
        ...

    def end(self, reason: str) -> BotMessage | None:
        """Say that the call is over; the socket closes next."""
        ...

    def receive(self, message: BotMessage) -> Iterable[Order]:
        """Translate what the bot said. Never raises; what is unknown gives nothing or Malformed."""
        ...


def compact(members: Mapping[str, Any]) -> str:
    """Write a message as JSON without spaces."""
    return json.dumps(members, separators=(",", ":"), default=str)


def parse(message: str) -> dict[str, Any] | None:
    """Read a JSON object; None for anything else."""
    if len(message) > TEXT_LIMIT:
        return None
    try:
        said = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def clear_or_mark(said: Mapping[str, Any]) -> Order:
    """Read what Twilio and Exotel may be told beside media, or Malformed."""
    mark = said.get("mark")
    if said.get("event") == "clear":
        return Clear()
    if said.get("event") != "mark":
        return Malformed("an event that is neither media, mark nor clear")
    if not isinstance(mark, dict) or not isinstance(mark.get("name"), str):
        return Malformed("a mark without its name")
    return Mark(mark["name"])


def as_texts(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Write parameters as texts, for vendors whose parameters are nothing else."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, default=str)
        for name, value in parameters.items()
    }


class LinearFromBus:
    """Bus audio to s16le at another rate."""

    def __init__(self, rate_hz: int) -> None:
        self._resampler = None if rate_hz == RATE_HZ else Resampler(RATE_HZ, rate_hz)

    def __call__(self, pcm: bytes) -> bytes:
        return pcm if self._resampler is None else self._resampler.push(pcm)


class LinearToBus:
    """s16le of any length, half samples carried over, to bus audio."""

    def __init__(self, rate_hz: int) -> None:
        self._resampler = None if rate_hz == RATE_HZ else Resampler(rate_hz, RATE_HZ)
        self._half = b""

    def __call__(self, payload: bytes) -> bytes:
        payload = self._half + payload
        self._half = payload[-1:] if len(payload) % 2 else b""
        pcm = payload[: len(payload) - len(self._half)]
        return pcm if self._resampler is None else self._resampler.push(pcm)
