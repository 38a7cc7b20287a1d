"""A provider's media stream as data: its messages translated, nothing else.

A ``StreamProtocol`` is pure: messages of the socket become events, and what we send becomes
messages. Sample rates, order, pacing, the play clock and the socket are the business of
``legs.stream_leg`` and ``net.streamer``, which do the same for every provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

# A text frame or a binary frame; a TCP protocol has binary ones only.
StreamMessage = str | bytes


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """encoding: ``PCMU``, ``PCMA`` (G.711, 8000 Hz) or ``s16le`` (linear, any rate). Mono."""

    encoding: str
    rate_hz: int

    def __str__(self) -> str:
        return f"{self.encoding} {self.rate_hz} Hz"

    def seconds(self, payload: bytes) -> float:
        """Give how long a payload lasts."""
        return len(payload) / (self.rate_hz * (2 if self.encoding == "s16le" else 1))


PCMU = AudioFormat("PCMU", 8000)
PCMA = AudioFormat("PCMA", 8000)
# What the media bus carries: it needs no conversion.
BUS = AudioFormat("s16le", 16000)


@dataclass(frozen=True, slots=True)
class Started:
    """The stream may be used. What the provider said of the call; None where it did not."""

    provider_call_id: str | None = None
    stream_id: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """Audio in the format ``receives``, of any length.

    sequence: counts the audio messages of the stream, one by one.  timestamp_ms: where it begins,
    since the stream began. None where the provider does not say.
    """

    payload: bytes
    sequence: int | None = None
    timestamp_ms: int | None = None


@dataclass(frozen=True, slots=True)
class DigitReceived:
    """digit: one of ``0-9 * # A-D``.  duration_ms: 0 where the provider does not say."""

    digit: str
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class MarkReached:
    """The provider played all that was sent before ``mark(name)``."""

    name: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The provider asks for no more audio for now, or (paused false) for more."""

    paused: bool


@dataclass(frozen=True, slots=True)
class Stopped:
    """The stream is over. reason: the provider's word; ended: the call is over, too."""

    reason: str = ""
    ended: bool = True


@dataclass(frozen=True, slots=True)
class Malformed:
    """The message cannot be read: it is counted, and too many of them end the call."""

    detail: str


StreamEvent = Started | AudioReceived | DigitReceived | MarkReached | Paused | Stopped | Malformed


class StreamProtocol(Protocol):
    """One stream of one call. Made for each socket; it may remember what the stream said.

    receives, sends: what ``AudioReceived`` carries and what ``media`` takes. Both may change with
    a message. A protocol with kernels of its own converts itself and says BUS.
    chunk_ms: how much audio one message carries, a multiple of 20. The end of an utterance may be
    shorter, in steps of 20.
    """

    receives: AudioFormat
    sends: AudioFormat
    chunk_ms: int

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        """Translate what came. Never raises: what cannot be read is Malformed, what is unknown
        gives nothing."""
        ...

    def media(self, payload: bytes) -> StreamMessage:
        """Wrap audio. Only after Started."""
        ...

    def clear(self) -> StreamMessage | None:
        """Ask to drop what was sent and not played; None where the provider cannot."""
        ...

    def mark(self, name: str) -> StreamMessage | None:
        """Ask to hear when all that was sent so far was played; None where it does not tell."""
        ...

    def goodbye(self) -> StreamMessage | None:
        """What ends the call over the stream, before we close it; None where closing is enough."""
        ...
