"""Each assistant may have its own jitter buffer: some listen as people do, some as recognisers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rapida_media import Call

from .conftest import AgentNamer, Bench
from .far_end import Callee
from .rtp import speech
from .waiting import eventually


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    made = await Callee.open()
    yield made
    made.close()


async def test_an_assistants_policy_holds_for_its_calls_and_second_legs_and_no_others(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    calls: list[Call] = []
    may_end = asyncio.Event()

    async def dialling(call: Call) -> None:
        calls.extend([call, await call.dial(callee.uri)])
        await may_end.wait()

    async def listening(call: Call) -> None:
        calls.append(call)
        await may_end.wait()

    await bench.start(
        f'[assistants.people]\nagent = "{agent_named(dialling)}"\njitter = "adaptive"\n'
        f'[assistants.machine]\nagent = "{agent_named(listening)}"\n'
        f'[assistants.steady]\nagent = "{agent_named(listening)}"\njitter = "fixed:40"\n'
    )
    phone = await bench.phone()
    first = await phone.call("people")
    invite = await callee.request("INVITE")
    callee.respond(invite, 200, body=callee.sdp())
    await callee.request("ACK")
    await eventually(lambda: len(calls) == 2)
    others = [await phone.call("machine"), await phone.call("steady")]
    for each in (first, *others):
        await each.rtp.say(speech(0.2))
    # Only a buffer with a delay tells whether that follows the network.
    assert [each.stats().get("delay_adapts") for each in calls] == [1, 1, None, 0]
    may_end.set()
    for each in (first, *others):
        await each.hung_up()
