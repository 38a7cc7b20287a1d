"""What the agent ``websocket:`` needs of the shell: sockets to bots, and time.

The shell is ``net.bots``; tests put their own in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from rapida_media.agents.dialects.base import BotMessage
from rapida_media.stats import Counters, Histogram

CONNECT_BOUNDS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class BotFigures:
    """What is counted of one assistant's bot; ``/metrics`` shows it."""

    active: int = 0
    counters: Counters = field(default_factory=Counters)
    connect_s: Histogram = field(default_factory=lambda: Histogram(CONNECT_BOUNDS_S))


class BotSocket(Protocol):
    """One connection to a bot."""

    def send(self, message: BotMessage, *, audio: bool = False) -> bool:
        """Queue a message; False when it was dropped, as the bot does not read.

        Only audio is dropped. Where even the rest finds no room the connection is lost.
        """
        ...

    async def receive(self) -> BotMessage | None:
        """Give the bot's next message; None when it closed or was lost."""
        ...

    @property
    def closed_properly(self) -> bool:
        """Whether the bot said that it closes."""
        ...

    async def close(self) -> None:
        """Send what is queued, and close. Closing again changes nothing."""
        ...


class BotShell(Protocol):
    """What opens connections, and runs two things at once."""

    async def connect(
        self, url: str, headers: Mapping[str, str], seconds: float, figures: BotFigures
    ) -> BotSocket:
        """Connect within so many seconds. BotError."""
        ...

    async def pause(self, seconds: float) -> None: ...

    async def beside(
        self, first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None]
    ) -> None:
        """Run both; returns when one has ended, with the other one cancelled."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that nobody waits for."""
        ...

    def ticking(self, tick: Callable[[float], None]) -> AbstractContextManager[None]:
        """Call ``tick(now)`` every 20 ms, behind the audio that has arrived."""
        ...

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        ...

    def figures(self, name: str) -> BotFigures:
        """Give the figures kept under a name."""
        ...
