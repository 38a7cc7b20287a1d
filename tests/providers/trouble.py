"""Callers that do not keep to the protocol: the right end for each, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import aiohttp
import pytest
from control.conftest import AgentNamer
from engine.collector import left_to_the_collector
from engine.waiting import eventually
from providers.deployment import Deployment

from rapida_media import Audio, Call
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.net import streamer
from rapida_media.providers.stream import StreamMessage


class Stranger(ABC):
    """Somebody who is let in and does not keep to the protocol. call_id: the platform's."""

    call_id: str
    socket: aiohttp.ClientWebSocketResponse

    def __init__(self, site: Deployment) -> None:
        self.site = site

    @abstractmethod
    async def connect(self) -> None:
        """Announce a call and open its stream."""

    @abstractmethod
    async def start(self) -> None:
        """Say the first messages, rightly."""

    @abstractmethod
    def audio(self, number: int = 1) -> StreamMessage:
        """A good chunk of audio."""

    async def say(self, *messages: StreamMessage) -> None:
        for message in messages:
            if isinstance(message, bytes):
                await self.socket.send_bytes(message)
            else:
                await self.socket.send_str(message)

    async def close_code(self) -> int | None:
        async with asyncio.timeout(10):
            async for _ in self.socket:
                pass
        return self.socket.close_code


Trouble = Callable[[Stranger], Awaitable[int | None]]
# Which close codes a trouble may get, and the reason that the call ends for.
Ends = Mapping[Trouble, tuple[set[int | None], str]]


async def bad_json(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*['{"event":'] * 60)
    return await stranger.close_code()


async def huge(stranger: Stranger) -> int | None:
    await stranger.start()
    with suppress(ConnectionError):
        await stranger.say('{"event":"' + "x" * 10_000_000)
    return await stranger.close_code()


async def unknown_events(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*['{"event":"weather","sun":true}'] * 200)
    await stranger.socket.close()
    return stranger.socket.close_code


async def lost(stranger: Stranger) -> int | None:
    """The socket is gone in the middle of a word."""
    await stranger.start()
    await stranger.say(stranger.audio())
    response = stranger.socket._response
    assert response.connection is not None
    assert response.connection.transport is not None
    response.connection.transport.abort()
    return None


async def says_nothing(stranger: Stranger) -> int | None:
    return await stranger.close_code()


COMMON: Ends = {
    bad_json: ({1002}, "protocol_error"),
    huge: ({1009, 1006}, "media_lost"),  # the reset may overtake the close frame
    unknown_events: ({1000}, "bye"),
    lost: ({None}, "media_lost"),
    says_nothing: ({1000}, "media_not_started"),
}


async def _make(kind: Trouble, stranger: Stranger) -> int | None:
    await stranger.connect()
    return await kind(stranger)


def _at_work() -> int:
    """How many tasks there are, but for those that keep idle HTTP connections open."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return sum(not name.startswith("RequestHandler") for name in names)


def _legs() -> int:
    gc.collect()
    return sum(type(each) is StreamLeg for each in gc.get_objects())


async def a_hundred_calls_leave_nothing_behind(
    site: Deployment,
    make: Callable[[Deployment], Stranger],
    ends: Ends,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Run it without collections, to see what would be left to them."""
    monkeypatch.setattr(streamer, "START_S", 1.0)
    await site.start("echo", "[limits]\ncalls_per_second = 1000\n")
    legs_before = _legs()  # of tests before, kept by what is told of them
    tasks, kinds = _at_work(), list(ends) * -(-100 // len(ends))
    strangers = [make(site) for _ in kinds]
    codes = await asyncio.gather(*map(_make, kinds, strangers))
    await asyncio.gather(*(each.socket.close() for each in strangers))
    await site.idle()
    _, page = await site.desk.get(f"/v1/calls?provider={site.provider}&limit=200")
    reasons = {each["provider_call_id"]: each["reason"] for each in page["calls"]}
    figures: Counter[str] = Counter()
    for kind, code, stranger in zip(kinds, codes, strangers, strict=True):
        allowed, reason = ends[kind]
        assert code in allowed, kind.__name__
        assert reasons[stranger.call_id] == reason, kind.__name__
        figures[f"{kind.__name__}: {reason}"] += 1
    await eventually(lambda: _at_work() <= tasks)
    assert left_to_the_collector() == Counter()
    legs = _legs() - legs_before
    print(f"{len(kinds)} calls: {dict(figures)}; {_at_work()} of {tasks} tasks, {legs} legs left")
    assert legs <= 0


async def double_speed_is_bounded_and_counted(
    site: Deployment, stranger: Stranger, agent_named: AgentNamer, *, chunk_ms: int
) -> None:
    frames = []

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, Audio):
                frames.append(event)

    await site.start(agent_named(agent))
    await stranger.connect()
    await stranger.start()
    eight_seconds = range(1, 8000 // chunk_ms + 1)
    await stranger.say(*map(stranger.audio, eight_seconds))
    await asyncio.sleep(0.3)
    await stranger.socket.close()
    await site.idle()
    _, page = await site.desk.get(f"/v1/calls?provider={site.provider}&limit=1")
    dropped = page["calls"][0]["quality"]["audio_dropped_ahead_of_time"]
    assert dropped >= 200
    assert len(frames) <= 400 - dropped
