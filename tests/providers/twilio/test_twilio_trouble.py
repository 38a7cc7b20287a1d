"""Callers that do not keep to the protocol: the right end for each, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually
from recorded_twilio import CONNECTED, START, media, text
from simulated_twilio import PUBLIC, Twilio
from simulated_twilio import agent_named as agent_named
from simulated_twilio import bench as bench
from simulated_twilio import desk as desk
from simulated_twilio import twilio as twilio

from rapida_media import Audio, Call
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.net import streamer


class Stranger:
    """Somebody with a valid signature who does not keep to the protocol."""

    def __init__(self, twilio: Twilio) -> None:
        self._twilio = twilio
        self.call_sid = twilio.platform.sid("CA")
        self.socket: aiohttp.ClientWebSocketResponse

    async def connect(self) -> Stranger:
        fields = {"CallSid": self.call_sid, "From": "+14155550100", "To": "+15005550006"}
        url = f"{PUBLIC}/v1/talk/twilio/call/support"
        _, _, body = await self._twilio.platform.ask(url, fields)
        stream_url = body.decode().split('url="', 1)[1].split('"', 1)[0]
        self.socket = await self._twilio.platform.connect(stream_url)
        return self

    async def say(self, *messages: str | bytes) -> None:
        for message in messages:
            if isinstance(message, bytes):
                await self.socket.send_bytes(message)
            else:
                await self.socket.send_str(message)

    async def start(self) -> None:
        start = json.loads(text(START))
        start["start"]["callSid"] = self.call_sid
        await self.say(text(CONNECTED), text(start))

    async def close_code(self) -> int | None:
        async with asyncio.timeout(10):
            async for _ in self.socket:
                pass
        return self.socket.close_code


Trouble = Callable[[Stranger], Awaitable[int | None]]


async def bad_json(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*['{"event":'] * 60)
    return await stranger.close_code()


async def binary(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*[b"\x00" * 160] * 60)
    return await stranger.close_code()


async def wrong_order(stranger: Stranger) -> int | None:
    await stranger.say(*[text(media(chunk=n)) for n in range(1, 61)])
    return await stranger.close_code()


async def huge(stranger: Stranger) -> int | None:
    await stranger.start()
    with suppress(ConnectionError):
        await stranger.say(text(media(bytes(7_500_000))))
    return await stranger.close_code()


async def unknown_events(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*['{"event":"weather","streamSid":"MZ1"}'] * 200)
    await stranger.socket.close()
    return stranger.socket.close_code


async def lost(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(text(media()))
    response = stranger.socket._response
    assert response.connection is not None
    assert response.connection.transport is not None
    response.connection.transport.abort()
    return None


async def says_nothing(stranger: Stranger) -> int | None:
    return await stranger.close_code()


TROUBLE: dict[Trouble, tuple[set[int | None], str]] = {
    bad_json: ({1002}, "protocol_error"),
    binary: ({1002}, "protocol_error"),
    wrong_order: ({1002}, "protocol_error"),
    huge: ({1009, 1006}, "media_lost"),  # the reset may overtake the close frame
    unknown_events: ({1000}, "bye"),
    lost: ({None}, "media_lost"),
    says_nothing: ({1000}, "media_not_started"),
}


async def make_trouble(kind: Trouble, stranger: Stranger) -> int | None:
    return await kind(await stranger.connect())


def at_work() -> int:
    """How many tasks there are, but for those that keep idle HTTP connections open."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return sum(not name.startswith("RequestHandler") for name in names)


async def test_a_hundred_calls_of_trouble_leave_nothing_behind(
    twilio: Twilio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streamer, "START_S", 1.0)
    await twilio.start("echo", "[limits]\ncalls_per_second = 1000\n")
    tasks, kinds = at_work(), list(TROUBLE) * 15
    strangers = [Stranger(twilio) for _ in kinds]
    codes = await asyncio.gather(*map(make_trouble, kinds, strangers))
    await asyncio.gather(*(each.socket.close() for each in strangers))
    await eventually(lambda: len(twilio.desk.bench.engine.provider_calls) == 0)
    _, page = await twilio.desk.get("/v1/calls?provider=twilio&limit=200")
    reasons = {each["provider_call_id"]: each["reason"] for each in page["calls"]}
    figures: Counter[str] = Counter()
    for kind, code, stranger in zip(kinds, codes, strangers, strict=True):
        allowed, reason = TROUBLE[kind]
        assert code in allowed, kind.__name__
        assert reasons[stranger.call_sid] == reason, kind.__name__
        figures[f"{kind.__name__}: {reason}"] += 1
    await eventually(lambda: at_work() <= tasks)
    gc.collect()
    legs = sum(isinstance(each, StreamLeg) for each in gc.get_objects())
    print(f"{len(kinds)} calls: {dict(figures)}; {at_work()} of {tasks} tasks, {legs} legs left")
    assert legs == 0


async def test_a_caller_at_double_speed_is_bounded_and_counted(
    twilio: Twilio, agent_named: AgentNamer
) -> None:
    frames = []

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, Audio):
                frames.append(event)

    await twilio.start(agent_named(agent))
    stranger = await Stranger(twilio).connect()
    await stranger.start()
    await stranger.say(*[text(media(chunk=n)) for n in range(1, 401)])  # eight seconds at once
    await asyncio.sleep(0.3)
    await stranger.socket.close()
    await eventually(lambda: len(twilio.desk.bench.engine.provider_calls) == 0)
    _, page = await twilio.desk.get("/v1/calls?provider=twilio&limit=1")
    dropped = page["calls"][0]["quality"]["audio_dropped_ahead_of_time"]
    assert dropped >= 200
    assert len(frames) <= 400 - dropped
