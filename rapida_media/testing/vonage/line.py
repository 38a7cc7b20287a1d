"""A WebSocket as Vonage's side keeps it: linear audio in frames of 20 ms, and JSON texts."""

from __future__ import annotations

import json
from collections.abc import Mapping

from rapida_media.providers.stream import AudioFormat, StreamMessage
from rapida_media.testing.line import Messages, PlatformLine

CHUNK_MS = 20
# The smallest queue that Vonage's pages ever named.
QUEUE_MS = 1024 * CHUNK_MS
FRAME_SIZE = "unexpected frame size"
QUEUE_FULL = "the queue is full"
UNKNOWN_TEXT = "unknown text"


class VonageLine(PlatformLine):
    """rate_hz: of the NCCO.  headers: its, which come back.  deaf: a frame of another size came,
    and nothing is heard any more.  marks: the payloads of notifies that came back, as JSON."""

    def __init__(self, rate_hz: int, headers: Mapping[str, object], *, ppm: float = 0.0) -> None:
        super().__init__(AudioFormat("s16le", rate_hz), CHUNK_MS, ppm=ppm)
        self.deaf = False
        self._headers = dict(headers)
        self._frame_bytes = 2 * rate_hz * CHUNK_MS // 1000

    def _opening(self) -> Messages:
        audio = f"audio/l16;rate={self.audio.rate_hz}"
        connected = {"event": "websocket:connected", "content-type": audio}
        return [json.dumps({**connected, **self._headers})]

    def _spoken(self, payload: bytes, number: int) -> StreamMessage:
        return payload

    def press(self, digit: str) -> StreamMessage:
        return json.dumps({"event": "websocket:dtmf", "digit": digit, "duration": 260})

    def stop(self) -> None:
        """The socket just closes."""

    def _mark_played(self, name: str) -> StreamMessage:
        return json.dumps({"event": "websocket:notify", "payload": json.loads(name)})

    def receive(self, message: StreamMessage, now: float) -> Messages:
        messages = self._play_until(now)
        if isinstance(message, bytes):
            self._hear(message)
            return messages
        try:
            said = json.loads(message)
            action = said["action"]
            name = json.dumps(said["payload"]) if action == "notify" else ""
        except (ValueError, TypeError, KeyError, RecursionError):
            action = None
        if action == "notify":
            messages += self._take_mark(name)
        elif action == "clear":
            # Whether notifies survive a clear, Vonage does not say: here they come, late.
            messages += self._empty(now, marks_come_back=True)
            messages.append(json.dumps({"event": "websocket:cleared"}))
        else:
            self.warnings[UNKNOWN_TEXT] += 1
        return messages

    def _hear(self, frame: bytes) -> None:
        if len(frame) != self._frame_bytes:
            self.warnings[FRAME_SIZE] += 1
            self.deaf = True
        elif self.queued_ms + CHUNK_MS > QUEUE_MS:
            self.warnings[QUEUE_FULL] += 1
        elif not self.deaf:
            self._take_audio(frame)
