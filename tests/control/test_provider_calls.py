"""Calls over a provider: every way they begin, fail and end, seen from both sides."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import sys
import threading
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import aiohttp
import pytest
from aiohttp import web
from engine.waiting import eventually

from rapida_media import clock
from rapida_media.call.call import Call
from rapida_media.call.contexts import CallContext, MemoryContexts
from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.config import parse_config
from rapida_media.errors import ProviderError
from rapida_media.media.recorder import StereoRecorder
from rapida_media.media.wav import read_wav
from rapida_media.net import provider_call, provider_calls
from rapida_media.net.record_store import RecordStore
from rapida_media.providers.base import CallInfo, CallOrder, ProviderSpec
from rapida_media.providers.registry import providers

from .conftest import AgentNamer, Desk

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "examples" / "acme"))
import rapida_acme

SECRET = "not-so-secret"
HELLO = {"type": "hello", "call": "c-1"}


class TransferringAcme(rapida_acme.AcmeTelephony):  # type: ignore[misc]
    """ACME, had it a way to send calls elsewhere."""

    transferred: ClassVar[list[tuple[str, str]]] = []

    async def transfer(self, call: CallInfo, target: str) -> None:
        if target.endswith("refused.example"):
            raise ProviderError("not there", code=404)
        self.transferred.append((call.provider_call_id, target))


class Platform:
    """ACME's REST interface, which answers as told, and its webhooks and sockets."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.secret = SECRET
        self.answer: tuple[int, Any] = (201, {"call": "out-1"})
        self.headers: dict[str, str] = {}
        self.ready = asyncio.Event()
        self.ready.set()
        self.orders: list[Any] = []
        self.hung_up: list[str] = []
        self._runner: web.AppRunner
        self._config = ""

    async def start(self, agent: str = "silence", limits: str = "", **options: Any) -> None:
        app = web.Application()
        app.router.add_post("/calls", self._order)
        app.router.add_delete("/calls/{call}", self._hang_up)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        self._config = (
            f'[credentials.main]\nprovider = "acme"\nsecret = "{SECRET}"\nallow = ["+1"]\n'
            f'api_base = "http://127.0.0.1:{port}"\n'
            f'[assistants.support]\nagent = "{agent}"\ncredential = "main"\n{limits}'
        )
        await self.desk.open(self._config, **options)

    async def reload(self, before: str, after: str) -> None:
        """Have the server take a configuration that differs in this."""
        newer = parse_config(tomllib.loads(self._config.replace(before, after)))
        await self.desk.server.reload(newer)

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _order(self, request: web.Request) -> web.Response:
        self.orders.append(await request.json())
        await self.ready.wait()
        return web.json_response(self.answer[1], status=self.answer[0], headers=self.headers)

    async def _hang_up(self, request: web.Request) -> web.Response:
        self.hung_up.append(request.match_info["call"])
        return web.json_response({}, status=404)

    def _signed(self, url: str, body: bytes = b"") -> dict[str, str]:
        signature = hmac.new(self.secret.encode(), url.encode() + body, hashlib.sha256).hexdigest()
        return {"x-acme-signature": signature, "content-type": "application/json"}

    async def tell(self, url: str, **said: str) -> tuple[int, Any]:
        url = url if url.startswith("http") else self.desk.url + url
        body = json.dumps(said).encode()
        async with self.desk.client.post(url, data=body, headers=self._signed(url, body)) as reply:
            return reply.status, await reply.json() if reply.status == 200 else None

    async def connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        return await self.desk.client.ws_connect(url, headers=self._signed(url), autoclose=False)

    async def call_in(self, name: str = "c-1") -> tuple[aiohttp.ClientWebSocketResponse, str, str]:
        """Have a call come in and be answered; give its socket, id and event URL."""
        status, document = await self.tell("/v1/talk/acme/call/support", call=name)
        assert status == 200
        socket = await self.connect(document["connect"])
        await socket.send_json({**HELLO, "call": name})
        _, page = await self.desk.get("/v1/calls?provider=acme&limit=1")
        call_id = page["calls"][0]["id"]
        await self.desk.until(call_id, "in-progress")
        return socket, call_id, document["news"]

    async def order(self, **more: Any) -> str:
        status, accepted = await self.desk.post(
            "/v1/calls", {"assistant": "support", "to": "+15550100", **more}
        )
        assert status == 202, accepted
        call_id: str = accepted["call_id"]
        return call_id


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int:
    """Read a socket to its end; give the code it was closed with."""
    async with asyncio.timeout(5):
        while (message := await socket.receive()).type is not aiohttp.WSMsgType.CLOSE:
            assert message.type is aiohttp.WSMsgType.TEXT
    code: int = message.data
    return code


