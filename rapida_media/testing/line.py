"""A media stream as a platform's side keeps it: a caller, and a play queue in real time.

Pure: time comes in as ``now``, messages go in and out. What the messages look like is the business
of each platform's own module.
"""

from __future__ import annotations

import base64
import json
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rapida_media.kernels import alaw_decode, ulaw_decode
from rapida_media.legs.stream_audio import from_bus
from rapida_media.providers.stream import AudioFormat, StreamMessage

# One sample of it.
SILENCE = {"PCMU": b"\xff", "PCMA": b"\xd5", "s16le": b"\0\0"}

# What each JSON text of a deployment has to have beside its event and the stream's id.
_MEMBERS: Mapping[str, tuple[str, str] | None] = {
    "media": ("media", "payload"),
    "mark": ("mark", "name"),
    "clear": None,
}

Messages = list[StreamMessage]


@dataclass(frozen=True, slots=True)
class Cleared:
    """The queue was emptied. at_s: since the stream began.  heard_ms, dropped_ms: of what was sent
    since the queue was last empty.  marks: that waited in it."""

    at_s: float
    heard_ms: float
    dropped_ms: float
    marks: tuple[str, ...]


class PlatformLine(ABC):
    """One bidirectional stream.

    audio: both ways.  chunk_ms: how much of it a message of the platform carries.
    heard: all that the caller heard since the stream began, silence where nothing was queued.
    said: what the caller sent.  microphone: what the caller is about to send.
    played: samples of what was sent, without silence of ours.  first_heard_at: in samples.
    warnings: how often each thing the platform complains of occurred.
    ppm: how much faster than ours this side's clock runs.
    """

    def __init__(self, audio: AudioFormat, chunk_ms: int, *, ppm: float = 0.0) -> None:
        self.audio = audio
        self.heard = bytearray()
        self.said = bytearray()
        self.microphone = bytearray()
        self.cleared: list[Cleared] = []
        self.marks: list[str] = []
        self.warnings: Counter[int | str] = Counter()
        self.first_heard_at: int | None = None
        self.played = 0
        self.began_at: float | None = None  # by the clock of ``now``
        self._chunk_samples = audio.rate_hz * chunk_ms // 1000
        self._chunks = 0  # sent by the caller
        self._silence = SILENCE[audio.encoding]
        self._width = len(self._silence)
        self._rate = audio.rate_hz * (1 + ppm / 1e6)
        self._queue = bytearray()
        self._marks: deque[tuple[int, str]] = deque()  # (octets of the queue before it, name)
        self._utterance = 0  # samples played since the queue was last empty

    # -- what a platform says ------------------------------------------------------------------

    @abstractmethod
    def receive(self, message: StreamMessage, now: float) -> Messages:
        """Take a message; gives the answers. What is wrong is a warning, and ignored."""

    @abstractmethod
    def press(self, digit: str) -> StreamMessage:
        """A key that the caller pressed."""

    @abstractmethod
    def stop(self) -> StreamMessage | None:
        """The last message; None where there is none."""

    @abstractmethod
    def _opening(self) -> Messages:
        """The first messages."""

    @abstractmethod
    def _spoken(self, payload: bytes, number: int) -> StreamMessage:
        """A chunk of what the caller says; the first is number 1."""

    @abstractmethod
    def _mark_played(self, name: str) -> StreamMessage:
        """A mark, given back."""

    # -- in real time --------------------------------------------------------------------------

    def begin(self, now: float) -> Messages:
        """Open the stream; gives its first messages."""
        self.began_at = now
        return self._opening()

    def speak(self, pcm: bytes) -> None:
        """Have the caller say this next (s16le at 16 kHz), up to a whole frame of 20 ms."""
        self.microphone += from_bus(self.audio)(pcm + bytes(-len(pcm) % 640))

    def tick(self, now: float) -> Messages:
        """Let time pass; gives the messages that are due."""
        messages = self._play_until(now)
        chunk_bytes = self._chunk_samples * self._width
        while (self._chunks + 1) * self._chunk_samples <= self._samples(now):
            payload = bytes(self.microphone[:chunk_bytes])
            del self.microphone[:chunk_bytes]
            payload += self._silence * ((chunk_bytes - len(payload)) // self._width)
            self.said += payload
            self._chunks += 1
            messages.append(self._spoken(payload, self._chunks))
        return messages

    def next_tick(self) -> float:
        """When ``tick`` is due."""
        assert self.began_at is not None, "the stream has begun"
        return self.began_at + (self._chunks + 1) * self._chunk_samples / self._rate

    # -- the play clock ------------------------------------------------------------------------

    @property
    def queued_ms(self) -> float:
        return self._ms(len(self._queue))

    def linear(self, audio: bytes) -> bytes:
        """Turn what was heard or said into s16le at its own rate."""
        if self.audio.encoding == "s16le":
            return audio
        decode = ulaw_decode if self.audio.encoding == "PCMU" else alaw_decode
        return decode(audio)

    def _take_audio(self, payload: bytes) -> None:
        self._queue += payload

    def _take_mark(self, name: str) -> Messages:
        self._marks.append((len(self._queue), name))
        return self._reached()

    def _empty(self, now: float, *, marks_come_back: bool) -> Messages:
        """Drop the queue; its marks are given back now, or never."""
        names = tuple(name for _, name in self._marks)
        heard_ms = self._utterance * 1000 / self.audio.rate_hz
        at_s = self._samples(now) / self.audio.rate_hz
        self.cleared.append(Cleared(at_s, heard_ms, self.queued_ms, names))
        self._queue.clear()
        self._utterance = 0
        self._marks = deque((0, name) for name in names if marks_come_back)
        return self._reached()

    def _play_until(self, now: float) -> Messages:
        wanted = max(0, self._samples(now) - len(self.heard) // self._width)
        played = bytes(self._queue[: wanted * self._width])
        samples = len(played) // self._width
        del self._queue[: len(played)]
        if played and self.first_heard_at is None:
            self.first_heard_at = len(self.heard) // self._width
        self.heard += played + self._silence * (wanted - samples)
        self.played += samples
        self._utterance += samples
        if not self._queue and wanted > samples:
            self._utterance = 0
        self._marks = deque((at - len(played), name) for at, name in self._marks)
        return self._reached()

    def _reached(self) -> Messages:
        """Give the marks back before which nothing waits any more."""
        messages = []
        while self._marks and self._marks[0][0] <= 0:
            _, name = self._marks.popleft()
            self.marks.append(name)
            messages.append(self._mark_played(name))
        return messages

    def _samples(self, now: float) -> int:
        return 0 if self.began_at is None else int((now - self.began_at) * self._rate + 1e-6)

    def _ms(self, octets: int) -> float:
        return octets / self._width * 1000 / self.audio.rate_hz


def checked_message(message: str, id_key: str, stream_id: str) -> dict[str, Any] | None:
    """Read a text of the deployment that has exactly what it has to have; else None."""
    try:
        said = json.loads(message)
        inner = _MEMBERS[said["event"]]
        wanted = {"event", id_key, *(inner[:1] if inner else ())}
        if set(said) != wanted or said[id_key] != stream_id:
            return None
        if inner is not None:
            value = said[inner[0]][inner[1]]
            if set(said[inner[0]]) != {inner[1]} or not isinstance(value, str):
                return None
            if inner[1] == "payload":
                base64.b64decode(value, validate=True)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    members: dict[str, Any] = said
    return members
