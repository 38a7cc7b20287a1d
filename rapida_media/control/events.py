"""What happens to calls, as server-sent events: of all calls, or of one.

Every event has a number that grows; a client that comes back with ``Last-Event-ID`` goes on behind
it, as far as the journal remembers, and is told of a gap (``event: gap``) where it does not.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import msgspec
from aiohttp import web

from rapida_media.call.journal import Journal, JournalEvent, Subscription
from rapida_media.control import schema
from rapida_media.control.operations import Asked, Operation
from rapida_media.control.problems import ProblemError
from rapida_media.errors import LocalProtocolError
from rapida_media.net.orders import Records

# Proxies drop connections that are silent for half a minute.
KEEP_ALIVE_S = 15.0
# A client that takes nothing for so long is gone.
STALLED_S = 30.0
RETRY_MS = 2000
MEDIA_TYPE = "text/event-stream"


class EventOperations:
    """closing: set once the server stops; all streams end then."""

    def __init__(self, journal: Journal, records: Records) -> None:
        self._journal = journal
        self._records = records
        self._subscriptions: set[Subscription] = set()

    def table(self) -> list[Operation]:
        headers = {"Last-Event-ID": "The number of the last event known"}
        return [
            Operation(
                "GET", "/v1/events", "streamEvents", "Follow all calls", self._all,
                {200: MEDIA_TYPE}, query=schema.EventQuery, endless=True, headers=headers,
            ),
            Operation(
                "GET", "/v1/calls/{id}/events", "streamCallEvents", "Follow one call", self._one,
                {200: MEDIA_TYPE}, query=schema.EventQuery, endless=True, headers=headers,
            ),
        ]  # fmt: skip

    def close(self) -> None:
        """End all streams."""
        for subscription in tuple(self._subscriptions):
            subscription.close()

    async def _all(self, asked: Asked[None, schema.EventQuery]) -> web.StreamResponse:
        return await self._stream(asked, None)

    async def _one(self, asked: Asked[None, schema.EventQuery]) -> web.StreamResponse:
        """Follow one call until it has ended; one that has gives what is remembered of it."""
        if asked.id not in self._journal.live and await self._records.get(asked.id) is None:
            raise ProblemError(404, "no-such-call", "there is no call of this id")
        return await self._stream(asked, asked.id)

    async def _stream(
        self, asked: Asked[None, schema.EventQuery], call_id: str | None
    ) -> web.StreamResponse:
        after = _after(asked)
        if after is None and call_id is not None:
            after = self._journal.forgotten  # of one call all is told that is kept
        try:
            subscription = self._journal.subscribe(call_id, after)
        except LocalProtocolError as error:
            raise ProblemError(503, "too-many-streams", str(error)) from None
        self._subscriptions.add(subscription)
        try:
            response = web.StreamResponse(
                headers={
                    "Content-Type": f"{MEDIA_TYPE}; charset=utf-8",
                    "Cache-Control": "no-store",
                    "X-Accel-Buffering": "no",
                }
            )
            await response.prepare(asked.http)
            with suppress(ConnectionError, TimeoutError):
                await self._feed(response, subscription, call_id)
        finally:
            self._subscriptions.discard(subscription)
            subscription.close()
        return response

    async def _feed(
        self, response: web.StreamResponse, subscription: Subscription, call_id: str | None
    ) -> None:
        await _write(response, f"retry: {RETRY_MS}\n\n".encode())
        gap = False
        over = call_id is not None and call_id not in self._journal.live
        while True:
            for event in subscription.take():
                if subscription.gap and not gap:
                    gap = True
                    await _write(response, b"event: gap\ndata: {}\n\n")
                await self._tell(response, event)
                over = over or (call_id is not None and event.kind == "ended")
            if over:
                return
            event_or_none = await _next(subscription)
            if event_or_none is None:
                return
            if isinstance(event_or_none, JournalEvent):
                await self._tell(response, event_or_none)
                over = call_id is not None and event_or_none.kind == "ended"
            else:
                await _write(response, b": alive\n\n")

    async def _tell(self, response: web.StreamResponse, event: JournalEvent) -> None:
        """Write an event once what it tells is kept."""
        await self._journal.kept()
        await _write(response, _format(event))


async def _next(subscription: Subscription) -> JournalEvent | bool | None:
    """Wait for the next event: True when it is time for a sign of life, None at the end."""
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            return await anext(subscription)
    except TimeoutError:
        return True
    except StopAsyncIteration:
        return None


async def _write(response: web.StreamResponse, data: bytes) -> None:
    async with asyncio.timeout(STALLED_S):
        await response.write(data)


def _format(event: JournalEvent) -> bytes:
    data = msgspec.json.encode(schema.view(event.record))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.kind.encode(), data)


def _after(asked: Asked[None, schema.EventQuery]) -> int | None:
    shown = asked.http.headers.get("Last-Event-ID", "")
    if shown.isascii() and shown.isdigit() and len(shown) <= 19:
        return int(shown)
    return asked.query.after
