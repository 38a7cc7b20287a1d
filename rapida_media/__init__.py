"""rapida-media: a SIP/RTP media engine that puts phone calls on AI agents."""

from rapida_media.agents.events import (
    Answered,
    Audio,
    DeadAir,
    Digit,
    Event,
    HangUp,
    Hold,
    Message,
    OneWayAudio,
    PlaybackMarked,
    RecordingFailed,
    RecordingPaused,
    Ringing,
    SpeechEnded,
    SpeechStarted,
    Transferred,
)
from rapida_media.call.call import Call
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import DialError
from rapida_media.media.speech import SpeechDetector

__all__ = [
    "Answered",
    "Audio",
    "Call",
    "DeadAir",
    "DialError",
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
    "SpeechDetector",
    "SpeechEnded",
    "SpeechStarted",
    "TransferOutcome",
    "Transferred",
]
