"""How a call is answered: greeting, recording, and agents that decide for themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from rapida_media.agents.events import HangUp
from rapida_media.call.call import Call
from rapida_media.errors import ConfigError
from rapida_media.kernels import Tone

from .conftest import AgentNamer, Bench
from .phone import PhoneCall
from .rtp import share_heard, speech
from .test_agents import halved, read_stereo, write_wav
from .waiting import eventually

DECIDES = 'answer = "agent"\n'


async def test_the_greeting_is_heard_first_and_read_once(bench: Bench) -> None:
    hello = speech(1.0, seed=3)
    path = bench.folder / "hello.wav"
    write_wav(path, np.append(hello, np.zeros(160, np.int16)))
    await bench.start('[assistants.polite]\nagent = "echo"\ngreeting = "hello.wav"\n')
    path.unlink()
    phone = await bench.phone()
    for _ in range(2):
        call = await phone.call("polite")
        await eventually(
            lambda call=call: share_heard(hello, call.rtp.audio()) == 1.0,  # type: ignore[misc]
            every=0.05,
        )
        assert await call.bye() == 200


async def test_a_greeting_that_cannot_be_read_is_named_at_the_start(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.wav"):
        await bench.start('[assistants.polite]\nagent = "echo"\ngreeting = "nowhere.wav"\n')


async def test_a_recorded_call_leaves_both_sides_in_one_stereo_file(bench: Bench) -> None:
    await bench.start(
        f'[store]\nrecordings = "{bench.folder}/calls"\n'
        '[assistants.recorded]\nagent = "echo"\nrecord = true\n'
    )
    said = speech(1.2)
    call = await (await bench.phone()).call("recorded")
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    await bench.engine.disk.flushed()
    (path,) = (bench.folder / "calls").iterdir()
    left, right, rate_hz = read_stereo(path)
    assert rate_hz == 16_000
    assert share_heard(said, halved(left)) >= 0.9
    assert share_heard(said, halved(right)) >= 0.75
    call_id = bench.logged("inbound call")[0].__dict__["call_id"]
    assert path.name == f"{call_id}.wav"


async def test_a_recording_that_cannot_be_written_costs_the_recording_and_not_the_call(
    bench: Bench,
) -> None:
    (bench.folder / "calls").write_text("a file where a folder should be")
    await bench.start(
        f'[store]\nrecordings = "{bench.folder}/calls"\n'
        '[assistants.recorded]\nagent = "echo"\nrecord = true\n'
    )
    said = speech(0.8)
    call = await (await bench.phone()).call("recorded")
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    assert len(bench.logged("not all was recorded: ")) == 1


async def decided(bench: Bench, agent_named: AgentNamer, agent: object) -> PhoneCall:
    """Place a call that the agent decides about."""
    spec = agent_named(agent)  # type: ignore[arg-type]
    limits = "[limits]\nring_seconds = 0.5\n"
    await bench.start(f'{limits}[assistants.one]\nagent = "{spec}"\n{DECIDES}')
    return (await bench.phone()).invite("one")


async def test_an_agent_rings_answers_and_talks(bench: Bench, agent_named: AgentNamer) -> None:
    hello = speech(0.6)
    answers: list[bool] = []

    async def agent(call: Call) -> None:
        await call.ring()
        assert not call.answered
        answers.append(await call.answer())
        assert call.answered
        call.write(np.repeat(hello, 2).astype("<i2").tobytes())
        async for _ in call:
            pass

    call = await decided(bench, agent_named, agent)
    assert await call.final() == 200
    assert call.provisional() == [100, 180]
    await eventually(lambda: len(call.rtp.heard) > 40)
    assert np.abs(call.rtp.audio()).max() > 3000
    assert answers == [True]
    assert await call.bye() == 200
    await bench.idle()


async def test_an_agent_refuses_with_the_status_it_chose(
    bench: Bench, agent_named: AgentNamer
) -> None:
    async def agent(call: Call) -> None:
        await call.reject(486)

    call = await decided(bench, agent_named, agent)
    assert await call.final() == 486
    assert bench.logged("ended: rejected (486)")
    await bench.idle()


async def test_an_agent_sends_the_caller_elsewhere(bench: Bench, agent_named: AgentNamer) -> None:
    async def agent(call: Call) -> None:
        await call.redirect("sip:night@198.51.100.7")

    call = await decided(bench, agent_named, agent)
    assert await call.final() == 302
    assert call.response is not None
    assert call.response.contacts[0].uri_text == "sip:night@198.51.100.7"
    assert bench.logged("ended: redirected (302)")
    await bench.idle()


@pytest.mark.parametrize("waits", [True, False])
async def test_a_call_left_undecided_is_answered_480_after_ringing_long_enough(
    bench: Bench, agent_named: AgentNamer, waits: bool
) -> None:
    ends: list[HangUp] = []

    async def agent(call: Call) -> None:
        await call.ring()
        if waits:
            ends.extend([event async for event in call if isinstance(event, HangUp)])

    call = await decided(bench, agent_named, agent)
    assert await call.final() == 480
    assert bench.logged("ended: no_answer (480)")
    assert [(end.reason, end.code) for end in ends] == [("no_answer", 480)] * waits
    await bench.idle()


async def test_a_caller_that_gives_up_while_it_rings_gets_487_and_the_agent_hears_of_it(
    bench: Bench, agent_named: AgentNamer
) -> None:
    ends: list[HangUp] = []

    async def agent(call: Call) -> None:
        await call.ring()
        ends.extend([event async for event in call if isinstance(event, HangUp)])

    call = await decided(bench, agent_named, agent)
    await eventually(lambda: 180 in call.provisional())
    call.cancel()
    assert await call.final() == 487
    await eventually(lambda: [(end.reason, end.code) for end in ends] == [("canceled", 487)])
    await bench.idle()


async def test_an_agent_that_fails_before_the_answer_refuses_the_call(
    bench: Bench, agent_named: AgentNamer
) -> None:
    async def agent(call: Call) -> None:
        raise ValueError("before the answer")

    call = await decided(bench, agent_named, agent)
    assert await call.final() == 480
    bench.expected_errors = 1
    assert bench.logged("ended: agent_error (480)")
    await bench.idle()


async def test_a_python_agent_is_found_beside_the_configuration(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "agent_beside_the_file.py").write_text(
        "async def talk(call):\n"
        "    async for event in call:\n"
        "        if hasattr(event, 'pcm'):\n"
        "            call.write(event.pcm)\n"
    )
    await bench.start('[assistants.mine]\nagent = "python:agent_beside_the_file:talk"\n')
    call = await (await bench.phone()).call("mine")
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_clear_drops_what_was_not_heard_and_tells_how_much_was(
    bench: Bench, agent_named: AgentNamer
) -> None:
    cleared: list[tuple[int, bool]] = []

    async def agent(call: Call) -> None:
        call.write(Tone(440.0, dbov=-12).read(16_000 * 10))
        marked = call.mark("end")
        await asyncio.sleep(0.2)
        played_ms = await call.clear()
        cleared.append((played_ms, await marked))

    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    await call.hung_up()
    ((played_ms, heard),) = cleared
    assert not heard
    assert 100 <= played_ms <= 600
    # Silence may follow until the hang-up; of the ten seconds of tone nothing more does.
    frames = call.rtp.audio()
    loud = abs(frames[: len(frames) // 160 * 160].reshape(-1, 160)).max(axis=1) > 1000
    assert loud.sum() == pytest.approx(played_ms / 20, abs=3)
