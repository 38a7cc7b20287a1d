"""Peer nonsense to every open port: counted, not logged, and the call in progress unharmed."""

from __future__ import annotations

import asyncio
import random
import resource
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from rapida_media.demo.ports import free_port
from rapida_media.net import sip_connections

from .conftest import Bench
from .phone import Phone, PhoneCall
from .rtp import PACKET_S, Samples, share_heard, speech
from .waiting import eventually

TALK_S = 1.5
BURST_BYTES = 25_000
PAUSE_S = 0.01


class Undisturbed:
    """A call whose caller talks while somebody else shoots at the engine."""

    def __init__(self, bench: Bench, call: PhoneCall) -> None:
        self._bench = bench
        self.call = call
        self._said: Samples = speech(TALK_S)
        self._lines = bench.log_lines
        self._talking = asyncio.create_task(call.rtp.say(self._said))

    async def finish(self) -> dict[str, int]:
        """Hang up; gives the media figures after checking that nothing was lost or logged."""
        await self._talking
        await self.call.rtp.hears(self._said)
        assert share_heard(self._said, self.call.rtp.audio()) >= 0.75
        assert self._bench.log_lines == self._lines, "nonsense was logged"
        assert await self.call.bye() == 200
        ended = self._bench.logged("ended: bye")[-1]
        figures: dict[str, int] = ended.__dict__["fields"]
        # The BYE may overtake the last packet.
        assert 0 <= self.call.rtp.sent_packets - figures["packets_received"] <= 1
        assert figures["packets_lost"] == 0
        phone = await self._bench.phone()
        assert await (await phone.call()).bye() == 200
        return figures


async def undisturbed(bench: Bench) -> Undisturbed:
    await bench.start()
    return await caller(bench)


async def caller(bench: Bench) -> Undisturbed:
    return Undisturbed(bench, await (await bench.phone()).call())


async def shoot(destination: tuple[str, int], datagrams: list[bytes]) -> None:
    """Send datagrams from a stranger's socket, in bursts so small that none is lost on the way.

    After each the engine is left alone for twice as long as it was busy with it: harm is looked
    for, and what a flood costs is the machine's affair.
    """
    waiting_bytes, clock = 0, asyncio.get_running_loop().time
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gun:
        for datagram in datagrams:
            gun.sendto(datagram, destination)
            waiting_bytes += 1000 + len(datagram)  # a queued datagram has its own overhead
            if waiting_bytes > BURST_BYTES:
                waiting_bytes, began = 0, clock()
                await asyncio.sleep(PAUSE_S)
                await asyncio.sleep(2 * (clock() - began - PAUSE_S))


def random_bytes(chance: random.Random) -> Iterator[bytes]:
    for _ in range(1500):
        yield chance.randbytes(chance.randrange(1500))


def damaged_sip(chance: random.Random) -> Iterator[bytes]:
    whole = _invite()
    for at in range(0, len(whole), 3):
        yield whole[:at]
    for _ in range(500):
        cut = bytearray(whole.replace(b"INVITE", b"OPTIONS"))
        for _ in range(chance.randrange(1, 20)):
            cut[chance.randrange(len(cut))] = chance.randrange(256)
        yield bytes(cut)


