"""Operators place calls over SIP, follow them and steer them."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator
from typing import Any

import pytest
from engine.far_end import Callee, answer, request_number
from engine.rtp import speech
from engine.test_agents import write_wav
from engine.test_beside_the_media import plain_call
from engine.waiting import eventually

from rapida_media.call.call import Call
from rapida_media.demo.ports import free_port
from rapida_media.net.record_store import RecordsUnavailable

from .conftest import ASSISTANT, AgentNamer, Desk

TWO = """
[assistants.support]
agent = "silence"
parameters = { plan = "gold" }
[assistants.callee]
agent = "echo"
"""


def echo_uri(desk: Desk, user: str = "callee") -> str:
    address = desk.bench.address()
    return f"sip:{user}@{address.host}:{address.port}"


async def placed(desk: Desk, **order: Any) -> str:
    status, accepted = await desk.post(
        "/v1/calls", {"assistant": "support", "to": echo_uri(desk), **order}
    )
    assert status == 202, accepted
    assert "idempotency_key" in order or accepted["status"] == "queued"
    call_id: str = accepted["call_id"]
    return call_id


async def test_a_call_is_placed_followed_and_hung_up(desk: Desk) -> None:
    await desk.open(TWO)
    call_id = await placed(desk, parameters={"ticket": 7})
    call = await desk.until(call_id, "in-progress")
    assert call["parameters"] == {"plan": "gold", "ticket": 7}
    assert call["assistant"] == "support"
    assert call["initiated_at"] <= call["answered_at"]
    status, stats = await desk.get(f"/v1/calls/{call_id}/stats")
    assert status == 200
    assert stats["live"]
    status, over = await desk.post(f"/v1/calls/{call_id}/hangup", {"reason": "had_enough"})
    assert status == 200
    over = await desk.until(call_id, "completed")
    assert over["reason"] == "had_enough"
    assert over["ended_at"] is not None
    status, stats = await desk.get(f"/v1/calls/{call_id}/stats")
    assert not stats["live"]
    assert stats["quality"]["codec"] == "PCMU"
    status, trace = await desk.get(f"/v1/calls/{call_id}/trace")
    assert status == 200
    assert "INVITE" in trace


async def test_a_call_given_up_before_the_answer_is_canceled(desk: Desk) -> None:
    silent = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", 0)
    )
    port = silent[0].get_extra_info("sockname")[1]
    await desk.open(TWO)
    call_id = await placed(desk, to=f"sip:nobody@127.0.0.1:{port}")
    await desk.until(call_id, "initiated")
    await desk.post(f"/v1/calls/{call_id}/hangup")
    over = await desk.until(call_id, "canceled")
    assert (over["reason"], over["failure_class"], over["retryable"]) == (
        "canceled", "caller", False,
    )  # fmt: skip
    silent[0].close()


async def test_a_callee_that_does_not_answer_rings_no_longer_than_ordered(
    desk: Desk, agent_named: AgentNamer
) -> None:
    async def thinking(call: Call) -> None:
        await call.ring()
        async for _ in call:
            pass

    await desk.open(
        f'{ASSISTANT}[assistants.callee]\nagent = "{agent_named(thinking)}"\nanswer = "agent"\n'
    )
    call_id = await placed(desk, ring_seconds=1)
    await desk.until(call_id, "ringing")
    over = await desk.until(call_id, "no-answer")
    assert over["reason"] == "no_answer"
    assert over["retryable"]


@pytest.fixture
async def callees() -> AsyncIterator[list[Callee]]:
    made = [await Callee.open() for _ in range(2)]
    yield made
    for each in made:
        each.close()


@pytest.mark.parametrize("by", ["uri", "trunk"])
async def test_an_order_may_have_header_fields_which_go_wherever_the_call_does(
    desk: Desk, callees: list[Callee], by: str
) -> None:
    callee, other = callees
    carrier = f"""
