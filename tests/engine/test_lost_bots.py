"""Bots that cannot be reached, are lost, or do what bots should not: what becomes of the call."""

from __future__ import annotations

import asyncio
import socket
import wave
from pathlib import Path

import numpy as np
import pytest

from .bot_server import BotServer, assistant, echo, ended, start_bot
from .bot_server import servers as servers
from .conftest import Bench
from .rtp import Samples, share_heard, speech
from .waiting import eventually


def save(folder: Path, name: str, samples: Samples) -> None:
    with wave.open(str(folder / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.astype("<i2").tobytes())


async def test_a_bot_that_closes_ends_the_call(bench: Bench, servers: list[BotServer]) -> None:
    server = await start_bot(servers)
    await bench.start(assistant(server.url))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    await line.socket.close()
    await ended(bench, call, "bot_closed")


async def test_a_bot_that_refuses_the_caller_is_not_asked_again(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers)
    server.statuses = [403]
    await bench.start(assistant(server.url + "?key=hidden", "reconnects = 3"))
    call = await (await bench.phone()).call("bot")
    await ended(bench, call, "bot_unreachable, failed: agent")
    assert not server.lines
    assert bench.logged("refused the connection: HTTP 403")
    assert not bench.logged("hidden")


async def test_a_bot_that_sends_us_elsewhere_is_not_followed(
    bench: Bench, servers: list[BotServer]
) -> None:
    server, other = await start_bot(servers), await start_bot(servers)
    server.statuses, server.elsewhere = [307], other.url.replace("ws", "http")
    await bench.start(assistant(server.url, 'headers = { X-Key = "hidden" }'))
    call = await (await bench.phone()).call("bot")
    await ended(bench, call, "bot_unreachable, failed: agent")
    assert not server.lines
    assert not other.lines
    assert bench.logged("sends us elsewhere")


async def test_a_bot_that_does_not_answer_a_ping_is_lost(
    bench: Bench, servers: list[BotServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapida_media.net.bots.HEARTBEAT_S", 0.2)
    server = await start_bot(servers)
    server.answers_pings = False
    await bench.start(assistant(server.url))
    call = await (await bench.phone()).call("bot")
    await ended(bench, call, "bot_lost, failed: agent")


async def test_a_bot_that_says_too_much_in_one_message_is_lost(
    bench: Bench, servers: list[BotServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapida_media.net.bots.MESSAGE_BYTES", 10_000)
    server = await start_bot(servers)
    await bench.start(assistant(server.url))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    await line.socket.send_str("x" * 20_000)
    await ended(bench, call, "bot_lost, failed: agent")
    await eventually(lambda: line.over)
    assert line.socket.close_code == 1009


async def test_a_bot_that_is_lost_is_connected_again_as_a_new_stream(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers, echo)
    server.statuses = [503]
    await bench.start(assistant(server.url, "reconnects = 2"))
    call = await (await bench.phone()).call("bot")
    first = await server.line()
    await eventually(lambda: first.events("start"))
    first.request.transport.abort()  # type: ignore[union-attr]
    second = await server.line(1)
    await eventually(lambda: second.events("start"))
    assert first.stream_sid != second.stream_sid
    assert (
        first.events("start")[0]["start"]["callSid"]
        == (second.events("start")[0]["start"]["callSid"])
    )
    said = speech(0.6)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    second.request.transport.abort()  # type: ignore[union-attr]
    await ended(bench, call, "bot_lost, failed: agent")


async def test_a_bot_that_crashes_with_a_close_code_is_lost(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers)
    await bench.start(assistant(server.url))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    await line.socket.close(code=1011)
    await ended(bench, call, "bot_lost, failed: agent")


async def test_without_a_bot_the_second_one_takes_the_call(
    bench: Bench, servers: list[BotServer]
) -> None:
    server = await start_bot(servers, echo)
    closed = await start_bot(servers)
    await closed.close()
    await bench.start(assistant(closed.url, f'fallback = "{server.url}"'))
    call = await (await bench.phone()).call("bot")
    said = speech(0.6)
    await (await server.line()).socket.ping()
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert bench.logged(f"the bot at ws://127.0.0.1:{closed.port} cannot be reached")
    await call.bye()


async def test_without_a_bot_a_file_is_played_and_the_call_ended(
    bench: Bench, servers: list[BotServer]
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # it takes connections, and says nothing
    port = silent.getsockname()[1]
    sorry = speech(0.6, 3)
    save(bench.folder, "sorry.wav", np.append(sorry, np.zeros(400, np.int16)))
    url = f"ws://127.0.0.1:{port}/media?key=hidden"
    await bench.start(assistant(url, "connect_seconds = 0.2", 'fallback = "play:sorry.wav"'))
    call = await (await bench.phone()).call("bot")
    await call.hung_up()
    assert share_heard(sorry, call.rtp.audio()) >= 0.8
    await ended(bench, call, "bot_unreachable, failed: agent")
    assert bench.logged("did not answer within 0.2 s")
    assert not bench.logged("hidden")
    silent.close()


async def test_a_caller_that_gives_up_takes_the_connection_with_it(
    bench: Bench, servers: list[BotServer]
) -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # it takes connections, and says nothing
    port = silent.getsockname()[1]
    await bench.start(assistant(f"ws://127.0.0.1:{port}/", "connect_seconds = 60"))
    call = await (await bench.phone()).call("bot")
    await asyncio.sleep(0.05)
    await call.bye()
    await bench.idle()
    await eventually(lambda: bench.engine.figures()["agents_at_work"] == 0, 1.0)
    silent.close()


async def test_a_bot_that_does_not_read_loses_audio_and_no_one_else_anything(
    bench: Bench, servers: list[BotServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapida_media.net.bots.AUDIO_WAITING", 5)
    server = await start_bot(servers, echo)
    await bench.start(assistant(server.url))
    call = await (await bench.phone()).call("bot")
    line = await server.line()
    figures = bench.engine.bots.figures("bot")
    # The writer of the connection stands still, as it does once the socket takes no more.
    (connection,) = bench.engine.bots._open

    async def stuck(text: str) -> None:
        await asyncio.sleep(3600)

    monkeypatch.setattr(connection._socket, "send_str", stuck)
    await eventually(lambda: figures.counters["audio_dropped_ms"] >= 100)
    assert len(connection._waiting) <= 6
    await call.bye()
    await bench.idle()
    assert not line.events("stop")
