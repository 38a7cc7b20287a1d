"""A Voicebot stream as Exotel's side keeps it: chunks of 100 ms, and the messages."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from rapida_media.providers.stream import AudioFormat, StreamMessage
from rapida_media.testing.line import Messages, PlatformLine, checked_message

CHUNK_MS = 100
ALIGNMENT, LARGEST_CHUNK = 320, 100_000
# More than this ahead of what is played has been seen to end calls.
LEAD_MS = 1000
# What Exotel's pages warn of.
BINARY, INVALID = "binary message", "invalid message"
MISALIGNED, TOO_LARGE, TOO_FAST = "misaligned chunk", "chunk above 100 kB", "too far ahead"


class VoicebotLine(PlatformLine):
    """ids: call and account.  says: the format that ``start`` tells; by default the one there is.
    marks_come_back: after a clear, which Exotel does not say."""

    def __init__(
        self,
        audio: AudioFormat,
        stream_sid: str,
        ids: Mapping[str, str],
        parameters: Mapping[str, str],
        *,
        says: AudioFormat | None = None,
        marks_come_back: bool = False,
        ppm: float = 0.0,
    ) -> None:
        super().__init__(audio, CHUNK_MS, ppm=ppm)
        self.stream_sid = stream_sid
        self._says = says or audio
        self._ids = dict(ids)
        self._parameters = dict(parameters)
        self._marks_come_back = marks_come_back
        self._sequence = 0

    # -- to the deployment ---------------------------------------------------------------------

    def _opening(self) -> Messages:
        is_linear = self._says.encoding == "s16le"
        rate_hz = self._says.rate_hz
        start = {
            "stream_sid": self.stream_sid,
            **self._ids,
            "custom_parameters": self._parameters,
            "media_format": {
                "encoding": "base64" if is_linear else "audio/x-mulaw;rate=8000",
                "sample_rate": str(rate_hz),
                "bit_rate": f"{rate_hz * (16 if is_linear else 8) // 1000}kbps",
            },
        }
        return [json.dumps({"event": "connected"}), self._message("start", start=start)]

    def _spoken(self, payload: bytes, number: int) -> StreamMessage:
        media = {
            "chunk": str(number),
            "timestamp": str(number * CHUNK_MS),
            "payload": base64.b64encode(payload).decode(),
        }
        return self._message("media", media=media)

    def press(self, digit: str) -> StreamMessage:
        return self._message("dtmf", dtmf={"digit": digit, "duration": "100"})

    def stop(self) -> StreamMessage:
        ids = {name: self._ids[name] for name in ("call_sid", "account_sid")}
        return self._message("stop", stop={**ids, "reason": "callended"})

    def _mark_played(self, name: str) -> StreamMessage:
        return self._message("mark", mark={"name": name})

    def _message(self, event: str, **members: object) -> str:
        self._sequence += 1
        head = {"event": event, "sequence_number": str(self._sequence)}
        return json.dumps({**head, "stream_sid": self.stream_sid, **members})

    # -- from the deployment -------------------------------------------------------------------

    def receive(self, message: StreamMessage, now: float) -> Messages:
        messages = self._play_until(now)
        if isinstance(message, bytes):
            self.warnings[BINARY] += 1
            return messages
        said = checked_message(message, "stream_sid", self.stream_sid)
        if said is None:
            self.warnings[INVALID] += 1
        elif said["event"] == "media":
            self._take_chunk(base64.b64decode(said["media"]["payload"]))
        elif said["event"] == "mark":
            messages += self._take_mark(said["mark"]["name"])
        else:
            messages += self._empty(now, marks_come_back=self._marks_come_back)
        return messages

    def _take_chunk(self, payload: bytes) -> None:
        self._take_audio(payload)
        self.warnings.update(
            warning
            for warning, is_wrong in (
                (MISALIGNED, len(payload) % ALIGNMENT),
                (TOO_LARGE, len(payload) > LARGEST_CHUNK),
                (TOO_FAST, self.queued_ms > LEAD_MS),
            )
            if is_wrong
        )
