"""A call that is over goes with its last user: a garbage collection, which stops the audio of all
other calls while it looks through everything, finds nothing of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from rapida_media import Call
from rapida_media.agents.events import HangUp
from rapida_media.errors import DialError

from .collector import left_to_the_collector
from .collector import no_collection as no_collection
from .conftest import AgentNamer, Bench
from .far_end import Callee, answer
from .phone import Phone
from .rtp import speech
from .waiting import eventually


async def talk(call: Call) -> None:
    call.detect_speech()
    async for event in call:
        if isinstance(event, HangUp):
            return


async def recording(call: Call) -> None:
    recorded = call.record(Path("heard.wav"))
    await call.send_digits("1")
    recorded.close()
    await call.recorded()


async def refusing(call: Call) -> None:
    await call.reject(486)


async def the_caller_hangs_up(phone: Phone) -> None:
    call = await phone.call()
    await call.rtp.say(speech(1))
    await call.reinvite(call.sdp("sendonly", version=2))
    await call.bye()


async def the_agent_hangs_up(phone: Phone) -> None:
    call = await phone.call()
    answer(call, await call.hung_up())


async def it_is_refused(phone: Phone) -> None:
    call = phone.invite()
    assert await call.final() == 486


@pytest.mark.parametrize(
    ("agent", "config", "story"),
    [
        (talk, "", the_caller_hangs_up),
        (recording, "", the_agent_hangs_up),
        (refusing, 'answer = "agent"', it_is_refused),
    ],
)
async def test_a_call_to_us_leaves_nothing_to_the_garbage_collector(
    bench: Bench,
    agent_named: AgentNamer,
    monkeypatch: pytest.MonkeyPatch,
    no_collection: None,
    agent: Callable[[Call], Awaitable[None]],
    config: str,
    story: Callable[[Phone], Awaitable[None]],
) -> None:
    monkeypatch.chdir(bench.folder)
    await bench.start(f'[assistants.echo]\nagent = "{agent_named(agent)}"\n{config}\n')
    phone = await bench.phone()
    left_to_the_collector()
    await story(phone)
    await bench.idle()
    assert left_to_the_collector() == Counter()


@pytest.mark.parametrize("status", [200, 486])
async def test_a_call_of_ours_leaves_nothing_to_the_garbage_collector(
    bench: Bench, agent_named: AgentNamer, no_collection: None, status: int
) -> None:
    callee = await Callee.open()

    async def dialling(call: Call) -> None:
        try:
            leg = await call.dial(callee.uri)
        except DialError:
            return
        await call.bridge(leg)

    await bench.start(agent=agent_named(dialling))
    phone = await bench.phone()
    left_to_the_collector()
    call = await phone.call()
    invite = await callee.request("INVITE")
    if status == 200:
        callee.respond(invite, 200, body=callee.sdp())
        await callee.request("ACK")
        await eventually(lambda: bench.engine.active_calls == 2)
        await call.bye()
        callee.respond(await callee.request("BYE"), 200)
    else:
        callee.respond(invite, status)
        answer(call, await call.hung_up())
    await bench.idle()
    del call, invite
    assert left_to_the_collector() == Counter()
    callee.close()
