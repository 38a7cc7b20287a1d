"""SIP over TCP (RFC 3261 section 18, RFC 5626): framing, keep-alive, connections that go away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from rapida_media.call.call import Call

from .conftest import AgentNamer, Bench
from .phone import Phone
from .rtp import speech
from .waiting import eventually


@pytest.mark.parametrize("size", [None, 1, 7])
async def test_a_whole_call_over_tcp_however_its_messages_are_cut(
    bench: Bench, size: int | None
) -> None:
    engine = await bench.start()
    phone = await bench.phone("tcp")
    if size is not None:
        phone.cut(size)
    call = await phone.call()
    assert call.response is not None
    assert "transport=tcp" in call.response.contacts[0].uri_text
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    await call.reinvite(call.sdp("sendonly", version=2))
    assert await call.bye() == 200
    assert engine.figures()["connections"] == 1
    await bench.idle()


async def test_several_messages_in_one_segment_are_all_answered_in_order(bench: Bench) -> None:
    await bench.start()
    phone = await bench.phone("tcp")
    ids = [f"together-{number}" for number in range(5)]
    requests = [phone.request("OPTIONS", phone.uri("x"), call_id=each) for each in ids]
    phone.send(b"\r\n\r\n".join(requests))
    await eventually(lambda: len(phone.received) == 5)
    assert [message.call_id for message in phone.received] == ids


async def test_the_engine_hangs_up_over_the_connection_the_call_came_by(bench: Bench) -> None:
    await bench.start("[limits]\nmax_call_seconds = 0.1\n")
    phone = await bench.phone("tcp")
    call = await phone.call()
    await call.hung_up()
    await bench.idle()


async def test_a_ping_gets_one_pong_and_a_flood_of_pings_one_write(bench: Bench) -> None:
    await bench.start()
    phone = await bench.phone("tcp")
    phone.send(b"\r\n\r\n")
    await eventually(lambda: phone.raw == b"\r\n")
    phone.send(b"\r\n\r\n" * 3)
    await eventually(lambda: phone.raw == b"\r\n" * 4)
    assert (await phone.options()).status == 200


async def test_a_call_outlives_its_connection_and_ends_over_a_new_one(bench: Bench) -> None:
    engine = await bench.start()
    first = await bench.phone("tcp")
    call = await first.call()
    first.hang_up()
    await eventually(lambda: engine.figures()["connections"] == 0)

    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    second = await bench.phone("tcp")
    call.phone = second
    assert await call.bye() == 200
    await bench.idle()


async def test_after_a_request_over_a_new_connection_the_engine_uses_that_one(
    bench: Bench,
) -> None:
    engine = await bench.start("[limits]\nmax_call_seconds = 1.5\n")
    first = await bench.phone("tcp")
    call = await first.call()
    first.hang_up()
    await eventually(lambda: engine.figures()["connections"] == 0)
    second = await bench.phone("tcp")
    call.phone = second
    await call.reinvite(call.sdp(version=2))
    await call.hung_up()
    assert bench.logged("ended: max_duration")
    await bench.idle()


async def test_a_bye_that_cannot_be_delivered_still_ends_the_call(bench: Bench) -> None:
    engine = await bench.start("[limits]\nmax_call_seconds = 0.5\n")
    phone = await bench.phone("tcp")
    await phone.call()
    phone.hang_up()
    await eventually(lambda: bench.logged("ended: max_duration"))
    await bench.idle()
    assert engine.counters["sip_connect_failed"] == 1


@asynccontextmanager
async def listening(phone: Phone) -> AsyncIterator[asyncio.Queue[bytes]]:
    """Have a phone listen on the port that it names; gives what comes there."""
    came = asyncio.Queue[bytes]()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.put_nowait(await reader.readuntil(b"\r\n\r\n"))
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        phone.port = server.sockets[0].getsockname()[1]
        yield came


async def test_a_bye_reaches_the_callers_own_port_when_its_connection_is_gone(
    bench: Bench,
) -> None:
    engine = await bench.start("[limits]\nmax_call_seconds = 0.5\n")
    phone = await bench.phone("tcp")
    async with listening(phone) as came:
        await phone.call()
        phone.hang_up()
        await eventually(lambda: engine.figures()["connections"] == 0)
        async with asyncio.timeout(5):
            assert (await came.get()).startswith(b"BYE sip:phone@127.0.0.1")
    await bench.idle()


async def test_an_answer_reaches_the_callers_own_port_when_its_connection_is_gone(
    bench: Bench, agent_named: AgentNamer
) -> None:
    decide = asyncio.Event()

    async def busy(call: Call) -> None:
        await decide.wait()
        await call.reject(486)

    agent = agent_named(busy)
    engine = await bench.start(f'[assistants.busy]\nagent = "{agent}"\nanswer = "agent"\n')
    phone = await bench.phone("tcp")
    async with listening(phone) as came:
        phone.invite("busy")
        await eventually(lambda: engine.active_calls == 1)
        phone.hang_up()
        await eventually(lambda: engine.figures()["connections"] == 0)
        decide.set()
        async with asyncio.timeout(5):
            assert (await came.get()).startswith(b"SIP/2.0 486 ")


async def test_a_silent_connection_is_kept_for_a_call_or_for_keep_alives_and_else_closed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapida_media.net.sip_stream.IDLE_S", 0.3)
    await bench.start()
    calling, pinging, silent = [await bench.phone("tcp") for _ in range(3)]
    call = await calling.call()
    for _ in range(8):
        pinging.send(b"\r\n")
        await asyncio.sleep(0.1)
    assert (calling.closed, pinging.closed, silent.closed) == (False, False, True)
    assert await call.bye() == 200
    await eventually(lambda: calling.closed and pinging.closed)


async def test_many_calls_wait_for_the_one_connection_that_takes_them_all(bench: Bench) -> None:
    calls = 100  # as many as one order over HTTP may place
    engine = await bench.start()
    came = Counter[bytes]()
    made: list[asyncio.StreamWriter] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(writer)
        while line := await reader.readline():
            came[line.split(b" ")[0]] += 1

    async with await asyncio.start_server(take, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        target = await engine.resolve(f"sip:bob@127.0.0.1:{port};transport=tcp")
        placed = [engine.dial(target, None) for _ in range(calls)]
        await eventually(lambda: came[b"INVITE"] == calls)
        for call in placed:
            call.hang_up("enough")
        (writer,) = made
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 300,
        b"OPTIONS sip:x SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nX: " + b"y" * 70_000,
    ],
    ids=["http", "tls", "endless body", "endless header"],
)
async def test_a_stream_whose_framing_is_lost_is_closed_and_counted(
    bench: Bench, garbage: bytes
) -> None:
    engine = await bench.start()
    phone = await bench.phone("tcp")
    phone.send(garbage)
    await eventually(lambda: phone.closed)
    assert engine.counters["sip_stream_framing_lost"] == 1
    await eventually(lambda: engine.figures()["connections"] == 0)
    assert bench.log_lines == 0


async def test_a_peer_that_does_not_read_its_answers_is_cut_off(bench: Bench) -> None:
    engine = await bench.start()
    _, writer = await asyncio.open_connection(
        bench.address("tcp").host, bench.address("tcp").port, limit=1
    )
    writer.transport.pause_reading()
    phone = await bench.phone("tcp")
    request = phone.request("OPTIONS", phone.uri("x"), call_id="deaf")
    try:
        for number in range(100_000):
            writer.write(request.replace(b"branch=", b"branch=z9hG4bK%d" % number))
            await writer.drain()
            if engine.counters["sip_stream_send_queue_full"]:
                break
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    assert engine.counters["sip_stream_send_queue_full"] == 1
    assert (await phone.options()).status == 200
