"""One media stream of one call, from its socket to its leg and back, for every provider.

``stream`` returns when the stream is over; ``close`` ends it. The receive loop waits for nothing
but the socket: what is to be sent goes through a bounded outbox to a task of its own, and a
provider that does not read loses its stream, not our memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

from rapida_media import clock
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.net.media import MediaShell
from rapida_media.providers.stream import StreamMessage

log = logging.getLogger(__name__)

# RFC 6455 section 7.4.1.
NORMAL, GOING_AWAY, PROTOCOL_ERROR, INTERNAL_ERROR = 1000, 1001, 1002, 1011
# What waits for a provider that does not read: seconds of any provider's audio.
OUTBOX_BYTES = 1_000_000
# A provider that opens a stream says at once what it is for.
START_S = 10.0
# More than this is no accident any more.
MALFORMED_LIMIT = 50
# How long a goodbye may take to leave.
CLOSE_S = 2.0

CLOSE_CODES = {
    "protocol_error": PROTOCOL_ERROR,
    "media_stalled": INTERNAL_ERROR,
    "engine_stopping": GOING_AWAY,
}


class Wire(Protocol):
    """A connected socket that carries messages."""

    async def receive(self) -> StreamMessage | None:
        """Give the next message; None when the far end closed or was lost."""
        ...

    async def send(self, message: StreamMessage) -> None:
        """Send; ConnectionError when the far end is gone."""
        ...

    async def close(self, code: int) -> None:
        """Close; ``receive`` gives None then."""
        ...

    @property
    def closed_properly(self) -> bool:
        """Whether the far end said that it closes."""
        ...


class BoundedOutbox:
    """What waits to be sent. overflowed: called when the far end does not read; the message that
    was too much is dropped."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[StreamMessage, bool]] = deque()
        self._bytes = 0
        self.changed = asyncio.Event()
        self.overflowed: Callable[[], None] = _nobody

    def send(self, message: StreamMessage, *, audio: bool = False) -> None:
        if self._bytes + len(message) > OUTBOX_BYTES:
            self.overflowed()
            return
        self._waiting.append((message, audio))
        self._bytes += len(message)
        self.changed.set()

    def drop_audio(self) -> None:
        self._waiting = deque(each for each in self._waiting if not each[1])
        self._bytes = sum(len(message) for message, _ in self._waiting)

    def take(self) -> StreamMessage | None:
        if not self._waiting:
            return None
        message, _ = self._waiting.popleft()
        self._bytes -= len(message)
        return message


class Streamer:
    """Carries one stream. leg: made with ``outbox``. closed_for: why it ended, "" while it runs."""

    def __init__(
        self, wire: Wire, leg: StreamLeg, outbox: BoundedOutbox, media: MediaShell
    ) -> None:
        self._wire = wire
        self._leg = leg
        self._outbox = outbox
        self._media = media
        self._loop = asyncio.get_running_loop()
        self._closing: asyncio.Task[None] | None = None
        self._started = False
        self.closed_for = ""
        outbox.overflowed = lambda: self.close("media_stalled")

    async def stream(self) -> str:
        """Carry the stream until it is over; gives why: the reason given to ``close``, else
        ``media_closed`` or ``media_lost``."""
        writer = self._loop.create_task(self._write())
        deadline = self._loop.call_later(START_S, self._not_started)
        self._media.pace(self._leg.tick)
        try:
            while not self.closed_for and (message := await self._wire.receive()) is not None:
                self._leg.receive(message, clock.monotonic())
                if self._leg.counters["messages_malformed"] > MALFORMED_LIMIT:
                    self.close("protocol_error")
        finally:
            self._media.unpace(self._leg.tick)
            deadline.cancel()
            if self._closing is not None:
                await self._closing
            self._outbox.overflowed = _nobody
            writer.cancel()
        if not self.closed_for:
            self.closed_for = "media_closed" if self._wire.closed_properly else "media_lost"
        return self.closed_for

    def started(self) -> None:
        """The provider has said what the stream is for."""
        self._started = True

    def close(self, reason: str) -> None:
        """End the stream on our side; ``stream`` returns soon. Closing again changes nothing."""
        if not self.closed_for:
            self.closed_for = reason
            self._closing = self._loop.create_task(self._close(CLOSE_CODES.get(reason, NORMAL)))

    def _not_started(self) -> None:
        if not self._started:
            self.close("media_not_started")

    async def _close(self, code: int) -> None:
        if self._started and code != PROTOCOL_ERROR:
            self._leg.say_goodbye()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._flush()
                await self._wire.close(code)
        except (TimeoutError, OSError):
            log.debug("the far end of a stream does not read its end")
            await self._wire.close(INTERNAL_ERROR)

    async def _write(self) -> None:
        """Task root: send what the outbox holds, in order."""
        try:
            while True:
                await self._outbox.changed.wait()
                self._outbox.changed.clear()
                if not self.closed_for:
                    await self._flush()
        except OSError:
            # The receive loop sees the end of the socket, too, and tells why.
            return

    async def _flush(self) -> None:
        while (message := self._outbox.take()) is not None:
            await self._wire.send(message)


def _nobody() -> None:
    """No stream has the outbox yet."""
