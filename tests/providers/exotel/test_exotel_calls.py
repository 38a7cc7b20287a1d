"""Whole calls: a simulated Exotel, a real server, sockets and agents between them."""

from __future__ import annotations

import asyncio
from collections import Counter

import aiohttp
import pytest
from control.conftest import AgentNamer
from engine.collector import left_to_the_collector
from engine.collector import no_collection as no_collection
from engine.waiting import eventually
from providers import scenarios
from providers.hearing import TONE_PCM, heard_by, middle, steady_hertz
from recorded_exotel import ACCOUNT, CALL, INCOMING, STREAM, TOKEN
from simulated_exotel import ExotelDeployment
from simulated_exotel import agent_named as agent_named
from simulated_exotel import bench as bench
from simulated_exotel import desk as desk
from simulated_exotel import exotel as exotel

from rapida_media import Call, Digit
from rapida_media.net import media_attempts
from rapida_media.providers.exotel import SPEC
from rapida_media.providers.stream import PCMU, AudioFormat
from rapida_media.testing.exotel import Callee, VoicebotLine

# -- audio -----------------------------------------------------------------------------------------


async def test_tone_and_speech_cross_both_ways_and_an_echo_is_soon_back(
    exotel: ExotelDeployment, agent_named: AgentNamer
) -> None:
    await scenarios.audio_crosses_both_ways(exotel, agent_named, chunk_ms=100)


async def test_barge_in_is_heard_at_once_and_told_truly(
    exotel: ExotelDeployment, agent_named: AgentNamer
) -> None:
    await scenarios.barge_in_is_heard_and_told(exotel, agent_named, lead_ms=SPEC.lead_ms)


async def test_a_goodbye_is_heard_to_its_last_sample(
    exotel: ExotelDeployment, agent_named: AgentNamer
) -> None:
    await scenarios.a_goodbye_is_heard_whole(exotel, agent_named)


@pytest.mark.parametrize("speaks", [PCMU, AudioFormat("s16le", 8000)], ids=str)
async def test_a_stream_that_is_not_what_it_says_is_heard_all_the_same(
    exotel: ExotelDeployment, speaks: AudioFormat, caplog: pytest.LogCaptureFixture
) -> None:
    """μ-law where linear is said, which Exotel's pages disagree on, and a rate not followed."""
    exotel.platform.speaks = speaks
    await exotel.start("echo")
    call = exotel.call(TONE_PCM)
    line = await call.streams()
    await asyncio.sleep(2.4)
    call.hang_up()
    await exotel.ended(call)
    heard = heard_by(line)[-2 * 8000 :]
    assert steady_hertz(middle(heard, 8000), 8000) == pytest.approx(1000, abs=2)
    kind = "μ-law" if speaks == PCMU else "linear"
    assert f"start says linear 16000 Hz, the audio is {kind} 8000 Hz" in caplog.text


async def test_keys_are_pressed_and_the_call_is_closed_properly(
    exotel: ExotelDeployment, agent_named: AgentNamer
) -> None:
    keys: list[Digit] = []

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, Digit):
                keys.append(event)
                if event.digit == "#":
                    await call.hang_up()

    await exotel.start(agent_named(agent))
    call = exotel.call()
    await call.streams()
    await call.press("5#")
    record = await exotel.ended(call)
    assert [each.digit for each in keys] == ["5", "#"]
    assert (call.close_code, call.state, record["status"]) == (1000, "completed", "completed")
    (url, fields, status) = exotel.platform.callbacks[0]
    assert (url, fields["Stream[DisconnectedBy]"], status) == (exotel.passthru, "bot", 200)


async def test_an_account_may_want_other_chunks(exotel: ExotelDeployment) -> None:
    exotel.account += '\nchunk_ms = "20"\nsample_rate = "8000"'
    await exotel.start("tone:440")
    call = exotel.call()
    line = await call.streams()
    chunks: list[int] = []
    take = line._take_audio
    line._take_audio = lambda payload: chunks.append(len(payload)) or take(payload)  # type: ignore[func-returns-value, method-assign]
    await asyncio.sleep(0.3)
    call.hang_up()
    await exotel.ended(call)
    assert set(chunks) == {320}


async def test_a_call_that_is_over_leaves_nothing_to_the_garbage_collector(
    exotel: ExotelDeployment, agent_named: AgentNamer, no_collection: None
) -> None:
    await scenarios.calls_leave_nothing_to_the_garbage_collector(exotel, agent_named)


# -- webhooks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "MULTIPART", "JSON"])
async def test_an_applet_may_ask_in_every_way(exotel: ExotelDeployment, method: str) -> None:
    exotel.platform.method = method
    exotel.account += '\nusername = "rapida"\npassword = "s3cret"\naddresses = "127.0.0.0/8"'
    exotel.platform.basic = "rapida", "s3cret"
    await exotel.start("silence")
    call = exotel.call(query="?plan=gold")
    await call.streams()
    record = await exotel.record(call)
    assert (record["from"], record["parameters"]["plan"]) == ("+14155550100", "gold")
    call.hang_up()
    assert (await exotel.ended(call))["reason"] == "bye"
    assert call.errors == []


