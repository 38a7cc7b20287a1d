"""The AudioSocket server on loopback: who is let in, who is not, and what it costs."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from control.conftest import Desk
from control.conftest import bench as bench
from control.conftest import desk as desk
from engine.collector import no_collection as no_collection
from engine.waiting import eventually

from rapida_media.config import parse_config
from rapida_media.errors import ConfigError
from rapida_media.net import audiosocket as server_module
from rapida_media.net.audiosocket import AudioSocketWire
from rapida_media.providers.asterisk.audiosocket import Framing, pack

CONFIG = (
    '[audiosocket]\nlisten = "127.0.0.1:0"\n'
    '[assistants.support]\nagent = "silence"\n[limits]\nmax_calls = 3\n'
)


class Socket:
    """What Asterisk does with a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def rest(self) -> list[bytes]:
        """Wait for the end; give the messages before it. A connection that is let go before it was
        read ends by a reset."""
        data = b""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(5):
                while more := await self.reader.read(65_536):
                    data += more
        return list(Framing().feed(data))


class Gateway:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.sockets: list[Socket] = []

    async def announced(self, channel: str = "1.1") -> bytes:
        status, uuid = await self.desk.get(f"/v1/talk/asterisk/call/support?id={channel}&to=100")
        assert status == 200, uuid
        return bytes.fromhex(uuid.replace("-", ""))

    async def connect(self, *messages: bytes) -> Socket:
        address = self.desk.bench.engine.audiosocket.address
        assert address is not None
        socket = Socket(*await asyncio.open_connection(address.host, address.port))
        socket.writer.write(b"".join(messages))
        self.sockets.append(socket)
        return socket

    def refused(self) -> int:
        return self.desk.bench.engine.counters["audiosocket_refused"]


@pytest.fixture
async def gateway(desk: Desk) -> AsyncIterator[Gateway]:
    await desk.open(CONFIG)
    made = Gateway(desk)
    yield made
    for socket in made.sockets:
        socket.writer.close()


async def test_the_call_of_a_uuid_hears_silence_at_once_and_is_hung_up(gateway: Gateway) -> None:
    uuid = await gateway.announced()
    socket = await gateway.connect(pack(1, uuid))
    async with asyncio.timeout(1):
        assert await socket.reader.readexactly(2 * 323) == 2 * pack(0x10, bytes(320))
    _, page = await gateway.desk.get("/v1/calls?provider=asterisk")
    (record,) = page["calls"]
    assert (record["status"], record["to"]) == ("in-progress", "100")
    assert (await gateway.desk.post(f"/v1/calls/{record['id']}/hangup"))[0] == 200
    assert (await socket.rest())[-1] == pack(0)


async def test_a_uuid_works_once(gateway: Gateway) -> None:
    uuid = await gateway.announced()
    first = await gateway.connect(pack(1, uuid))
    await first.reader.readexactly(323)
    second = await gateway.connect(pack(1, uuid))
    assert await second.rest() == []
    assert gateway.refused() == 1
    assert len(gateway.desk.bench.engine.provider_calls) == 1, "the first goes on"


@pytest.mark.parametrize(
    "messages",
    [[pack(1, bytes(16))], [pack(1, b"short")], [pack(0x10, bytes(320))], [b"GET / HTTP/1.0\r\n"]],
)
async def test_who_shows_no_uuid_of_ours_is_let_go(gateway: Gateway, messages: list[bytes]) -> None:
    # The HTTP request is a message of 17,748 bytes, which never come.
    socket = await gateway.connect(*messages)
    if messages[0].startswith(b"GET"):
        socket.writer.write_eof()
    assert await socket.rest() == []
    assert gateway.refused() == 1


async def test_who_shows_nothing_is_let_go_in_time(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "UUID_S", 0.05)
    assert await (await gateway.connect()).rest() == []
    assert gateway.refused() == 1


async def test_the_unknown_are_bounded(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "UNKNOWN_LIMIT", 2)
    uuid = await gateway.announced()
    waiting = [await gateway.connect() for _ in range(2)]
    connections: Callable[[], int] = lambda: gateway.desk.bench.engine.counters[  # noqa: E731
        "audiosocket_connections"
    ]
    await eventually(lambda: connections() == 2)
    assert await (await gateway.connect(pack(1, uuid))).rest() == []
    for each in waiting:
        each.writer.close()
    await eventually(lambda: gateway.refused() == 3)
    late = await gateway.connect(pack(1, uuid))
    assert await late.reader.readexactly(323) == pack(0x10, bytes(320)), "its id is still good"


async def test_the_dialplan_hears_that_there_is_no_room(gateway: Gateway) -> None:
    for channel in range(3):
        await gateway.announced(f"2.{channel}")
    assert await gateway.desk.get("/v1/talk/asterisk/call/support?id=2.9") == (503, "")


@pytest.mark.parametrize("unread", [False, True])
async def test_a_call_ends_with_its_connection(gateway: Gateway, unread: bool) -> None:
    """What was not read makes a reset of the close."""
    socket = await gateway.connect(pack(1, await gateway.announced()))
    await socket.reader.readexactly(323)
    if unread:
        socket.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
    socket.writer.close()
    await eventually(lambda: len(gateway.desk.bench.engine.provider_calls) == 0)
    _, page = await gateway.desk.get("/v1/calls?provider=asterisk")
    assert [(each["status"], each["reason"]) for each in page["calls"]] == [("completed", "bye")]


def test_listening_for_others_wants_their_addresses() -> None:
    config = parse_config({"audiosocket": {"listen": "0.0.0.0:9092"}})
    with pytest.raises(ConfigError, match=r"\[audiosocket\] listen: .* add hosts"):
        config.check_exposure()
    named = {"listen": "0.0.0.0:9092", "hosts": ["192.0.2.10", "2001:db8::/64"]}
    parse_config({"audiosocket": named}).check_exposure()
    parse_config({"audiosocket": {"listen": "127.0.0.1:9092"}}).check_exposure()
    with pytest.raises(ConfigError, match=r"\[audiosocket\] hosts: expected an address"):
        parse_config({"audiosocket": {"hosts": ["pbx.example"]}})


async def test_strangers_are_let_go(desk: Desk) -> None:
    await desk.open(CONFIG.replace('"127.0.0.1:0"\n', '"127.0.0.1:0"\nhosts = ["192.0.2.10"]\n'))
    gateway = Gateway(desk)
    assert await (await gateway.connect(pack(1, await gateway.announced()))).rest() == []
    assert gateway.refused() == 1
    gateway.sockets[0].writer.close()


async def test_a_connection_that_is_reset_is_kept_by_nobody(no_collection: None) -> None:
    reader = asyncio.StreamReader()
    reader.set_exception(ConnectionResetError())
    wire = AudioSocketWire(reader, cast("asyncio.StreamWriter", None))
    gone = weakref.ref(wire)
    assert await wire.receive() is None
    assert wire.closed_properly
    del wire, reader
    assert gone() is None
