"""Twilio's bidirectional Media Stream: JSON texts, μ-law 8 kHz in base64.

    from Twilio    connected, start, then media, dtmf and mark, at last stop
    to Twilio      media, mark, clear; each with the stream's id, and nothing before start

One kernel call turns a media message into the bus format, and one writes it: no JSON library, no
base64 library and no resampler stand between.
"""

from __future__ import annotations

from typing import Any

from rapida_media.kernels import MediaMessage
from rapida_media.providers.json_stream import Events, JsonStream, members, texts
from rapida_media.providers.stream import AudioReceived, Malformed, Started, Stopped

ENCODING, RATE_HZ = "audio/x-mulaw", 8000


class TwilioStream(JsonStream):
    """``StreamProtocol`` of one stream."""

    chunk_ms = 20
    id_key = "streamSid"

    def __init__(self) -> None:
        super().__init__()
        self._open("PCMU", RATE_HZ)

    def _audio(self, said: MediaMessage, message: str) -> Events:
        if said.track == "outbound":
            return ()  # what we said ourselves
        return (AudioReceived(said.pcm, said.chunk, said.timestamp),)

    def _started(self, start: dict[str, Any], stream_id: str) -> Events:
        audio = members(start, "mediaFormat")
        if audio and (audio.get("encoding"), str(audio.get("sampleRate"))) != (
            ENCODING,
            str(RATE_HZ),
        ):
            return (Malformed(f"expected {ENCODING} at {RATE_HZ} Hz"),)
        self._stream_id = stream_id
        self._open("PCMU", RATE_HZ)
        call_id = start.get("callSid")
        return (
            Started(
                call_id if isinstance(call_id, str) else None,
                stream_id,
                texts(members(start, "customParameters")),
            ),
        )

    def _stop(self, said: dict[str, Any]) -> Events:
        # The stream also stops when somebody gives the call other TwiML. Either way the call is
        # no longer ours, and must not be hung up.
        return (Stopped("stop"),)

    def goodbye(self) -> None:
        """Closing is enough: the call ends where nothing follows ``<Connect>``."""
