"""The dialplan of a simulated Asterisk, and the connections its media channels make."""

from __future__ import annotations

import asyncio
import os
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import aiohttp
from aiohttp import web
from yarl import URL

from rapida_media.providers.asterisk.audiosocket import Framing
from rapida_media.providers.asterisk.chan_websocket import FORMATS
from rapida_media.testing.asterisk.lines import AudioSocketLine, WebsocketLine
from rapida_media.testing.line import PlatformLine
from rapida_media.testing.phone_call import DocumentError, PlatformCall, StreamSocket
from rapida_media.testing.platform import Platform, RestServer

UUID_LENGTH = 36
READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Handover:
    """What a dialplan does with an announced call. base: of the engine's URLs.  uuid: its answer.
    format: the codec of the media channel."""

    base: str
    uuid: str
    format: str


class DialplanCall(PlatformCall):
    """A call that the dialplan announces and hands over. state: ``ringing``, ``up``, then
    ``completed``, or ``refused`` where the announcement was not answered with an id.

    status_callback: told of the end.
    """

    answered, taken_back = "up", "canceled"
    ends = frozenset({"completed", "refused", "canceled"})
    webhook_failed = "news were not taken"

    def __init__(
        self, platform: AsteriskPlatform, from_: str, to: str, status_callback: str
    ) -> None:
        channel = f"{int.from_bytes(os.urandom(4))}.1"
        super().__init__(platform, channel, "inbound", from_, to, state="ringing")
        self._status_callback = status_callback
        self._platform = platform

    async def announce(self, webhook_url: str) -> Handover | None:
        """Ask as ``CURL()`` does; None where the answer is no id."""
        asked = dict(parse_qsl(urlsplit(webhook_url).query))
        usual = "slin" if self._platform.audiosocket is not None else "slin16"
        format_ = asked.get("format", usual)
        said = {"id": self.id, "from": self.from_, "to": self.to, "format": format_, **asked}
        url = webhook_url.partition("?")[0]
        try:
            status, _, body = await self._platform.ask(url, said)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DocumentError(f"no answer: {error}", "the announcement") from None
        if status == 200 and len(body) == UUID_LENGTH:
            return Handover(url.partition("/call/")[0], body.decode(), format_)
        self.errors.append(f"the announcement was answered {status}")
        self.enter("refused")
        return None

    def _entered(self) -> None:
        if self.state == "completed":
            news = {"id": self.id, "status": "HANGUP", "cause": "16"}
            self._tell(self._status_callback, news, "GET")

    def _read(self, document: Handover) -> Iterable[Handover]:
        return (document,)

    async def _do(self, step: Handover) -> None:
        """Bring the media."""
        address = self._platform.audiosocket
        try:
            if address is None:
                media = f"ws{step.base.removeprefix('http')}/media?context={step.uuid}"
                socket: StreamSocket = await self._platform.connect(media)
                line: PlatformLine = WebsocketLine(step.format, plain=self._platform.plain)
            else:
                socket = AudioSocketPipe(*await asyncio.open_connection(*address))
                context = bytes.fromhex(step.uuid.replace("-", ""))
                line = AudioSocketLine(context, FORMATS[step.format])
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DocumentError(f"no media: {error}", "the media channel") from None
        await self._carry(line, socket)


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
        usual = webhook_url.partition("?")[0].replace("/call/", "/event/")
        call = self.enlist(DialplanCall(self, from_, to, status_callback or usual))
        call.microphone = microphone
        call.begin(lambda: call.announce(webhook_url))
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
