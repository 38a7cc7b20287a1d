"""The connections for events: made again when lost, and nothing is missed for good."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import WSCloseCode, web
from control.conftest import Desk
from control.conftest import bench as bench
from control.conftest import desk as desk
from engine.waiting import eventually

from rapida_media.net import event_feeds

NUMBER = "+14155550100"


class Pbx:
    """As much of an Asterisk as a feed can tell from one."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.upgrades = 0
        self.asked: list[str] = []
        self.broken: set[str] = set()  # beginnings of paths that are answered 500
        self.gone: set[str] = set()
        self.url = ""
        app = web.Application()
        app.router.add_get("/ari/events", self._events)
        app.router.add_route("*", "/{rest:.*}", self._rest)
        self.runner = web.AppRunner(app)

    async def start(self) -> None:
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = self.runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def _events(self, request: web.Request) -> web.StreamResponse:
        self.upgrades += 1
        if "/ari/events" in self.broken:
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        async for _ in socket:
            pass
        self.sockets.remove(socket)
        return socket

    async def _rest(self, request: web.Request) -> web.Response:
        self.asked.append(f"{request.method} {request.path}")
        if any(request.path.startswith(each) for each in self.broken):
            return web.json_response({"message": "no"}, status=500)
        said = {
            "id": request.query.get("channelId", "x"),
            "channelvars": {"MEDIA_WEBSOCKET_CONNECTION_ID": "m1"},
        }
        return web.json_response(said, status=404 if request.path in self.gone else 200)

    async def tell(self, **said: Any) -> None:
        await self.sockets[0].send_str(json.dumps(said))

    async def drop(self) -> None:
        for socket in tuple(self.sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)


@pytest.fixture
async def pbx() -> AsyncIterator[Pbx]:
    made = Pbx()
    await made.start()
    yield made
    await made.drop()
    await made.runner.cleanup()


class Office:
    def __init__(self, desk: Desk, pbx: Pbx) -> None:
        self.desk, self.pbx = desk, pbx

    @property
    def states(self) -> dict[str, bool]:
        return self.desk.bench.engine.feeds.states()

    async def start(self, more: str = "") -> None:
        await self.desk.open(
            '[credentials.office]\nprovider = "asterisk"\nari_username = "a"\nari_password = "b"\n'
            f'endpoint = "PJSIP/{{to}}@x"\nallow = ["+1"]\napi_base = "{self.pbx.url}"\n{more}'
            '[assistants.support]\nagent = "silence"\ncredential = "office"\n'
            'numbers = ["+15005550006"]\n'
        )

    async def order(self) -> tuple[str, str]:
        """Order a call; give its id and its channel."""
        status, said = await self.desk.post("/v1/calls", {"assistant": "support", "to": NUMBER})
        assert status == 202, said
        await self.desk.until(said["call_id"], "initiated")
        return said["call_id"], f"rapida-{said['context_id']}"


@pytest.fixture
async def office(desk: Desk, pbx: Pbx, monkeypatch: pytest.MonkeyPatch) -> Office:
    monkeypatch.setattr(event_feeds, "FIRST_PAUSE_S", 0.02)
    made = Office(desk, pbx)
    await made.start()
    return made


async def test_a_lost_connection_is_made_again(office: Office) -> None:
    await eventually(lambda: office.states == {"office": True})
    await office.pbx.drop()
    await eventually(lambda: office.pbx.upgrades == 2 and office.states == {"office": True})
    (lost,) = office.desk.bench.logged("no events of [credentials.office]: it was closed")
    assert "again in 0.0 s" in lost.getMessage()


async def test_what_refuses_us_is_asked_less_and_less_often(office: Office) -> None:
    office.pbx.broken.add("/ari/events")
    await office.pbx.drop()
    await eventually(lambda: office.pbx.upgrades >= 4)
    refused = office.desk.bench.logged("no events of [credentials.office]: HTTP 401")
    pauses = [each.args[2] for each in refused if isinstance(each.args, tuple)]
    assert all(later == 2 * pause for pause, later in pairwise(pauses)), pauses
    assert office.states == {"office": False}


