"""``kill -9`` at random moments: nothing that a caller saw is missing, no call stays open."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from rapida_media.demo.engine import environment
from rapida_media.sip.address import Address

from .phone import Phone

# How many times the engine is killed; RAPIDA_KILLS=200 for the long run.
KILLS = int(os.environ.get("RAPIDA_KILLS", "25"))
CALLERS = 6
LISTEN = """
[http]
listen = "127.0.0.1:0"
[sip]
listen = ["udp:127.0.0.1:0"]
[rtp]
ports = "30000-32766"
"""


class Engines:
    """``forked_engine`` and the engine it runs just now."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._pid = 0

    async def start(self) -> Address:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._process.stdin.write(b"\n")
        self._pid = int(await self._process.stdout.readline())
        address = None
        while b"Ready." not in (line := await self._process.stderr.readline()):
            assert line, "the engine ended"
            assert b"rror" not in line, line
            if match := re.search(rb"for SIP on udp:(\S+):(\d+)", line):
                address = Address(match[1].decode(), int(match[2]), "udp")
        assert address is not None
        return address

    def kill(self) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._pid = 0


@asynccontextmanager
async def engines(folder: Path) -> AsyncIterator[Engines]:
    file = folder / "rapida.toml"
    file.write_text(LISTEN)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).with_name("forked_engine.py")), str(file),
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = Engines(process)
    try:
        yield running
    finally:
        running.kill()
        process.stdin.close()  # type: ignore[union-attr]
        await process.communicate()


class Load:
    """Callers that call, talk for a moment, hang up and call again.

    answered, ended: called users, once the 200 of the INVITE and of the BYE came.
    """

    def __init__(self, run: int) -> None:
        self.run = run
        self.answered: set[str] = set()
        self.ended: set[str] = set()

    async def caller(self, phone: Phone, number: int) -> None:
        chance = random.Random(self.run * 100 + number)
        for call_number in range(1000):
            user = f"run{self.run}-{number}-{call_number}"
            call = phone.invite(user)
            try:
                assert await call.final() == 200
                self.answered.add(user)
                await asyncio.sleep(chance.random() * 0.1)
                assert await call.bye() == 200
                self.ended.add(user)
            finally:
                call.rtp.close()


async def one_life(running: Engines, run: int, chance: random.Random) -> Load:
    """Let one engine live and be called for a while, then kill it; gives who called."""
    phone = await Phone.open(await running.start())
    load = Load(run)
    callers = [asyncio.create_task(load.caller(phone, number)) for number in range(CALLERS)]
    await asyncio.sleep(0.02 + chance.random() * 0.8)
    running.kill()
    # What had left before is in the sockets still, and seen.
    await asyncio.sleep(0.02)
    for caller in callers:
        caller.cancel()
    ended = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended
    await phone.close()
    return load


def check(database: Path, load: Load) -> tuple[set[str], set[str]]:
    """Compare what callers saw with what is recorded, once the next engine has started.

    Gives whose answer and whose end is not recorded.
    """
    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert opened.execute("SELECT 1 FROM calls WHERE ended_at IS NULL").fetchone() is None
        rows = opened.execute("SELECT called, reason, answered_at FROM calls").fetchall()
    recorded = {
        match[1]: (reason, answered_at)
        for called, reason, answered_at in rows
        if (match := re.match(rf"sip:(run{load.run}-[^@]+)@", called))
    }
    for user, (reason, _) in recorded.items():
        assert reason in ("bye", "engine_restarted"), (user, reason)
    answered = {user for user, (_, answered_at) in recorded.items() if answered_at is not None}
    ended = {user for user, (reason, _) in recorded.items() if reason == "bye"}
    return load.answered - answered, load.ended - ended


async def test_killed_at_random_moments_it_loses_nothing_that_callers_saw(tmp_path: Path) -> None:
    chance = random.Random(6)
    lives: list[Load] = []
    async with engines(tmp_path) as running:
        for run in range(KILLS):
            load = await one_life(running, run, chance)
            if lives:
                await asyncio.to_thread(check_open, tmp_path / "rapida-calls.db", run)
            lives.append(load)
        await running.start()
        for load in lives:
            assert check(tmp_path / "rapida-calls.db", load) == (set(), set())
    seen = sum(len(load.answered) + len(load.ended) for load in lives)
    print(f"{seen} things seen in {KILLS} lives, all of them recorded")
    assert seen > 10 * KILLS


def check_open(database: Path, run: int) -> None:
    """Of the lives before the one that has just ended none left a call open."""
    with closing(sqlite3.connect(database)) as opened:
        rows = opened.execute("SELECT called FROM calls WHERE ended_at IS NULL").fetchall()
    assert all(called.startswith(f"sip:run{run}-") for (called,) in rows), rows
