"""The agent ``websocket:`` on a call in virtual time, with a bot that is a list of messages."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from call.call_line import Line
from twilio.request_validator import RequestValidator

from rapida_media.agents.bot_link import BotFigures
from rapida_media.agents.dialects.base import BotMessage
from rapida_media.agents.websocket import BotPlace, BotTalk, filled
from rapida_media.call.endings import Ending
from rapida_media.call.transfer import TransferOutcome
from rapida_media.config import BotConfig, Credential
from rapida_media.errors import BotError
from rapida_media.kernels import ulaw_encode
from rapida_media.testing.clock import SeededIds

SECOND = 16_000


class Socket:
    """Keeps what is sent with the time; what the bot says is put in by the test."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.sent: list[tuple[float, BotMessage]] = []
        self.closed_properly = False
        self.closed = False
        self.full = False
        self._said: asyncio.Queue[BotMessage | None] = asyncio.Queue()

    def send(self, message: BotMessage, *, audio: bool = False) -> bool:
        self.sent.append((self._line.now, message))
        return not (audio and self.full)

    async def receive(self) -> BotMessage | None:
        return await self._said.get()

    async def close(self) -> None:
        self.closed = True

    def say(self, message: Any) -> None:
        self._said.put_nowait(message if isinstance(message, bytes) else json.dumps(message))

    def hang(self, *, properly: bool) -> None:
        self.closed_properly = properly
        self._said.put_nowait(None)

    def told(self, event: str) -> list[tuple[float, dict[str, Any]]]:
        texts = [(at, json.loads(m)) for at, m in self.sent if isinstance(m, str)]
        return [(at, members) for at, members in texts if members["event"] == event]

    def audio(self) -> list[float]:
        return [at for at, m in self.sent if isinstance(m, bytes)]

    @property
    def stream_sid(self) -> str:
        return str(self.told("start")[0][1]["streamSid"])

    def twilio(self, event: str, **members: Any) -> None:
        self.say({"event": event, "streamSid": self.stream_sid, **members})