def giants(chance: random.Random) -> Iterator[bytes]:
    whole = _invite().replace(b"INVITE", b"OPTIONS")
    head, _, rest = whole.partition(b"\r\n")
    for size in (8_000, 30_000, 60_000):
        yield head + b"\r\nX: " + b"a" * size + b"\r\n" + rest
        yield head + b"\r\n" + b"Via: SIP/2.0/UDP a;branch=b\r\n" * (size // 30) + rest
        yield head + b"\r\nTo: " + b'"' * size + b"\r\n" + rest
        yield head + b"\r\nContact: " + b"<sip:a>," * (size // 9) + b"\r\n" + rest
        yield head + b"\r\nSubject: a" + b"\r\n b" * (size // 5) + b"\r\n" + rest
    yield bytes(65_507)
    yield chance.randbytes(65_507)
    yield whole + b"v" * (65_507 - len(whole))


def strange_requests(chance: random.Random) -> Iterator[bytes]:
    """Well-formed requests that make no sense, and responses nobody waits for."""
    whole = _invite()
    for number in range(300):
        call = whole.replace(b"one", b"n%d" % number)
        for method in (b"ACK", b"BYE", b"CANCEL", b"INFO", b"NOTHING", b"OPTIONS"):
            yield call.replace(b"INVITE", method)
        yield call.replace(b"INVITE sip:echo@127.0.0.1 SIP/2.0", b"SIP/2.0 200 OK")
        yield call.replace(b"127.0.0.9:9", b"127.0.0.9:0").replace(b"INVITE", b"OPTIONS")


def _invite() -> bytes:
    body = b"v=0\r\no=- 1 1 IN IP4 127.0.0.9\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 18\r\n"
    return (
        b"INVITE sip:echo@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.9:9;branch=z9hG4bKone\r\n"
        b"From: <sip:a@127.0.0.9>;tag=one\r\nTo: <sip:echo@127.0.0.1>\r\nCall-ID: one\r\n"
        b"CSeq: 1 INVITE\r\nMax-Forwards: 70\r\nContact: <sip:a@127.0.0.9:9>\r\n"
        b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body


Nonsense = Callable[[random.Random], Iterator[bytes]]


@pytest.mark.parametrize(
    ("nonsense", "counter", "at_least"),
    [
        (random_bytes, "unparsable_messages", 1400),
        (damaged_sip, "malformed_requests", 250),
        (giants, "unparsable_messages", 5),
        (strange_requests, "stray_acks", 300),
    ],
)
async def test_nonsense_to_the_sip_port_harms_nobody(
    bench: Bench, nonsense: Nonsense, counter: str, at_least: int
) -> None:
    quiet = await undisturbed(bench)
    address = bench.address()
    await shoot((address.host, address.port), list(nonsense(random.Random(1))))
    await quiet.finish()
    assert bench.engine.counters[counter] >= at_least, bench.engine.counters.snapshot()
    assert not bench.engine.counters["udp_receive_failed"]


def false_rtp(chance: random.Random, payload_type: int = 0) -> list[bytes]:
    def packet(first: int, body: bytes, second: int = payload_type) -> bytes:
        number = chance.randrange(2**16)
        return struct.pack("!BBHII", first, second, number, number * 160, 7) + body

    return [
        b"",
        b"\x80",
        packet(0x80, b"")[:11],
        packet(0x8F, bytes(59)),  # fifteen CSRCs announced, room for less
        packet(0x90, b""),  # an extension announced, none there
        packet(0x90, b"\xbe\xde\xff\xff" + bytes(160)),  # an extension longer than the packet
        packet(0xA0, bytes(159) + b"\xff"),  # more padding than packet
        packet(0xA0, bytes(160)),  # padding of length 0
        packet(0xBF, b"\xbe\xde\x00\x01"),
        packet(0x00, bytes(160)),  # version 0
        packet(0x40, bytes(160)),  # version 1
        packet(0xC0, bytes(160)),  # version 3
        bytes(65_507),
        chance.randbytes(1200),
    ]


@pytest.mark.parametrize("port_offset", [0, 1], ids=["rtp", "rtcp"])
async def test_nonsense_to_the_media_ports_is_counted_and_harms_nobody(
    bench: Bench, port_offset: int
) -> None:
    quiet = await undisturbed(bench)
    assert quiet.call.rtp.remote is not None
    host, port = quiet.call.rtp.remote
    chance = random.Random(2)
    await eventually(lambda: quiet.call.rtp.sent_packets > 5)
    for _ in range(40):
        await shoot((host, port + port_offset), false_rtp(chance))
        await shoot((host, port + port_offset), [chance.randbytes(172) for _ in range(20)])
    figures = await quiet.finish()
    if port_offset == 1:
        assert figures["rtcp_malformed"] > 0
    if port_offset == 0:
        assert figures["bad_header"] >= 40 * 12
        assert figures["wrong_source"] > 0


async def test_the_far_ends_own_nonsense_is_counted_and_its_good_packets_are_played(
    bench: Bench,
) -> None:
    quiet = await undisturbed(bench)
    chance = random.Random(3)
    await eventually(lambda: quiet.call.rtp.sent_packets > 5)
    for _ in range(30):
        for packet in false_rtp(chance):
            quiet.call.rtp.send(packet)
        await asyncio.sleep(PACKET_S)
    figures = await quiet.finish()
    assert figures["bad_header"] >= 30 * 12


async def test_a_stranger_cannot_take_a_call_over(bench: Bench) -> None:
    quiet = await undisturbed(bench)
    assert quiet.call.rtp.remote is not None
    await eventually(lambda: quiet.call.rtp.sent_packets > 5)
    noise = [
        struct.pack("!BBHII", 0x80, 0, number, number * 160, 99) + bytes(160)
        for number in range(500)
    ]
    await shoot(quiet.call.rtp.remote, noise)
    figures = await quiet.finish()
    assert figures["wrong_source"] == len(noise)


@pytest.mark.many_calls  # thousands of sockets of this process: alone, so that its call is not late
async def test_idle_connections_up_to_the_cap_leave_room_for_calls(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    cap = 2_000
    # Both ends are in this process, and so are the sockets of everything else.
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 3 * cap:
        cap = 300
        monkeypatch.setattr(sip_connections, "MAX_CONNECTIONS", cap)
    await bench.start()
    address = bench.address("tcp")
    idlers: list[socket.socket] = []
    try:
        for at in range(cap + 50):
            idler = socket.socket()
            idler.setblocking(False)
            idler.connect_ex((address.host, address.port))
            idlers.append(idler)
            if at % 50 == 49:
                await asyncio.sleep(0.01)
        await eventually(lambda: bench.engine.counters["sip_connections_refused"] == 50)
        assert bench.engine.figures()["connections"] == cap
        await (await caller(bench)).finish()
    finally:
        for idler in idlers:
            idler.close()
    await eventually(lambda: bench.engine.figures()["connections"] == 0)
    assert (await (await bench.phone("tcp")).options()).status == 200


async def test_connections_that_are_reset_at_once_leave_nothing(bench: Bench) -> None:
    quiet = await undisturbed(bench)
    address = bench.address("tcp")
    for _ in range(100):
        knock = socket.create_connection((address.host, address.port))
        knock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        knock.close()
        await asyncio.sleep(0)
    await eventually(lambda: bench.engine.figures()["connections"] == 0)
    await quiet.finish()


async def test_an_engine_may_be_shot_at_while_it_starts(bench: Bench) -> None:
    port, over = free_port(), threading.Event()

    def fire() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gun:
            while not over.wait(0.0002):
                gun.sendto(b"OPTIONS sip:x SIP/2.0\r\n\r\n", ("127.0.0.1", port))

    with ThreadPoolExecutor() as pool:
        firing = pool.submit(fire)
        try:
            await bench.start(f'[sip]\nlisten = ["udp:127.0.0.1:{port}", "tcp:127.0.0.1:{port}"]\n')
            await eventually(lambda: bench.engine.counters["malformed_requests"] > 20)
        finally:
            over.set()
        firing.result()
    assert bench.log_lines == 0


async def test_a_dribbled_message_waits_without_holding_anybody_up(bench: Bench) -> None:
    quiet = await undisturbed(bench)
    slow: Phone = await bench.phone("tcp")
    request = slow.request("OPTIONS", slow.uri("x"), call_id="slow")
    for at in range(0, len(request), 4):
        slow.send(request[at : at + 4])
        await asyncio.sleep(0.01)
    response = await slow.response("slow", "OPTIONS", 1)
    assert response.status == 200
    await quiet.finish()


async def test_a_connection_without_a_whole_message_is_closed_in_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapida_media.net.sip_stream.IDLE_S", 0.3)
    quiet = await undisturbed(bench)
    slow = await bench.phone("tcp")
    slow.send(b"OPTIONS sip:x SIP/2.0\r\n")
    for _ in range(100):
        if slow.closed:
            break
        slow.send(b"X: y\r\n")
        await asyncio.sleep(0.01)
    assert slow.closed
    await quiet.finish()
