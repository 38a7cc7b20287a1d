"""What an agent receives from ``async for event in call``."""

from __future__ import annotations

from dataclasses import dataclass

from rapida_media.media.frame import Audio
from rapida_media.media.speech import SpeechEnded, SpeechStarted


@dataclass(frozen=True, slots=True)
class Digit:
    """A key the far end pressed, whatever carried it; one event per key press.

    digit: one of ``0-9 * # A-D``, or ``flash`` (RFC 4733 section 3.2).
    """

    digit: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Message:
    """The far end sent a text within the call."""

    text: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """A call that the agent dials makes progress.

    party: whom it calls, as dialled. status: 180, 183 …; early_media: it is heard already.
    """

    party: str
    status: int
    early_media: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """The call was answered; only for an agent that was there before."""


@dataclass(frozen=True, slots=True)
class Transferred:
    """The far end handed the call over: from now on another party is heard.

    party: its SIP URI.
    """

    party: str


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
class OneWayAudio:
    """One side is not heard, though nobody holds the call; told once until it is over.

    missing: "received", nothing comes of the far end; "sent", the far end reports that nothing of
    ours does.  seconds: for how long.
    """

    missing: str
    seconds: float


@dataclass(frozen=True, slots=True)
class DeadAir:
    """Neither side has spoken for so many seconds; told once until somebody does."""

    seconds: float


@dataclass(frozen=True, slots=True)
class RecordingPaused:
    """The recording of the call was paused, or resumed (``paused`` is False)."""

    paused: bool


@dataclass(frozen=True, slots=True)
class RecordingFailed:
    """The recording ended early, the disk being full for example; the call goes on.

    What was recorded until then stays readable.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The call is over; always the last event.

    reason: ``bye``, ``canceled``, ``media_timeout`` … ; code: the SIP status where there is one.
    cause: what the far end gave as its Reason (RFC 3326), as written.
    retry_after_s: when a busy far end asks to be called again.
    failure_class: whose fault it is (``call/endings.py``), None where nothing failed; retryable:
    calling again may help.
    """

    reason: str
    code: int | None = None
    cause: str | None = None
    retry_after_s: int | None = None
    failure_class: str | None = None
    retryable: bool = False


__all__ = [
    "Answered",
    "Audio",
    "DeadAir",
    "Digit",
    "Event",
    "HangUp",
    "Hold",
    "Message",
    "OneWayAudio",
    "PlaybackMarked",
    "RecordingFailed",
    "RecordingPaused",
    "Ringing",
    "SpeechEnded",
    "SpeechStarted",
    "Transferred",
]

Event = (
    Audio
    | SpeechStarted
    | SpeechEnded
    | Digit
    | Message
    | Ringing
    | Answered
    | Transferred
    | PlaybackMarked
    | Hold
    | OneWayAudio
    | DeadAir
    | RecordingPaused
    | RecordingFailed
    | HangUp
)
