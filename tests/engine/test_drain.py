"""SIGTERM during many calls: each goes on, ends as it would have, and is recorded."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from .phone import Phone, PhoneCall
from .rtp import speech
from .serving import serving
from .waiting import eventually

LOOPBACK = """
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[rtp]
ports = "30000-32766"
[limits]
calls_per_second = 1000
"""
CALLS = 100
STILL_TALKING = 10


async def test_a_hundred_calls_outlive_sigterm_and_none_is_lost(tmp_path: Path) -> None:
    async with serving(tmp_path, LOOPBACK) as server:
        phone = await Phone.open(server.address())
        calls: list[PhoneCall] = []
        for _ in range(CALLS // 10):  # no faster than a carrier
            calls += await asyncio.gather(*(phone.call(f"line{n}") for n in range(10)))
        server.signal(signal.SIGTERM)
        await eventually(lambda: server.logged(f"stopping: {CALLS} calls"))
        assert await phone.invite().final() == 503

        said = speech(0.5)
        for call in calls[:STILL_TALKING]:
            await call.rtp.say(said)
        for call in calls[:STILL_TALKING]:
            await call.rtp.hears(said)
        assert not any(call.requests("BYE") for call in calls)
        assert await asyncio.gather(*(call.bye() for call in calls)) == [200] * CALLS
        assert await server.ended() == 0
        await phone.close()
    with closing(sqlite3.connect(tmp_path / "rapida-calls.db")) as database:
        ends = database.execute(
            "SELECT state, reason, count(*) FROM calls GROUP BY 1, 2"
        ).fetchall()
    assert ends == [("completed", "bye", CALLS)]
