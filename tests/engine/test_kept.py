"""Nothing about a call leaves the engine before the call is in the records."""

from __future__ import annotations

import asyncio

from rapida_media.call.call import Call

from .conftest import AgentNamer, Bench
from .keeper import Keeper
from .waiting import eventually


async def test_the_answer_and_the_media_wait_for_the_record(bench: Bench) -> None:
    engine = await bench.start()
    keeper = Keeper(engine.journal)
    call = (await bench.phone()).invite()
    await eventually(lambda: len(engine.journal.live) == 1)
    answer = asyncio.ensure_future(call.final())
    await asyncio.sleep(0.05)
    assert not answer.done()
    assert engine.media._channels == {}
    keeper.keep()
    assert await answer == 200
    assert len(engine.media._channels) == 1
    # The end is told once that is kept.
    goodbye = asyncio.ensure_future(call.bye())
    await eventually(lambda: not engine.journal.live)
    await asyncio.sleep(0.05)
    assert not goodbye.done()
    keeper.keep()
    assert await goodbye == 200
    call.rtp.close()


async def test_an_agent_that_answers_by_itself_begins_and_answers_behind_the_records(
    bench: Bench, agent_named: AgentNamer
) -> None:
    began: list[str] = []

    async def answers(call: Call) -> None:
        began.append(call.id)
        await call.ring()
        await call.answer()

    spec = agent_named(answers)
    engine = await bench.start(
        f'[assistants.support]\nagent = "{spec}"\nnumbers = ["+15550100"]\nanswer = "agent"\n'
    )
    keeper = Keeper(engine.journal)
    call = (await bench.phone()).invite("+15550100")
    await eventually(lambda: len(engine.journal.live) == 1)
    await asyncio.sleep(0.02)
    assert began == []
    keeper.keep()
    await eventually(lambda: began == list(engine.journal.live))
    answer = asyncio.ensure_future(call.final())
    await eventually(lambda: keeper.behind)
    await asyncio.sleep(0.05)
    assert not answer.done()
    keeper.keep()
    assert await answer == 200
    keeper.keep_all()
    call.rtp.close()


async def test_a_call_that_is_refused_is_refused_behind_its_record(
    bench: Bench, agent_named: AgentNamer
) -> None:
    async def rejects(call: Call) -> None:
        await call.reject(486)

    spec = agent_named(rejects)
    engine = await bench.start(
        f'[assistants.support]\nagent = "{spec}"\nnumbers = ["+15550100"]\nanswer = "agent"\n'
    )
    keeper = Keeper(engine.journal)
    call = (await bench.phone()).invite("+15550100")
    await eventually(lambda: len(engine.journal.live) == 1)
    keeper.keep()
    answer = asyncio.ensure_future(call.final())
    await eventually(lambda: not engine.journal.live)
    await asyncio.sleep(0.05)
    assert not answer.done()
    keeper.keep()
    assert await answer == 486
    call.rtp.close()
