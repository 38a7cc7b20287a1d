"""Engines in the test's own event loop, and phones to call them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import tomllib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from rapida_media.agents.base import Agent
from rapida_media.call.contexts import ContextStore
from rapida_media.config import parse_config
from rapida_media.net.engine import Engine
from rapida_media.sip.address import Address
from rapida_media.sip.timers import TimerValues

from .phone import Phone
from .waiting import eventually

BASE = """
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0"]
[rtp]
ports = "30000-32766"
"""
# Everything that takes 64*T1 in RFC 3261 is over within a second.
FAST = TimerValues(t1=0.015, t2=0.12, t4=0.15, d=0.96)


class Log(logging.Handler):
    """Keeps what was logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class Bench:
    """Starts engines and phones for one test, ends them, and tells what went wrong meanwhile."""

    def __init__(self, folder: Path, log: Log) -> None:
        self.folder = folder
        self.engine: Engine
        self.expected_errors = 0
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._before = asyncio.all_tasks()
        self._phones: list[Phone] = []
        self._engines: list[Engine] = []
        self._unhandled: list[dict[str, Any]] = []
        self._loop.set_exception_handler(lambda loop, context: self._unhandled.append(context))

    async def start(
        self,
        config: str = "",
        *,
        agent: str | None = "echo",
        timers: TimerValues = FAST,
        contexts: ContextStore | None = None,
    ) -> Engine:
        """Start an engine; tables of config replace those of BASE."""
        document = tomllib.loads(BASE) | tomllib.loads(config)
        self.engine = Engine(
            parse_config(document, self.folder),
            directory=self.folder,
            default_agent=agent,
            contexts=contexts,
            timers=timers,
        )
        await self.engine.start()
        self._engines.append(self.engine)
        return self.engine

    async def phone(self, transport: str = "udp", host: str = "127.0.0.1", port: int = 0) -> Phone:
        phone = await Phone.open(self.address(transport, ipv6=":" in host), host, port)
        self._phones.append(phone)
        return phone

    def address(self, transport: str = "udp", *, ipv6: bool = False) -> Address:
        ways = [each for each in self.engine.sip_addresses if each.transport == transport]
        return next((each for each in ways if (":" in each.host) == ipv6), ways[0])

    def logged(self, text: str) -> list[logging.LogRecord]:
        return [record for record in self._log.records if text in record.getMessage()]

    @property
    def log_lines(self) -> int:
        return len(self._log.records)

    def errors(self) -> list[logging.LogRecord]:
        return [r for r in self._log.records if r.levelno >= logging.ERROR or r.exc_info]

    async def idle(self, patience: float = 10.0) -> None:
        """Wait until the engine holds nothing any more, timers of SIP included."""
        keys = ("calls", "sessions", "transactions", "timers", "ports_in_use")
        await eventually(lambda: not any(self.engine.figures()[key] for key in keys), patience)

    async def stop(self) -> None:
        while self._engines:
            await self._engines.pop().stop()

    async def close(self) -> None:
        try:
            await self.stop()
        finally:
            for phone in self._phones:
                await phone.close()
        left = asyncio.all_tasks() - self._before - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)
        assert not self._unhandled, self._unhandled
        errors = [record.getMessage() for record in self.errors()]
        assert len(errors) == self.expected_errors, errors


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    log, root = Log(), logging.getLogger()
    level = root.level
    root.addHandler(log)
    root.setLevel(logging.INFO)
    made = Bench(tmp_path, log)
    try:
        yield made
        await made.close()
    finally:
        root.removeHandler(log)
        root.setLevel(level)


AgentNamer = Callable[[Agent], str]


@pytest.fixture
def agent_named(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> AgentNamer:
    """Make a coroutine function of the test an agent that a configuration can name."""
    numbers = itertools.count()

    def name(agent: Agent) -> str:
        module = ModuleType(f"agent_{next(numbers)}_{request.function.__name__}")
        monkeypatch.setattr(module, "agent", agent, raising=False)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return f"python:{module.__name__}:agent"

    return name
