"""News of providers that tell them over a WebSocket we open: one for each account that has such.

A connection that is lost is made again, after a pause that grows; then each call that was placed
by the account is asked for, since its end may have been missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

import aiohttp

from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.net.http_client import TIMEOUT, AiohttpClient
from rapida_media.net.provider_calls import ProviderCalls
from rapida_media.net.socket_wire import HEARTBEAT_S, MEDIA_PROTOCOLS, SocketWire
from rapida_media.net.socket_wire import MESSAGE_LIMIT as MEDIA_MESSAGE_LIMIT
from rapida_media.providers.base import (
    CommonState,
    EventFeed,
    FeedNews,
    MediaToOpen,
    ProviderSpec,
    StatusInfo,
)
from rapida_media.providers.http import HttpRequest

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
MESSAGE_LIMIT = 1_048_576
NOT_FOUND = 404


class EventFeeds:
    """Follows the accounts of a configuration. calls: hears the news."""

    def __init__(self, calls: ProviderCalls) -> None:
        self._calls = calls
        self._followers: dict[str, _Follower] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def use(self, credentials: Mapping[str, Credential]) -> None:
        """Follow these accounts; those that have not changed keep their connection."""
        for name, follower in list(self._followers.items()):
            if credentials.get(name) != follower.credential:
                del self._followers[name]
                task = asyncio.get_running_loop().create_task(follower.stop())
                self._leaving.add(task)
                task.add_done_callback(self._leaving.discard)
        for name, credential in credentials.items():
            spec = self._calls.specs.get(credential.provider)
            if name in self._followers or spec is None or spec.feed is None:
                continue
            if (feed := spec.feed(credential)) is not None:
                self._followers[name] = _Follower(spec, credential, feed, self._calls)

    def states(self) -> dict[str, bool]:
        """Tell of each account that is followed whether its events come."""
        return {name: follower.connected for name, follower in self._followers.items()}

    async def stop(self) -> None:
        stopping = [follower.stop() for follower in self._followers.values()]
        await asyncio.gather(*stopping, *self._leaving)
        self._followers.clear()


class _Follower:
    """The connection of one account."""

    def __init__(
        self, spec: ProviderSpec, credential: Credential, feed: EventFeed, calls: ProviderCalls
    ) -> None:
        self.credential = credential
        self.connected = False
        self._spec = spec
        self._feed = feed
        self._calls = calls
        self._http = AiohttpClient()
        self._pause_s = FIRST_PAUSE_S
        self._tasks: set[asyncio.Task[None]] = set()
        self._start(self._follow())

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _follow(self) -> None:
        """Task root of the connection."""
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            while True:
                try:
                    await self._listen(session)
                    why = "it was closed"
                except aiohttp.WSServerHandshakeError as error:
                    why = f"HTTP {error.status}"
                except (aiohttp.ClientError, TimeoutError, OSError) as error:
                    why = str(error) or type(error).__name__
                except Exception:
                    log.exception("events of [credentials.%s] failed", self.credential.name)
                    why = "it failed here"
                self.connected = False
                log.warning(
                    "no events of [credentials.%s]: %s; again in %.1f s",
                    *(self.credential.name, why, self._pause_s),
                )
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        upgrade = self._feed.upgrade
        async with session.ws_connect(
            upgrade.url,
            headers=upgrade.headers,
            heartbeat=HEARTBEAT_S,
            max_msg_size=MESSAGE_LIMIT,
        ) as socket:
            self.connected = True
            self._pause_s = FIRST_PAUSE_S
            log.info("events of [credentials.%s] come", self.credential.name)
            self._start(self._look_for_missed())
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    self._heard(self._feed.receive(message.data))

    def _heard(self, heard: FeedNews) -> None:
        for news in heard.news:
            self._calls.told(self._spec, self.credential.name, news)
        if heard.requests:
            self._start(self._ask(heard))

    async def _ask(self, heard: FeedNews) -> None:
        """Task root of what one event wants asked."""
        if not await self._all_done(heard.requests):
            await self._all_done(heard.on_failure)

    async def _look_for_missed(self) -> None:
        """Task root: end the calls whose end was told to nobody."""
        for call in self._calls.placed_by(self._spec, self.credential.name):
            channel = call.seen.provider_call_id
            try:
                reply = await self._http.send(self._feed.look(channel))
            except ProviderError as error:
                log.warning("looking for a call failed: %s", error)
                continue
            if reply.status == NOT_FOUND:
                state: CommonState = "failed" if call.answered_at is None else "completed"
                news = StatusInfo(channel, "gone", state)
                self._calls.told(self._spec, self.credential.name, news)

    async def _all_done(self, requests: Sequence[HttpRequest]) -> bool:
        """Send one after the other; False where one was refused. What is gone need not be ended."""
        for request in requests:
            try:
                reply = await self._http.send(request)
            except ProviderError as error:
                log.warning("an event's request failed: %s", error)
                return False
            if reply.status >= 300 and not (
                request.method == "DELETE" and reply.status == NOT_FOUND
            ):
                path = request.url.partition("?")[0].partition("//")[2].partition("/")[2]
                log.warning("%s /%s was answered %d", request.method, path, reply.status)
                return False
            if reply.status < 300 and (media := self._feed.answered(reply)) is not None:
                self._start(self._open(media))
        return True

    async def _open(self, media: MediaToOpen) -> None:
        """Task root of a media stream that we open."""
        call = await self._calls.claim_own(media.context_id)
        if call is None:
            return
        try:
            async with (
                aiohttp.ClientSession(timeout=TIMEOUT) as session,
                session.ws_connect(
                    media.upgrade.url,
                    headers=media.upgrade.headers,
                    protocols=MEDIA_PROTOCOLS,
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MEDIA_MESSAGE_LIMIT,
                ) as socket,
            ):
                await call.carry(SocketWire(socket))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("no media: %s", error, extra={"call_id": call.info.id})
            call.hang_up("media_lost")