[trunks.carrier]
hosts = ["198.51.100.9"]
proxy = "127.0.0.1:{callee.port}"
allow = ["+1"]
headers = {{ X-Account = "9" }}
"""
    await desk.open(TWO if by == "uri" else TWO + carrier)
    to = callee.uri if by == "uri" else "+15550199"
    call_id = await placed(desk, to=to, headers={"X-Ticket": "7", "Subject": "Bestellung für 2"})
    invite = await callee.request("INVITE")
    moved = ("Contact", f"<{other.uri}>")
    callee.respond(invite, 302, headers=[moved])
    again = await other.request("INVITE")
    for each in (invite, again):
        assert (each.header("X-Ticket"), each.header("Subject")) == ("7", "Bestellung für 2")
    assert invite.header("X-Account") == (None if by == "uri" else "9")
    other.respond(again, 486)
    await desk.until(call_id, "busy")


@pytest.mark.parametrize(
    ("headers", "detail"),
    [
        ({"Via": "SIP/2.0/UDP elsewhere"}, "Via: the engine writes this one itself"),
        ({"i": "7"}, "i: the engine writes this one itself"),
        ({"X-A": "a\r\nb"}, "X-A: expected a text without control characters"),
        ({"X A": "b"}, "expected the name of a header field"),
    ],
)
async def test_a_header_field_that_an_invite_cannot_have_is_told(
    desk: Desk, headers: dict[str, str], detail: str
) -> None:
    await desk.open(TWO)
    order = {"assistant": "support", "to": echo_uri(desk), "headers": headers}
    status, problem = await desk.post("/v1/calls", order)
    assert (status, problem["detail"]) == (422, detail)
    assert problem["field"].startswith("headers")
    assert (await desk.get("/v1/calls"))[1]["calls"] == []


async def test_the_same_key_gives_the_same_call_also_at_once(desk: Desk) -> None:
    await desk.open(TWO)
    ids = await asyncio.gather(*(placed(desk, idempotency_key="k-1") for _ in range(8)))
    assert len(set(ids)) == 1
    _, page = await desk.get("/v1/calls?assistant=support")
    assert [call["id"] for call in page["calls"]] == [ids[0]]
    order = {"assistant": "callee", "to": echo_uri(desk), "idempotency_key": "k-1"}
    status, problem = await desk.post("/v1/calls", order)
    assert status == 409
    assert problem["field"] == "idempotency_key"


async def test_the_same_key_tells_how_its_call_is_now_also_when_that_is_over(desk: Desk) -> None:
    await desk.open(TWO)
    order = {"assistant": "support", "to": echo_uri(desk), "idempotency_key": "k-2"}
    call_id = await placed(desk, idempotency_key="k-2")
    await desk.until(call_id, "in-progress")
    assert (await desk.post("/v1/calls", order))[1]["status"] == "in-progress"
    await desk.post(f"/v1/calls/{call_id}/hangup")
    await desk.until(call_id, "completed")
    status, again = await desk.post("/v1/calls", order)
    assert (status, again["call_id"], again["status"]) == (202, call_id, "completed")


async def test_after_a_restart_too_a_key_belongs_to_one_order(desk: Desk) -> None:
    port = free_port()
    config = f"""
