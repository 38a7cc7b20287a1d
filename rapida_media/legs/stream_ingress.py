"""What a provider's stream says, put in order, cut into bus frames and let through in time.

A provider's audio comes over TCP: it is seldom out of order, but after a stall seconds of it come
at once, and a provider may send faster than people speak. What comes in time is handed up at once,
whatever size it has. What is ahead of time waits here, and catches up at a pace that leaves a
listener time to follow:

    arrival ──► Reorder ──► converter ──► 20 ms frames ──► Gate ──► bus
                 5 messages                                1 s at once, then 1.25 times real time,
                                                           2 s at most in waiting

Used by ``StreamLeg`` only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from rapida_media.legs.stream_audio import to_bus
from rapida_media.media.frame import (
    FRAME_BYTES,
    FRAME_MS,
    FRAME_SAMPLES,
    RATE_HZ,
    SILENCE,
    TALKSPURT_START,
    Audio,
)
from rapida_media.providers.stream import AudioFormat, AudioReceived
from rapida_media.stats import Counters

# Messages held back for one that is missing: a WebSocket loses none, so it will not come late.
HOLD_MESSAGES = 5
AT_ONCE_FRAMES = 1000 // FRAME_MS
CATCH_UP = 1.25
WAITING_FRAMES = 2000 // FRAME_MS
# Below this a jump of the provider's time stamps is their granularity.
GAP_MS = 60
# A jump beyond this is a clock that was set, not a pause.
LONGEST_GAP_MS = 60_000
NOTHING = bytes(FRAME_BYTES)


class Reorder:
    """Gives messages in the order of their numbers; those without go straight through."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._next: int | None = None
        self._held: dict[int, AudioReceived] = {}

    def push(self, message: AudioReceived) -> Iterator[AudioReceived]:
        """Take one message and give all whose turn it is."""
        number = message.sequence
        if number is None:
            yield message
            return
        if self._next is None:
            self._next = number
        if number < self._next or number in self._held:
            self._counters.add("audio_repeated")
            return
        self._held[number] = message
        if len(self._held) > HOLD_MESSAGES:
            missed = min(self._held) - self._next
            self._counters.add("audio_missing", missed)
            self._next += missed
        elif number != self._next:
            self._counters.add("audio_out_of_order")
        while (turn := self._held.pop(self._next, None)) is not None:
            self._next += 1
            yield turn


class Gate:
    """Lets frames through while they are no more than AT_ONCE_FRAMES ahead of real time."""

    def __init__(self, publish: Callable[[Audio], None], counters: Counters) -> None:
        self._publish = publish
        self._counters = counters
        self._waiting: deque[Audio] = deque()
        self._credit: float = AT_ONCE_FRAMES
        self._seen_at: float | None = None

    def push(self, frame: Audio, now: float) -> None:
        self._waiting.append(frame)
        self.open(now)
        if len(self._waiting) > WAITING_FRAMES:
            self._waiting.popleft()
            self._counters.add("audio_dropped_ahead_of_time")

    def tick(self, now: float) -> None:
        """Let time pass. What is earned while nothing waits is counted with the next frame."""
        if self._waiting:
            self.open(now)

    def open(self, now: float) -> None:
        """Let through what may pass by now."""
        if self._seen_at is not None:
            earned = (now - self._seen_at) * CATCH_UP * 1000 / FRAME_MS
            self._credit = min(AT_ONCE_FRAMES, self._credit + earned)
        self._seen_at = now
        while self._waiting and self._credit >= 1:
            self._credit -= 1
            self._publish(self._waiting.popleft())


class StreamIngress:
    """publish: takes each 20 ms frame of the bus. counters: those of the leg."""

    def __init__(self, publish: Callable[[Audio], None], counters: Counters) -> None:
        self._counters = counters
        self._reorder = Reorder(counters)
        self._gate = Gate(publish, counters)
        self._format: AudioFormat | None = None
        self._rest = b""  # of a sample that a message cut in two
        self._pcm = bytearray()
        self._pts = 0
        self._expected_ms: float | None = None
        self._talkspurt = TALKSPURT_START

    def push(self, message: AudioReceived, source: AudioFormat, now: float) -> None:
        """Take one message of audio in this format."""
        for each in self._reorder.push(message):
            self._take(each, source, now)

    def tick(self, now: float) -> None:
        self._gate.tick(now)

    def _take(self, message: AudioReceived, source: AudioFormat, now: float) -> None:
        if source != self._format:
            self._convert, self._format, self._rest = to_bus(source), source, b""
        payload = message.payload
        if source.encoding == "s16le":
            payload = self._rest + payload
            whole = len(payload) & ~1
            payload, self._rest = payload[:whole], payload[whole:]
        pcm = self._convert(payload)
        if message.timestamp_ms is not None:
            self._keep_gap(message.timestamp_ms, len(pcm))
        if not self._pcm and len(pcm) == FRAME_BYTES:
            self._hand_up(pcm, now)
            return
        self._pcm += pcm
        while len(self._pcm) >= FRAME_BYTES:
            frame = bytes(self._pcm[:FRAME_BYTES])
            del self._pcm[:FRAME_BYTES]
            self._hand_up(frame, now)

    def _hand_up(self, frame: bytes, now: float) -> None:
        silence = SILENCE if frame == NOTHING else 0
        self._gate.push(Audio(self._pts, self._talkspurt | silence, frame), now)
        self._talkspurt = 0
        self._pts += FRAME_SAMPLES

    def _keep_gap(self, timestamp_ms: int, length_bytes: int) -> None:
        """Let time that was lost on the way keep its length on the bus."""
        if self._expected_ms is not None:
            gap_ms = timestamp_ms - self._expected_ms
            if GAP_MS <= gap_ms <= LONGEST_GAP_MS:
                self._counters.add("audio_gaps")
                # What was left of a frame belongs before the gap.
                self._pcm += bytes(-len(self._pcm) % FRAME_BYTES)
                self._pts += round(gap_ms * RATE_HZ / 1000)
                self._talkspurt = TALKSPURT_START
        self._expected_ms = timestamp_ms + length_bytes / 2 * 1000 / RATE_HZ