@pytest.fixture
async def platform(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Platform]:
    spec: ProviderSpec = replace(rapida_acme.SPEC, telephony=TransferringAcme, transfers=True)
    specs = {**providers(), "acme": spec}
    monkeypatch.setattr(provider_calls, "providers", lambda: specs)
    made = Platform(desk)
    yield made
    await desk.client.close()
    await made.stop()


@pytest.mark.parametrize(
    ("status", "reason", "failure_class", "retryable"),
    [
        (401, "provider_refused", "authentication", False),
        (429, "provider_refused", "capacity", True),
        (400, "provider_refused", "configuration", False),
        (500, "provider_failed", "network", True),
    ],
)
async def test_an_order_that_is_refused_says_why(
    platform: Platform, status: int, reason: str, failure_class: str, retryable: bool
) -> None:
    platform.answer = (status, {"error": "no"})
    await platform.start()
    over = await platform.desk.until(await platform.order(), "failed")
    assert (over["reason"], over["code"], over["failure_class"], over["retryable"]) == (
        reason, status, failure_class, retryable,
    )  # fmt: skip
    assert platform.hung_up == []


async def test_no_number_that_a_provider_names_is_logged(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(self: TransferringAcme, order: CallOrder) -> CallInfo:
        raise ProviderError(f"{order.to} is not valid", code=400)

    monkeypatch.setattr(TransferringAcme, "outbound_call", refused)
    await platform.start()
    over = await platform.desk.until(await platform.order(), "failed")
    assert over["cause"] == "+15550100 is not valid"
    (logged,) = platform.desk.bench.logged("the order failed")
    assert logged.getMessage() == "the order failed: +1…00 is not valid"


async def test_a_provider_that_is_too_busy_says_when_to_order_again(platform: Platform) -> None:
    platform.answer, platform.headers = (429, {}), {"Retry-After": "7"}
    await platform.start()
    over = await platform.desk.until(await platform.order(), "failed")
    assert (over["retryable"], over["retry_after_s"]) == (True, 7)


async def test_an_order_that_is_over_when_it_is_answered_ends_as_that_says(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(self: TransferringAcme, order: CallOrder) -> CallInfo:
        return CallInfo("out-1", order.from_, order.to, "busy", "engaged")

    monkeypatch.setattr(TransferringAcme, "outbound_call", at_once)
    await platform.start()
    over = await platform.desk.until(await platform.order(), "busy")
    assert (over["raw_status"], over["provider_call_id"]) == ("engaged", "out-1")
    assert (over["reason"], over["failure_class"], over["retryable"]) == ("busy", "callee", True)
    assert platform.hung_up == []


async def test_parameters_that_are_no_texts_reach_the_provider_as_json(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[dict[str, str]] = []

    async def handing(self: TransferringAcme, order: CallOrder) -> CallInfo:
        handed.append(dict(order.parameters))
        return CallInfo("out-1", order.from_, order.to)

    monkeypatch.setattr(TransferringAcme, "outbound_call", handing)
    await platform.start()
    await platform.order(parameters={"plan": "gold", "vip": True, "of": {"a": [1]}, "no": None})
    await eventually(lambda: handed)
    assert handed == [{"plan": "gold", "vip": "true", "of": '{"a": [1]}', "no": "null"}]


async def test_a_call_that_ends_before_its_media_came_ends_as_the_provider_says(
    platform: Platform,
) -> None:
    await platform.start()
    _, document = await platform.tell("/v1/talk/acme/call/support", call="c-1")
    assert (await platform.tell(document["news"], call="c-1", status="done"))[0] == 204
    _, page = await platform.desk.get("/v1/calls?provider=acme")
    (call,) = page["calls"]
    assert (call["status"], call["reason"], call["raw_status"]) == ("completed", "bye", "done")
    assert platform.hung_up == []


async def test_a_caller_who_leaves_before_the_stream_began_has_given_up(
    platform: Platform,
) -> None:
    await platform.start()
    _, document = await platform.tell("/v1/talk/acme/call/support", call="c-1")
    socket = await platform.connect(document["connect"])
    await socket.close()
    _, page = await platform.desk.get("/v1/calls?provider=acme")
    over = await platform.desk.until(page["calls"][0]["id"], "canceled")
    assert (over["reason"], over["failure_class"]) == ("canceled", "caller")


async def test_a_stream_that_names_another_call_does_not_rename_ours(platform: Platform) -> None:
    await platform.start()
    _, document = await platform.tell("/v1/talk/acme/call/support", call="c-1")
    socket = await platform.connect(document["connect"])
    await socket.send_json({**HELLO, "call": "somebody-else"})
    _, page = await platform.desk.get("/v1/calls?provider=acme")
    call_id = page["calls"][0]["id"]
    call = await platform.desk.until(call_id, "in-progress")
    assert call["provider_call_id"] == "c-1"
    await platform.desk.post(f"/v1/calls/{call_id}/hangup", {"reason": "enough"})
    await eventually(lambda: platform.hung_up == ["c-1"])
    assert platform.desk.bench.logged("ended: enough")
    await socket.close()


async def test_an_agent_knows_by_which_context_its_call_came(
    platform: Platform, agent_named: AgentNamer
) -> None:
    contexts: list[str | None] = []

    async def agent(call: Call) -> None:
        contexts.append(call.context)
        async for _ in call:
            pass

    await platform.start(agent_named(agent))
    socket, _, news = await platform.call_in()
    await eventually(lambda: contexts)
    assert news.endswith(f"/ctx/{contexts[0]}/event")
    await socket.close()


async def test_an_order_given_up_while_it_is_placed_is_ended_there(platform: Platform) -> None:
    await platform.start()
    platform.ready.clear()
    call_id = await platform.order()
    await eventually(lambda: platform.orders)
    await platform.desk.post(f"/v1/calls/{call_id}/hangup")
    await platform.desk.until(call_id, "canceled")
    platform.ready.set()
    await eventually(lambda: platform.hung_up == ["out-1"])


async def test_a_hang_up_that_does_not_go_through_is_tried_again(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = [
        ProviderError("too many for +15550100", code=429, retryable=True, retry_after_s=0),
        ProviderError("no answer", retryable=True),
        None,
        ProviderError("a wrong password", code=401),
    ]

    async def hang_up(self: TransferringAcme, call: CallInfo) -> None:
        asked.append(call.provider_call_id)
        if (error := answers.pop(0)) is not None:
            raise error

    monkeypatch.setattr(TransferringAcme, "hang_up", hang_up)
    monkeypatch.setattr(provider_call, "HANG_UP_PAUSES_S", (0.05, 0.05, 0.05))
    await platform.start()
    for number in (3, 4):
        call_id = await platform.order()
        await platform.desk.until(call_id, "initiated")
        await platform.desk.post(f"/v1/calls/{call_id}/hangup")
        await eventually(lambda: len(asked) == number)  # noqa: B023
    await asyncio.sleep(0.2)
    assert asked == ["out-1"] * 4
    failures = [each.getMessage() for each in platform.desk.bench.logged("hanging up failed")]
    assert failures[0] == "hanging up failed: too many for +1…00"


async def test_an_engine_that_stops_still_ends_at_the_provider_what_is_over_here(
    platform: Platform,
) -> None:
    await platform.start()
    engine = platform.desk.bench.engine
    rings = await platform.order()
    await platform.desk.until(rings, "initiated")
    platform.ready.clear()
    await platform.order()
    await eventually(lambda: len(platform.orders) == 2)
    draining = asyncio.create_task(engine.drain())
    await asyncio.sleep(0)
    engine.signalling(rings).hang_up("canceled")
    platform.answer = (201, {"call": "out-2"})
    asyncio.get_running_loop().call_later(0.1, platform.ready.set)
    await platform.desk.bench.stop()
    assert sorted(platform.hung_up) == ["out-1", "out-2"]
    await draining


async def test_media_that_never_come_end_the_call(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider_calls, "LIFETIME_S", 0.3)
    await platform.start()
    over = await platform.desk.until(await platform.order(), "failed")
    assert (over["reason"], over["retryable"]) == ("media_never_came", True)
    assert platform.hung_up == ["out-1"]


async def test_a_socket_that_is_lost_ends_the_call_at_the_provider(
    platform: Platform, agent_named: AgentNamer
) -> None:
    ended: list[Any] = []

    async def agent(call: Call) -> None:
        async for event in call:
            ended.append(event)

    await platform.start(agent_named(agent))
    socket, call_id, _ = await platform.call_in()
    connection = socket._response.connection
    assert connection is not None
    assert connection.transport is not None
    connection.transport.abort()
    over = await platform.desk.until(call_id, "completed")
    assert (over["reason"], over["failure_class"]) == ("media_lost", "network")
    await eventually(lambda: platform.hung_up == ["c-1"])
    assert ended[-1].reason == "media_lost"


@pytest.mark.parametrize(
    ("sent", "reason", "code"),
    [("nonsense" * 10, "protocol_error", 1002), ("x" * 300_000, "media_lost", 1009)],
)
async def test_nonsense_on_the_socket_ends_the_call(
    platform: Platform, sent: str, reason: str, code: int
) -> None:
    await platform.start()
    socket, call_id, _ = await platform.call_in()
    for _ in range(60 if reason == "protocol_error" else 1):
        await socket.send_str(sent)
    assert await close_code(socket) == code
    over = await platform.desk.until(call_id, "completed")
    assert over["reason"] == reason
    assert over["failure_class"] in ("media", "network")


async def test_news_by_the_providers_id_reach_the_call(platform: Platform) -> None:
    await platform.start()
    call_id = await platform.order()
    await platform.desk.until(call_id, "initiated")
    catch_all = "/v1/talk/acme/event/support"
    assert (await platform.tell(catch_all, call="unknown", status="engaged"))[0] == 204
    assert (await platform.tell(catch_all, call="out-1", status="a new word"))[0] == 204
    assert (await platform.tell(catch_all, call="out-1", status="ringing"))[0] == 204
    await platform.desk.until(call_id, "ringing")
    assert (await platform.tell(catch_all, call="out-1", status="dialing"))[0] == 204
    assert (await platform.desk.get(f"/v1/calls/{call_id}"))[1]["status"] == "ringing"
    assert (await platform.tell(catch_all, call="out-1", status="unanswered"))[0] == 204
    over = await platform.desk.until(call_id, "no-answer")
    assert (over["raw_status"], over["retryable"]) == ("unanswered", True)
    news = platform.orders[0]["news"]
    assert (await platform.tell(news, call="out-1", status="up"))[0] == 204
    assert (await platform.desk.get(f"/v1/calls/{call_id}"))[1]["status"] == "no-answer"
    assert (await platform.tell(platform.orders[0]["news"] + "x", call="out-1"))[0] == 404
    unsigned = await platform.desk.post("/v1/talk/acme/event/support", {"call": "out-1"})
    assert unsigned[0] == 403
    assert (await platform.tell("/v1/talk/acme/call/support", no="call"))[0] == 400
    assert (await platform.tell("/v1/talk/acme/call/nobody", call="x"))[0] == 404


async def test_an_account_tells_nothing_of_the_calls_of_another(platform: Platform) -> None:
    other = '[credentials.other]\nprovider = "acme"\nsecret = "quite-another"\n'
    assistant = '[assistants.sales]\nagent = "silence"\ncredential = "other"\n'
    await platform.start(limits=other + assistant)
    _, ours = await platform.tell("/v1/talk/acme/call/support", call="c-1")
    socket, call_id, _ = await platform.call_in("c-2")
    platform.secret = "quite-another"
    _, theirs = await platform.tell("/v1/talk/acme/call/sales", call="c-1")
    assert theirs["connect"] != ours["connect"], "an id may be given twice, by two platforms"
    assert (await platform.tell("/v1/talk/acme/event/sales", call="c-2", status="done"))[0] == 204
    assert (await platform.desk.get(f"/v1/calls/{call_id}"))[1]["status"] == "in-progress"
    platform.secret = SECRET
    assert (await platform.tell("/v1/talk/acme/event/support", call="c-2", status="done"))[0] == 204
    await platform.desk.until(call_id, "completed")
    await socket.close()


async def test_the_document_is_given_when_an_order_is_picked_up(platform: Platform) -> None:
    await platform.start()
    await platform.order()
    await eventually(lambda: platform.orders)
    answer = platform.orders[0]["news"].replace("/event", "/answer")
    status, document = await platform.tell(answer, call="out-1")
    assert (status, document["connect"]) == (200, platform.orders[0]["connect"])


async def test_a_call_is_sent_elsewhere_by_its_provider(platform: Platform) -> None:
    await platform.start()
    socket, call_id, _ = await platform.call_in()
    transfer = f"/v1/calls/{call_id}/transfer"
    status, problem = await platform.desk.post(transfer, {"to": "sip:a@elsewhere.example"})
    assert (status, problem["field"]) == (403, "to")
    assert (await platform.desk.post(f"/v1/calls/{call_id}/hold"))[0] == 409
    status, told = await platform.desk.post(transfer, {"to": "+15550123"})
    assert (status, told["succeeded"]) == (200, True)
    over = await platform.desk.until(call_id, "completed")
    assert over["reason"] == "transferred"
    assert TransferringAcme.transferred == [("c-1", "+15550123")]
    assert await close_code(socket) == 1000
    assert platform.hung_up == []


async def test_a_call_that_lasts_too_long_is_ended(platform: Platform) -> None:
    await platform.start(limits="[limits]\nmax_call_seconds = 0.5\n")
    socket, call_id, _ = await platform.call_in()
    over = await platform.desk.until(call_id, "completed")
    assert over["reason"] == "max_duration"
    await eventually(lambda: platform.hung_up == ["c-1"])
    assert await close_code(socket) == 1000


async def test_while_draining_calls_are_refused_in_the_providers_words(platform: Platform) -> None:
    await platform.start()
    socket, call_id, _ = await platform.call_in()
    draining = asyncio.ensure_future(platform.desk.bench.engine.drain())
    await asyncio.sleep(0)
    status, document = await platform.tell("/v1/talk/acme/call/support", call="c-2")
    assert (status, document) == (200, {"refuse": "busy"})
    await socket.send_json({"type": "bye"})
    await platform.desk.until(call_id, "completed")
    await draining


async def test_a_call_has_the_ladder_of_what_its_provider_and_we_said(platform: Platform) -> None:
    await platform.start()
    socket, call_id, news = await platform.call_in()
    await platform.tell(news, call="c-1", state="talking", caller="+15550100", token="hush")
    await platform.desk.post(f"/v1/calls/{call_id}/hangup")
    await eventually(lambda: platform.hung_up == ["c-1"])
    await platform.desk.until(call_id, "completed")
    await eventually(lambda: "404" in platform.desk.bench.engine.trace(call_id))
    status, ladder = await platform.desk.get(f"/v1/calls/{call_id}/trace")
    assert status == 200
    lines = ladder.split("\n")
    assert lines[0].split() == ["us", "acme"]
    rungs = [line[15:].strip("-<>| ") for line in lines if line.endswith(("-|", ">|"))]
    assert rungs[:5] == [
        "POST /v1/talk/acme/call/support", f"200 application/json ({len_of(rungs[1])} bytes)",
        "GET /v1/talk/acme/ctx/…", "101", "stream: hello",
    ]  # fmt: skip
    assert rungs[5:7] == ["POST /v1/talk/acme/ctx/…/event", "204"]
    assert rungs[-2:] == ["DELETE /calls/c-1", "404"]
    assert "               caller: +1…00" in lines
    assert "               token: …" in lines
    assert not re.search(r"\d{6,}|hush|signature", ladder)
    assert news.rpartition("/ctx/")[2].partition("/")[0] not in ladder
    await socket.close()


def len_of(rung: str) -> str:
    return rung.partition("(")[2].partition(" ")[0]


async def test_a_recording_is_written_by_the_disk_thread(
    platform: Platform, agent_named: AgentNamer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    write = StereoRecorder.write_right

    def noted(self: StereoRecorder, pts: int, pcm: bytes) -> None:
        threads.add(threading.current_thread().name)
        write(self, pts, pcm)

    monkeypatch.setattr(StereoRecorder, "write_right", noted)

    async def records(call: Call) -> None:
        recording = call.record(tmp_path / "call.wav")
        call.write(bytes(640) * 10)
        await call.drain()
        recording.close()

    await platform.start(agent_named(records))
    socket, call_id, _ = await platform.call_in()
    await platform.desk.until(call_id, "completed")
    await platform.desk.bench.engine.disk.flushed()
    assert threads == {"disk"}
    assert len(read_wav(tmp_path / "call.wav")) >= 10 * 640
    await socket.close()


async def test_who_is_not_the_provider_uses_no_context_up_that_another_machine_made(
    platform: Platform,
) -> None:
    await platform.start()
    made = CallContext("there", "c9", "acme", "inbound", "+1555", "+1666", "support", "main", "c-9")
    await platform.desk.bench.engine.contexts.put(made, clock.monotonic())
    url = f"{platform.desk.url.replace('http', 'ws', 1)}/v1/talk/acme/ctx/there"
    for _ in range(2):
        platform.secret = "a guess"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await platform.connect(url)
        assert refused.value.status == 403
        assert not platform.desk.bench.engine.journal.live
    platform.secret = SECRET
    socket = await platform.connect(url)
    await socket.send_json({**HELLO, "call": "c-9"})
    call = await platform.desk.until("c9", "in-progress")
    assert (call["from"], call["assistant"]) == ("+1555", "support")
    await socket.close()


class SlowStore:
    """Has contexts wait to be stored. storing: how many have asked to be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.storing = 0
        self.stored = asyncio.Event()
        put = MemoryContexts.put

        async def put_slowly(store: MemoryContexts, context: CallContext, now: float) -> None:
            self.storing += 1
            await self.stored.wait()
            await put(store, context, now)

        monkeypatch.setattr(MemoryContexts, "put", put_slowly)


async def ordered_at_once(platform: Platform, store: SlowStore) -> list[int]:
    """Order three calls while the store is slow, of which one is refused; give the statuses."""
    order = {"assistant": "support", "to": "+15550100"}
    orders = [asyncio.create_task(platform.desk.post("/v1/calls", order)) for _ in range(3)]
    await eventually(lambda: any(each.done() for each in orders))
    store.stored.set()
    return sorted([status for status, _ in await asyncio.gather(*orders)])


async def test_calls_whose_contexts_are_being_stored_count_among_those_let_in(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlowStore(monkeypatch)
    await platform.start(limits="[limits]\nmax_calls = 2\n")
    assert await ordered_at_once(platform, store) == [202, 202, 503]
    assert store.storing == 2
    announced = await platform.tell("/v1/talk/acme/call/support", call="c-1")
    assert announced == (200, {"refuse": "busy"})


async def test_orders_whose_contexts_are_being_stored_count_among_those_of_their_assistant(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlowStore(monkeypatch)
    await platform.start(limits="max_outbound_calls = 2\n")
    assert await ordered_at_once(platform, store) == [202, 202, 403]
    assert store.storing == 2


async def test_a_drain_waits_for_a_call_whose_context_is_being_stored(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SlowStore(monkeypatch)
    await platform.start()
    ordering = asyncio.create_task(platform.order())
    await eventually(lambda: store.storing)
    draining = asyncio.create_task(platform.desk.bench.engine.drain())
    await asyncio.sleep(0.05)
    assert not draining.done()
    store.stored.set()
    call_id = await ordering
    await platform.desk.until(call_id, "initiated")
    assert not draining.done()
    await platform.desk.post(f"/v1/calls/{call_id}/hangup")
    await draining


async def test_keys_of_the_agent_are_tones_in_the_audio(
    platform: Platform, agent_named: AgentNamer
) -> None:
    async def agent(call: Call) -> None:
        await call.send_digits("5")

    await platform.start(agent_named(agent))
    socket, call_id, _ = await platform.call_in()
    kinds = []
    async with asyncio.timeout(5):
        async for message in socket:
            said = json.loads(message.data)
            kinds.append(said["type"])
            if said["type"] == "mark":
                await socket.send_json({"type": "played", "mark": said["mark"]})
    assert kinds.count("audio") >= 10
    over = await platform.desk.until(call_id, "completed")
    assert over["reason"] == "agent_finished"


async def test_what_a_crash_left_open_is_hung_up_at_the_provider(
    platform: Platform, tmp_path: Path
) -> None:
    crashed = RecordStore(tmp_path / "calls.db", run="crashed")
    await crashed.open()
    left = CallRecord("1", "acme", "inbound", "+15550199", "+15550100", 1.0, credential="main")
    for record in (
        left._replace(provider_call_id="left-1"),
        left._replace(id="2", provider_call_id="left-2", credential="gone"),
        left._replace(id="3", provider_call_id="over", ended_at=2.0, state=CallState.COMPLETED),
        left._replace(id="4"),
        left._replace(id="5", provider="no-more", provider_call_id="left-5"),
        left._replace(id="6", provider_call_id="left-6"),
    ):
        crashed.record_changed(record)
    await crashed.close()
    await platform.start()
    bench, records = platform.desk.bench, platform.desk._records
    assert records.closed_at_start == 5
    bench.engine.provider_calls.hang_up_left_open(records.left_open)
    await eventually(lambda: len(platform.hung_up) == 2)
    await eventually(lambda: len(bench.logged("hung up at acme")) == 2)
    assert set(platform.hung_up) == {"left-1", "left-6"}
    failed = sorted(record.getMessage() for record in bench.logged("hanging up failed"))
    assert failed == [
        "hanging up failed: there is no account 'gone' with acme",
        "hanging up failed: there is no provider 'no-more' with webhooks",
    ]
    assert len(bench.logged("4 calls were left open at their providers")) == 1


async def test_after_a_reload_new_calls_have_the_new_account_and_old_ones_theirs(
    platform: Platform,
) -> None:
    await platform.start()
    socket, call_id, news = await platform.call_in()
    await platform.reload(SECRET, "quite-another")
    assert (await platform.tell("/v1/talk/acme/call/support", call="c-2"))[0] == 403
    assert (await platform.tell(news, call="c-1", status="up"))[0] == 204
    platform.secret = "quite-another"
    other, other_id, _ = await platform.call_in("c-2")
    await platform.desk.post(f"/v1/calls/{other_id}/hangup")
    await platform.desk.until(other_id, "completed")
    await platform.desk.post(f"/v1/calls/{call_id}/hangup")
    await platform.desk.until(call_id, "completed")
    await eventually(lambda: platform.hung_up == ["c-2", "c-1"])
    assert [await close_code(each) for each in (socket, other)] == [1000, 1000]


async def test_an_assistant_that_is_removed_ends_none_of_its_calls(platform: Platform) -> None:
    await platform.start()
    socket, call_id, news = await platform.call_in()
    await platform.reload("[assistants.support]", "[assistants.other]")
    assert (await platform.tell("/v1/talk/acme/call/support", call="c-2"))[0] == 404
    assert (await platform.tell(news, call="c-1", status="up"))[0] == 204
    assert (await platform.desk.get(f"/v1/calls/{call_id}"))[1]["status"] == "in-progress"
    await socket.send_json({"type": "bye"})
    await platform.desk.until(call_id, "completed")
    await platform.desk.bench.engine.drain()
    assert await close_code(socket) == 1000
    assert (await platform.tell(news, call="c-1", status="up"))[0] == 204


async def test_an_order_over_a_provider_has_no_header_fields(platform: Platform) -> None:
    await platform.start()
    order = {"assistant": "support", "to": "+15550100", "headers": {"X-Ticket": "7"}}
    status, problem = await platform.desk.post("/v1/calls", order)
    assert (status, problem["field"]) == (422, "headers")


async def test_an_allow_that_is_narrowed_refuses_at_once(platform: Platform) -> None:
    await platform.start()
    order = {"assistant": "support", "to": "+15550100"}
    assert (await platform.desk.post("/v1/calls", order))[0] == 202
    await platform.reload('allow = ["+1"]', 'allow = ["+44"]')
    status, problem = await platform.desk.post("/v1/calls", order)
    assert (status, problem["field"]) == (403, "to")
