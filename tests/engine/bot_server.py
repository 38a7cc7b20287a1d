"""A WebSocket server that stands for a bot: it keeps what it is told, and a test says the rest."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from .conftest import Bench
from .far_end import answer
from .phone import PhoneCall
from .waiting import eventually


class BotLine:
    """One connection. texts: (loop time, members); audio: binary frames; closed: the close code."""

    def __init__(self, request: web.Request, answers_pings: bool) -> None:
        self.request = request
        self.socket = web.WebSocketResponse(autoping=answers_pings)
        self.texts: list[tuple[float, dict[str, Any]]] = []
        self.audio: list[bytes] = []
        self.over = False

    def events(self, name: str) -> list[dict[str, Any]]:
        return [members for _, members in self.texts if members.get("event") == name]

    def at(self, name: str) -> list[float]:
        return [at for at, members in self.texts if members.get("event") == name]

    @property
    def stream_sid(self) -> str:
        return str(self.events("start")[0]["streamSid"])

    async def say(self, **members: Any) -> None:
        await self.socket.send_json(members)

    async def twilio(self, event: str, **members: Any) -> None:
        await self.say(event=event, streamSid=self.stream_sid, **members)


Heard = Callable[[BotLine, "dict[str, Any] | bytes"], Awaitable[None]]


class BotServer:
    """lines: every connection so far.  statuses: what the next upgrades are refused with; 307 sends
    them to ``elsewhere``."""

    elsewhere = ""
    answers_pings = True

    def __init__(self, heard: Heard | None = None) -> None:
        self.lines: list[BotLine] = []
        self.statuses: list[int] = []
        self._heard = heard
        self.port = 0
        self._runner: web.AppRunner

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.port = self._runner.addresses[0][1]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/media"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.statuses:
            headers = {"Location": self.elsewhere} if self.elsewhere else {}
            return web.Response(status=self.statuses.pop(0), headers=headers)
        line = BotLine(request, self.answers_pings)
        self.lines.append(line)
        await line.socket.prepare(request)
        async for message in line.socket:
            if message.type is WSMsgType.TEXT:
                said: dict[str, Any] | bytes = json.loads(message.data)
                line.texts.append((asyncio.get_running_loop().time(), said))  # type: ignore[arg-type]
            elif message.type is WSMsgType.PING:
                continue
            else:
                said = message.data
                line.audio.append(message.data)
            if self._heard is not None:
                await self._heard(line, said)
        line.over = True
        return line.socket

    async def line(self, number: int = 0) -> BotLine:
        """Wait for a connection that was told of its call."""
        await eventually(lambda: len(self.lines) > number and self.lines[number].texts)
        return self.lines[number]

    async def close(self) -> None:
        await self._runner.cleanup()


@pytest.fixture
async def servers() -> AsyncIterator[list[BotServer]]:
    made: list[BotServer] = []
    yield made
    for server in made:
        await server.close()


async def start_bot(servers: list[BotServer], heard: Any = None) -> BotServer:
    server = BotServer(heard)
    await server.start()
    servers.append(server)
    return server


def assistant(url: str, *lines: str) -> str:
    return "\n".join(["[assistants.bot]", f'agent = "websocket:{url}"', *lines, ""])


async def echo(line: BotLine, said: dict[str, Any] | bytes) -> None:
    if isinstance(said, bytes):
        await line.socket.send_bytes(said)
    elif said["event"] == "media":
        reply = {**said, "media": {"payload": said["media"]["payload"]}}
        reply.pop("sequenceNumber", None)
        await line.socket.send_json(reply)


async def ended(bench: Bench, call: PhoneCall, reason: str) -> None:
    """The engine hangs up for this reason."""
    answer(call, await call.hung_up())
    await bench.idle()
    assert bench.logged(f"ended: {reason}")
