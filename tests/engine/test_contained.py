"""Whatever an agent does, it ends its own call at worst and no other one notices."""

from __future__ import annotations

import asyncio
import sys
import time

import numpy as np
import pytest

from rapida_media.agents.events import HangUp
from rapida_media.call.call import Call
from rapida_media.net import agent_task

from .conftest import AgentNamer, Bench
from .rtp import PACKET_SAMPLES, Samples, finer, share_heard, speech
from .waiting import eventually


def to_bus(samples: Samples) -> bytes:
    """Take 8 kHz samples to the bus rate."""
    return finer(samples).round().astype("<i2").tobytes()


async def raising(call: Call) -> None:
    raise ValueError("a mistake of the agent's author")


async def exiting(call: Call) -> None:
    sys.exit(3)


async def raising_cancelled(call: Call) -> None:
    raise asyncio.CancelledError


async def canceling_itself(call: Call) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(10)


async def interrupting(call: Call) -> None:
    raise KeyboardInterrupt


async def returning_nothing_to_await(call: Call) -> None:
    await None  # type: ignore[misc]


@pytest.mark.parametrize(
    "agent",
    [
        raising, exiting, interrupting, raising_cancelled, canceling_itself,
        returning_nothing_to_await,
    ],
)  # fmt: skip
async def test_an_agent_that_fails_ends_its_call_and_no_other(
    bench: Bench, agent_named: AgentNamer, agent: agent_task.Agent
) -> None:
    await bench.start(f'[assistants.bad]\nagent = "{agent_named(agent)}"\n')
    phone = await bench.phone()
    good = await phone.call("echo")
    bad = phone.invite("bad")
    assert await bad.final() == 200
    await bad.hung_up()
    bench.expected_errors = 1
    (error,) = bench.errors()
    (ended,) = bench.logged("ended: agent_error")
    assert error.exc_info
    assert error.__dict__["call_id"] == ended.__dict__["call_id"]
    said = speech(0.8)
    await good.rtp.say(said)
    await good.rtp.hears(said)
    assert await good.bye() == 200
    await bench.idle()


async def test_what_a_failing_agent_has_written_is_not_heard_to_its_end(
    bench: Bench, agent_named: AgentNamer
) -> None:
    async def agent(call: Call) -> None:
        call.write(to_bus(speech(5.0)))
        await asyncio.sleep(0.3)
        raise ValueError("a mistake of the agent's author")

    bench.expected_errors = 1
    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    await call.hung_up()
    assert 10 <= len(call.rtp.heard) <= 50  # of 250 packets
    assert bench.logged("ended: agent_error")


async def test_an_agent_that_returns_is_heard_to_its_last_word(
    bench: Bench, agent_named: AgentNamer
) -> None:
    goodbye = speech(1.2)

    async def agent(call: Call) -> None:
        call.write(to_bus(goodbye) + bytes(320))

    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    await call.hung_up()
    assert share_heard(goodbye, call.rtp.audio()) == 1.0
    assert bench.logged("ended: agent_finished")


async def test_ten_minutes_written_at_once_cost_no_other_call_a_packet(
    bench: Bench, agent_named: AgentNamer
) -> None:
    accepted: list[int] = []
    said = speech(0.8)

    async def agent(call: Call) -> None:
        accepted.append(call.write(to_bus(said).ljust(2 * 16_000 * 600, b"\0")))
        accepted.append(call.write(bytes(640)))
        await call.drain()

    await bench.start(f'[assistants.talker]\nagent = "{agent_named(agent)}"\n')
    phone = await bench.phone()
    echo = await phone.call("echo")
    await eventually(lambda: echo.rtp.heard)
    talker = await phone.call("talker")
    await talker.rtp.hears(said)
    steps = np.diff([packet.timestamp for packet in echo.rtp.heard]) % 2**32
    assert set(steps) == {PACKET_SAMPLES}
    # The copy itself takes 20 ms; the rest is what a busy test machine may add.
    assert np.diff([packet.at for packet in echo.rtp.heard]).max() < 0.3
    assert accepted == [16_000 * 600, 0]
    assert await talker.bye() == 200
    (ended,) = bench.logged("ended: bye")
    assert ended.__dict__["fields"]["dropped_samples"] == 320
    assert await echo.bye() == 200


