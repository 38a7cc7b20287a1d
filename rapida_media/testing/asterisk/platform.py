"""The dialplan of a simulated Asterisk, and the connections its media channels make."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from rapida_media.providers.asterisk.audiosocket import Framing
from rapida_media.providers.asterisk.chan_websocket import FORMATS
from rapida_media.testing.asterisk.lines import AudioSocketLine, WebsocketLine
from rapida_media.testing.phone_call import PlatformCall
from rapida_media.testing.platform import Platform, RestServer

UUID_LENGTH = 36
READ_BYTES = 65_536


class DialplanCall(PlatformCall):
    """A call that the dialplan announces and hands over. state: ``ringing``, ``up``, then
    ``completed``, or ``refused`` where the announcement was not answered with an id."""

    webhook_failed = "news were not taken"

    def __init__(self, platform: AsteriskPlatform, from_: str, to: str) -> None:
        channel = f"{int.from_bytes(os.urandom(4))}.1"
        super().__init__(platform, channel, "inbound", from_, to, state="ringing")
        self.status_callback = ""
        self._platform = platform

    async def run(self, webhook_url: str) -> None:
        """Task root: the whole of the call."""
        platform = self._platform
        asked = dict(parse_qsl(urlsplit(webhook_url).query))
        usual = "slin" if platform.audiosocket is not None else "slin16"
        format_ = asked.get("format", usual)
        said = {"id": self.id, "from": self.from_, "to": self.to, "format": format_, **asked}
        url = webhook_url.partition("?")[0]
        try:
            status, _, body = await platform.ask(url, said)
            if status != 200 or len(body) != UUID_LENGTH:
                self._refused(f"the announcement was answered {status}")
                return
            await self._media(url, body.decode(), format_)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._refused(str(error) or type(error).__name__)
            return
        self.state = "completed"
        news = {"id": self.id, "status": "HANGUP", "cause": "16"}
        self._tell(self.status_callback, news, "GET")

    def _refused(self, why: str) -> None:
        self.state = "refused"
        self.errors.append(why)

    async def _media(self, url: str, uuid: str, format_: str) -> None:
        platform = self._platform
        if platform.audiosocket is not None:
            pipe = AudioSocketPipe(*await asyncio.open_connection(*platform.audiosocket))
            self.state = "up"
            context = bytes.fromhex(uuid.replace("-", ""))
            await self._carry(AudioSocketLine(context, FORMATS[format_]), pipe)
            return
        media = f"{url.partition('/call/')[0]}/media?context={uuid}"
        socket = await platform.connect(f"ws{media.removeprefix('http')}")
        self.state = "up"
        await self._carry(WebsocketLine(format_, plain=platform.plain), socket)


class AudioSocketPipe:
    """A TCP connection as ``PlatformCall`` carries a WebSocket: whole messages, all binary."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._framing = Framing()
        self._messages: deque[bytes] = deque()
        self.close_code: int | None = None

    async def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def send_str(self, data: str) -> None:
        raise AssertionError("AudioSocket is binary")

    async def close(self) -> bool:
        self._writer.close()
        return True

    def __aiter__(self) -> AsyncIterator[aiohttp.WSMessage]:
        return self._read()

    async def _read(self) -> AsyncIterator[aiohttp.WSMessage]:
        try:
            while data := await self._reader.read(READ_BYTES):
                for message in self._framing.feed(data):
                    yield aiohttp.WSMessage(aiohttp.WSMsgType.BINARY, message, None)
        except OSError:
            return
        finally:
            self._writer.close()


class NoRest(RestServer):
    """ARI is not simulated."""

    def add_routes(self, app: web.Application) -> None:
        """There is nothing to ask."""


@dataclass
class AsteriskPlatform(Platform[DialplanCall]):
    """audiosocket: where media is brought by TCP; None for chan_websocket.
    plain: control messages as words."""

    username: str = ""
    password: str = ""
    audiosocket: tuple[str, int] | None = None
    plain: bool = False

    def _rest(self) -> RestServer:
        return NoRest()

    def call(
        self,
        webhook_url: str,
        *,
        from_: str = "+14155550100",
        to: str = "+15005550006",
        status_callback: str | None = None,
        microphone: bytes = b"",
    ) -> DialplanCall:
        """status_callback: told of the end; None: the usual place for the webhook."""
        call = self.enlist(DialplanCall(self, from_, to))
        call.status_callback = status_callback or webhook_url.partition("?")[0].replace(
            "/call/", "/event/"
        )
        call.microphone = microphone
        call.live(call.run(webhook_url))
        return call

    async def ask(
        self, url: str, fields: Mapping[str, str], method: str = "GET"
    ) -> tuple[int, str, bytes]:
        asked = URL(f"{self.reach(url)}?{urlencode(fields)}", encoded=True)
        async with self.client.request(method, asked, headers=self._headers) as reply:
            return reply.status, reply.content_type, await reply.read()

    async def connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """Open the WebSocket of a media channel."""
        return await self.client.ws_connect(
            self.reach(url), headers=self._headers, protocols=("media",), max_msg_size=0
        )

    @property
    def _headers(self) -> dict[str, str]:
        if not self.password:
            return {}
        pair = f"{self.username}:{self.password}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
