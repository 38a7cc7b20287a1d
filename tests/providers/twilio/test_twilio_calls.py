"""Whole calls: a simulated Twilio, a real server, sockets and agents between them."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import aiohttp
import pytest
from control.conftest import AgentNamer
from engine.collector import no_collection as no_collection
from engine.waiting import eventually
from providers import scenarios
from providers.deployment import Deployment
from providers.hearing import TONE_PCM, heard_by, middle, steady_hertz
from recorded_twilio import ACCOUNT, TOKEN
from simulated_twilio import agent_named as agent_named
from simulated_twilio import bench as bench
from simulated_twilio import desk as desk
from simulated_twilio import twilio as twilio

from rapida_media.providers.twilio import SPEC
from rapida_media.providers.twilio.signature import sign
from rapida_media.testing.twilio import Callee, TwilioPlatform

# -- audio -----------------------------------------------------------------------------------------


async def test_tone_and_speech_cross_both_ways_and_an_echo_is_soon_back(
    twilio: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.audio_crosses_both_ways(twilio, agent_named, chunk_ms=20)


async def test_barge_in_is_heard_at_once_and_told_truly(
    twilio: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.barge_in_is_heard_and_told(twilio, agent_named, lead_ms=SPEC.lead_ms)


async def test_a_goodbye_is_heard_to_its_last_sample(
    twilio: Deployment, agent_named: AgentNamer
) -> None:
    await scenarios.a_goodbye_is_heard_whole(twilio, agent_named)


async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(
    twilio: Deployment, agent_named: AgentNamer, no_collection: None
) -> None:
    await scenarios.calls_leave_nothing_to_the_garbage_collector(twilio, agent_named)


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_becomes_a_call(twilio: Deployment) -> None:
    twilio.platform.callee = Callee(microphone=TONE_PCM)
    await twilio.start("echo")
    call_id = await twilio.order()
    await twilio.desk.until(call_id, "in-progress")
    (call,) = twilio.platform.calls.values()
    line = await call.streams()
    assert (call.from_, call.to, call.direction) == ("+15005550006", "+14155550100", "outbound-api")
    await asyncio.sleep(0.5)
    assert (await twilio.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    over = await twilio.desk.until(call_id, "completed")
    await call.over()
    assert (over["reason"], over["provider_call_id"], call.state) == (
        "operator", call.id, "completed",
    )  # fmt: skip
    assert steady_hertz(middle(heard_by(line), 8000), 8000) == pytest.approx(1000, abs=2)
    told = [fields.get("CallStatus") for _, fields, status in twilio.platform.callbacks if status]
    assert [each for each in told if each] == ["initiated", "ringing", "in-progress", "completed"]
    assert {status for _, _, status in twilio.platform.callbacks} == {204}


@pytest.mark.parametrize(
    ("ending", "failure_class", "retryable"),
    [("busy", "callee", True), ("no-answer", "callee", True), ("failed", "network", True)],
)
async def test_a_callee_that_does_not_answer_is_told(
    twilio: Deployment, ending: str, failure_class: str, retryable: bool
) -> None:
    twilio.platform.callee = Callee(ending)
    await twilio.start()
    over = await twilio.desk.until(await twilio.order(), ending)
    assert (over["raw_status"], over["failure_class"], over["retryable"]) == (
        ending, failure_class, retryable,
    )  # fmt: skip


async def test_an_order_taken_back_stops_the_ringing(twilio: Deployment) -> None:
    twilio.platform.callee = Callee(ring_s=60.0)
    await twilio.start()
    call_id = await twilio.order()
    await twilio.desk.until(call_id, "ringing")
    assert (await twilio.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    (call,) = twilio.platform.calls.values()
    assert (await call.over()).state == "canceled"
    assert (await twilio.desk.until(call_id, "canceled"))["reason"] == "canceled"


async def test_a_refusal_of_twilios_is_told_to_programs(twilio: Deployment) -> None:
    twilio.platform.numbers = frozenset({"+15005550099"})
    await twilio.start()
    over = await twilio.desk.until(await twilio.order(), "failed")
    assert (over["reason"], over["code"], over["failure_class"], over["retryable"]) == (
        "provider_refused", 21210, "configuration", False,
    )  # fmt: skip


async def test_a_call_is_sent_on(twilio: Deployment) -> None:
    await twilio.start("silence")
    call, path = await twilio.live_call()
    status, said = await twilio.desk.post(f"{path}/transfer", {"to": "+15550123"})
    assert status == 200, said
    await eventually(lambda: call.dialled == "+15550123")
    assert call.state == "in-progress", "it goes on without us"
    assert (await twilio.ended_without_us(call))["reason"] == "transferred"
    call.hang_up()
    assert (await call.over()).state == "completed"


async def test_there_is_no_room(twilio: Deployment) -> None:
    await twilio.start("silence", "[limits]\nmax_calls = 1\n")
    first = twilio.call()
    await first.streams()
    assert (await twilio.call().over()).state == "busy"
    first.hang_up()
    await twilio.ended(first)


async def test_forgeries_and_replays_are_refused(twilio: Deployment) -> None:
    await twilio.start("silence")
    async with TwilioPlatform(ACCOUNT, "another token", reach=twilio.reach) as forger:
        forged = await forger.call(twilio.webhook).over()
        assert (forged.state, forged.errors) == ("completed", [11200])
        fields = {"CallSid": forged.id, "From": "+14155550100", "To": "+15005550006"}
        url = twilio.webhook
        _, _, body = await twilio.platform.ask(url, fields)
        stream_url = body.decode().split('url="', 1)[1].split('"', 1)[0]
        refusals = []
        for platform in (forger, twilio.platform, twilio.platform):
            try:
                await platform.connect(stream_url)
            except aiohttp.WSServerHandshakeError as refused:
                refusals.append(refused.status)
            else:
                refusals.append(101)
        assert refusals == [403, 101, 410], "the forger did not use it up, and it works once"
        _, _, again = await twilio.platform.ask(url, {**fields, "CallSid": "CA2"})
        _, _, told_twice = await twilio.platform.ask(url, {**fields, "CallSid": "CA2"})
        assert again == told_twice, "announced twice, it is one call"


async def test_a_webhook_whose_target_is_a_whole_url_is_verified(twilio: Deployment) -> None:
    await twilio.start("silence")
    fields = {"CallSid": "CA1", "From": "+14155550100", "To": "+15005550006"}
    body = urlencode(fields)
    signature = sign(twilio.webhook, tuple(fields.items()), TOKEN)
    host, _, port = twilio.desk.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    # RFC 9112 section 3.2.2: a proxy writes it so, and every server takes it.
    writer.write(
        f"POST {twilio.webhook} HTTP/1.1\r\nHost: voice.example.com\r\nConnection: close\r\n"
        f"X-Twilio-Signature: {signature}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'<Stream url="wss://voice.example.com/v1/talk/twilio/ctx/' in answer
