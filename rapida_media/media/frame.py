"""The unit of the media bus: 20 ms of 16 kHz s16le mono, and the ring a slow consumer owns."""

from __future__ import annotations

from collections import deque
from typing import Generic, NamedTuple, TypeVar

RATE_HZ = 16_000
FRAME_MS = 20
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2

# Frame flags; the values are those of csrc/stream.h.
CONCEALED = 1
SILENCE = 2
TALKSPURT_START = 4
DIGIT = 8


class Frame(NamedTuple):
    """One bus frame.

    pts: position in samples at the frame's rate since the leg began; gaps keep their length.
    flags: CONCEALED, SILENCE, TALKSPURT_START and DIGIT, or-ed.
    pcm: s16le mono, 20 ms at the subscriber's rate (640 bytes at 16 kHz).
    """

    pts: int
    flags: int
    pcm: bytes


Item = TypeVar("Item")


class Ring(Generic[Item]):
    """A bounded queue that drops its oldest item when full, and counts what it dropped."""

    __slots__ = ("_items", "_limit", "dropped")

    def __init__(self, limit: int) -> None:
        self._items: deque[Item] = deque()
        self._limit = limit
        self.dropped = 0

    def push(self, item: Item) -> None:
        if len(self._items) >= self._limit:
            self._items.popleft()
            self.dropped += 1
        self._items.append(item)

    def pop(self) -> Item:
        """Give the oldest item; IndexError when there is none."""
        return self._items.popleft()

    def clear(self) -> None:
        """Forget all items; they do not count as dropped."""
        self._items.clear()

    def __len__(self) -> int:
        return len(self._items)
