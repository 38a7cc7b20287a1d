"""Engines that share a store of contexts: whichever a provider's requests come to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from engine.conftest import Bench
from engine.waiting import eventually

from rapida_media.call.contexts import ContextsUnavailable, ContextUsed, MemoryContexts
from rapida_media.net import sweep
from rapida_media.providers.base import CallInfo
from rapida_media.providers.http import WebhookRequest

from .conftest import Desk
from .test_provider_calls import HELLO, Platform, TransferringAcme, close_code
from .test_provider_calls import platform as platform


class Pair:
    """Two engines, each with a desk and ACME in front of it."""

    def __init__(self, one: Platform, other: Platform) -> None:
        self.one, self.other = one, other
        self.contexts = MemoryContexts()

    async def start(self) -> None:
        await self.one.start(contexts=self.contexts)
        await self.other.start(contexts=self.contexts)

    def at_the_other(self, url: str) -> str:
        """Give where a URL of the one leads, had a balancer sent it to the other."""
        authority = self.one.desk.url.partition("//")[2]
        return url.replace(authority, self.other.desk.url.partition("//")[2])

    async def announced(self) -> tuple[str, Any]:
        """Have a call come to the one; give its id and the document."""
        status, document = await self.one.tell("/v1/talk/acme/call/support", call="c-1")
        assert status == 200
        _, page = await self.one.desk.get("/v1/calls?limit=1")
        return page["calls"][0]["id"], document


@pytest.fixture
async def pair(
    bench: Bench, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Pair]:
    monkeypatch.setattr(sweep, "SWEEP_S", 0.05)
    folder = tmp_path / "other"
    folder.mkdir()
    desk = Desk(bench, folder)
    other = Platform(desk)
    try:
        yield Pair(platform, other)
    finally:
        await desk.close()
        await other.stop()


async def refusal(asked: Any) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await asked
    return refused.value.status


async def test_a_call_whose_media_went_to_another_engine_is_over_here_and_goes_on_there(
    pair: Pair,
) -> None:
    await pair.start()
    call_id, document = await pair.announced()
    first = pair.one.desk.bench.engine
    socket = await pair.other.connect(pair.at_the_other(document["connect"]))
    await socket.send_json(HELLO)
    over = await pair.one.desk.until(call_id, "completed")
    assert (over["reason"], over["failure_class"]) == ("media_elsewhere", None)
    await asyncio.sleep(0.2)
    assert pair.one.hung_up == pair.other.hung_up == []
    assert (await pair.other.desk.get(f"/v1/calls/{call_id}"))[1]["status"] == "in-progress"
    assert (await pair.one.tell(document["news"], call="c-1", status="up"))[0] == 204
    assert await refusal(pair.one.connect(document["connect"])) == 410
    await pair.other.desk.post(f"/v1/calls/{call_id}/hangup")
    assert await close_code(socket) == 1000
    await eventually(lambda: pair.other.hung_up == ["c-1"])
    assert not first.journal.live


async def test_a_call_that_is_over_before_its_media_came_is_carried_by_no_other_engine(
    pair: Pair,
) -> None:
    await pair.start()
    call_id = await pair.one.order()
    await pair.one.desk.until(call_id, "initiated")
    await pair.one.desk.post(f"/v1/calls/{call_id}/hangup")
    await pair.one.desk.until(call_id, "canceled")
    media = pair.at_the_other(pair.one.orders[0]["connect"])
    await eventually(lambda: not len(pair.contexts))
    assert await refusal(pair.other.connect(media)) == 410
    assert (await pair.other.desk.get(f"/v1/calls/{call_id}"))[0] == 404


async def test_the_document_of_an_order_is_given_by_every_engine(pair: Pair) -> None:
    await pair.start()
    await pair.one.order()
    await eventually(lambda: pair.one.orders)
    answer = pair.at_the_other(pair.one.orders[0]["news"]).replace("/event", "/answer")
    status, document = await pair.other.tell(answer, call="out-1")
    assert status == 200
    assert document["connect"] == pair.at_the_other(pair.one.orders[0]["connect"])
    pair.other.secret = "a guess"
    assert (await pair.other.tell(answer, call="out-1"))[0] == 403
    assert (await pair.other.tell(answer.replace("/ctx/", "/ctx/x"), call="out-1"))[0] == 404


async def test_news_of_a_call_reach_it_by_every_engine(pair: Pair) -> None:
    await pair.start()
    call_id = await pair.one.order()
    await pair.one.desk.until(call_id, "initiated")
    news = pair.at_the_other(pair.one.orders[0]["news"])
    for status, state in (("ringing", "ringing"), ("engaged", "busy")):
        assert (await pair.other.tell(news, call="out-1", status=status))[0] == 204
        over = await pair.one.desk.until(call_id, state)
    assert (over["raw_status"], over["reason"], over["retryable"]) == ("engaged", "busy", True)
    assert pair.one.hung_up == []
    assert (await pair.other.tell(news, call="out-1", status="up"))[0] == 204
    await asyncio.sleep(0.1)
    assert (await pair.one.desk.get(f"/v1/calls/{call_id}"))[1]["status"] == "busy"


async def test_news_that_are_not_the_providers_reach_no_call_by_another_engine(pair: Pair) -> None:
    await pair.start()
    call_id = await pair.one.order()
    await pair.one.desk.until(call_id, "initiated")
    news = pair.at_the_other(pair.one.orders[0]["news"])
    pair.other.secret = "a guess"
    assert (await pair.other.tell(news, call="out-1", status="engaged"))[0] == 403
    assert (await pair.other.tell(news.replace("/ctx/", "/ctx/x"), status="engaged"))[0] == 404
    await asyncio.sleep(0.2)
    assert (await pair.one.desk.get(f"/v1/calls/{call_id}"))[1]["status"] == "initiated"


async def test_what_a_provider_said_of_a_call_is_known_where_its_media_come(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, str]] = []
    receive = TransferringAcme.receive_call

    def receive_call(self: TransferringAcme, request: WebhookRequest) -> CallInfo:
        told: CallInfo = receive(self, request)
        return replace(told, facts={"region": "eu-3"})

    async def hang_up(self: TransferringAcme, call: CallInfo) -> None:
        seen.append(dict(call.facts))

    monkeypatch.setattr(TransferringAcme, "receive_call", receive_call)
    monkeypatch.setattr(TransferringAcme, "hang_up", hang_up)
    await pair.start()
    call_id, document = await pair.announced()
    socket = await pair.other.connect(pair.at_the_other(document["connect"]))
    await socket.send_json(HELLO)
    await pair.other.desk.until(call_id, "in-progress")
    await pair.other.desk.post(f"/v1/calls/{call_id}/hangup")
    await eventually(lambda: seen == [{"region": "eu-3"}])
    await close_code(socket)


async def test_media_are_taken_once_though_the_store_has_lost_their_context(pair: Pair) -> None:
    await pair.start()
    call_id, document = await pair.announced()
    await pair.contexts.close()  # a Redis that starts anew has nothing
    assert await refusal(pair.other.connect(pair.at_the_other(document["connect"]))) == 404
    socket = await pair.one.connect(document["connect"])
    assert await refusal(pair.one.connect(document["connect"])) == 410
    await socket.send_json(HELLO)
    await pair.one.desk.until(call_id, "in-progress")
    await socket.close()


async def test_a_store_that_is_away_ends_no_call_that_waits_for_its_media(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def away(*_: object) -> list[str]:
        nonlocal asked
        asked += 1
        raise ContextsUnavailable("it is away")

    monkeypatch.setattr(MemoryContexts, "claimed", away)
    await pair.start()
    call_id, document = await pair.announced()
    await eventually(lambda: asked > 3)
    socket = await pair.one.connect(document["connect"])
    await socket.send_json(HELLO)
    await pair.one.desk.until(call_id, "in-progress")
    await socket.close()


async def test_a_claim_of_ours_that_is_not_answered_yet_is_nobody_elses(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, answered, polls = MemoryContexts.claim, asyncio.Event(), 0
    claimed = MemoryContexts.claimed

    async def claim_slowly(self: MemoryContexts, *asked: Any) -> Any:
        context = await claim(self, *asked)
        await answered.wait()
        return context

    async def ask(self: MemoryContexts, *asked: Any) -> Any:
        nonlocal polls
        polls += 1
        return await claimed(self, *asked)

    monkeypatch.setattr(MemoryContexts, "claim", claim_slowly)
    monkeypatch.setattr(MemoryContexts, "claimed", ask)
    await pair.start()
    call_id, document = await pair.announced()
    await eventually(lambda: polls)
    connecting = asyncio.create_task(pair.one.connect(document["connect"]))
    await asyncio.sleep(0.3)
    with pytest.raises(ContextUsed):
        await pair.contexts.look(document["connect"].rpartition("/")[2], 0.0)
    answered.set()
    socket = await connecting
    await socket.send_json(HELLO)
    await pair.one.desk.until(call_id, "in-progress")
    await socket.close()
