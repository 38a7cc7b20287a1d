"""The sockets to bots, of the agent ``websocket:``: one pool of connections for all calls.

aiohttp, as for the providers: its WebSocket client is the other half of the server that is here
already. Each connection is bounded: the time to connect, the size of a message, what waits for a
bot that does not read, and how long one that is not there any more goes unnoticed.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import aiohttp
from yarl import URL

from rapida_media import clock
from rapida_media.agents.bot_link import BotFigures
from rapida_media.agents.dialects.base import BotMessage
from rapida_media.errors import BotError
from rapida_media.net.media import MediaShell

log = logging.getLogger(__name__)

# A bot may send minutes of audio in one message; this is two of them at 8 kHz in base64.
MESSAGE_BYTES = 4 << 20
# A bot that does not answer a ping within half of this is gone.
HEARTBEAT_S = 20.0
# What waits for a bot that does not read: audio messages, the oldest of which give way, and octets
# of all else, which cannot.
AUDIO_WAITING, TEXT_WAITING = 100, 1_000_000
# How long a goodbye may take to leave.
CLOSE_S = 2.0
# A bot that never stops talking gives way to all else after so many messages.
MESSAGES_AT_ONCE = 50
NORMAL = 1000
# A close frame without a code reads as 0 (RFC 6455 section 7.1.5: 1005, no status received).
PROPER = frozenset({0, NORMAL})
# What the bot's side may say later and with another result.
RETRYABLE = frozenset({408, 425, 429})


class BotConnection:
    """``BotSocket`` over one WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, figures: BotFigures) -> None:
        self._socket = socket
        self._counters = figures.counters
        self._waiting: deque[tuple[BotMessage, bool]] = deque()
        self._audio = self._text_bytes = self._received = 0
        self._changed = asyncio.Event()
        self._closing: asyncio.Future[None] | None = None
        self.closed_properly = False
        self.gone = asyncio.Event()
        self._writer = asyncio.get_running_loop().create_task(self._write(), name="to a bot")

    def send(self, message: BotMessage, *, audio: bool = False) -> bool:
        if self._closing is not None or self._writer.done():
            return False
        kept = True
        if not audio:
            self._text_bytes += len(message)
            if self._text_bytes > TEXT_WAITING:
                self._give_up()
                return False
        elif self._audio >= AUDIO_WAITING:
            self._drop_oldest_audio()
            kept = False
        self._audio += audio
        self._waiting.append((message, audio))
        self._changed.set()
        return kept

    def _drop_oldest_audio(self) -> None:
        oldest = next(at for at, (_, audio) in enumerate(self._waiting) if audio)
        del self._waiting[oldest]
        self._audio -= 1

    async def receive(self) -> BotMessage | None:
        self._received += 1
        if self._received % MESSAGES_AT_ONCE == 0:
            await asyncio.sleep(0)
        message = await self._socket.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            self._counters.add("messages_received")
            data: BotMessage = message.data
            return data
        self.closed_properly = message.type is aiohttp.WSMsgType.CLOSE and message.data in PROPER
        self._writer.cancel()  # nobody reads any more what still waits
        return None

    async def close(self) -> None:
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        # Whoever closes may be cancelled; the goodbye goes on.
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        self._changed.set()
        with suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.shield(self._writer)
        self._writer.cancel()
        # Bounded by the time-out the socket was opened with.
        await self._socket.close(code=NORMAL)
        self.gone.set()

    async def _write(self) -> None:
        """Task root: send what waits, in order; the reader hears of a socket that is gone."""
        try:
            while self._waiting or self._closing is None:
                if not self._waiting:
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                message, audio = self._waiting.popleft()
                self._audio -= audio
                self._text_bytes -= 0 if audio else len(message)
                self._counters.add("messages_sent")
                if isinstance(message, str):
                    await self._socket.send_str(message)
                else:
                    await self._socket.send_bytes(message)
        except (OSError, aiohttp.ClientError):
            self._waiting.clear()

    def _give_up(self) -> None:
        """The bot does not read: the connection is lost, and the reader hears of it."""
        self._counters.add("stalled")
        self._waiting.clear()
        self._writer.cancel()
        self._closing = asyncio.ensure_future(self._abandon())

    async def _abandon(self) -> None:
        await self._socket.close(code=aiohttp.WSCloseCode.POLICY_VIOLATION)
        self.gone.set()