async def test_strangers_are_refused(exotel: ExotelDeployment) -> None:
    exotel.account += '\nusername = "rapida"\npassword = "s3cret"'
    exotel.platform.basic = "rapida", "s3cret"
    await exotel.start("silence")
    ask = exotel.platform.ask
    status, _, _ = await ask(exotel.webhook, INCOMING, "GET")
    assert status == 200
    refused = [
        await ask(exotel.webhook.replace(TOKEN, f"{TOKEN}x"), INCOMING, "GET"),
        await ask(exotel.webhook.removesuffix(f"/{TOKEN}"), INCOMING, "GET"),
        await ask(exotel.passthru.replace(TOKEN, "x"), INCOMING, "GET"),
        await ask(exotel.webhook.replace("//", "//rapida:wrong@"), INCOMING),
    ]
    assert [status for status, _, _ in refused] == [403, 403, 403, 403]
    assert TOKEN.encode() not in b"".join(body for _, _, body in refused)


async def test_there_is_no_room(exotel: ExotelDeployment) -> None:
    await exotel.start("silence", "[limits]\nmax_calls = 1\n")
    first = exotel.call()
    await first.streams()
    second = await exotel.call().over()
    assert (second.state, second.errors) == ("failed", ["the webhook failed"])
    first.hang_up()
    await exotel.ended(first)


# -- the second handshake --------------------------------------------------------------------------


async def test_a_handshake_that_was_lost_is_made_again(exotel: ExotelDeployment) -> None:
    exotel.platform.lose_handshakes = 1
    await exotel.start("echo")
    call = exotel.call(TONE_PCM)
    line = await call.streams()
    await asyncio.sleep(0.6)
    call.hang_up()
    record = await exotel.ended(call)
    assert (record["reason"], call.errors) == ("bye", [])
    assert line.first_heard_at is not None, "the second stream carries the call"


async def test_a_call_whose_handshakes_are_all_lost_ends(
    exotel: ExotelDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media_attempts, "SECOND_HANDSHAKE_S", 0.3)
    await exotel.start("echo")
    exotel.platform.lose_handshakes = 2
    twice = exotel.call()
    assert (await twice.over()).errors == ["the stream was refused"]
    status, _, body = await exotel.platform.ask(exotel.webhook, INCOMING, "GET")
    assert status == 200
    once = await exotel.platform.open(stream_url(body))
    await once.close()
    await exotel.idle()
    _, page = await exotel.desk.get("/v1/calls?provider=exotel")
    reasons = {each["provider_call_id"]: each["reason"] for each in page["calls"]}
    assert reasons == {twice.id: "media_lost", CALL: "canceled"}


def stream_url(body: bytes) -> str:
    return body.decode().split('"url": "', 1)[1].split('"', 1)[0]


async def start(socket: aiohttp.ClientWebSocketResponse, call_sid: str) -> None:
    """Say the first messages of a stream of this call."""
    ids = {"call_sid": call_sid, "account_sid": ACCOUNT}
    for message in VoicebotLine(AudioFormat("s16le", 16000), STREAM, ids, {}).begin(0.0):
        await socket.send_str(str(message))


async def handshakes(exotel: ExotelDeployment, url: str, count: int) -> list[int]:
    """Give what each attempt to open a stream is answered; those that open stay open."""
    answers = []
    for _ in range(count):
        try:
            await exotel.platform.open(url)
        except aiohttp.WSServerHandshakeError as refused:
            answers.append(refused.status)
        else:
            answers.append(101)
    return answers


async def test_who_has_the_url_alone_cannot_take_the_call_or_use_it_up(
    exotel: ExotelDeployment, no_collection: None
) -> None:
    await exotel.start("echo")
    left_to_the_collector()
    _, _, body = await exotel.platform.ask(exotel.webhook, INCOMING, "GET")
    url = stream_url(body)
    stranger = await exotel.platform.open(url)
    genuine = await exotel.platform.open(url)
    assert await handshakes(exotel, url, 1) == [410], "there are two and no more"
    await start(genuine, CALL)
    async with asyncio.timeout(5):
        assert (await stranger.receive()).type is aiohttp.WSMsgType.CLOSE
    calls = exotel.desk.bench.engine.provider_calls
    assert len(calls) == 1
    assert not genuine.closed
    assert await handshakes(exotel, url, 1) == [410], "it has started"
    await genuine.close()
    await exotel.idle()
    assert await handshakes(exotel, url, 1) == [410], "it is over"
    assert left_to_the_collector() == Counter(), "nor of the stream that had no call"


