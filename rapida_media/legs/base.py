"""What every leg offers the call on its other side, whatever carries the media."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rapida_media.media.bus import Bus

Stats = dict[str, int | float | str | bool | None]


class Leg(Protocol):
    """One far end's media.

    received: what the far end says.  sent: what it was really sent, frame by frame, in time.
    """

    received: Bus
    sent: Bus

    def connect(self, digit: Callable[[str, int], None], mark: Callable[[int, bool], None]) -> None:
        """Name who hears of received digits (digit, duration in ms) and of marks (id, played)."""
        ...

    def disconnect(self) -> None:
        """Tell nobody any more: the call is over."""
        ...

    @property
    def elapsed_samples(self) -> int:
        """16 kHz samples since the leg's media started; the time line of ``sent``."""
        ...

    def write(self, pcm: bytes) -> int:
        """Queue s16le mono 16 kHz audio of any length; gives the samples accepted."""
        ...

    def clear(self) -> int:
        """Drop what was not sent yet; gives the ms of the current utterance that were sent."""
        ...

    def mark(self, mark_id: int) -> None:
        """Report ``mark_id`` once the audio queued before it has been played or dropped."""
        ...

    @property
    def takes_digits(self) -> bool:
        """Whether ``send_digits`` reaches the far end."""
        ...

    def send_digits(self, digits: str) -> None:
        """Queue key presses behind the audio already queued."""
        ...

    @property
    def queued_ms(self) -> int:
        """Audio accepted and not yet sent."""
        ...

    def stats(self) -> Stats:
        """Counts and quality of both directions, by name."""
        ...