[sip]
listen = ["udp:127.0.0.1:{port}"]
dial_hosts = ["127.0.0.1"]
[trunks.loop]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:{port}"
country_code = "44"
allow = ["*"]
[assistants.support]
agent = "silence"
numbers = ["+442079460018"]
"""
    orders = [
        {"assistant": "support", "to": to, "idempotency_key": key}
        for key, to in (
            ("uri", f"sip:support@127.0.0.1:{port}"),
            ("number", "02079460018"),
            ("code", "*100#"),
        )
    ]
    await desk.open(config)
    ids = [(await desk.post("/v1/calls", order))[1]["call_id"] for order in orders]
    for call_id in ids[:2]:
        await desk.until(call_id, "in-progress")
    await desk.close()
    again = Desk(desk.bench, desk.folder)
    await again.open(config)
    answers = [await again.post("/v1/calls", order) for order in orders]
    assert [(status, answer["call_id"]) for status, answer in answers] == [(202, i) for i in ids]
    for order in orders:
        other = {**order, "to": "+442079460019"}
        status, problem = await again.post("/v1/calls", other)
        assert (status, problem["field"]) == (409, "idempotency_key")
    await again.close()
    desk.url = ""


async def test_an_order_by_a_provider_without_an_account_names_the_field_at_fault(
    desk: Desk,
) -> None:
    await desk.open(TWO)
    order = {"assistant": "support", "to": "+15550100", "provider": "twilio"}
    status, problem = await desk.post("/v1/calls", order)
    assert (status, problem["field"]) == (422, "provider")


async def test_many_orders_succeed_or_fail_each_by_itself(desk: Desk) -> None:
    await desk.open(TWO)
    good = {"assistant": "support", "to": echo_uri(desk)}
    status, result = await desk.post(
        "/v1/calls/bulk", [good, {**good, "assistant": "nobody"}, {**good, "to": "+4930"}, good]
    )
    assert status == 200
    assert ["call" in each for each in result["items"]] == [True, False, False, True]
    assert result["items"][1]["problem"]["field"] == "assistant"
    assert result["items"][2]["problem"]["field"] == "trunk"


async def test_of_many_orders_at_once_no_more_are_taken_than_calls_fit_in(desk: Desk) -> None:
    silent = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, ("127.0.0.1", 0)
    )
    port = silent[0].get_extra_info("sockname")[1]
    await desk.open(TWO + "[limits]\nmax_calls = 2\n")
    order = {"assistant": "support", "to": f"sip:nobody@127.0.0.1:{port}"}
    _, result = await desk.post("/v1/calls/bulk", [order] * 5)
    assert ["call" in each for each in result["items"]] == [True, True, False, False, False]
    assert [each["problem"]["status"] for each in result["items"][2:]] == [503] * 3
    await eventually(lambda: desk.bench.engine.active_calls == 2)
    silent[0].close()


async def test_each_of_many_orders_tells_when_to_try_again(desk: Desk) -> None:
    await desk.open(f"{TWO}[limits]\ncalls_per_second = 1\n")
    good = {"assistant": "support", "to": echo_uri(desk)}
    _, result = await desk.post("/v1/calls/bulk", [good] * 3)
    problem = result["items"][2]["problem"]
    assert (problem["status"], problem["retry_after_s"]) == (503, 1)


async def test_an_order_among_many_that_does_not_fit_costs_no_other_one(desk: Desk) -> None:
    await desk.open(TWO)
    good = {"assistant": "support", "to": echo_uri(desk)}
    orders = [{**good, "to": 5}, good, {"assistant": "support"}, "nonsense", {**good, "colour": 1}]
    status, result = await desk.post("/v1/calls/bulk", orders)
    assert status == 200
    problems = [each.get("problem") for each in result["items"]]
    assert [problem and (problem["status"], problem.get("field")) for problem in problems] == [
        (422, "to"), None, (422, "to"), (422, None), (422, "colour"),
    ]  # fmt: skip
    for nonsense in ({"orders": [good]}, [good] * 101):
        status, _ = await desk.post("/v1/calls/bulk", nonsense)
        assert status == 422
    _, page = await desk.get("/v1/calls?assistant=support")
    assert len(page["calls"]) == 1


async def test_a_name_that_does_not_fit_is_a_fault_of_the_field_it_is_in(desk: Desk) -> None:
    await desk.open(TWO)
    order = {"assistant": "support", "to": echo_uri(desk), "parameters": {"": 1}}
    status, problem = await desk.post("/v1/calls", order)
    assert (status, problem["field"]) == (422, "parameters")


async def test_calls_are_listed_by_page_and_filtered(desk: Desk) -> None:
    await desk.open(TWO)
    ids = [await placed(desk) for _ in range(3)]
    for call_id in ids:
        await desk.until(call_id, "in-progress")
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        query = "?limit=1&assistant=support" + (f"&cursor={cursor}" if cursor else "")
        status, page = await desk.get("/v1/calls" + query)
        assert status == 200
        seen += [call["id"] for call in page["calls"]]
        cursor = page["cursor"]
    assert sorted(seen) == sorted(ids)
    _, page = await desk.get("/v1/calls?status=in-progress&provider=sip")
    assert len(page["calls"]) == 6
    _, page = await desk.get("/v1/calls?since=2999-01-01T00:00:00Z")
    assert page["calls"] == []
    status, problem = await desk.get("/v1/calls?status=asleep")
    assert (status, problem["field"]) == (422, "status")
    status, problem = await desk.get("/v1/calls?cursor=nonsense")
    assert (status, problem["field"]) == (422, "cursor")


async def test_a_prompt_is_played_and_cleared_and_keys_are_pressed(
    desk: Desk, agent_named: AgentNamer
) -> None:
    heard: list[Any] = []

    async def listener(call: Call) -> None:
        async for event in call:
            heard.append(event)

    await desk.open(f'{ASSISTANT}[assistants.callee]\nagent = "{agent_named(listener)}"\n')
    (desk.folder / "prompts").mkdir()
    write_wav(desk.folder / "prompts" / "long.wav", speech(5.0))
    call_id = await placed(desk)
    await desk.until(call_id, "in-progress")
    status, played = await desk.post(f"/v1/calls/{call_id}/play", {"file": "long.wav"})
    assert status == 200
    assert played["queued_ms"] > 4000
    await asyncio.sleep(0.3)
    status, cleared = await desk.post(f"/v1/calls/{call_id}/clear")
    assert status == 200
    assert 200 <= cleared["played_ms"] <= 600
    status, _ = await desk.post(f"/v1/calls/{call_id}/dtmf", {"digits": "12#"})
    assert status == 200
    await eventually(lambda: [e.digit for e in heard if hasattr(e, "digit")] == ["1", "2", "#"])
    for file, expected in (("../rapida.toml", 422), ("none.wav", 422)):
        status, problem = await desk.post(f"/v1/calls/{call_id}/play", {"file": file})
        assert (status, problem["field"]) == (expected, "file")


async def test_keys_that_reach_nobody_are_refused(desk: Desk) -> None:
    """A far end with neither telephone-event nor INFO; another that refuses the first INFO."""
    await desk.open(TWO)

    async def press(call_id: str) -> tuple[int, str]:
        status, told = await desk.post(f"/v1/calls/{call_id}/dtmf", {"digits": "1"})
        return status, told.get("detail", "")

    async def live() -> str:
        _, listed = await desk.get("/v1/calls?status=in-progress")
        (call,) = listed["calls"]
        call_id: str = call["id"]
        return call_id

    none = (409, "the far end takes keys neither in its media nor by signalling")
    call = await plain_call(desk.bench, [("Allow", "INVITE, ACK, BYE, CANCEL")])
    assert await press(await live()) == none
    assert await call.bye() == 200

    call = await plain_call(desk.bench)
    assert await press(await live()) == (200, "")
    answer(call, await request_number(call, "INFO"), 415)
    await asyncio.sleep(0.1)
    assert await press(await live()) == none
    assert await call.bye() == 200


async def test_a_call_is_held_and_taken_back(desk: Desk) -> None:
    await desk.open(TWO)
    call_id = await placed(desk)
    await desk.until(call_id, "in-progress")
    await asyncio.sleep(0.1)
    assert await desk.post(f"/v1/calls/{call_id}/hold") == (200, {"agreed": True})
    assert await desk.post(f"/v1/calls/{call_id}/resume") == (200, {"agreed": True})


async def test_a_call_is_recorded_and_the_recording_fetched(desk: Desk) -> None:
    await desk.open(TWO)
    call_id = await placed(desk)
    await desk.until(call_id, "in-progress")
    path = f"/v1/calls/{call_id}"
    assert (await desk.get(f"{path}/recording"))[0] == 409
    assert await desk.post(f"{path}/record") == (200, {"recording": True})
    assert (await desk.post(f"{path}/record"))[0] == 409
    await asyncio.sleep(0.3)
    assert await desk.post(f"{path}/record", {"action": "stop"}) == (200, {"recording": False})
    assert (await desk.post(f"{path}/record", {"action": "stop"}))[0] == 409
    await desk.post(f"{path}/hangup")
    await desk.until(call_id, "completed")
    async with desk.client.get(f"{desk.url}{path}/recording") as answer:
        assert answer.content_type == "audio/wav"
        fetched = desk.folder / "fetched.wav"
        fetched.write_bytes(await answer.read())
    with wave.open(str(fetched)) as file:
        assert file.getnchannels() == 2
        assert file.getnframes() > 16_000 * 0.2


async def test_a_range_that_cannot_be_read_is_ignored_and_one_beyond_the_end_refused(
    desk: Desk,
) -> None:
    await desk.open(TWO)
    call_id = await placed(desk)
    await desk.until(call_id, "in-progress")
    path = f"/v1/calls/{call_id}"
    await desk.post(f"{path}/record")
    await desk.post(f"{path}/hangup")
    await desk.until(call_id, "completed")

    async def asked(wanted: str) -> tuple[int, int, str | None]:
        headers = {"Range": wanted}
        async with desk.client.get(f"{desk.url}{path}/recording", headers=headers) as answer:
            return answer.status, len(await answer.read()), answer.headers.get("Content-Range")

    size = (desk.folder / "recordings" / f"{call_id}.wav").stat().st_size
    assert await asked("bytes=4-7") == (206, 4, f"bytes 4-7/{size}")
    # RFC 9110 section 14.1.1: a last position before the first is invalid, and so is the rest.
    for wanted in ("bytes=7-4", "bytes=x-y", "bytes=-", "bytes", "lines=1-2", "bytes=0-1,8-9"):
        assert await asked(wanted) == (200, size, None), wanted
    beyond = {"Range": f"bytes={size}-"}
    async with desk.client.get(f"{desk.url}{path}/recording", headers=beyond) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
        assert answer.content_type == "application/problem+json"
        assert (await answer.json())["type"] == "urn:rapida-media:no-such-part"


async def test_a_recording_is_paused_for_a_card_number_and_resumed(desk: Desk) -> None:
    await desk.open(TWO)
    call_id = await placed(desk)
    await desk.until(call_id, "in-progress")
    path = f"/v1/calls/{call_id}/record"
    assert (await desk.post(path, {"action": "pause"}))[0] == 409
    assert await desk.post(path) == (200, {"recording": True})
    assert await desk.post(path, {"action": "pause"}) == (200, {"recording": False})
    assert await desk.post(path, {"action": "resume"}) == (200, {"recording": True})
    assert await desk.post(path, {"action": "stop"}) == (200, {"recording": False})
    assert (await desk.post(path, {"action": "resume"}))[0] == 409


@pytest.mark.parametrize("verb", ["play", "clear", "dtmf", "hold", "resume", "transfer", "record"])
async def test_verbs_want_a_live_call(desk: Desk, verb: str) -> None:
    await desk.open(TWO)
    bodies = {"play": {"file": "a.wav"}, "dtmf": {"digits": "1"}, "transfer": {"to": "sip:a@b"}}
    status, problem = await desk.post(f"/v1/calls/unknown/{verb}", bodies.get(verb))
    assert (status, problem["type"]) == (404, "urn:rapida-media:no-such-call")
    call_id = await placed(desk)
    await desk.until(call_id, "in-progress")
    await desk.post(f"/v1/calls/{call_id}/hangup")
    await desk.until(call_id, "completed")
    status, problem = await desk.post(f"/v1/calls/{call_id}/{verb}", bodies.get(verb))
    assert (status, problem["detail"]) == (409, "the call is over")


async def events_of(
    desk: Desk, path: str, count: int, **headers: str
) -> list[tuple[int, str, Any]]:
    found: list[tuple[int, str, Any]] = []
    async with (
        asyncio.timeout(10),
        desk.client.get(desk.url + path, headers=headers) as answer,
    ):
        assert answer.content_type == "text/event-stream"
        fields: dict[str, str] = {}
        async for raw in answer.content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "id" in fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
                fields = {}
                if len(found) == count:
                    break
    return found


async def test_events_come_in_order_and_go_on_where_they_stopped(desk: Desk) -> None:
    await desk.open(TWO)
    call_id = await placed(desk)
    await desk.until(call_id, "in-progress")
    await desk.post(f"/v1/calls/{call_id}/hangup")
    await desk.until(call_id, "completed")
    events = await events_of(desk, f"/v1/calls/{call_id}/events", 100)
    numbers = [number for number, _, _ in events]
    assert numbers == sorted(set(numbers))
    states = list(dict.fromkeys(call["status"] for _, _, call in events))
    assert states == ["queued", "initiated", "in-progress", "completed"]
    assert events[0][1] == "created"
    assert events[-1][1] == "ended"
    seen = {"Last-Event-ID": str(numbers[1])}
    rest = await events_of(desk, f"/v1/calls/{call_id}/events", 100, **seen)
    assert [number for number, _, _ in rest] == numbers[2:]
    all_calls = await events_of(desk, f"/v1/events?after={numbers[0] - 1}", len(events))
    assert {number for number, _, _ in events} & {number for number, _, _ in all_calls}


async def test_a_stream_of_one_call_ends_with_it_and_others_with_the_server(desk: Desk) -> None:
    await desk.open(TWO)
    everything = asyncio.ensure_future(events_of(desk, "/v1/events", 1000))
    call_id = await placed(desk)
    following = asyncio.ensure_future(events_of(desk, f"/v1/calls/{call_id}/events", 1000))
    await desk.until(call_id, "in-progress")
    await desk.post(f"/v1/calls/{call_id}/hangup")
    events = await following
    assert events[-1][1] == "ended"
    desk.server._events.close()
    assert {event[2]["id"] for event in await everything} >= {call_id}
    assert (await desk.get("/v1/calls/unknown/events"))[0] == 404


async def test_while_the_store_is_away_every_question_about_a_call_is_answered_503(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise RecordsUnavailable("call records cannot be read: disk I/O error")

    await desk.open(TWO)
    for name in ("get", "page"):
        monkeypatch.setattr(desk._records, name, away)
    for path in ("", "/unknown", "/unknown/events", "/unknown/stats", "/unknown/recording"):
        status, problem = await desk.get(f"/v1/calls{path}")
        assert (status, problem["type"]) == (503, "urn:rapida-media:records-unavailable")
        assert problem["retry_after_s"] == 5


async def test_what_was_spent_today_is_known_after_a_restart(desk: Desk) -> None:
    config = """
