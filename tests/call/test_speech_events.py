"""An agent that asks for it is told when the far end speaks, and pays for it only then."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from rapida_media import Audio, HangUp, Ringing, SpeechEnded, SpeechStarted
from rapida_media.call.endings import Ending
from rapida_media.errors import LocalProtocolError
from rapida_media.testing import agent_under_test


def babble(milliseconds: int) -> bytes:
    count = 16 * milliseconds
    noise = 6000 * np.random.default_rng(1).standard_normal(count)
    return noise.clip(-32000, 32000).astype("<i2").tobytes()


async def collect(call, events):
    async for event in call:
        if not isinstance(event, Audio):
            events.append(event)


@pytest.fixture
async def events(line):
    collected = []
    task = asyncio.create_task(collect(line.call, collected))
    yield collected
    task.cancel()


async def test_nothing_is_told_to_who_did_not_ask(line, events):
    line.far.write(babble(300))
    await line.run(1.2)
    assert events == []
    assert not line.call.far_end_speaks


async def test_speech_begins_and_ends(line, events):
    line.call.detect_speech()
    await line.run(0.4)
    line.far.write(babble(300))
    await line.run(0.14)
    (started,) = events
    assert isinstance(started, SpeechStarted)
    assert started.pts == pytest.approx(0.4 * 16_000, abs=640)
    assert started.level_dbov in range(-20, -13)
    assert line.call.far_end_speaks
    await line.run(0.8)
    _, ended = events
    assert isinstance(ended, SpeechEnded)
    assert ended.duration_ms == pytest.approx(300, abs=40)
    assert ended.pts == pytest.approx(0.7 * 16_000, abs=640)
    assert not line.call.far_end_speaks


async def test_the_caller_interrupts_what_is_played(line):
    heard_ms = []

    async def agent(call):
        call.detect_speech()
        call.write(babble(3000))
        async for event in call:
            if isinstance(event, SpeechStarted) and call.queued_ms:
                heard_ms.append(await call.clear())

    task = asyncio.create_task(agent(line.call))
    await line.run(1.0)
    assert line.call.queued_ms > 1900
    line.far.write(babble(200))
    await line.run(0.12)
    assert line.call.queued_ms == 0
    assert heard_ms == [pytest.approx(1080, abs=60)]
    task.cancel()


async def test_speech_that_is_cut_off_by_the_end_of_the_call_has_an_end(line, events):
    line.call.detect_speech()
    await line.run(0.2)
    line.far.write(babble(1000))
    await line.run(0.3)
    line.call.end(Ending("bye"))
    await line.settle()
    assert [type(event) for event in events] == [SpeechStarted, SpeechEnded, HangUp]


async def test_a_far_end_that_sends_nothing_any_more_is_not_speaking(line, events):
    line.call.detect_speech()
    await line.run(0.2)
    line.far.write(babble(1000))
    await line.run(0.3)
    line.call.look()
    await line.settle()
    assert [type(event) for event in events] == [SpeechStarted]  # it was heard in this second
    line.call.look()
    await line.settle()
    assert [type(event) for event in events] == [SpeechStarted, SpeechEnded]


async def test_who_asks_no_longer_is_told_the_end_and_nothing_more(line, events):
    line.call.detect_speech()
    await line.run(0.2)
    line.far.write(babble(1000))
    await line.run(0.3)
    line.call.ignore_speech()
    await line.run(0.9)
    assert [type(event) for event in events] == [SpeechStarted, SpeechEnded]


async def test_a_bridge_ends_what_the_agent_hears_and_parting_begins_it_again():
    events: list[object] = []

    async def part(call):
        await asyncio.sleep(1)
        await call.unbridge()

    async def agent(call):
        call.detect_speech()
        colleague = await call.dial("sip:anna@host")
        parting = asyncio.create_task(part(call))
        assert await call.bridge(colleague) is None
        await parting
        await collect(call, events)

    async with agent_under_test(agent, phones={"sip:anna@host": 200}) as line:
        await line.wait(0.7)
        line.say(babble(3000))
        await line.wait(1)
        assert not line.call.far_end_speaks
        await line.wait(0.9)
        assert line.call.far_end_speaks
    kinds = [type(event) for event in events if not isinstance(event, Ringing)]
    assert kinds == [SpeechStarted, SpeechEnded, SpeechStarted, SpeechEnded, HangUp]


async def test_a_detector_that_raises_fails_the_agent_and_not_the_receiving(line):
    class Broken:
        def feed(self, frame):
            raise ZeroDivisionError("a mistake of the detector's author")

    read = []

    async def agent(call):
        call.detect_speech(Broken())
        async for event in call:
            read.append(event)

    task = asyncio.create_task(agent(line.call))
    line.far.write(babble(100))
    await line.run(0.1)
    with pytest.raises(ZeroDivisionError, match="detector's author"):
        await task
    assert {type(event) for event in read} == {Audio}  # up to the mistake
    await line.run(0.1)  # the call goes on
    assert isinstance(await anext(line.call), Audio)


@pytest.mark.parametrize("times", [{"onset_ms": 0}, {"hangover_ms": 10_001}])
async def test_times_that_make_no_sense_are_refused_by_name(line, times):
    with pytest.raises(LocalProtocolError, match=next(iter(times))):
        line.call.detect_speech(**times)
    assert not line.call.far_end_speaks