class Shell:
    """``BotShell`` without sockets. answers: what each attempt to connect comes to."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.answers: deque[Socket | BotError] = deque()
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.pauses: list[float] = []
        self.kept = BotFigures()
        self.ticks: list[Callable[[float], None]] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(
        self, url: str, headers: Mapping[str, str], seconds: float, figures: BotFigures
    ) -> Socket:
        self.asked.append((url, headers))
        answer = self.answers.popleft()
        if isinstance(answer, BotError):
            raise answer
        return answer

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def beside(
        self, first: Coroutine[Any, Any, None], second: Coroutine[Any, Any, None]
    ) -> None:
        raise AssertionError("the test runs them itself")

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    @contextmanager
    def ticking(self, tick: Callable[[float], None]) -> Iterator[None]:
        self.ticks.append(tick)
        yield
        self.ticks.remove(tick)

    def wall(self) -> float:
        return 1.79e9

    def figures(self, name: str) -> BotFigures:
        return self.kept


class Stage:
    """A call, a bot, and the agent between them."""

    def __init__(self, answers: int = 1, *, urls: int = 1, **options: Any) -> None:
        self.line = Line()
        self.line.call.confirm(early_agent=False)
        self.shell = Shell(self.line)
        self.sockets = [Socket(self.line) for _ in range(answers)]
        self.shell.answers.extend(self.sockets)
        apology = options.pop("apology", None)
        names = ("wss://one.example.com/a?k=v", "wss://two.example.com/b")
        config = BotConfig(**options)
        self.place = BotPlace(names[:urls], config, None, apology, SeededIds(5))

    async def start(self) -> Socket | None:
        talk = BotTalk(self.line.call, self.place, self.shell)
        self.tasks = [asyncio.ensure_future(talk.follow()), asyncio.ensure_future(talk.converse())]
        await self.line.settle()
        return self.sockets[0] if self.sockets else None

    async def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            await self.line.run(0.02)
            for tick in tuple(self.shell.ticks):
                tick(self.line.now)

    async def finish(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, *self.shell.tasks, return_exceptions=True)

    @property
    def asked(self) -> list[tuple[str, object]]:
        return self.line.signals.asked


def payload(seconds: float) -> dict[str, str]:
    tone = (np.sin(np.arange(round(8000 * seconds)) * 0.4) * 9000).astype("<i2")
    return {"payload": base64.b64encode(ulaw_encode(tone.tobytes())).decode()}


async def test_marks_come_back_when_the_audio_before_them_was_sent() -> None:
    stage = Stage()
    bot = await stage.start()
    began = stage.line.now
    for number in range(5):
        bot.twilio("media", media=payload(0.5))
        bot.twilio("mark", mark={"name": f"m{number}"})
    await stage.run(3.0)
    marks = bot.told("mark")
    assert [members["mark"]["name"] for _, members in marks] == [f"m{n}" for n in range(5)]
    for number, (at, _) in enumerate(marks):
        assert at - began == pytest.approx(0.5 * (number + 1), abs=0.021)
    await stage.finish()


async def test_a_mark_with_nothing_before_it_comes_back_at_once() -> None:
    stage = Stage()
    bot = await stage.start()
    bot.twilio("mark", mark={"name": "now"})
    began = stage.line.now
    await stage.run(0.1)
    ((at, _),) = bot.told("mark")
    assert at - began <= 0.02
    await stage.finish()


@pytest.mark.parametrize(("dialect", "returned"), [("twilio", 2), ("exotel", 0)])
async def test_a_clear_empties_the_queue_and_treats_marks_as_the_vendor_does(
    dialect: str, returned: int
) -> None:
    stage = Stage(dialect=dialect)
    bot = await stage.start()
    ids = {} if dialect == "exotel" else {"streamSid": bot.stream_sid}
    tone = np.full(16_000, 7000, "<i2").tobytes()
    sound = base64.b64encode(tone).decode()
    bot.say({"event": "media", **ids, "media": {"payload": sound}})
    bot.say({"event": "mark", **ids, "mark": {"name": "a"}})
    bot.say({"event": "mark", **ids, "mark": {"name": "b"}})
    await stage.run(0.3)
    assert stage.line.call.queued_ms > 500
    bot.say({"event": "clear", **ids})
    at = stage.line.now
    await stage.run(0.1)
    assert stage.line.call.queued_ms == 0
    marks = bot.told("mark")
    assert [members["mark"]["name"] for _, members in marks] == ["a", "b"][:returned]
    assert all(when - at <= 0.02 for when, _ in marks)
    await stage.finish()


async def test_l16_is_told_what_was_heard_of_a_cleared_sentence() -> None:
    stage = Stage(dialect="l16")
    bot = await stage.start()
    bot.say(bytes(4 * SECOND))
    bot.say({"event": "mark", "name": "end"})
    await stage.run(0.5)
    bot.say({"event": "clear"})
    await stage.run(0.1)
    ((_, cleared),) = bot.told("cleared")
    assert cleared["heard_ms"] == pytest.approx(500, abs=41)
    assert [members for _, members in bot.told("mark")] == [
        {"event": "mark", "name": "end", "played": False}
    ]
    await stage.finish()


async def test_what_the_far_end_says_passes_once_and_silence_fills_what_it_does_not() -> None:
    stage = Stage(dialect="l16")
    bot = await stage.start()
    stage.line.far.write(bytes(2 * SECOND))
    await stage.run(1.0)  # one second of audio
    await stage.run(1.0)  # the far end's playout sends silence; nothing is doubled
    times = bot.audio()
    assert len(times) == pytest.approx(100, abs=4)
    gaps = np.diff(times)
    assert gaps.max() <= 0.09
    await stage.finish()


async def test_a_far_end_that_sends_nothing_is_silence_from_60_ms_on() -> None:
    stage = Stage()
    bot = await stage.start()
    stage.line.far.stream.configure(
        receive={0: "PCMU"},
        send_payload_type=0,
        send_encoding="PCMU",
        receive_events=(101,),
        send_event=101,
        remote=("192.0.2.1", 6000),
        sending=False,
    )
    began = stage.line.now
    await stage.run(1.06)
    told = bot.told("media")
    assert len(told) == pytest.approx(50, abs=2)
    first_at, first = told[0]
    assert 0.06 <= first_at - began <= 0.12
    assert first["media"]["timestamp"] == "0"
    await stage.finish()


async def test_a_connection_that_fails_is_tried_again_with_a_growing_pause() -> None:
    stage = Stage(0, reconnects=3, urls=2)
    busy = BotError("busy", retryable=True)
    stage.shell.answers.extend([busy, busy, busy, busy, BotError("403", retryable=False)])
    await stage.start()
    await stage.run(0.1)
    assert [url for url, _ in stage.shell.asked] == [stage.place.urls[0]] * 4 + [
        stage.place.urls[1]
    ]
    assert stage.shell.pauses == [0.25, 0.5, 1.0]
    assert stage.asked == [("hang_up", "bot_unreachable")]
    assert stage.shell.kept.counters["fallbacks"] == 1
    await stage.finish()


async def test_a_lost_bots_sentence_gives_way_to_the_apology() -> None:
    stage = Stage(apology=np.full(SECOND // 2, 900, "<i2").tobytes())
    bot = await stage.start()
    bot.twilio("media", media=payload(9.0))
    await stage.run(0.2)
    bot.hang(properly=False)
    await stage.run(0.3)
    assert stage.asked == []
    assert stage.line.call.queued_ms <= 400
    await stage.run(0.4)
    assert stage.asked == [("hang_up", "bot_lost")]
    assert bot.closed
    await stage.finish()


async def test_a_bot_that_closes_ends_the_call_at_once() -> None:
    stage = Stage()
    bot = await stage.start()
    bot.twilio("media", media=payload(9.0))
    await stage.run(0.1)
    bot.hang(properly=True)
    await stage.run(0.1)
    assert stage.asked == [("hang_up", "bot_closed")]
    assert stage.line.call.queued_ms == 0
    assert bot.told("stop") == []
    await stage.finish()


async def test_the_end_of_the_call_is_a_stop_and_a_closed_socket_and_no_late_marks() -> None:
    stage = Stage(dialect="exotel")
    bot = await stage.start()
    bot.say({"event": "media", "media": payload(2.0)})
    bot.say({"event": "mark", "mark": {"name": "m"}})
    await stage.run(0.1)
    stage.line.call.end(Ending("bye"))
    await stage.line.settle()
    ((_, stop),) = bot.told("stop")
    assert stop["stop"]["reason"] == "callended"
    assert bot.told("mark") == []
    assert bot.closed
    assert stage.tasks[0].done()
    await stage.finish()


async def test_dropped_audio_is_counted_in_milliseconds() -> None:
    stage = Stage()
    bot = await stage.start()
    bot.full = True
    await stage.run(0.5)
    assert stage.shell.kept.counters["audio_dropped_ms"] == 20 * len(bot.told("media")) > 300
    await stage.finish()


async def test_more_orders_than_may_be_under_way_are_refused() -> None:
    stage = Stage(dialect="l16")
    bot = await stage.start()
    bot.say(bytes(8 * SECOND))
    for _ in range(20):
        bot.say({"event": "hangup"})
    await stage.run(0.1)
    errors = [members["detail"] for _, members in bot.told("error")]
    assert errors == ["too much is under way; wait for some of it"] * 4
    assert len(stage.shell.tasks) == 16
    stage.line.call.end(Ending("bye"))
    await stage.finish()


async def test_a_transfer_that_fails_is_told_to_the_bot() -> None:
    stage = Stage(dialect="l16")
    bot = await stage.start()
    bot.say({"event": "transfer", "target": "sip:anna@192.0.2.9"})
    await stage.run(0.1)
    assert stage.asked == [("transfer", "sip:anna@192.0.2.9")]
    stage.line.signals.done(TransferOutcome(486, "Busy Here"))
    await stage.run(0.1)
    assert [each["detail"] for _, each in bot.told("error")] == ["transfer: 486 Busy Here"]
    await stage.finish()


async def test_malformed_messages_are_counted_and_change_nothing() -> None:
    stage = Stage()
    bot = await stage.start()
    bot.say(b"\x00\x01")
    bot.say({"event": "media", "streamSid": "MZother", "media": payload(1.0)})
    bot.say({"event": "clear"})
    await stage.run(0.1)
    assert stage.shell.kept.counters["messages_malformed"] == 3
    assert stage.line.call.queued_ms == 0
    assert stage.asked == []
    await stage.finish()


def test_facts_of_the_call_take_their_place_in_parameters() -> None:
    class FakeCall:
        id, caller, called = "c1", "+1", "+2"

    written = {
        "a": "{caller}>{called}", "b": "{call_id}", "c": 5, "d": "{other}",
        "e": {"f": ["{caller}", 1]},
    }  # fmt: skip
    told = filled(written, FakeCall())  # type: ignore[arg-type]
    assert told == {"a": "+1>+2", "b": "c1", "c": 5, "d": "{other}", "e": {"f": ["+1", 1]}}


async def test_the_vendors_proof_and_the_configured_headers_go_with_the_request() -> None:
    stage = Stage(headers={"X-Room": "7", "authorization": "mine"})
    stage.place = replace(stage.place, urls=("wss://user:password@one.example.com/a?k=v",))
    credential = Credential("t", "twilio", values={"account_sid": "AC9", "auth_token": "secret"})
    stage.place = replace(stage.place, credential=credential)
    bot = await stage.start()
    ((url, headers),) = stage.shell.asked
    assert url == "wss://one.example.com/a?k=v"
    assert set(headers) == {"X-Twilio-Signature", "X-Room", "authorization"}
    assert RequestValidator("secret").validate(url, {}, headers["X-Twilio-Signature"])
    assert bot.told("start")[0][1]["start"]["accountSid"] == "AC9"
    await stage.finish()
