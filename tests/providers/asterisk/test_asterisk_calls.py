"""Whole calls: a simulated Asterisk, a real server, sockets and agents between them."""

from __future__ import annotations

import json

import aiohttp
import pytest
from control.conftest import AgentNamer
from engine.collector import no_collection as no_collection
from engine.waiting import eventually
from providers import scenarios, trouble
from providers.deployment import Deployment
from providers.hearing import SPEECH_PCM
from providers.trouble import Stranger
from recorded_asterisk import MEDIA_START, event
from simulated_asterisk import agent_named as agent_named
from simulated_asterisk import audiosocket as audiosocket
from simulated_asterisk import bench as bench
from simulated_asterisk import desk as desk
from simulated_asterisk import websocket as websocket

from rapida_media import Call
from rapida_media.providers.asterisk import SPEC
from rapida_media.testing.asterisk import AsteriskPlatform


async def test_audio_crosses_both_ways_by_websocket(
    websocket: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.audio_crosses_both_ways(websocket, agent_named, chunk_ms=20)


async def test_audio_crosses_both_ways_by_audiosocket(
    audiosocket: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.audio_crosses_both_ways(audiosocket, agent_named, chunk_ms=20)


async def test_barge_in_is_heard_at_once_and_told_truly(
    websocket: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.barge_in_is_heard_and_told(websocket, agent_named, lead_ms=SPEC.lead_ms)


async def test_a_goodbye_is_heard_to_its_last_sample_by_websocket(
    websocket: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.a_goodbye_is_heard_whole(websocket, agent_named)


async def test_a_goodbye_is_heard_to_its_last_sample_by_audiosocket(
    audiosocket: Deployment, agent_named: AgentNamer
) -> None:
    goodbye = SPEECH_PCM[: 2 * (16_000 + 333)]

    async def agent(call: Call) -> None:
        call.write(goodbye)

    await audiosocket.start(agent_named(agent))
    call = audiosocket.call()
    record = await audiosocket.ended(call)
    assert (record["status"], record["reason"], call.errors) == ("completed", "agent_finished", [])
    assert call.line.hung_up, "by a message, before the connection closed"
    # Silence goes before it, which may look like its beginning.
    assert scenarios.coded(call.line, goodbye).strip(b"\0") in bytes(call.line.heard)


async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(
    websocket: Deployment, agent_named: AgentNamer, no_collection: None
) -> None:
    await scenarios.calls_leave_nothing_to_the_garbage_collector(websocket, agent_named)


async def test_a_call_by_audiosocket_leaves_nothing_to_the_garbage_collector(
    audiosocket: Deployment, agent_named: AgentNamer, no_collection: None
) -> None:
    await scenarios.calls_leave_nothing_to_the_garbage_collector(audiosocket, agent_named)


async def test_what_the_dialplan_says_reaches_the_agent(
    websocket: Deployment, agent_named: AgentNamer
) -> None:
    told: list[tuple[str, str, dict[str, object]]] = []

    async def agent(call: Call) -> None:
        told.append((call.caller, call.called, dict(call.parameters)))

    await websocket.start(agent_named(agent))
    call = websocket.call(query="?plan=gold")
    record = await websocket.ended(call)
    assert (record["status"], record["reason"]) == ("completed", "agent_finished")
    assert told == [("+14155550100", "+15005550006", {"plan": "gold"})]


async def test_there_is_no_room(websocket: Deployment) -> None:
    await websocket.start("silence", "[limits]\nmax_calls = 1\n")
    first = websocket.call()
    await first.streams()
    second = await websocket.call().over()
    assert (second.state, second.errors) == ("refused", ["the announcement was answered 503"])
    first.hang_up()
    await websocket.ended(first)


async def test_forgeries_and_replays_are_refused(websocket: Deployment) -> None:
    await websocket.start("silence")
    fields = {"id": "1.7", "from": "+14155550100", "to": "100"}
    async with AsteriskPlatform(
        username="asterisk", password="another", reach=websocket.reach
    ) as forger:
        assert (await forger.ask(websocket.webhook, fields))[0] == 403
        status, _, uuid = await websocket.platform.ask(websocket.webhook, fields)
        assert status == 200
        media = f"{websocket.webhook.partition('/call/')[0]}/media?context={uuid.decode()}"
        media = f"ws{media.removeprefix('http')}"
        refusals = []
        for platform in (forger, websocket.platform, websocket.platform):
            try:
                await platform.connect(media)
            except aiohttp.WSServerHandshakeError as refused:
                refusals.append(refused.status)
            else:
                refusals.append(101)
        assert refusals == [403, 101, 410], "the forger did not use it up, and it works once"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="404"):
            await websocket.platform.connect(media.partition("?")[0])


async def test_a_codec_that_is_none_ends_the_call(websocket: Deployment) -> None:
    await websocket.start("silence")
    stranger = AsteriskStranger(websocket)
    await stranger.connect()
    await stranger.say(MEDIA_START.replace("slin16", "opus"))
    assert await stranger.close_code() == 1000
    await eventually(lambda: len(websocket.desk.bench.engine.provider_calls) == 0)


class AsteriskStranger(Stranger):
    numbers = iter(range(1, 1000))

    async def connect(self) -> None:
        self.call_id = f"7.{next(self.numbers)}"
        fields = {"id": self.call_id, "from": "+14155550100", "to": "100"}
        _, _, uuid = await self.site.platform.ask(self.site.webhook, fields)
        base = self.site.webhook.partition("/call/")[0].removeprefix("http")
        self.socket = await self.site.platform.connect(f"ws{base}/media?context={uuid.decode()}")

    async def start(self) -> None:
        await self.say(MEDIA_START)

    def audio(self, number: int = 1) -> bytes:
        return b"\x20\x00" * 320


async def wrong_order(stranger: Stranger) -> int | None:
    await stranger.say(*[event("DTMF_END", digit="5")] * 60)
    return await stranger.close_code()


async def nonsense_commands(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*[json.dumps({"event": 7})] * 60)
    return await stranger.close_code()


ENDS = {
    **trouble.COMMON,
    wrong_order: ({1002}, "protocol_error"),
    nonsense_commands: ({1002}, "protocol_error"),
}


async def test_a_hundred_calls_of_trouble_leave_nothing_behind(
    websocket: Deployment, monkeypatch: pytest.MonkeyPatch, no_collection: None
) -> None:
    await trouble.a_hundred_calls_leave_nothing_behind(
        websocket, AsteriskStranger, ENDS, monkeypatch
    )


async def test_a_caller_at_double_speed_is_bounded_and_counted(
    websocket: Deployment, agent_named: AgentNamer
) -> None:
    await trouble.double_speed_is_bounded_and_counted(
        websocket, AsteriskStranger(websocket), agent_named, chunk_ms=20
    )


async def test_calls_leave_no_connection_behind(audiosocket: Deployment) -> None:
    await audiosocket.start("echo")
    calls = [audiosocket.call() for _ in range(10)]
    for call in calls:
        await call.streams()
    engine = audiosocket.desk.bench.engine
    assert engine.figures()["connections"] == 10
    for call in calls:
        call.hang_up()
    for call in calls:
        await audiosocket.ended(call)
    await eventually(lambda: engine.figures()["connections"] == 0)
