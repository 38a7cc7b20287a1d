"""The bots of examples/bots say what they hear, behind a real call, and obey keys."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from rapida_media.demo.ports import free_port

from .conftest import Bench
from .far_end import answer
from .rtp import speech
from .waiting import eventually

BOTS = Path(__file__).parent.parent.parent / "examples" / "bots"
LINES_MAX = 45


@asynccontextmanager
async def running(name: str) -> AsyncIterator[tuple[int, list[str]]]:
    """Run an example in a process of its own; gives its port, and what it prints."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", str(BOTS / f"{name}_bot.py"), str(port),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            printed.append(line.decode().rstrip())

    reader = asyncio.create_task(read())
    try:
        await eventually(lambda: any("Running on" in line for line in printed), 20.0)
        yield port, printed
    finally:
        process.terminate()
        await process.wait()
        await reader


@pytest.mark.parametrize("dialect", ["twilio", "vonage", "exotel", "l16"])
async def test_an_example_bot_says_what_it_hears_and_obeys_keys(bench: Bench, dialect: str) -> None:
    async with running(dialect) as (port, printed):
        await bench.start(
            f'[assistants.bot]\nagent = "websocket:ws://127.0.0.1:{port}/media"\n'
            f'dialect = "{dialect}"\n'
        )
        call = await (await bench.phone()).call("bot")
        await eventually(lambda: any(line.startswith("call") for line in printed))
        said = speech(0.7)
        await call.rtp.say(said)
        await call.rtp.hears(said)
        await call.rtp.press(1)
        await eventually(lambda: "played up to stopped" in printed)
        await call.rtp.press(11)  # the key #
        answer(call, await call.hung_up())
        await bench.idle()
    assert bench.logged("ended: goodbye" if dialect == "l16" else "ended: bot_closed")


def test_the_examples_stay_small() -> None:
    for file in BOTS.glob("*.py"):
        assert len(file.read_text().splitlines()) <= LINES_MAX, file
