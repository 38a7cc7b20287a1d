"""A media stream as Twilio's side keeps it: a caller, a play queue in real time, and the messages.

Pure: time comes in as ``now``, messages go in and out as texts. Audio is μ-law at 8 kHz, one octet
a sample.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RATE_HZ = 8000
CHUNK_MS = 20
CHUNK = RATE_HZ * CHUNK_MS // 1000
SILENCE = b"\xff"
# Twilio's warnings for what a stream sends: a binary frame, a message it does not take.
BINARY_FRAME, INVALID_MESSAGE = 31950, 31951
# What each message has to have, and nothing else.
_MEMBERS: Mapping[str, tuple[str, str] | None] = {
    "media": ("media", "payload"),
    "mark": ("mark", "name"),
    "clear": None,
}


@dataclass(frozen=True, slots=True)
class Cleared:
    """A clear message. at_s: since the stream began.  heard_ms, dropped_ms: of what was sent since
    the queue was last empty.  marks: given back with it."""

    at_s: float
    heard_ms: float
    dropped_ms: float
    marks: tuple[str, ...]


class StreamLine:
    """One bidirectional stream.

    heard: all that the caller heard since the stream began, silence where nothing was queued.
    said: what the caller sent.  warnings: how often each of Twilio's codes was raised.
    ppm: how much faster than ours this side's clock runs.
    """

    def __init__(
        self,
        account_sid: str,
        call_sid: str,
        stream_sid: str,
        parameters: Mapping[str, str],
        *,
        ppm: float = 0.0,
    ) -> None:
        self.stream_sid = stream_sid
        self.heard = bytearray()
        self.said = bytearray()
        self.microphone = bytearray()
        self.cleared: list[Cleared] = []
        self.marks: list[str] = []
        self.warnings: Counter[int] = Counter()
        self.first_heard_at: int | None = None  # sample
        self.played = 0  # samples of what was sent, without silence of ours
        self._ids = {"accountSid": account_sid, "callSid": call_sid}
        self._parameters = dict(parameters)
        self._rate = RATE_HZ * (1 + ppm / 1e6)
        self.began_at: float | None = None  # by the clock of ``now``
        self._queue = bytearray()
        self._marks: deque[tuple[int, str]] = deque()  # (octets of the queue before it, name)
        self._utterance = 0  # samples played since the queue was last empty
        self._sequence = self._chunk = 0

    # -- to the deployment ---------------------------------------------------------------------

    def begin(self, now: float) -> list[str]:
        """Open the stream; gives its first two messages."""
        self.began_at = now
        start = {
            "streamSid": self.stream_sid,
            **self._ids,
            "tracks": ["inbound"],
            "customParameters": self._parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE_HZ, "channels": 1},
        }
        connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
        return [json.dumps(connected), self._message("start", start=start)]

    def tick(self, now: float) -> list[str]:
        """Let time pass; gives the messages that are due."""
        messages = self._play_until(now)
        while (self._chunk + 1) * CHUNK <= self._samples(now):
            payload = bytes(self.microphone[:CHUNK]).ljust(CHUNK, SILENCE)
            del self.microphone[:CHUNK]
            self.said += payload
            self._chunk += 1
            media = {
                "track": "inbound",
                "chunk": str(self._chunk),
                "timestamp": str((self._chunk - 1) * CHUNK_MS + 5),
                "payload": base64.b64encode(payload).decode(),
            }
            messages.append(self._message("media", media=media))
        return messages

    def next_tick(self) -> float:
        """When ``tick`` is due."""
        assert self.began_at is not None, "the stream has begun"
        return self.began_at + (self._chunk + 1) * CHUNK / self._rate

    def press(self, digit: str) -> str:
        return self._message("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    def stop(self) -> str:
        return self._message("stop", stop=self._ids)

    def _message(self, event: str, **members: object) -> str:
        self._sequence += 1
        head = {"event": event, "sequenceNumber": str(self._sequence)}
        return json.dumps({**head, "streamSid": self.stream_sid, **members})

    # -- from the deployment -------------------------------------------------------------------

    def receive(self, message: str | bytes, now: float) -> list[str]:
        """Take a message; gives the answers. What is wrong is a warning, and ignored."""
        messages = self._play_until(now)
        if isinstance(message, bytes):
            self.warnings[BINARY_FRAME] += 1
            return messages
        said = self._checked(message)
        if said is None:
            self.warnings[INVALID_MESSAGE] += 1
        elif said["event"] == "media":
            self._queue += base64.b64decode(said["media"]["payload"], validate=True)
        elif said["event"] == "mark":
            self._marks.append((len(self._queue), said["mark"]["name"]))
            messages += self._reached()
        else:
            messages += self._clear(now)
        return messages

    def _checked(self, message: str) -> dict[str, Any] | None:
        try:
            said = json.loads(message)
            inner = _MEMBERS[said["event"]]
            wanted = {"event", "streamSid", *(inner[:1] if inner else ())}
            if set(said) != wanted or said["streamSid"] != self.stream_sid:
                return None
            if inner is not None:
                value = said[inner[0]][inner[1]]
                if set(said[inner[0]]) != {inner[1]} or not isinstance(value, str):
                    return None
                if inner[1] == "payload":
                    base64.b64decode(value, validate=True)
        except (ValueError, TypeError, KeyError, RecursionError, binascii.Error):
            return None
        members: dict[str, Any] = said
        return members

    def _clear(self, now: float) -> list[str]:
        names = tuple(name for _, name in self._marks)
        self.cleared.append(
            Cleared(
                self._samples(now) / RATE_HZ,
                self._utterance * 1000 / RATE_HZ,
                len(self._queue) * 1000 / RATE_HZ,
                names,
            )
        )
        self._queue.clear()
        self._utterance = 0
        self._marks = deque((0, name) for name in names)
        return self._reached()

    # -- the play clock ------------------------------------------------------------------------

    @property
    def queued_ms(self) -> float:
        return len(self._queue) * 1000 / RATE_HZ

    def _samples(self, now: float) -> int:
        return 0 if self.began_at is None else int((now - self.began_at) * self._rate + 1e-6)

    def _play_until(self, now: float) -> list[str]:
        wanted = max(0, self._samples(now) - len(self.heard))
        played = bytes(self._queue[:wanted])
        del self._queue[: len(played)]
        if played and self.first_heard_at is None:
            self.first_heard_at = len(self.heard)
        self.heard += played.ljust(wanted, SILENCE)
        self.played += len(played)
        self._utterance += len(played)
        if not self._queue and wanted > len(played):
            self._utterance = 0
        self._marks = deque((at - len(played), name) for at, name in self._marks)
        return self._reached()

    def _reached(self) -> list[str]:
        """Give the marks back before which nothing waits any more."""
        messages = []
        while self._marks and self._marks[0][0] <= 0:
            _, name = self._marks.popleft()
            self.marks.append(name)
            messages.append(self._message("mark", mark={"name": name}))
        return messages
