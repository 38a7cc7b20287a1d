"""rapida-media: a SIP/RTP media engine that puts phone calls on AI agents."""

from rapida_media.agents.events import (
    Answered,
    Audio,
    Digit,
    Event,
    HangUp,
    Hold,
    Message,
    PlaybackMarked,
    Ringing,
    Transferred,
)
from rapida_media.call.call import Call
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import DialError

__all__ = [
    "Answered",
    "Audio",
    "Call",
    "DialError",
    "Digit",
    "Event",
    "HangUp",
    "Hold",
    "Message",
    "PlaybackMarked",
    "Ringing",
    "TransferOutcome",
    "Transferred",
]