async def test_calls_whose_end_was_missed_are_ended(office: Office) -> None:
    await eventually(lambda: office.states == {"office": True})
    (lives, alive), (over, gone) = await office.order(), await office.order()
    office.pbx.gone.add(f"/ari/channels/{gone}")
    await office.pbx.drop()
    record = await office.desk.until(over, "failed")
    assert record["raw_status"] == "gone"
    _, record = await office.desk.get(f"/v1/calls/{lives}")
    assert record["status"] == "initiated"
    assert f"GET /ari/channels/{alive}" in office.pbx.asked


async def test_events_reach_their_call_and_what_they_ask_for_is_asked(office: Office) -> None:
    await eventually(lambda: office.states == {"office": True})
    call_id, channel = await office.order()
    await office.pbx.tell(type="Dial", peer={"id": channel}, dialstatus="RINGING")
    await office.desk.until(call_id, "ringing")
    await office.pbx.tell(type="StasisStart", channel={"id": channel, "state": "Up"}, args=[])
    await office.desk.until(call_id, "in-progress")
    media = "POST /ari/channels/externalMedia"
    await eventually(lambda: media in office.pbx.asked)
    assert office.pbx.asked[-3:] == [
        f"POST /ari/bridges/{channel}",
        f"POST /ari/bridges/{channel}/addChannel",
        media,
    ]
    await office.pbx.tell(type="ChannelDestroyed", channel={"id": channel, "state": "Up"}, cause=16)
    await office.desk.until(call_id, "completed")
    await eventually(lambda: office.pbx.asked[-1] == f"DELETE /ari/bridges/{channel}")


async def test_a_call_whose_media_cannot_be_had_is_hung_up(office: Office) -> None:
    await eventually(lambda: office.states == {"office": True})
    _, channel = await office.order()
    office.pbx.broken.add("/ari/channels/externalMedia")
    await office.pbx.tell(type="StasisStart", channel={"id": channel, "state": "Up"}, args=[])
    await eventually(lambda: office.pbx.asked[-1] == f"DELETE /ari/channels/{channel}")


async def test_media_that_waits_for_us_and_is_not_there_ends_the_call(desk: Desk, pbx: Pbx) -> None:
    office = Office(desk, pbx)
    await office.start('connection = "INCOMING"\n')
    await eventually(lambda: office.states == {"office": True})
    call_id, channel = await office.order()
    await pbx.tell(type="StasisStart", channel={"id": channel, "state": "Up"}, args=[])
    await eventually(lambda: len(desk.bench.engine.provider_calls) == 0)
    assert (await desk.get(f"/v1/calls/{call_id}"))[1]["reason"] == "media_lost"
    assert "GET /media/m1" in pbx.asked
    await eventually(lambda: f"DELETE /ari/channels/{channel}" in pbx.asked)


async def test_nonsense_of_events_is_harmless(office: Office) -> None:
    await eventually(lambda: office.states == {"office": True})
    for text in ("", "{", "[]", '{"type":7}', '{"type":"StasisStart"}'):
        await office.pbx.sockets[0].send_str(text)
    call_id, channel = await office.order()
    await office.pbx.tell(type="ChannelDestroyed", channel={"id": channel}, cause=17)
    await office.desk.until(call_id, "busy")
    assert office.pbx.upgrades == 1


async def test_an_account_that_is_taken_out_is_no_longer_followed(office: Office) -> None:
    await eventually(lambda: office.states == {"office": True})
    office.desk.bench.engine.feeds.use({})
    assert office.states == {}
    await eventually(lambda: not office.pbx.sockets)
    await asyncio.sleep(0.05)
    assert office.pbx.upgrades == 1
