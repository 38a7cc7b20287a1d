"""The agent ``websocket:URL``: a bot that speaks a vendor's media-stream dialect talks on the call.

The engine is the vendor here: for a call from anywhere it connects to the bot, says what the
vendor would say, and obeys the bot. Two loops run side by side: ``follow`` tells the bot of the
call, ``converse`` keeps the connection and does what the bot says. See docs/bots.md.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from rapida_media.agents.bot_link import BotShell, BotSocket
from rapida_media.agents.dialects import authorization, make_dialect
from rapida_media.agents.dialects import base as said
from rapida_media.agents.events import Audio, Digit, Event, HangUp, Hold
from rapida_media.config import BotConfig, Credential
from rapida_media.errors import BotError, LocalProtocolError, RapidaError
from rapida_media.ids import IdSource
from rapida_media.media.frame import FRAME_BYTES, FRAME_MS

if TYPE_CHECKING:
    from rapida_media.call.call import Call

log = logging.getLogger(__name__)

# A far end that sends nothing is silent to the bot, which is told so after as long as packets may
# well be late; what comes later still is told nevertheless.
PATIENCE_MS = 60
SILENCE = bytes(FRAME_BYTES)
# Before the second attempt to connect; doubled for each one after it.
BACK_OFF_S, BACK_OFF_MAX_S = 0.25, 4.0
# Keys, transfers and hang-ups of one bot that are under way.
ORDERS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class BotPlace:
    """Where a bot is and how it is talked to.

    credential: signs the upgrade where it is one of the dialect's vendor.  apology: what is played
    when there is no bot, s16le mono 16 kHz.
    """

    urls: tuple[str, ...]
    config: BotConfig
    credential: Credential | None
    apology: bytes | None
    ids: IdSource


def websocket(place: BotPlace, shell: BotShell | None) -> Callable[[Call], Awaitable[None]]:
    """Make the agent. shell: None where agents are made only to see whether they can be."""

    async def agent(call: Call) -> None:
        assert shell is not None, "an engine has a shell for its bots"
        talk = BotTalk(call, place, shell)
        await shell.beside(talk.follow(), talk.converse())

    return agent


class BotTalk:
    """One call and the bot that talks on it."""

    def __init__(self, call: Call, place: BotPlace, shell: BotShell) -> None:
        self._call = call
        self._place = place
        self._shell = shell
        self.figures = shell.figures(call.assistant or "default")
        self._socket: BotSocket | None = None
        self._dialect: said.Dialect
        self._waiting = bytearray()  # audio that fills no message yet
        self._told_ms = 0
        self._began_at: float | None = None
        self._orders = 0
        self._reason = "bot_unreachable"

    # -- from the call to the bot ----------------------------------------------------------------

    async def follow(self) -> None:
        """Tell the bot of the call; returns when the call is over and the bot knows it."""
        async for event in self._call:
            if self._socket is not None:
                self._tell(event)
        socket, ended = self._socket, self._call.ended
        if socket is not None and ended is not None:
            self._send(self._dialect.end(ended.reason))
            await socket.close()

    def _tell(self, event: Event) -> None:
        match event:
            case Audio(pcm=pcm):
                self._hear(pcm)
            case Digit(digit=digit, duration_ms=duration_ms):
                self._send(self._dialect.digit(digit, duration_ms))
            case Hold(held=held):
                self._send(self._dialect.held(held))
            case HangUp() | _:
                pass

    def _hear(self, pcm: bytes) -> None:
        """Tell the bot what the far end says, a message at a time."""
        self._waiting += pcm
        chunk_bytes = self._dialect.chunk_ms // FRAME_MS * FRAME_BYTES
        while len(self._waiting) >= chunk_bytes:
            assert self._socket is not None, "audio is told to somebody"
            message = self._dialect.audio(bytes(self._waiting[:chunk_bytes]))
            del self._waiting[:chunk_bytes]
            self._told_ms += self._dialect.chunk_ms
            if not self._socket.send(message, audio=True):
                self.figures.counters.add("audio_dropped_ms", self._dialect.chunk_ms)

    def tick(self, now: float) -> None:
        """Let time pass: a vendor's stream goes on while the far end sends nothing."""
        if self._began_at is None:
            self._began_at = now
        due_ms = (now - self._began_at) * 1000 - PATIENCE_MS
        while self._socket is not None and self._heard_ms < due_ms:
            self._hear(SILENCE)

    @property
    def _heard_ms(self) -> float:
        return self._told_ms + len(self._waiting) * FRAME_MS / FRAME_BYTES

    def _send(self, message: said.BotMessage | None) -> None:
        if message is not None and self._socket is not None:
            self._socket.send(message)

    # -- the connection --------------------------------------------------------------------------

    async def converse(self) -> None:
        """Keep a connection to the bot; returns when the call is over, or about to be."""
        for url in self._place.urls:
            if await self._talk_at(url):
                return
        await self._apologise()

    async def _talk_at(self, url: str) -> bool:
        """Talk with the bot at this URL; False when it cannot be had, however often tried."""
        for attempt in range(1 + self._place.config.reconnects):
            if attempt:
                await self._shell.pause(min(BACK_OFF_S * 2 ** (attempt - 1), BACK_OFF_MAX_S))
            try:
                socket = await self._connect(url)
            except BotError as error:
                self._warn("%s", error)
                if not error.retryable:
                    return False
                continue
            if await self._carry(socket, url):
                return True
            self._reason = "bot_lost"
            self.figures.counters.add("lost")
            self._warn("the connection to the bot was lost")
        return False

    async def _connect(self, url: str) -> BotSocket:
        config = self._place.config
        bare, proof = authorization(
            config.dialect,
            url,
            self._place.credential,
            now=self._shell.wall(),
            token=self._place.ids.token(),
        )
        ours = {name.lower() for name in config.headers}
        headers = {name: value for name, value in proof.items() if name.lower() not in ours}
        headers.update(config.headers)
        return await self._shell.connect(bare, headers, config.connect_seconds, self.figures)

    async def _carry(self, socket: BotSocket, url: str) -> bool:
        """Carry the conversation over one connection; False when the connection was lost."""
        self._dialect = make_dialect(self._place.config, self._opening(url))
        self._waiting.clear()
        self._told_ms, self._began_at = 0, None
        self._socket = socket
        self.figures.active += 1
        try:
            for message in self._dialect.begin():
                self._send(message)
            if not self._is_answered() and not await self._call.answer():
                return True
            with self._shell.ticking(self.tick):
                while (received := await socket.receive()) is not None:
                    for order in self._dialect.receive(received):
                        await self._obey(order)
            return await self._over(socket)
        finally:
            self.figures.active -= 1
            self._socket = None
            await socket.close()

    async def _over(self, socket: BotSocket) -> bool:
        if self._call.ended is None:
            if not socket.closed_properly:
                return False
            # The vendors go on with what follows the stream, and nothing does.
            await self._call.clear()
            await self._call.hang_up("bot_closed")
        return True

    def _is_answered(self) -> bool:
        return self._call.answered or self._call.direction == "outbound"

    async def _apologise(self) -> None:
        """There is no bot: say so if there are words for it, and end the call."""
        self.figures.counters.add("fallbacks")
        call, apology = self._call, self._place.apology
        if apology is not None and (self._is_answered() or await call.answer()):
            await call.clear()
            call.write(apology)
            await call.drain()
        await call.hang_up(self._reason)

    def _opening(self, url: str) -> said.Opening:
        call, credential = self._call, self._place.credential
        account = ""
        if credential is not None and credential.provider == self._place.config.dialect:
            account = credential.values.get("account_sid", "")
        theirs = call.provider == self._place.config.dialect
        return said.Opening(
            call_id=call.id,
            stream_id=self._place.ids.token(),
            vendor_call_id=call.info.provider_call_id if theirs else "",
            account=account,
            caller=call.caller,
            called=call.called,
            direction=call.direction,
            provider=call.provider,
            assistant=call.assistant,
            parameters=filled(call.parameters, call),
            query=dict(parse_qsl(urlsplit(url).query)),
        )

    # -- from the bot to the call ----------------------------------------------------------------

    async def _obey(self, order: said.Order) -> None:
        """Do what the bot says. What takes time is done beside."""
        match order:
            case said.Play(pcm=pcm):
                self._call.write(pcm)
            case said.Clear():
                self._send(self._dialect.cleared(await self._call.clear()))
            case said.Mark(mark=mark):
                self._mark(mark)
            case said.Press(digits=digits):
                self._begin(self._press(digits))
            case said.Transfer(target=target):
                self._begin(self._transfer(target))
            case said.HangUp(reason=reason):
                self._begin(self._hang_up(reason))
            case said.Malformed(detail=detail):
                self.figures.counters.add("messages_malformed")
                self._send(self._dialect.refused(detail))

    def _mark(self, mark: Any) -> None:
        socket, dialect = self._socket, self._dialect

        def told(played: bool) -> None:
            tell = played or dialect.returns_cleared_marks
            if tell and socket is self._socket and self._call.ended is None:
                self._send(dialect.marked(mark, played))

        if self._call.ended is not None:
            return
        try:
            self._call.when_played(told)
        except LocalProtocolError:
            self.figures.counters.add("marks_refused")
            self._send(dialect.refused("mark: too many are waiting"))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        if self._orders >= ORDERS_AT_ONCE:
            work.close()
            self._send(self._dialect.refused("too much is under way; wait for some of it"))
            return
        self._orders += 1
        self._shell.spawn(self._contained(work))

    async def _contained(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except RapidaError as error:
            self._send(self._dialect.refused(str(error)))
        finally:
            self._orders -= 1

    async def _press(self, digits: str) -> None:
        if not await self._call.send_digits(digits):
            self._send(self._dialect.refused("dtmf: the far end was not told"))

    async def _transfer(self, target: str) -> None:
        outcome = await self._call.transfer(target)
        if not outcome.succeeded:
            detail = f"transfer: {outcome.status} {outcome.reason}"
            self._send(self._dialect.refused(detail))

    async def _hang_up(self, reason: str) -> None:
        await self._call.drain()
        await self._call.hang_up(reason)

    def _warn(self, text: str, *arguments: object) -> None:
        log.warning(text, *arguments, extra={"call_id": self._call.id})


def filled(parameters: Mapping[str, Any], call: Call) -> dict[str, Any]:
    """Put the call's facts in place of ``{caller}``, ``{called}`` and ``{call_id}``."""
    facts = {"{caller}": call.caller, "{called}": call.called, "{call_id}": call.id}

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            for name, fact in facts.items():
                value = value.replace(name, fact)
        elif isinstance(value, Mapping):
            return {name: fill(each) for name, each in value.items()}
        elif isinstance(value, list | tuple):
            return [fill(each) for each in value]
        return value

    return {name: fill(value) for name, value in parameters.items()}
