"""Call contexts in a real Redis: first come first served, and what happens while it is away."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from engine.waiting import eventually

from rapida_media.call.contexts import (
    CallContext,
    ContextExpired,
    ContextsUnavailable,
    ContextUnknown,
    ContextUsed,
)
from rapida_media.ids import SystemIds
from rapida_media.net import redis_contexts
from rapida_media.net.redis_contexts import RedisContexts

from .redis_server import RedisServer, redis_server

pytestmark = pytest.mark.interop


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as running:
        yield running


@asynccontextmanager
async def contexts(url: str, lifetime_s: float = 300.0) -> AsyncIterator[RedisContexts]:
    store = RedisContexts(url, lifetime_s)
    try:
        yield store
    finally:
        await store.close()


def context(context_id: str = "x") -> CallContext:
    return CallContext(
        context_id, "c1", "twilio", "inbound", "+15550100", "bob", assistant="support",
        parameters={"plan": "gold", "n": [1, None]},
    )  # fmt: skip


async def test_a_context_put_by_one_engine_is_claimed_once_by_another(server: RedisServer) -> None:
    async with contexts(server.url) as one, contexts(server.url) as other:
        await one.put(context(), 0.0)
        assert await other.look("x", 0.0) == context()
        assert await other.claim("x", 0.0) == context()
        for store in (one, other):
            with pytest.raises(ContextUsed):
                await store.look("x", 0.0)
            with pytest.raises(ContextUsed):
                await store.claim("x", 0.0)
            with pytest.raises(ContextUnknown):
                await store.claim("y", 0.0)


async def test_who_made_a_context_finds_out_that_another_engine_claimed_it(
    server: RedisServer,
) -> None:
    async with contexts(server.url) as one, contexts(server.url) as other:
        for context_id in "abc":
            await one.put(context(context_id), 0.0)
        assert await one.claimed("abcd", 0.0) == []
        await other.claim("b", 0.0)
        assert await one.claimed("abcd", 0.0) == ["b"]
        await server.stop()
        with pytest.raises(ContextsUnavailable):
            await one.claimed("abcd", 0.0)


async def test_news_are_left_for_who_made_a_context_and_taken_once(server: RedisServer) -> None:
    async with contexts(server.url) as one, contexts(server.url) as other:
        for _ in range(60):
            await other.tell("a", "ringing", 0.0)
            await other.tell("a", "busy", 0.0)
        await other.tell("c", "ringing", 0.0)
        told = await one.told("abc", 0.0)
        assert told[:2] == [("a", "ringing"), ("a", "busy")]
        assert told[-1] == ("c", "ringing")
        assert len(told) == 101
        assert await one.told("abc", 0.0) == []


async def test_who_comes_too_late_hears_so_every_time(server: RedisServer) -> None:
    async with contexts(server.url, lifetime_s=0.05) as store:
        await store.put(context(), 0.0)
        await asyncio.sleep(0.1)
        for _ in range(2):
            with pytest.raises(ContextExpired):
                await store.claim("x", 0.0)


async def test_of_eight_who_claim_at_once_exactly_one_wins_2000_times(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who wins is asked here, not how soon: beside other tests Redis may take its time.
    monkeypatch.setattr(redis_contexts, "PATIENCE_S", 60.0)
    ids = SystemIds()
    async with contexts(server.url) as one, contexts(server.url) as other:

        async def race() -> list[object]:
            context_id = ids.token()
            await one.put(context(context_id), 0.0)
            return await asyncio.gather(
                *((one, other)[n % 2].claim(context_id, 0.0) for n in range(8)),
                return_exceptions=True,
            )

        for _ in range(200):
            for outcomes in await asyncio.gather(*(race() for _ in range(10))):
                kinds = Counter(map(type, outcomes))
                assert kinds == {CallContext: 1, ContextUsed: 7}, outcomes


async def test_a_restart_of_redis_under_load_needs_none_of_ours(server: RedisServer) -> None:
    ids = SystemIds()
    outcomes: list[tuple[float, bool]] = []
    slowest = 0.0
    done = asyncio.Event()
    async with contexts(server.url) as store:

        async def load() -> None:
            nonlocal slowest
            while not done.is_set():
                began = time.monotonic()
                context_id = ids.token()
                try:
                    await store.put(context(context_id), 0.0)
                    await store.claim(context_id, 0.0)
                except ContextsUnavailable:
                    outcomes.append((time.monotonic(), False))
                    await asyncio.sleep(0.02)
                except ContextUnknown:  # put before Redis went, claimed after it came back
                    outcomes.append((time.monotonic(), False))
                else:
                    outcomes.append((time.monotonic(), True))
                slowest = max(slowest, time.monotonic() - began)

        workers = [asyncio.create_task(load()) for _ in range(20)]
        await eventually(lambda: len(outcomes) > 200)
        await server.stop()
        gone = time.monotonic()
        await eventually(lambda: sum(not fine for _, fine in outcomes) > 40)
        assert store.problem is not None
        assert not any(fine for at, fine in outcomes if at > gone + 0.1)
        await server.start()
        back = time.monotonic()
        await eventually(lambda: sum(fine for at, fine in outcomes if at > back) > 200)
        assert store.problem is None
        done.set()
        await asyncio.gather(*workers)
    assert slowest < 3 * redis_contexts.PATIENCE_S


async def test_a_restart_of_redis_that_nobody_noticed_costs_no_call(server: RedisServer) -> None:
    async with contexts(server.url) as store:
        for round_ in "ab":  # the connections of the first are stale in the second
            puts = (store.put(context(f"{round_}{number}"), 0.0) for number in range(10))
            await asyncio.gather(*puts)
            await server.stop()
            await server.start()
            await asyncio.sleep(0.05)
        with pytest.raises(ContextUnknown):
            await store.claim("b0", 0.0)


async def test_a_redis_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(redis_contexts, "PATIENCE_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with contexts(f"redis://127.0.0.1:{silent.getsockname()[1]}") as store:
            began = time.monotonic()
            with pytest.raises(ContextsUnavailable, match="away"):
                await store.claim("x", 0.0)
            with pytest.raises(ContextsUnavailable, match="away"):
                await store.put(context(), 0.0)
            assert time.monotonic() - began < 2.0


async def test_whether_redis_is_there_is_looked_at_without_calls(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_contexts, "CHECK_S", 0.02)
    async with contexts(server.url) as store:
        await store.start()
        assert store.problem is None
        await server.stop()
        await eventually(lambda: store.problem is not None)
        await server.start()
        await eventually(lambda: store.problem is None)
