"""One call of the simulated platform: its state, its callbacks, and the TwiML it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import aiohttp

from rapida_media import clock
from rapida_media.testing.twilio.documents import StreamNoun, TwimlError, Verb, read_twiml
from rapida_media.testing.twilio.line import StreamLine

if TYPE_CHECKING:
    from rapida_media.testing.twilio.platform import TwilioPlatform

# Codes of the console: a webhook that failed, an upgrade that was not answered with 101.
WEBHOOK_FAILED, NO_UPGRADE, CONNECTION_REFUSED = 11200, 31920, 31902
ENDED = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})
XML_TYPES = ("text/xml", "application/xml")
# Which subscribed event tells of a status.
EVENT_OF = {"initiated": "initiated", "ringing": "ringing", "in-progress": "answered"}

Document = bytes | str | None


class PhoneCall:
    """line: the stream, once there is one.  dialled: where a ``<Dial>`` sent the call.
    errors: what Twilio's console would show.  close_code: how the deployment closed the stream.
    """

    def __init__(
        self, platform: TwilioPlatform, sid: str, direction: str, from_: str, to: str
    ) -> None:
        self.sid = sid
        self.direction = direction
        self.from_, self.to = from_, to
        self.state = "ringing" if direction == "inbound" else "queued"
        self.status_callback: str | None = None
        self.events: frozenset[str] = frozenset()
        self.microphone = b""
        self.line: StreamLine | None = None
        self.dialled: str | None = None
        self.errors: list[int] = []
        self.close_code: int | None = None
        self.streaming = asyncio.Event()
        self.socket: aiohttp.ClientWebSocketResponse | None = None
        self._platform = platform
        self._loop = asyncio.get_running_loop()
        self._order: asyncio.Future[Document] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._told = 0

    # -- what people and the REST API do -------------------------------------------------------

    def begin(self, document: Callable[[], Awaitable[Document]]) -> None:
        """Run the document that this gives."""
        self._task = self._loop.create_task(self._run(document))

    async def over(self) -> PhoneCall:
        """Wait until the call has ended and its callbacks were told."""
        if self._task is not None:
            await self._task
        await asyncio.gather(*self._telling)
        return self

    async def streams(self) -> StreamLine:
        """Wait for the stream."""
        await self.streaming.wait()
        assert self.line is not None, "it streams"
        return self.line

    def hang_up(self) -> None:
        """Hang up, on the phone or by the REST API."""
        self.give(None)

    def give(self, document: Document) -> None:
        """Have other TwiML run from now on, which ends the stream; None ends the call."""
        if not self._order.done():
            self._order.set_result(document)

    async def press(self, digits: str) -> None:
        line = await self.streams()
        assert self.socket is not None, "it streams"
        for digit in digits:
            await self.socket.send_str(line.press(digit))

    # -- life ----------------------------------------------------------------------------------

    async def _run(self, document: Callable[[], Awaitable[Document]]) -> None:
        """Task root: follow the documents until nothing is left to do."""
        try:
            following = await document()
            if self._order.done():  # hung up before there was anything to do
                following = None
            while following is not None and self.state not in ENDED:
                self.enter("in-progress")
                following = await self._follow(following)
                if self._order.done():
                    self._order = self._loop.create_future()
        except TwimlError as error:
            self.errors.append(error.code)
        if self.state not in ENDED:
            answered = self.state == "in-progress"
            self.enter("completed" if answered or self.errors else "canceled")

    def enter(self, state: str) -> None:
        """Go on to a state and tell the callback that subscribed to it."""
        if state == self.state:
            return
        self.state = state
        event = "completed" if state in ENDED else EVENT_OF.get(state)
        if self.status_callback is not None and event in self.events:
            self._tell(self.status_callback, {"CallStatus": state, **self._progress()})

    async def ring(self, seconds: float) -> bool:
        """Wait while it rings; False when the order was taken back meanwhile."""
        done, _ = await asyncio.wait({self._order}, timeout=seconds)
        return not done

    def _progress(self) -> dict[str, str]:
        self._told += 1
        return {
            "CallbackSource": "call-progress-events",
            "SequenceNumber": str(self._told - 1),
            "Timestamp": format_datetime(datetime.fromtimestamp(clock.wall(), UTC)),
        }

    def fields(self) -> dict[str, str]:
        return {
            "AccountSid": self._platform.account_sid,
            "ApiVersion": "2010-04-01",
            "CallSid": self.sid,
            "CallStatus": self.state,
            "Called": self.to,
            "Caller": self.from_,
            "Direction": self.direction,
            "From": self.from_,
            "To": self.to,
        }

    def _tell(self, url: str, news: dict[str, str]) -> None:
        task = self._loop.create_task(
            self._post(url, {**self.fields(), **news}, set(self._telling))
        )
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _post(
        self, url: str, fields: dict[str, str], before: set[asyncio.Task[None]]
    ) -> None:
        if before:
            await asyncio.wait(before)
        try:
            status, _, _ = await self._platform.ask(url, fields)
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        self._platform.callbacks.append((url, fields, status))
        if status // 100 != 2:
            self.errors.append(WEBHOOK_FAILED)

    # -- TwiML ---------------------------------------------------------------------------------

    async def fetch(self, url: str, method: str = "POST") -> Document:
        """Ask a webhook what to do; None, and an error, where it does not say."""
        try:
            status, kind, body = await self._platform.ask(url, self.fields(), method)
        except (aiohttp.ClientError, TimeoutError):
            status, kind, body = 0, "", b""
        if status // 100 == 2 and kind in XML_TYPES:
            verbs = read_twiml(body)
            if verbs and verbs[0].name == "Reject":  # the only verb that does not answer
                self.enter("busy" if verbs[0].attributes.get("reason") == "busy" else "failed")
                return None
            return body
        self.errors.append(WEBHOOK_FAILED)
        return None

    async def _follow(self, document: Document) -> Document:
        """Run one document's verbs; gives the document that took its place."""
        assert document is not None, "there is something to do"
        for verb in read_twiml(document):
            if verb.name == "Hangup":
                return None
            await self._do(verb)
            if self._order.done():
                return self._order.result()
        return None

    async def _do(self, verb: Verb) -> None:
        if verb.stream is not None:
            await self._stream(verb.stream)
        elif verb.name == "Dial":
            self.dialled = verb.text
            await asyncio.wait({self._order})
        elif verb.name == "Pause":
            await asyncio.wait({self._order}, timeout=float(verb.attributes.get("length", "1")))

    # -- the stream ----------------------------------------------------------------------------

    async def _stream(self, noun: StreamNoun) -> None:
        try:
            self.socket = socket = await self._platform.connect(noun.url)
        except aiohttp.WSServerHandshakeError:
            self.errors.append(NO_UPGRADE)
            return
        except aiohttp.ClientError:
            self.errors.append(CONNECTION_REFUSED)
            return
        self.line = line = StreamLine(
            self._platform.account_sid, self.sid, self._platform.sid("MZ"), noun.parameters
        )
        line.microphone += self.microphone
        self._stream_news(noun, "stream-started")
        writer = self._loop.create_task(self._write(line, socket))
        reader = self._loop.create_task(self._read(line, socket))
        try:
            ends: set[asyncio.Future[Any]] = {reader, self._order}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.cancel()
        if not reader.done():
            await self._stop(line, socket)
        await asyncio.wait({reader, writer})
        self.close_code = socket.close_code
        self._stream_news(noun, "stream-stopped")

    async def _stop(self, line: StreamLine, socket: aiohttp.ClientWebSocketResponse) -> None:
        with suppress(ConnectionError):
            await socket.send_str(line.stop())
        await socket.close()

    async def _write(self, line: StreamLine, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Task root: send what the line has to say, in real time."""
        try:
            for message in line.begin(clock.monotonic()):
                await socket.send_str(message)
            self.streaming.set()
            while True:
                await asyncio.sleep(max(0.0, line.next_tick() - clock.monotonic()))
                for message in line.tick(clock.monotonic()):
                    await socket.send_str(message)
        except ConnectionError:
            return  # the reader sees the end, too

    async def _read(self, line: StreamLine, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Task root: take what the deployment sends until it closes."""
        async for message in socket:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                try:
                    for answer in line.receive(message.data, clock.monotonic()):
                        await socket.send_str(answer)
                except ConnectionError:
                    return

    def _stream_news(self, noun: StreamNoun, event: str) -> None:
        if noun.status_callback is not None and self.line is not None:
            news = {"StreamEvent": event, "StreamSid": self.line.stream_sid}
            name = {"StreamName": noun.name} if noun.name else {}
            self._tell_stream(noun.status_callback, {**news, **name})

    def _tell_stream(self, url: str, news: dict[str, str]) -> None:
        ids = {"AccountSid": self._platform.account_sid, "CallSid": self.sid}
        stamp = datetime.fromtimestamp(clock.wall(), UTC).isoformat()
        task = self._loop.create_task(
            self._post(url, {**ids, **news, "Timestamp": stamp}, set(self._telling))
        )
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
