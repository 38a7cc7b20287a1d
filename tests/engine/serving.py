"""``rapida-media serve`` in a process of its own, which is ended by its own pid and no other."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rapida_media.demo.engine import environment
from rapida_media.sip.address import Address

from .waiting import eventually

START_S = 20.0


class Serving:
    """A running ``serve``. lines: what it logged so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip())

    def address(self, transport: str = "udp") -> Address:
        pattern = re.compile(rf"listening for SIP on {transport}:(\S+):(\d+)")
        found = next(match for line in self.lines if (match := pattern.search(line)))
        return Address(found[1], int(found[2]), transport)

    def logged(self, text: str) -> list[str]:
        return [line for line in self.lines if text in line]

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self, patience: float = 10.0) -> int:
        """Wait for its end; gives the exit status."""
        async with asyncio.timeout(patience):
            await self._reader
            return await self.process.wait()


@asynccontextmanager
async def serving(
    folder: Path, config: str = "", *options: str, descriptors: tuple[int, int] | None = None
) -> AsyncIterator[Serving]:
    """Run ``serve`` with this configuration until the block ends.

    descriptors: soft and hard limit of open files.
    """
    file = folder / "rapida.toml"
    file.write_text(config)
    limited = [] if descriptors is None else ["prlimit", "--nofile={}:{}".format(*descriptors)]
    process = await asyncio.create_subprocess_exec(
        *limited, sys.executable, "-m", "rapida_media", "serve", "--config", str(file),
        "--http", "127.0.0.1:0", *options,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    running = Serving(process)
    try:
        await eventually(
            lambda: running.logged("Ready.") or process.returncode is not None, START_S
        )
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()
    assert not running.logged("Traceback"), "\n".join(running.lines)
