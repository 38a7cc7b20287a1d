"""Media channels as Asterisk's side keeps them: their messages, and what is wrong with ours."""

from __future__ import annotations

import json
from typing import Any

from rapida_media.providers.asterisk.audiosocket import DTMF, HANG_UP, KINDS, UUID, pack
from rapida_media.providers.asterisk.chan_websocket import COMMAND_BYTES, FORMATS
from rapida_media.providers.stream import AudioFormat, StreamMessage
from rapida_media.testing.line import Messages, PlatformLine

CHUNK_MS = 20
HEADER_BYTES = 3
# Of the queue, in frames: enough, again hungry, and full.
XOFF, XON, FULL = 900, 800, 1000
# Frames of AudioSocket that may be early: more than that a phone's jitter buffer drops.
AHEAD = 3
KNOWN = frozenset({
    "ANSWER", "HANGUP", "START_MEDIA_BUFFERING", "STOP_MEDIA_BUFFERING", "PAUSE_MEDIA",
    "CONTINUE_MEDIA", "REPORT_QUEUE_DRAINED", "GET_STATUS",
})  # fmt: skip


class WebsocketLine(PlatformLine):
    """chan_websocket. warnings: ``remainder``, ``too long``, ``unknown``, ``queue full``.

    plain: control messages as words in place of JSON.
    """

    def __init__(self, format_: str, *, plain: bool = False, ppm: float = 0.0) -> None:
        super().__init__(FORMATS[format_], CHUNK_MS, ppm=ppm)
        self._format = format_
        self._plain = plain
        self._frame_bytes = self._chunk_samples * self._width
        self._hungry = True

    def _opening(self) -> Messages:
        return [
            self._event(
                "MEDIA_START",
                connection_id="e226e283-c90a-4ea9-9e37-389000b9ef47",
                channel="WebSocket/rapida-00000001",
                format=self._format,
                optimal_frame_size=self._frame_bytes,
                ptime=CHUNK_MS,
            )
        ]

    def _spoken(self, payload: bytes, number: int) -> StreamMessage:
        return payload

    def press(self, digit: str) -> StreamMessage:
        return self._event("DTMF_END", digit=digit)

    def stop(self) -> None:
        """Asterisk closes, and says nothing."""

    def _mark_played(self, name: str) -> StreamMessage:
        if self._plain:
            return f"MEDIA_MARK_PROCESSED {name}"
        return self._event("MEDIA_MARK_PROCESSED", correlation_id=name)

    def _event(self, name: str, **members: Any) -> str:
        if self._plain:
            return " ".join([name, *(f"{key}:{value}" for key, value in members.items())])
        return json.dumps({"event": name, "channel_id": "pbx-1.2", **members})

    def receive(self, message: StreamMessage, now: float) -> Messages:
        messages = self._play_until(now)
        if isinstance(message, bytes):
            messages += self._audio(message)
        elif len(message.encode()) > COMMAND_BYTES:
            self.warnings["too long"] += 1
        else:
            name, correlation_id = self._read(message)
            if name == "MARK_MEDIA":
                messages += self._take_mark(correlation_id)
            elif name == "FLUSH_MEDIA":
                messages += self._empty(now, marks_come_back=False)
                self._hungry = True
            elif name not in KNOWN:
                self.warnings["unknown"] += 1
        return messages

    def _audio(self, payload: bytes) -> Messages:
        frames = len(self._queue) // self._frame_bytes
        if frames >= FULL:
            self.warnings["queue full"] += 1
            return []
        whole = len(payload) - len(payload) % self._frame_bytes
        if whole != len(payload):
            self.warnings["remainder"] += 1
        self._take_audio(payload[:whole])
        if self._hungry and len(self._queue) // self._frame_bytes >= XOFF:
            self._hungry = False
            return [self._event("MEDIA_XOFF")]
        return []

    def tick(self, now: float) -> Messages:
        messages = super().tick(now)
        if not self._hungry and len(self._queue) // self._frame_bytes < XON:
            self._hungry = True
            messages.append(self._event("MEDIA_XON"))
        return messages

    def _read(self, message: str) -> tuple[str, str]:
        if self._plain:
            name, _, correlation_id = message.partition(" ")
            return name, correlation_id
        try:
            said = json.loads(message)
            return str(said["command"]), str(said.get("correlation_id", ""))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return "", ""


class AudioSocketLine(PlatformLine):
    """AudioSocket: nothing waits in Asterisk, so each frame is heard when it comes.

    warnings: ``another kind``, for which Asterisk would hang up, and ``ahead of time``.
    """

    def __init__(self, uuid: bytes, audio: AudioFormat, *, ppm: float = 0.0) -> None:
        super().__init__(audio, CHUNK_MS, ppm=ppm)
        self._uuid = uuid
        self._kind = KINDS[audio.rate_hz]
        self.hung_up = False

    def _opening(self) -> Messages:
        return [pack(UUID, self._uuid)]

    def _spoken(self, payload: bytes, number: int) -> StreamMessage:
        return pack(self._kind, payload)

    def press(self, digit: str) -> StreamMessage:
        return pack(DTMF, digit.encode())

    def stop(self) -> None:
        """Asterisk closes, and says nothing."""

    def _mark_played(self, name: str) -> StreamMessage:
        raise AssertionError("AudioSocket has no marks")

    def _play_until(self, now: float) -> Messages:
        return []

    def receive(self, message: StreamMessage, now: float) -> Messages:
        assert isinstance(message, bytes), "AudioSocket is binary"
        payload = message[HEADER_BYTES:]
        if message[0] == HANG_UP:
            self.hung_up = True
        elif message[0] != self._kind or not payload:
            self.warnings["another kind"] += 1
        else:
            self._hear(payload, now)
        return []

    def _hear(self, payload: bytes, now: float) -> None:
        # Silence before there is anything else is not counted as something heard.
        if self.first_heard_at is None and any(payload):
            self.first_heard_at = len(self.heard) // self._width
        if self.first_heard_at is not None:
            self.played += len(payload) // self._width
        self.heard += payload
        if len(self.heard) // self._width > self._samples(now) + AHEAD * self._chunk_samples:
            self.warnings["ahead of time"] += 1
