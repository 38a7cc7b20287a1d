"""What an agent receives from ``async for event in call``."""

from __future__ import annotations

from dataclasses import dataclass

from rapida_media.media.frame import Audio


@dataclass(frozen=True, slots=True)
class Digit:
    """A key the far end pressed, whatever carried it; one event per key press.

    digit: one of ``0-9 * # A-D``, or ``flash`` (RFC 4733 section 3.2).
    """

    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class PlaybackMarked:
    """The audio written before ``call.mark(name)`` is over.

    played: it was heard; False when ``clear`` or the end of the call dropped it.
    """

    name: str
    played: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """The far end put the call on hold (``held``) or took it back."""

    held: bool


@dataclass(frozen=True, slots=True)
class HangUp:
    """The call is over; always the last event.

    reason: ``bye``, ``canceled``, ``media_timeout`` … ; code: the SIP status where there is one.
    """

    reason: str
    code: int | None = None


__all__ = ["Audio", "Digit", "Event", "HangUp", "Hold", "PlaybackMarked"]

Event = Audio | Digit | PlaybackMarked | Hold | HangUp
