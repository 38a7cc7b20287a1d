"""Why a call ended reaches the agent, the log and the report, and the far end hears ours."""

from __future__ import annotations

import asyncio

from rapida_media.agents.events import HangUp
from rapida_media.call.call import Call
from rapida_media.net.softphone import CallOptions, place_call

from .conftest import AgentNamer, Bench
from .far_end import Callee

GONE = 'SIP;cause=200;text="Call completed elsewhere"'


async def test_the_agent_is_told_why_the_far_end_hung_up(
    bench: Bench, agent_named: AgentNamer
) -> None:
    told: list[HangUp] = []

    async def agent(call: Call) -> None:
        told.extend([event async for event in call if isinstance(event, HangUp)])

    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    call.cseq += 1
    call.phone.send(call._request("BYE", call.cseq, headers=[("Reason", GONE)]))
    assert (await call.phone.response(call.call_id, "BYE", call.cseq)).status == 200
    await bench.idle()
    assert told == [HangUp("bye", None, GONE)]
    assert bench.logged(f"ended: bye, {GONE}")


async def test_the_far_end_is_told_why_we_hang_up(bench: Bench, agent_named: AgentNamer) -> None:
    async def agent(call: Call) -> None:
        raise RuntimeError("a mistake of the agent's")

    bench.expected_errors = 1
    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    bye = await call.hung_up()
    assert bye.header("Reason") == 'Q.850;cause=41;text="Temporary failure"'


async def test_the_report_of_a_refused_call_says_why_and_when_to_try_again() -> None:
    callee = await Callee.open()
    try:
        placing = asyncio.create_task(place_call(CallOptions(callee.uri)))
        headers = [("Retry-After", "120"), ("Reason", "Q.850;cause=17")]
        callee.respond(await callee.request("INVITE"), 486, headers=headers)
        report = await placing
    finally:
        callee.close()
    assert (report.status, report.reason) == (486, "busy")
    assert (report.cause, report.retry_after_s) == ("Q.850;cause=17", 120)
    assert "ended: busy, Q.850;cause=17, retry after 120 s, failed: callee" in report.to_text()
