"""The unit of the media bus: 20 ms of 16 kHz s16le mono, and the ring a slow consumer owns."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import CONCEALED, DIGIT, SILENCE, TALKSPURT_START, Audio

__all__ = [
    "CONCEALED",
    "DIGIT",
    "FRAME_BYTES",
    "FRAME_MS",
    "FRAME_SAMPLES",
    "RATE_HZ",
    "SILENCE",
    "TALKSPURT_START",
    "Audio",
    "Ring",
    "bytes_of",
]

RATE_HZ = 16_000
FRAME_MS = 20
FRAME_SAMPLES = RATE_HZ * FRAME_MS // 1000
FRAME_BYTES = FRAME_SAMPLES * 2


Item = TypeVar("Item")


def bytes_of(pcm: bytes | bytearray | memoryview) -> bytes:
    """Give audio as bytes; LocalProtocolError for what holds neither bytes nor 16-bit samples."""
    if isinstance(pcm, bytes):
        return pcm
    try:
        view = memoryview(pcm)
    except TypeError:
        view = None
    if view is None or view.format not in ("b", "B", "c", "h"):
        raise LocalProtocolError(
            f"write: expected bytes of 16-bit samples, got {type(pcm).__name__}"
            + ("" if view is None else f" of {view.format}")
        )
    return view.tobytes()


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
