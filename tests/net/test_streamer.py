"""One stream on one socket: what starts it, what ends it, and what it never waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from rapida_media.ids import SystemIds
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.media.frame import FRAME_BYTES
from rapida_media.net import streamer as streaming
from rapida_media.net.media import MediaShell
from rapida_media.net.media_port import MediaPorts
from rapida_media.net.streamer import BoundedOutbox, Streamer
from rapida_media.providers.base import ProviderSpec
from rapida_media.providers.stream import (
    BUS,
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Started,
    Stopped,
    StreamEvent,
    StreamMessage,
)

SPEC = ProviderSpec(name="plain", audio="", digits="")
SILENCE = bytes(FRAME_BYTES)


class PlainProtocol:
    """Binary frames are audio of the bus; texts are one word and a value."""

    receives = sends = BUS
    chunk_ms = 20

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        if isinstance(message, bytes):
            return [AudioReceived(message)]
        word, _, value = message.partition(" ")
        match word:
            case "start":
                return [Started(value)]
            case "key":
                return [DigitReceived(value)]
            case "mark":
                return [MarkReached(value)]
            case "stop":
                return [Stopped(value)]
        return [Malformed(word)]

    def media(self, payload: bytes) -> StreamMessage:
        return payload

    def clear(self) -> StreamMessage | None:
        return "clear"

    def mark(self, name: str) -> StreamMessage | None:
        return f"mark {name}"

    def goodbye(self) -> StreamMessage | None:
        return "bye"


class MemoryWire:
    """A socket of queues. reading: False while the far end does not read."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[StreamMessage | None] = asyncio.Queue()
        self.sent: list[StreamMessage] = []
        self.code: int | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.closed_properly = False

    async def receive(self) -> StreamMessage | None:
        return await self.incoming.get()

    async def send(self, message: StreamMessage) -> None:
        await self.reads.wait()
        self.sent.append(message)

    async def close(self, code: int) -> None:
        self.code = code
        self.incoming.put_nowait(None)


class Handler:
    def __init__(self) -> None:
        self.events: list[Started | Stopped] = []
        self.streamer: Streamer

    def stream_started(self, event: Started) -> None:
        self.events.append(event)
        self.streamer.started()

    def stream_stopped(self, event: Stopped) -> None:
        self.events.append(event)
        self.streamer.close("stopped")


class Line:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.media = MediaShell(loop, MediaPorts("127.0.0.1", 40000, 40010, SystemIds()),
                                SystemIds(), 40.0)  # fmt: skip
        self.wire, self.handler, outbox = MemoryWire(), Handler(), BoundedOutbox()
        self.leg = StreamLeg(SPEC, PlainProtocol(), outbox, self.handler)
        self.streamer = self.handler.streamer = Streamer(self.wire, self.leg, outbox, self.media)
        self.over = asyncio.ensure_future(self.streamer.stream())

    def says(self, *messages: StreamMessage | None) -> None:
        for message in messages:
            self.wire.incoming.put_nowait(message)

    async def ended(self) -> str:
        async with asyncio.timeout(5):
            reason = await self.over
        assert self.media.ticker._handle is None, "the ticker runs for nobody"
        self.media.shut_down()
        return reason


async def test_a_stream_goes_both_ways_and_ends_with_its_stop() -> None:
    line = Line()
    heard: list[bytes] = []
    digits: list[str] = []
    line.leg.connect(lambda digit, _: digits.append(digit), lambda mark, played: None)
    line.leg.received.subscribe(lambda frame: heard.append(frame.pcm))
    line.says("start call-1", SILENCE, SILENCE, "key 5")
    await asyncio.sleep(0.02)
    line.leg.write(b"\x01\x00" * 640)
    await asyncio.sleep(0.05)
    line.says("stop done")
    assert await line.ended() == "stopped"
    assert line.handler.events == [Started("call-1"), Stopped("done")]
    assert heard == [SILENCE, SILENCE]
    assert digits == ["5"]
    assert line.wire.sent == [b"\x01\x00" * 320, b"\x01\x00" * 320, "bye"]
    assert line.wire.code == 1000


@pytest.mark.parametrize(("properly", "reason"), [(True, "media_closed"), (False, "media_lost")])
async def test_a_socket_that_closes_ends_the_stream(properly: bool, reason: str) -> None:
    line = Line()
    line.wire.closed_properly = properly
    line.says("start x", None)
    assert await line.ended() == reason


async def test_a_stream_that_never_starts_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "START_S", 0.05)
    line = Line()
    assert await line.ended() == "media_not_started"
    assert line.wire.sent == []


async def test_nonsense_is_counted_and_too_much_of_it_closes() -> None:
    line = Line()
    line.says("start x", *["huh"] * 50, SILENCE)
    await asyncio.sleep(0.02)
    assert not line.over.done()
    line.says("huh")
    assert await line.ended() == "protocol_error"
    assert line.wire.code == 1002
    assert line.leg.counters["messages_malformed"] == 51


async def test_a_provider_that_does_not_read_is_listened_to_and_then_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "OUTBOX_BYTES", 20 * FRAME_BYTES)
    monkeypatch.setattr(streaming, "CLOSE_S", 0.05)
    line = Line()
    line.wire.reads.clear()
    line.says("start x")
    for _ in range(60):
        line.leg.write(SILENCE * 2)
        line.says(SILENCE)
        await asyncio.sleep(0.02)
        if line.over.done():
            break
    assert await line.ended() == "media_stalled"
    assert line.leg.packets_received >= 10
    assert line.wire.code == 1011


async def test_clear_drops_what_waits_and_tells_the_provider() -> None:
    line = Line()
    line.wire.reads.clear()
    line.says("start x")
    await asyncio.sleep(0.02)
    line.leg.write(SILENCE * 50)
    await asyncio.sleep(0.06)
    heard_ms = line.leg.clear()
    assert 30 <= heard_ms <= 90
    line.wire.reads.set()
    await asyncio.sleep(0.05)
    assert line.wire.sent[-1] == "clear"
    assert line.wire.sent.count(SILENCE) <= 1
    line.says(None)
    assert await line.ended() == "media_lost"
