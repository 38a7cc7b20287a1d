"""Whole calls: a simulated Vonage, a real server, sockets and agents between them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from control.conftest import AgentNamer
from engine.collector import no_collection as no_collection
from engine.waiting import eventually
from providers import scenarios
from providers.deployment import PUBLIC, Deployment
from providers.hearing import TONE_PCM, heard_by, middle, steady_hertz
from recorded_vonage import APPLICATION, CALL, PUBLIC_KEY
from simulated_vonage import agent_named as agent_named
from simulated_vonage import bench as bench
from simulated_vonage import desk as desk
from simulated_vonage import vonage as vonage

from rapida_media import Call, Digit
from rapida_media.providers.vonage import SPEC
from rapida_media.testing.platform import Callee
from rapida_media.testing.vonage import VonagePlatform

FIELDS = {"uuid": CALL, "from": "14155550100", "to": "15005550006", "conversation_uuid": "CON-1"}

# -- audio -----------------------------------------------------------------------------------------


async def test_tone_and_speech_cross_both_ways_and_an_echo_is_soon_back(
    vonage: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.audio_crosses_both_ways(vonage, agent_named, chunk_ms=20)


async def test_barge_in_is_heard_at_once_and_told_truly(
    vonage: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.barge_in_is_heard_and_told(vonage, agent_named, lead_ms=SPEC.lead_ms)


async def test_a_goodbye_is_heard_to_its_last_sample(
    vonage: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.a_goodbye_is_heard_whole(vonage, agent_named)


async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(
    vonage: Deployment, agent_named: AgentNamer, no_collection: None
) -> None:
    await scenarios.calls_leave_nothing_to_the_garbage_collector(vonage, agent_named)


# -- calls in --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_comes_in_and_is_hung_up_by_the_caller(
    vonage: Deployment, agent_named: AgentNamer, method: str
) -> None:
    told: list[dict[str, Any]] = []
    keys: list[str] = []

    async def agent(call: Call) -> None:
        told.append(dict(call.parameters))
        async for event in call:
            if isinstance(event, Digit):
                keys.append(event.digit)

    await vonage.start(agent_named(agent))
    call = vonage.platform.call(
        f"{vonage.webhook}?plan=gold",
        method=method,
        status_callback=f"{PUBLIC}/v1/talk/vonage/event/support",
    )
    await call.streams()
    await call.press("12#")
    await eventually(lambda: keys == ["1", "2", "#"])
    call.hang_up()
    record = await vonage.ended(call)
    assert (record["status"], record["reason"]) == ("completed", "bye")
    assert (record["from"], record["to"]) == ("+14155550100", "+15005550006")
    assert told == [{"plan": "gold"}]
    assert (call.state, call.errors) == ("completed", [])
    news = vonage.platform.callbacks
    phone = [fields["status"] for _, fields, _ in news if fields["uuid"] == call.id]
    stream = [fields["status"] for _, fields, _ in news if fields["uuid"] != call.id]
    assert phone == ["started", "ringing", "answered", "completed"]
    assert stream == ["started", "answered", "completed"]
    assert {status for _, _, status in news} == {204}


async def test_a_caller_hears_why_there_is_no_room(vonage: Deployment) -> None:
    await vonage.start("silence", "[limits]\nmax_calls = 1\n")
    first = vonage.call()
    await first.streams()
    _, kind, body = await vonage.platform.ask(vonage.webhook, FIELDS, "GET")
    assert kind == "application/json"
    assert json.loads(body)[0]["action"] == "talk"
    second = await vonage.call().over()
    assert (second.state, second.line) == ("completed", None)
    first.hang_up()
    await vonage.ended(first)


async def refusal(platform: VonagePlatform, endpoint: dict[str, Any]) -> int:
    try:
        socket = await platform.connect(endpoint)
    except aiohttp.WSServerHandshakeError as refused:
        return refused.status
    await socket.close()
    return 101


async def test_forgeries_and_replays_are_refused(vonage: Deployment) -> None:
    await vonage.start("silence")
    secret = "another secret of at least 32 octets"
    async with VonagePlatform(APPLICATION, PUBLIC_KEY, secret, reach=vonage.reach) as forger:
        forged = await forger.call(vonage.webhook).over()
        assert forged.errors == ["webhook failed"]
    platform = vonage.platform
    _, _, body = await platform.ask(vonage.webhook, FIELDS, "POST")
    (endpoint,) = json.loads(body)[0]["endpoint"]
    bare = {name: value for name, value in endpoint.items() if name != "authorization"}
    other = {**endpoint, "authorization": {"type": "custom", "value": "Bearer x"}}
    attempts = (bare, other, {**bare, "authorization": {"type": "vonage"}}, endpoint, endpoint)
    refusals = [await refusal(platform, each) for each in attempts]
    assert refusals == [403, 403, 403, 101, 410], "no forger used it up, and it works once"
    _, _, again = await platform.ask(vonage.webhook, {**FIELDS, "uuid": "2"}, "GET")
    _, _, told_twice = await platform.ask(vonage.webhook, {**FIELDS, "uuid": "2"}, "GET")
    assert again == told_twice, "announced twice, it is one call"


async def test_one_request_cannot_be_sent_again(
    vonage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vonage.start("silence")
    platform = vonage.platform
    shown = platform.token(b"")
    monkeypatch.setattr(platform, "token", lambda body: shown)
    answers = [(await platform.ask(vonage.webhook, FIELDS, "GET"))[0] for _ in range(2)]
    assert answers == [200, 403]


async def test_a_stream_that_cannot_be_opened_is_told(
    vonage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vonage.start("silence")

    async def refuse(endpoint: object) -> None:
        raise aiohttp.ClientConnectionError

    monkeypatch.setattr(vonage.platform, "connect", refuse)
    call = await vonage.call().over()
    assert call.errors == ["the websocket could not be opened"]
    record = await vonage.ended(call)
    assert record["status"] == "completed", "Vonage's word for a call it answered"


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_becomes_a_call(vonage: Deployment) -> None:
    vonage.platform.callee = Callee(microphone=TONE_PCM)
    await vonage.start("echo")
    call_id = await vonage.order()
    await vonage.desk.until(call_id, "in-progress")
    (call,) = vonage.platform.calls.values()
    line = await call.streams()
    assert (call.from_, call.to, call.direction) == ("15005550006", "14155550100", "outbound")
    await asyncio.sleep(0.8)
    assert (await vonage.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    over = await vonage.desk.until(call_id, "completed")
    await call.over()
    assert (over["reason"], over["provider_call_id"], call.state) == (
        "operator", call.id, "completed",
    )  # fmt: skip
    assert steady_hertz(middle(heard_by(line), 16_000), 16_000) == pytest.approx(1000, abs=2)
    told = [fields for _, fields, _ in vonage.platform.callbacks if fields["uuid"] == call.id]
    assert [each["status"] for each in told] == ["started", "ringing", "answered", "completed"]
    assert {status for _, _, status in vonage.platform.callbacks} == {204}
    assert (call.errors, line.warnings) == ([], {})


async def test_the_document_of_an_order_may_be_fetched(vonage: Deployment) -> None:
    vonage.platform.callee = Callee(ring_s=60.0)
    await vonage.start()
    call_id = await vonage.order()
    await vonage.desk.until(call_id, "ringing")
    (call,) = vonage.platform.calls.values()
    context = call.event_url.removesuffix("/event")
    fields = {**FIELDS, "uuid": call.id, "from": call.from_, "to": call.to}
    status, _, body = await vonage.platform.ask(f"{context}/answer", fields, "GET")
    (connect,) = json.loads(body)
    assert (status, connect["from"]) == (200, "15005550006")
    assert connect["endpoint"][0]["uri"] == context.replace("https", "wss")
    call.hang_up()
    await vonage.ended(call)


@pytest.mark.parametrize(
    ("ends", "status", "failure_class", "retryable"),
    [
        ("busy", "busy", "callee", True),
        ("unanswered/unavailable", "no-answer", "callee", True),
        ("timeout", "no-answer", "callee", True),
        ("rejected/declined", "failed", "callee", False),
        ("failed/cannot_route", "failed", "callee", False),
        ("failed/internal_error", "failed", "network", True),
    ],
)
async def test_a_callee_that_does_not_answer_is_told(
    vonage: Deployment, ends: str, status: str, failure_class: str, retryable: bool
) -> None:
    vonage.platform.callee = Callee(ends)
    await vonage.start()
    over = await vonage.desk.until(await vonage.order(), status)
    raw, _, detail = ends.partition("/")
    assert (over["raw_status"], over["failure_class"], over["retryable"]) == (
        raw, failure_class, retryable,
    )  # fmt: skip
    assert over["cause"] == (detail or None)


async def test_an_order_taken_back_stops_the_ringing(vonage: Deployment) -> None:
    vonage.platform.callee = Callee(ring_s=60.0)
    await vonage.start()
    call_id = await vonage.order()
    await vonage.desk.until(call_id, "ringing")
    assert (await vonage.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    (call,) = vonage.platform.calls.values()
    assert (await call.over()).state == "cancelled"
    assert (await vonage.desk.until(call_id, "canceled"))["reason"] == "canceled"


async def test_a_refusal_of_vonages_is_told_to_programs(vonage: Deployment) -> None:
    await vonage.start()
    vonage.platform._api.refuse = 429
    over = await vonage.desk.until(await vonage.order(), "failed")
    assert (over["reason"], over["code"], over["failure_class"], over["retryable"]) == (
        "provider_refused", 429, "capacity", True,
    )  # fmt: skip


async def test_a_call_is_sent_on(vonage: Deployment) -> None:
    await vonage.start("silence")
    call, path = await vonage.live_call()
    status, said = await vonage.desk.post(f"{path}/transfer", {"to": "+15550123"})
    assert status == 200, said
    await eventually(lambda: call.connected_to == "15550123")
    await asyncio.sleep(0.1)
    assert call.state == "answered", "it goes on without us"
    assert (await vonage.ended_without_us(call))["reason"] == "transferred"
    call.hang_up()
    assert (await call.over()).state == "completed"


async def test_the_stream_of_a_call_sent_on_may_end_before_the_answer(
    vonage: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vonage.start("silence")
    api = vonage.platform._api
    transfer = api._transfer

    async def slowly(*arguments: Any) -> None:
        await transfer(*arguments)
        await asyncio.sleep(0.3)

    monkeypatch.setattr(api, "_transfer", slowly)
    call, path = await vonage.live_call()
    status, said = await vonage.desk.post(f"{path}/transfer", {"to": "+15550123"})
    assert status == 200, said
    assert (await vonage.ended_without_us(call))["reason"] == "transferred"
    assert call.state == "answered", "nobody hung it up"
    call.hang_up()
    await call.over()


async def test_a_transfer_that_is_refused_leaves_the_call_alone(vonage: Deployment) -> None:
    await vonage.start("silence")
    call, path = await vonage.live_call()
    status, _ = await vonage.desk.post(f"{path}/transfer", {"to": "client:zoe"})
    assert status >= 400
    assert call.state == "answered"
    _, living = await vonage.desk.get(path)
    assert living["status"] == "in-progress"
    call.hang_up()
    await vonage.ended(call)
