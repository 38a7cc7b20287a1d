"""Calls of ours over ARI of a real Asterisk, which calls sipp over SIP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from control.conftest import AgentNamer, Desk
from engine.waiting import eventually

from rapida_media.demo.engine import HOST

from ..conftest import StartSipp
from ..conftest import sipp as sipp
from ..conftest import start_sipp as start_sipp
from ..sipp import Sipp
from .conftest import Office
from .server import PASSWORD, Asterisk
from .speech import SECONDS, Speaker

pytestmark = pytest.mark.interop

ONCE = ("-m", "1", "-timeout", "30")
TO = "+14155550100"


class Callers(Office):
    """An office that calls out."""

    connection = "engine"

    async def call_out(self, agent: str, callee: Sipp, **more: Any) -> str:
        """Order a call to sipp, once the events of Asterisk come; give its id."""
        account = (
            f'username = "asterisk"\npassword = "{PASSWORD}"\nallow = ["+1"]\n'
            f'api_base = "http://{HOST}:{self.asterisk.ports.http}"\nari_username = "engine"\n'
            f'ari_password = "{PASSWORD}"\nconnection = "{self.connection}"\n'
            f'endpoint = "PJSIP/outside/sip:{{to}}@{HOST}:{callee.sip_port}"\n'
        )
        await self.start(agent, account=account)
        await eventually(lambda: self.desk.bench.engine.feeds.states() == {"office": True})
        order = {"assistant": "support", "to": TO, "provider": "asterisk", **more}
        status, accepted = await self.desk.post("/v1/calls", order)
        assert status == 202, accepted
        call_id: str = accepted["call_id"]
        return call_id

    async def left(self) -> tuple[list[Any], list[Any]]:
        """Give the channels and the bridges that Asterisk still has."""
        base = f"http://{HOST}:{self.asterisk.ports.http}/ari"
        found = []
        for what in ("channels", "bridges"):
            url = f"{base}/{what}?api_key=engine:{PASSWORD}"
            async with self.desk.client.get(url) as answer:
                found.append(await answer.json())
        return found[0], found[1]

    async def nothing_is_left(self) -> None:
        for _ in range(100):
            if await self.left() == ([], []):
                return
            await asyncio.sleep(0.02)
        raise AssertionError(await self.left())


@pytest.fixture
def callers(asterisk: Asterisk, desk: Desk) -> Callers:
    return Callers(asterisk, desk)


@pytest.mark.parametrize("connection", ["engine", "INCOMING"])
async def test_who_answers_is_spoken_with_and_hung_up(
    callers: Callers,
    agent_named: AgentNamer,
    speech: Path,
    start_sipp: StartSipp,
    connection: str,
) -> None:
    """By a WebSocket that Asterisk opens to us, and by one that we open to it."""
    callers.connection = connection
    speaker = Speaker(speech, SECONDS)
    callee = start_sipp("uas", "-rtp_echo", *ONCE, name="callee")
    call_id = await callers.call_out(agent_named(speaker.agent), callee)
    over = await callers.desk.until(call_id, "completed", patience=15)
    assert (over["reason"], over["failure_class"]) == ("agent_finished", None)
    assert over["ringing_at"] <= over["answered_at"] < over["ended_at"]
    result = await asyncio.to_thread(callee.wait, 10)
    assert (result.exit_code, result.successful) == (0, 1), result
    correlation = speaker.understood(call_id)
    print(f"echo of the callee: {correlation:.4f}")
    assert correlation >= 0.99
    await callers.nothing_is_left()


async def test_a_callee_that_hangs_up_ends_the_call(
    callers: Callers, start_sipp: StartSipp
) -> None:
    callee = start_sipp("callee_leaves", *ONCE, name="callee")
    call_id = await callers.call_out("silence", callee)
    over = await callers.desk.until(call_id, "completed")
    assert (over["reason"], over["failure_class"]) == ("bye", None)
    assert over["answered_at"] is not None
    assert (await asyncio.to_thread(callee.wait, 10)).exit_code == 0
    await callers.nothing_is_left()


async def test_a_busy_callee_is_told(callers: Callers, start_sipp: StartSipp) -> None:
    callee = start_sipp("callee_busy", *ONCE, name="callee")
    over = await callers.desk.until(await callers.call_out("silence", callee), "busy")
    assert (over["reason"], over["failure_class"], over["retryable"]) == ("busy", "callee", True)
    assert (over["code"], over["raw_status"]) == (17, "cause 17")
    assert (await asyncio.to_thread(callee.wait, 10)).exit_code == 0
    await callers.nothing_is_left()


async def test_who_does_not_answer_in_time_is_told(callers: Callers, start_sipp: StartSipp) -> None:
    callee = start_sipp("callee_rings", *ONCE, name="callee")
    call_id = await callers.call_out("silence", callee, ring_seconds=1)
    over = await callers.desk.until(call_id, "no-answer")
    assert (over["reason"], over["failure_class"], over["retryable"]) == (
        "no_answer", "callee", True,
    )  # fmt: skip
    assert over["ringing_at"] is not None
    assert (await asyncio.to_thread(callee.wait, 10)).exit_code == 0
    await callers.nothing_is_left()


async def test_an_order_that_is_taken_back_stops_the_ringing(
    callers: Callers, start_sipp: StartSipp
) -> None:
    callee = start_sipp("callee_rings", *ONCE, name="callee")
    call_id = await callers.call_out("silence", callee)
    await callers.desk.until(call_id, "ringing")
    assert (await callers.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    assert (await callers.desk.until(call_id, "canceled"))["reason"] == "canceled"
    assert (await asyncio.to_thread(callee.wait, 10)).exit_code == 0
    await callers.nothing_is_left()


async def test_a_call_goes_on_in_the_dialplan(callers: Callers, start_sipp: StartSipp) -> None:
    callee = start_sipp("uas", *ONCE, name="callee")
    call_id = await callers.call_out("silence", callee)
    await callers.desk.until(call_id, "in-progress")
    await eventually(lambda: callers.desk.bench.engine.call(call_id))
    status, told = await callers.desk.post(f"/v1/calls/{call_id}/transfer", {"to": "+15550200"})
    assert status == 200, told
    assert (await callers.desk.until(call_id, "completed"))["reason"] == "transferred"
    await eventually(lambda: "went on at +15550200" in callers.asterisk.log)
    result = await asyncio.to_thread(callee.wait, 10)
    assert (result.exit_code, result.successful) == (0, 1), "the dialplan hung up, not we"
    await callers.nothing_is_left()
