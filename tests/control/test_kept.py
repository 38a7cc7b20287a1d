"""Nobody outside hears of a call before it is in the records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from engine.keeper import Keeper
from engine.waiting import eventually

from .conftest import Desk
from .test_calls import TWO, echo_uri, events_of
from .test_provider_calls import Platform
from .test_provider_calls import platform as platform


async def held(keeper: Keeper, asked: Awaitable[Any]) -> Any:
    """Give the answer, which did not come before the records were kept."""
    answer = asyncio.ensure_future(asked)
    await asyncio.sleep(0.1)
    assert not answer.done()
    keeper.keep_all()
    return await answer


async def test_the_document_for_an_incoming_call_waits_for_its_record(platform: Platform) -> None:
    await platform.start()
    keeper = Keeper(platform.desk.bench.engine.journal)
    asked = platform.tell("/v1/talk/acme/call/support", call="c-1")
    status, document = await held(keeper, asked)
    assert (status, "connect" in document) == (200, True)


async def test_an_order_reaches_the_provider_and_is_accepted_behind_its_record(
    platform: Platform,
) -> None:
    await platform.start()
    keeper = Keeper(platform.desk.bench.engine.journal)
    asked = asyncio.ensure_future(platform.order())
    await asyncio.sleep(0.1)
    assert (platform.orders, asked.done()) == ([], False)
    keeper.keep_all()
    assert await asked
    await eventually(lambda: platform.orders)


async def test_orders_over_sip_and_their_events_wait_for_the_records(desk: Desk) -> None:
    await desk.open(TWO)
    journal = desk.bench.engine.journal
    keeper = Keeper(journal)
    followed = asyncio.ensure_future(events_of(desk, "/v1/events", 1))
    await asyncio.sleep(0.05)
    order = {"assistant": "support", "to": echo_uri(desk)}
    asked = asyncio.ensure_future(desk.post("/v1/calls", order))
    await asyncio.sleep(0.1)
    # Not even the INVITE has left, or there would be a second call.
    assert (len(journal.live), followed.done(), asked.done()) == (1, False, False)
    keeper.keep_all()
    assert (await asked)[0] == 202
    assert [kind for _, kind, _ in await followed] == ["created"]