async def test_an_agent_that_never_reads_loses_old_events_and_nothing_else(
    bench: Bench, agent_named: AgentNamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapida_media.call.conversation.EVENT_LIMIT", 20)
    calls: list[Call] = []

    async def agent(call: Call) -> None:
        calls.append(call)
        call.write(to_bus(said))
        await asyncio.Event().wait()

    said = speech(0.8)
    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    await call.rtp.say(speech(1.0))
    await call.rtp.hears(said)
    await eventually(lambda: calls[0].stats()["events_dropped"] == 51 - 20)
    assert await call.bye() == 200


async def test_who_calls_an_agent_that_never_returns_hears_silence_until_the_longest_call_is_over(
    bench: Bench, agent_named: AgentNamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_task, "GRACE_S", 0.2)
    cancelled: list[bool] = []

    async def agent(call: Call) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    await bench.start("[limits]\nmax_call_seconds = 1\n", agent=agent_named(agent))
    call = await (await bench.phone()).call()
    await call.hung_up()
    assert bench.logged("ended: max_duration")
    assert len(call.rtp.heard) >= 40
    assert not np.abs(call.rtp.audio()).max()
    await eventually(lambda: cancelled)
    await bench.idle()


async def test_an_agent_that_does_not_end_is_cancelled_after_its_grace(
    bench: Bench, agent_named: AgentNamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_task, "GRACE_S", 0.2)
    ended_at: list[float] = []

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, HangUp):
                ended_at.append(time.monotonic())
        try:
            await asyncio.Event().wait()
        finally:
            ended_at.append(time.monotonic())

    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    assert await call.bye() == 200
    await eventually(lambda: len(ended_at) == 2)
    assert 0.15 < ended_at[1] - ended_at[0] < 1
    (warning,) = bench.logged("the agent did not end after its call")
    assert warning.__dict__["call_id"] == bench.logged("ended: bye")[0].__dict__["call_id"]


async def test_an_agent_may_finish_its_work_while_the_engine_drains(
    bench: Bench, agent_named: AgentNamer
) -> None:
    stored: list[str] = []

    async def agent(call: Call) -> None:
        async for _ in call:
            pass
        await asyncio.sleep(0.3)  # a transcript on its way to somewhere slow
        stored.append(call.id)

    engine = await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    draining = asyncio.ensure_future(engine.drain())
    assert await call.bye() == 200
    await draining
    assert len(stored) == 1


async def test_verbs_out_of_order_are_refused_and_after_the_end_change_nothing(
    bench: Bench, agent_named: AgentNamer
) -> None:
    outcomes: list[str] = []

    async def attempt(verb: object) -> None:
        try:
            await verb  # type: ignore[misc]
            outcomes.append("done")
        except Exception as error:
            outcomes.append(type(error).__name__)

    async def agent(call: Call) -> None:
        both = await asyncio.gather(call.answer(), call.answer(), return_exceptions=True)
        outcomes.extend(type(each).__name__ for each in both)
        await attempt(call.reject(486))
        await attempt(call.redirect("sip:other@127.0.0.1"))
        await attempt(call.ring())
        await attempt(call.hang_up("done_here"))
        assert not await call.answer()
        outcomes.append("not answered")

    await bench.start(f'[assistants.odd]\nagent = "{agent_named(agent)}"\nanswer = "agent"\n')
    call = await (await bench.phone()).call("odd")
    await call.hung_up()
    refused = "LocalProtocolError"
    await eventually(lambda: len(outcomes) == 7)
    assert outcomes == ["bool", refused, refused, refused, refused, "done", "not answered"]
    assert bench.logged("ended: done_here")
