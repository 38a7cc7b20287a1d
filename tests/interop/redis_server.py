"""A real redis-server in a process of its own, which a test may stop and start again."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from missing import skip_or_fail

from rapida_media.demo.ports import free_port


class RedisServer:
    """url: where it listens, whether it runs or not."""

    def __init__(self, program: str, port: int, folder: Path) -> None:
        self._command = [
            program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
            "--save", "", "--appendonly", "no",
        ]  # fmt: skip
        self._port = port
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"redis://127.0.0.1:{port}/0"

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.DEVNULL
        )
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                except OSError:
                    await asyncio.sleep(0.01)
                else:
                    writer.close()
                    await writer.wait_closed()
                    return

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[RedisServer]:
    """Run a server without persistence until the block ends."""
    program = shutil.which("redis-server")
    if program is None:
        skip_or_fail("redis-server is not installed")
    server = RedisServer(program, free_port(), folder)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