async def test_a_second_stream_that_does_not_name_the_call_gets_nothing(
    exotel: ExotelDeployment,
) -> None:
    await exotel.start("echo")
    _, _, body = await exotel.platform.ask(exotel.webhook, INCOMING, "GET")
    url = stream_url(body)
    genuine = await exotel.platform.open(url)
    stranger = await exotel.platform.open(url)
    await start(stranger, "guessed")
    async with asyncio.timeout(5):
        assert (await stranger.receive()).type is aiohttp.WSMsgType.CLOSE
    await start(genuine, CALL)
    _, page = await exotel.desk.get("/v1/calls?provider=exotel")
    record = page["calls"][0]
    await exotel.desk.until(record["id"], "in-progress")
    assert record["provider_call_id"] == CALL
    await genuine.close()
    await exotel.idle()


# -- orders ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("flow", [False, True], ids=["direct", "by a flow"])
async def test_an_order_becomes_a_call(exotel: ExotelDeployment, flow: bool) -> None:
    exotel.platform.callee = Callee(microphone=TONE_PCM)
    exotel.account += '\napp_id = "1001"' if flow else ""
    exotel.platform.flows = {"1001": exotel.webhook}
    await exotel.start("echo")
    call_id = await exotel.order()
    await exotel.desk.until(call_id, "in-progress")
    (call,) = exotel.platform.calls.values()
    line = await call.streams()
    assert (call.from_, call.to) == ("+14155550100", "+15005550006")
    await asyncio.sleep(0.7)
    assert (await exotel.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    over = await exotel.desk.until(call_id, "completed")
    await call.over()
    assert (over["reason"], over["provider_call_id"], over["to"], call.errors) == (
        "operator", call.id, "+14155550100", [],
    )  # fmt: skip
    assert steady_hertz(middle(heard_by(line), 16_000), 16_000) == pytest.approx(1000, abs=2)
    told = [(fields["EventType"], status) for _, fields, status in exotel.platform.callbacks]
    assert told == [("ringing", 200), ("answered", 200), ("terminal", 200)]
    assert len(exotel.platform.calls) == 1, "the flow's webhook made no second call"


@pytest.mark.parametrize("ending", ["busy", "no-answer", "failed", "canceled"])
async def test_a_callee_that_does_not_answer_is_told(exotel: ExotelDeployment, ending: str) -> None:
    exotel.platform.callee = Callee(ending)
    await exotel.start()
    over = await exotel.desk.until(await exotel.order(), ending)
    assert over["raw_status"] == ending
    assert over["retryable"] == (ending != "canceled")


@pytest.mark.parametrize("flow", [False, True], ids=["direct", "by a flow"])
async def test_an_order_taken_back_gets_no_stream(exotel: ExotelDeployment, flow: bool) -> None:
    exotel.platform.callee = Callee(ring_s=0.5)
    exotel.account += '\napp_id = "1001"' if flow else ""
    exotel.platform.flows = {"1001": exotel.webhook}
    await exotel.start()
    call_id = await exotel.order()
    await exotel.desk.until(call_id, "ringing")
    assert (await exotel.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    assert (await exotel.desk.until(call_id, "canceled"))["reason"] == "canceled"
    (call,) = exotel.platform.calls.values()
    await call.over()
    expected = "the webhook failed" if flow else "the stream was refused"
    assert (call.state, call.errors) == ("failed", [expected])
    assert len(exotel.desk.bench.engine.provider_calls) == 0


async def test_a_refusal_of_exotels_is_told_to_programs(exotel: ExotelDeployment) -> None:
    await exotel.start()
    for status, retryable, failure_class in (
        (400, False, "configuration"), (429, True, "capacity"), (503, True, "network"),
    ):  # fmt: skip
        exotel.platform._api.refuse = (status, "refused for the test")  # type: ignore[attr-defined]
        over = await exotel.desk.until(await exotel.order(), "failed")
        assert (over["code"], over["retryable"], over["failure_class"]) == (
            status, retryable, failure_class,
        )  # fmt: skip


async def test_a_transfer_is_refused_with_the_reason(exotel: ExotelDeployment) -> None:
    await exotel.start("silence")
    call, path = await exotel.live_call()
    status, said = await exotel.desk.post(f"{path}/transfer", {"to": "+15550123"})
    assert status == 409
    assert "exotel cannot transfer a call" in said["detail"]
    call.hang_up()
    await exotel.ended(call)


async def test_a_callback_is_taken_while_the_call_lives_and_after(
    exotel: ExotelDeployment,
) -> None:
    await exotel.start("silence")
    call = exotel.call()
    await call.streams()
    news = {"CallSid": call.id, "Status": "completed"}
    for method in ("MULTIPART", "POST", "JSON"):
        status, _, _ = await exotel.platform.ask(exotel.passthru, news, method)
        assert status == 200
    await eventually(lambda: len(exotel.desk.bench.engine.provider_calls) == 0)
    record = await exotel.ended(call)
    assert (record["status"], record["reason"]) == ("completed", "bye")
