"""Call contexts in Redis, for engines on several machines: whoever gets the media finds the call.

Each context is two keys. One holds it, for five minutes, and is taken by ``GETDEL``; the other
remembers for longer that there was one and whether it was claimed, so that "used", "expired" and
"unknown" stay apart. A third has the news that came to others than who made it. Redis alone decides
who was first. While it is away every answer is ContextsUnavailable within a second, and nothing has
to be restarted afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import asdict
from typing import Any, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from rapida_media.call.contexts import (
    LIFETIME_S,
    NEWS_LIMIT,
    CallContext,
    ContextExpired,
    ContextsUnavailable,
    ContextUnknown,
    ContextUsed,
)
from rapida_media.stats import Histogram

log = logging.getLogger(__name__)

T = TypeVar("T")

# A provider gives up on a webhook after some seconds; it is to hear of the trouble before that.
PATIENCE_S = 1.0
CHECK_S = 2.0
MAX_CONNECTIONS = 64
# How long it is known that there was a context.
REMEMBERED_S = 3600
LATENCY_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)

WAITING, USED = "waiting", "used"
# Scripts run alone (Redis, "Atomicity of scripts"): of many who claim, one takes the value and all
# others find the mark it set.
CLAIM = f"""
local context = redis.call('GETDEL', KEYS[1])
if context then redis.call('SET', KEYS[2], '{USED}', 'XX', 'KEEPTTL') end
return {{context, redis.call('GET', KEYS[2])}}
"""
Found = list[str | None]  # the context and its mark


class RedisContexts:
    """``ContextStore`` in a Redis of version 6.2 or later.

    url: as ``redis://[user:password@]host:port/database``, ``rediss://`` with TLS or ``unix://``.
    problem: why it cannot be used now, or None; looked at every two seconds after ``start``.
    """

    def __init__(self, url: str, lifetime_s: float = LIFETIME_S) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=PATIENCE_S,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            # A claim that was carried out and not answered must not be tried again.
            retry=Retry(NoBackoff(), 0),
            # With RESP3 the client waits for notices of maintenance, and takes a connection that
            # Redis has closed for one on which such a notice has come.
            protocol=2,
            decode_responses=True,
        )
        self._redis = Redis.from_pool(pool)  # and closes it
        self._lifetime_ms = round(lifetime_s * 1000)
        self._checking: asyncio.Task[None] | None = None
        self._closing = False
        self.problem: str | None = None
        self.latency_s = Histogram(LATENCY_BOUNDS_S)

    async def start(self) -> None:
        """Look now and from now on whether Redis is there."""
        await self._check()
        self._checking = asyncio.create_task(self._keep_checking(), name="redis check")

    async def put(self, context: CallContext, now: float) -> None:
        context_key, mark_key = _keys(context.id)
        text = json.dumps(asdict(context), default=str)
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(context_key, text, px=self._lifetime_ms, nx=True)
            pipeline.set(mark_key, WAITING, ex=REMEMBERED_S, nx=True)
            await self._ask(pipeline.execute())

    async def look(self, context_id: str, now: float) -> CallContext:
        return await self._found(cast("Awaitable[Found]", self._redis.mget(_keys(context_id))))

    async def claim(self, context_id: str, now: float) -> CallContext:
        asked = self._redis.eval(CLAIM, 2, *_keys(context_id))
        return await self._found(cast("Awaitable[Found]", asked))

    async def claimed(self, context_ids: Collection[str], now: float) -> Collection[str]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for context_id in context_ids:
                pipeline.get(_keys(context_id)[1])
            marks = await self._ask(pipeline.execute())
        return [each for each, mark in zip(context_ids, marks, strict=True) if mark == USED]

    async def tell(self, context_id: str, news: str, now: float) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.rpush(_news_key(context_id), news)
            pipeline.ltrim(_news_key(context_id), 0, NEWS_LIMIT - 1)
            pipeline.pexpire(_news_key(context_id), self._lifetime_ms)
            await self._ask(pipeline.execute())

    async def told(self, context_ids: Collection[str], now: float) -> Sequence[tuple[str, str]]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for context_id in context_ids:
                pipeline.lpop(_news_key(context_id), NEWS_LIMIT)
            left = await self._ask(pipeline.execute())
        pairs = zip(context_ids, left, strict=True)
        return [(context_id, text) for context_id, texts in pairs for text in texts or ()]

    async def _found(self, asked: Awaitable[Found]) -> CallContext:
        text, mark = await self._ask(asked)
        if text is not None:
            return CallContext(**json.loads(text))
        if mark is None:
            raise ContextUnknown("no such context waits")
        raise (ContextUsed if mark == USED else ContextExpired)("no such context waits")

    async def close(self) -> None:
        self._closing = True
        if self._checking is not None:
            self._checking.cancel()
            await asyncio.gather(self._checking, return_exceptions=True)
        await self._redis.aclose()

    async def _ask(self, answer: Awaitable[T]) -> T:
        """Wait for an answer, but not for long. ContextsUnavailable."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(PATIENCE_S):
                result = await answer
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            self._failed(error)
            raise ContextsUnavailable(
                f"the store of call contexts is away: {self.problem}"
            ) from None
        self.latency_s.add(loop.time() - began)
        if self.problem is not None:
            log.warning("the store of call contexts is back")
            self.problem = None
        return result

    def _failed(self, error: Exception) -> None:
        text = f"Redis: {str(error) or type(error).__name__}"
        if self.problem is None:
            log.error("the store of call contexts is away: %s", text)
        self.problem = text

    async def _check(self) -> None:
        with contextlib.suppress(ContextsUnavailable):
            await self._ask(cast("Awaitable[Any]", self._redis.ping()))

    async def _keep_checking(self) -> None:
        # asyncio.wait_for, which the client uses, may swallow a cancellation before Python 3.12.
        while not self._closing:
            await asyncio.sleep(CHECK_S)
            await self._check()


def _keys(context_id: str) -> tuple[str, str]:
    # The part in braces alone chooses the node of a cluster, so that both lie on the same one.
    return f"rapida:{{{context_id}}}:context", f"rapida:{{{context_id}}}:mark"


def _news_key(context_id: str) -> str:
    return f"rapida:{{{context_id}}}:news"
