"""One call of a simulated platform: its stream in real time, its callbacks in order, its end.

What the platform does with the answers of webhooks is the business of its own module.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

import aiohttp

from rapida_media import clock
from rapida_media.providers.stream import StreamMessage
from rapida_media.testing.line import PlatformLine

if TYPE_CHECKING:
    from rapida_media.testing.platform import Platform


class StreamSocket(Protocol):
    """What carries a stream: a WebSocket of aiohttp's, or what looks like one."""

    async def send_str(self, data: str) -> None: ...

    async def send_bytes(self, data: bytes) -> None: ...

    async def close(self) -> bool: ...

    def __aiter__(self) -> AsyncIterator[aiohttp.WSMessage]: ...

    @property
    def close_code(self) -> int | None: ...


class DocumentError(Exception):
    """An answer of the deployment is none. code: what the platform's console shows."""

    def __init__(self, code: int | str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class PlatformCall(ABC):
    """id: the platform's.  state: in the platform's word.  line: the stream, once there is one.
    microphone: what whoever is on the phone says (s16le, 16 kHz).  errors: what the platform's
    console would show.  close_code: how the deployment closed the stream.
    """

    # The platform's words: for a call that was answered, for one that was taken back before, and
    # for all ends; and what a callback that fails is in the console.
    answered: str
    taken_back: str
    ends: frozenset[str]
    webhook_failed: int | str

    def __init__(
        self, platform: Platform[Any], id_: str, direction: str, from_: str, to: str, *, state: str
    ) -> None:
        self.id = id_
        self.direction = direction
        self.from_, self.to = from_, to
        self.state = state
        self.microphone = b""
        self.line: PlatformLine | None = None
        self.errors: list[int | str] = []
        self.close_code: int | None = None
        self.streaming = asyncio.Event()
        self.socket: StreamSocket | None = None
        self._web = platform
        self._loop = asyncio.get_running_loop()
        # What to do instead from now on; None ends the call.
        self._order: asyncio.Future[Any] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._telling: set[asyncio.Task[None]] = set()

    # -- what people and the REST API do -------------------------------------------------------

    def begin(self, document: Callable[[], Awaitable[Any]]) -> None:
        """Follow the document that this gives; None where there is none."""
        self._task = self._loop.create_task(self._run(document))

    async def over(self) -> Self:
        """Wait until the call has ended and its callbacks were told."""
        if self._task is not None:
            await self._task
        await asyncio.gather(*self._telling)
        return self

    async def streams(self) -> PlatformLine:
        """Wait for the stream."""
        await self.streaming.wait()
        assert self.line is not None, "it streams"
        return self.line

    def hang_up(self) -> None:
        """Hang up, on the phone or by the REST API."""
        self.give(None)

    def give(self, document: Any) -> None:
        """Have other instructions followed from now on; None ends the call."""
        if not self._order.done():
            self._order.set_result(document)

    async def ring(self, seconds: float) -> bool:
        """Wait while it rings; False when the order was taken back meanwhile."""
        done, _ = await asyncio.wait({self._order}, timeout=seconds)
        return not done

    async def press(self, digits: str) -> None:
        line = await self.streams()
        assert self.socket is not None, "it streams"
        for digit in digits:
            await _send(self.socket, line.press(digit))

    # -- life ----------------------------------------------------------------------------------

    async def _run(self, document: Callable[[], Awaitable[Any]]) -> None:
        """Task root: follow the documents until nothing is left to do."""
        try:
            following = await document()
            if self._order.done():  # hung up before there was anything to do
                following = None
            while following is not None and self.state not in self.ends:
                self.enter(self.answered)
                following = await self._follow(following)
                if self._order.done():
                    self._order = self._loop.create_future()
        except DocumentError as error:
            self._complain(error)
        if self.state not in self.ends:
            answered = self.state == self.answered
            self.enter("completed" if answered or self.errors else self.taken_back)

    def enter(self, state: str) -> None:
        """Go on to a state and tell whom it may concern."""
        if state != self.state:
            self.state = state
            self._entered()

    @abstractmethod
    def _entered(self) -> None:
        """Tell of the state."""

    def _complain(self, error: DocumentError) -> None:
        """Let the console show an error."""
        self.errors.append(error.code)

    async def _follow(self, document: Any) -> Any:
        """Do what one document says; gives the one that took its place, or None."""
        for step in self._read(document):
            await self._do(step)
            if self._order.done():
                return self._order.result()
        return None

    @abstractmethod
    def _read(self, document: Any) -> Iterable[Any]:
        """Give a document's steps. DocumentError where it is none."""

    @abstractmethod
    async def _do(self, step: Any) -> None:
        """Take one step, until it is over or there is something else to do."""

    # -- callbacks -----------------------------------------------------------------------------

    def _tell(self, url: str, fields: dict[str, str], method: str = "POST") -> None:
        """Call back, after all that was told before."""
        before = set(self._telling)
        task = self._loop.create_task(self._post(url, fields, method, before))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _post(
        self, url: str, fields: dict[str, str], method: str, before: set[asyncio.Task[None]]
    ) -> None:
        if before:
            await asyncio.wait(before)
        try:
            status, _, _ = await self._web.ask(url, fields, method)
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        self._web.callbacks.append((url, fields, status))
        if status // 100 != 2:
            self.errors.append(self.webhook_failed)

    # -- the stream ----------------------------------------------------------------------------

    async def _carry(self, line: PlatformLine, socket: StreamSocket) -> None:
        """Stream until the deployment closes, or until there is something else to do."""
        self.line, self.socket = line, socket
        line.speak(self.microphone)
        writer = self._loop.create_task(self._write(line, socket))
        reader = self._loop.create_task(self._listen(line, socket))
        try:
            ends: set[asyncio.Future[Any]] = {reader, self._order}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            writer.cancel()
        if not reader.done():
            with suppress(ConnectionError):
                if (last := line.stop()) is not None:
                    await _send(socket, last)
            await socket.close()
        await asyncio.wait({reader, writer})
        self.close_code = socket.close_code

    async def _write(self, line: PlatformLine, socket: StreamSocket) -> None:
        """Task root: send what the line has to say, in real time."""
        try:
            for message in line.begin(clock.monotonic()):
                await _send(socket, message)
            self.streaming.set()
            while True:
                await asyncio.sleep(max(0.0, line.next_tick() - clock.monotonic()))
                for message in line.tick(clock.monotonic()):
                    await _send(socket, message)
        except ConnectionError:
            return  # the reader sees the end, too

    async def _listen(self, line: PlatformLine, socket: StreamSocket) -> None:
        """Task root: take what the deployment sends until it closes."""
        async for message in socket:
            if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                try:
                    for answer in line.receive(message.data, clock.monotonic()):
                        await _send(socket, answer)
                except ConnectionError:
                    return


async def _send(socket: StreamSocket, message: StreamMessage) -> None:
    if isinstance(message, str):
        await socket.send_str(message)
    else:
        await socket.send_bytes(message)
