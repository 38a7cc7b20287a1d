"""SIGTERM during many calls: each goes on, ends as it would have, and is recorded."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp

from .phone import Phone, PhoneCall
from .registrar import Registrar
from .rtp import speech
from .serving import serving
from .waiting import eventually

LOOPBACK = """
[http]
listen = "127.0.0.1:0"
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[rtp]
ports = "30000-32766"
[limits]
calls_per_second = 1000
"""
CALLS = 100
AT_ONCE = 5
STILL_TALKING = 10


TRUNK = """
[trunks.carrier]
hosts = ["127.0.0.1"]
proxy = "127.0.0.1:{port}"
username = "acme"
password = "secret"
register = true
"""


async def test_a_carrier_is_told_at_once_to_send_its_calls_elsewhere(tmp_path: Path) -> None:
    registrar = await Registrar.open()

    def asked() -> list[int]:
        return [seconds for seconds, _ in registrar.registers("acme")]

    config = LOOPBACK + TRUNK.format(port=registrar.port)
    async with serving(tmp_path, config) as server:
        await eventually(lambda: asked() == [3600])
        phone = await Phone.open(server.address())
        call = await phone.call()
        server.signal(signal.SIGTERM)
        await eventually(lambda: asked() == [3600, 0])
        await eventually(lambda: server.logged("trunk carrier: unregistered"))
        said = speech(0.5)
        await call.rtp.say(said)
        await call.rtp.hears(said)
        assert await call.bye() == 200
        assert await server.ended() == 0
        await phone.close()
    assert asked() == [3600, 0]
    registrar.close()


async def test_a_hundred_calls_outlive_sigterm_and_none_is_lost(tmp_path: Path) -> None:
    async with serving(tmp_path, LOOPBACK) as server:
        phone = await Phone.open(server.address())
        calls: list[PhoneCall] = []
        while len(calls) < CALLS:  # no faster than a carrier
            calls += await asyncio.gather(*(phone.call() for _ in range(AT_ONCE)))
        (line,) = server.logged("listening for HTTP on")
        url = f"http://{line.rpartition(' ')[2]}"
        async with aiohttp.ClientSession() as client:
            assert (await client.get(f"{url}/readyz")).status == 200
            shown = await (await client.get(f"{url}/metrics")).text()
            active = 'rapida_calls_active{direction="inbound",provider="sip"} 100.0'
            assert active in shown.splitlines()
        server.signal(signal.SIGTERM)
        await eventually(lambda: server.logged(f"stopping: {CALLS} calls"))
        assert await phone.invite().final() == 503

        said = speech(0.5)
        for call in calls[:STILL_TALKING]:
            await call.rtp.say(said)
        for call in calls[:STILL_TALKING]:
            await call.rtp.hears(said)
        assert not any(call.requests("BYE") for call in calls)
        for at in range(0, CALLS, AT_ONCE):
            ended = await asyncio.gather(*(call.bye() for call in calls[at : at + AT_ONCE]))
            assert ended == [200] * AT_ONCE
        assert await server.ended() == 0
        await phone.close()
    with closing(sqlite3.connect(tmp_path / "rapida-calls.db")) as database:
        ends = database.execute(
            "SELECT state, reason, count(*) FROM calls GROUP BY 1, 2"
        ).fetchall()
    assert ends == [("completed", "bye", CALLS)]