class Bots:
    """``BotShell`` of an engine. media: set before the first call; its ticker is used."""

    def __init__(self) -> None:
        self.media: MediaShell
        self.by_name: dict[str, BotFigures] = {}
        self._session: aiohttp.ClientSession | None = None
        self._open: WeakSet[BotConnection] = WeakSet()
        self._work: set[asyncio.Task[None]] = set()

    def figures(self, name: str) -> BotFigures:
        return self.by_name.setdefault(name, BotFigures())

    def wall(self) -> float:
        return clock.wall()

    async def connect(
        self, url: str, headers: Mapping[str, str], seconds: float, figures: BotFigures
    ) -> BotConnection:
        began = clock.monotonic()
        try:
            async with asyncio.timeout(seconds):
                socket = await self._opened().ws_connect(
                    URL(url, encoded=True),  # as it was signed
                    headers=headers,
                    heartbeat=HEARTBEAT_S,
                    max_msg_size=MESSAGE_BYTES,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                )
        except aiohttp.WSServerHandshakeError as error:
            figures.counters.add("refused")
            retryable = error.status >= 500 or error.status in RETRYABLE
            detail = f"the bot at {_origin(url)} refused the connection: HTTP {error.status}"
            raise BotError(detail, retryable=retryable) from None
        except BotError:
            figures.counters.add("refused")
            raise
        except TimeoutError:
            figures.counters.add("timed_out")
            detail = f"the bot at {_origin(url)} did not answer within {seconds:g} s"
            raise BotError(detail, retryable=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            figures.counters.add("unreachable")
            detail = f"the bot at {_origin(url)} cannot be reached: {_reason(error)}"
            raise BotError(detail, retryable=True) from None
        figures.counters.add("connected")
        figures.connect_s.add(clock.monotonic() - began)
        connection = BotConnection(socket, figures)
        self._open.add(connection)
        return connection

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Of our own, so that SSL_CERT_FILE of the environment names the authorities.
            connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context())
            traces = aiohttp.TraceConfig()
            traces.on_request_redirect.append(_refuse_redirect)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),  # one bot's are not another's
                headers={"User-Agent": "rapida-media"},
                trace_configs=[traces],
            )
        return self._session

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def beside(
        self, first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None]
    ) -> None:
        loop = asyncio.get_running_loop()
        both = loop.create_task(first), loop.create_task(second)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            done = [task for task in both if task.done()]
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        for task in done:
            task.result()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="an order of a bot")
        self._work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an order of a bot failed", exc_info=error)

    @contextmanager
    def ticking(self, tick: Callable[[float], None]) -> Iterator[None]:
        self.media.pace(tick)
        try:
            yield
        finally:
            self.media.unpace(tick)

    async def close(self) -> None:
        """Give the bots of the last calls time to hear that it is over, and close."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*(each.gone.wait() for each in self._open))
        for task in tuple(self._work):
            task.cancel()
        if self._session is not None:
            await self._session.close()


async def _refuse_redirect(
    session: aiohttp.ClientSession, context: object, parameters: aiohttp.TraceRequestRedirectParams
) -> None:
    """Go nowhere else: what proves who calls is for this URL, and the headers for this host."""
    detail = f"the bot at {_origin(str(parameters.url))} sends us elsewhere, where we do not follow"
    raise BotError(detail, retryable=False)


def _origin(url: str) -> str:
    """Show a URL without what may be secret in it: its path and its query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not valid: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.strerror or type(error.os_error).__name__
    # Others repeat the URL in their text.
    return type(error).__name__
