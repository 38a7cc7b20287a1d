"""A media stream as Twilio's side keeps it: μ-law at 8 kHz, and the messages."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from rapida_media.providers.stream import PCMU, StreamMessage
from rapida_media.testing.line import Messages, PlatformLine, checked_message

CHUNK_MS = 20
# Twilio's warnings for what a stream sends: a binary frame, a message it does not take.
BINARY_FRAME, INVALID_MESSAGE = 31950, 31951


class StreamLine(PlatformLine):
    """warnings: by Twilio's codes."""

    def __init__(
        self,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        parameters: Mapping[str, str],
        *,
        ppm: float = 0.0,
    ) -> None:
        super().__init__(PCMU, CHUNK_MS, ppm=ppm)
        self.stream_sid = stream_sid
        self._ids = {"accountSid": account_sid, "callSid": call_sid}
        self._parameters = dict(parameters)
        self._sequence = 0

    # -- to the deployment ---------------------------------------------------------------------

    def _opening(self) -> Messages:
        start = {
            "streamSid": self.stream_sid,
            **self._ids,
            "tracks": ["inbound"],
            "customParameters": self._parameters,
            "mediaFormat": {
                "encoding": "audio/x-mulaw",
                "sampleRate": self.audio.rate_hz,
                "channels": 1,
            },
        }
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        return [json.dumps(connected), self._message("start", start=start)]

    def _spoken(self, payload: bytes, number: int) -> StreamMessage:
        media = {
            "track": "inbound",
            "chunk": str(number),
            "timestamp": str((number - 1) * CHUNK_MS + 5),
            "payload": base64.b64encode(payload).decode(),
        }
        return self._message("media", media=media)

    def press(self, digit: str) -> StreamMessage:
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def stop(self) -> StreamMessage:
        return self._message("stop", stop=self._ids)

    def _mark_played(self, name: str) -> StreamMessage:
        return self._message("mark", mark={"name": name})

    def _message(self, event: str, **members: object) -> str:
        self._sequence += 1
        head = {"event": event, "sequenceNumber": str(self._sequence)}
        return json.dumps({**head, "streamSid": self.stream_sid, **members})

    # -- from the deployment -------------------------------------------------------------------

    def receive(self, message: StreamMessage, now: float) -> Messages:
        messages = self._play_until(now)
        if isinstance(message, bytes):
            self.warnings[BINARY_FRAME] += 1
            return messages
        said = checked_message(message, "streamSid", self.stream_sid)
        if said is None:
            self.warnings[INVALID_MESSAGE] += 1
        elif said["event"] == "media":
            self._take_audio(base64.b64decode(said["media"]["payload"], validate=True))
        elif said["event"] == "mark":
            messages += self._take_mark(said["mark"]["name"])
        else:
            messages += self._empty(now, marks_come_back=True)
        return messages
