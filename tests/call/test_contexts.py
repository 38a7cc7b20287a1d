"""Contexts in memory: single use, five minutes, bounded, and clear about why one is refused."""

import asyncio

import pytest

from rapida_media.call.contexts import (
    LIFETIME_S,
    CallContext,
    ContextExpired,
    ContextRefused,
    ContextsUnavailable,
    ContextUnknown,
    ContextUsed,
    MemoryContexts,
)
from rapida_media.ids import SystemIds


def context(context_id="x"):
    return CallContext(context_id, "c1", "twilio", "inbound", "alice", "bob")


async def test_a_context_is_claimed_once():
    store = MemoryContexts()
    await store.put(context(), 0.0)
    assert await store.claim("x", 1.0) == context()
    with pytest.raises(ContextUsed):
        await store.claim("x", 2.0)
    with pytest.raises(ContextUnknown):
        await store.claim("y", 2.0)


async def test_which_contexts_were_claimed_is_told():
    store = MemoryContexts()
    for context_id in "abc":
        await store.put(context(context_id), 0.0)
    await store.claim("b", 1.0)
    assert await store.claimed("abcd", 2.0) == ["b"]


async def test_news_are_left_for_who_made_a_context_and_taken_once():
    store = MemoryContexts()
    await store.put(context("a"), 0.0)
    await store.put(context("b"), 0.0)
    for _ in range(60):
        await store.tell("a", "ringing", 1.0)
        await store.tell("a", "busy", 1.0)
    await store.tell("c", "of nobody", 1.0)
    told = await store.told("abc", 2.0)
    assert told[:2] == [("a", "ringing"), ("a", "busy")]
    assert len(told) == 100
    assert await store.told("abc", 2.0) == []
    await store.tell("b", "ringing", 3.0)
    await store.claim("b", 3.0)
    assert await store.told("b", 3.0) == []


async def test_a_context_that_is_looked_at_stays():
    store = MemoryContexts()
    await store.put(context(), 0.0)
    assert await store.look("x", 1.0) == await store.look("x", 1.0) == context()
    assert await store.claim("x", 1.0) == context()
    with pytest.raises(ContextUsed):
        await store.look("x", 2.0)
    with pytest.raises(ContextUnknown):
        await store.look("y", 2.0)


async def test_a_context_expires_after_five_minutes():
    store = MemoryContexts()
    await store.put(context("early"), 0.0)
    await store.put(context("late"), 1.0)
    with pytest.raises(ContextExpired):
        await store.claim("early", LIFETIME_S)
    assert await store.claim("late", LIFETIME_S) == context("late")
    assert len(store) == 0


async def test_contexts_and_what_is_remembered_of_them_are_bounded():
    store = MemoryContexts(limit=3)
    for number in range(3):
        await store.put(context(f"{number}"), 0.0)
    with pytest.raises(ContextsUnavailable):
        await store.put(context("3"), 1.0)
    await store.claim("0", 1.0)
    await store.put(context("3"), 1.0)
    assert len(store) == 3
    # 1, 2 and 3 expire: used 0 is not remembered any more.
    with pytest.raises(ContextUnknown):
        await store.claim("0", LIFETIME_S + 1)
    with pytest.raises(ContextExpired):
        await store.claim("1", LIFETIME_S + 1)


async def test_of_eight_who_claim_at_once_exactly_one_wins_2000_times():
    store, ids = MemoryContexts(), SystemIds()
    for _ in range(2_000):
        context_id = ids.token()
        await store.put(context(context_id), 0.0)
        outcomes = await asyncio.gather(
            *(store.claim(context_id, 1.0) for _ in range(8)), return_exceptions=True
        )
        assert sum(isinstance(each, CallContext) for each in outcomes) == 1
        assert all(isinstance(e, CallContext | ContextUsed) for e in outcomes)


def test_every_refusal_has_one_root():
    for kind in (ContextUnknown, ContextUsed, ContextExpired):
        assert issubclass(kind, ContextRefused)
    assert not issubclass(ContextsUnavailable, ContextRefused)