[trunks.loop]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:{port}"
allow = ["+1555"]
price_per_minute = 2
[assistants.support]
agent = "silence"
spend_per_day = 3
[assistants.callee]
agent = "silence"
numbers = ["+15550100"]
"""
    port = free_port()
    # By its number or by its URI: the trunk's either way.
    order = {"assistant": "support", "to": "+15550100"}
    by_uri = {"assistant": "support", "to": f"sip:+15550100@127.0.0.1:{port}"}
    sip = f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\ndial_hosts = []\n'
    await desk.open(sip + config.format(port=port))
    premium = {**by_uri, "to": f"sip:+1900@127.0.0.1:{port}"}
    assert (await desk.post("/v1/calls", premium))[1]["type"] == "urn:rapida-media:not-allowed"
    for placed in (order, by_uri):
        status, accepted = await desk.post("/v1/calls", placed)
        assert status == 202, accepted
        await desk.until(accepted["call_id"], "in-progress")
        await desk.post(f"/v1/calls/{accepted['call_id']}/hangup")
        await desk.until(accepted["call_id"], "completed")
    assert (await desk.post("/v1/calls", order))[1]["type"] == "urn:rapida-media:spend-limit"
    await desk.close()
    again = Desk(desk.bench, desk.folder)
    await again.open(sip + config.format(port=port))
    status, problem = await again.post("/v1/calls", order)
    assert (status, problem["type"]) == (403, "urn:rapida-media:spend-limit")
    assert "4.00 of 3.00" in problem["detail"]
    await again.close()
    desk.url = ""
