"""An engine with its HTTP interface in the test's own event loop, and a client to ask it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from engine.conftest import AgentNamer as AgentNamer
from engine.conftest import Bench
from engine.conftest import agent_named as agent_named
from engine.conftest import bench as bench

from rapida_media.control.app import ControlServer, Folders
from rapida_media.net.record_store import RecordStore

ASSISTANT = '[assistants.support]\nagent = "silence"\nnumbers = ["+15550100"]\n'


class Desk:
    """What an operator sees of one engine."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        self.server: ControlServer
        self.client = aiohttp.ClientSession()
        self.url = ""
        self._records: RecordStore

    async def open(self, config: str = ASSISTANT, **options: Any) -> Desk:
        """Start engine and server; no SIP calls out but to this machine."""
        http = '[http]\nlisten = "127.0.0.1:0"\n'
        sip = '[sip]\nlisten = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]\ndial_hosts = ["127.0.0.1"]\n'
        config = config if "[http]" in config else http + config
        config = config if "[sip]" in config else sip + config
        engine = await self.bench.start(config, **options)
        self._records = RecordStore(self.folder / "calls.db", run="test")
        await self._records.open()
        engine.journal.add_sink(self._records)
        engine.journal.keep_by(self._records)
        folders = Folders(self.folder / "recordings", self.folder / "prompts")
        self.server = ControlServer(
            engine._config, engine, self._records, folders, metrics=lambda: b"calls 1\n"
        )
        await self.server.start()
        self.url = f"http://{self.server.address}"
        return self

    async def ask(
        self, method: str, path: str, json: Any = None, **options: Any
    ) -> tuple[int, Any]:
        """Give the status and the JSON of an answer."""
        async with self.client.request(method, self.url + path, json=json, **options) as answer:
            is_json = "json" in answer.content_type
            return answer.status, await answer.json(content_type=None) if is_json else (
                await answer.text()
            )

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, json: Any = None, **options: Any) -> tuple[int, Any]:
        return await self.ask("POST", path, json, **options)

    async def until(self, call_id: str, status: str, patience: float = 5.0) -> Any:
        """Wait until a call has a status; give the call."""
        async with asyncio.timeout(patience):
            while True:
                _, call = await self.get(f"/v1/calls/{call_id}")
                if call.get("status") == status:
                    return call
                await asyncio.sleep(0.02)

    async def close(self) -> None:
        await self.client.close()
        if self.url:
            await self.bench.stop()
            await self.server.stop()
            await self._records.close()


@pytest.fixture
async def desk(bench: Bench, tmp_path: Path) -> AsyncIterator[Desk]:
    made = Desk(bench, tmp_path)
    try:
        yield made
    finally:
        await made.close()
