"""What every simulated platform is: an account with calls, a web client, and a REST API."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import aiohttp
from aiohttp import web

from rapida_media.testing.phone_call import PlatformCall

# Platforms wait about so long for the answer to a webhook.
WEBHOOK_TIMEOUT = aiohttp.ClientTimeout(total=15.0)

C = TypeVar("C", bound=PlatformCall)


@dataclass
class Callee:
    """How whoever is called by an order behaves. ends: in the platform's word for it, without
    having answered; None: answers.  microphone: what they say (s16le, 16 kHz)."""

    ends: str | None = None
    ring_s: float = 0.05
    microphone: bytes = b""


class RestServer(ABC):
    """A platform's REST API on this machine."""

    def __init__(self) -> None:
        self._runner: web.AppRunner | None = None

    @abstractmethod
    def add_routes(self, app: web.Application) -> None: ...

    async def start(self, host: str, port: int) -> str:
        """Listen; gives the URL that stands for the platform's own."""
        app = web.Application()
        self.add_routes(app)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return f"http://{host}:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()


@dataclass(kw_only=True)
class Platform(ABC, Generic[C]):
    """One account. Use as an async context manager: it starts the REST API on this machine.

    reach: where a public URL is to be had; what is signed is over the public one.  callee: answers
    orders.  calls: by the platform's id.  called: there is one.  callbacks: URL, fields and the
    status it was answered, as they were told.
    """

    reach: Callable[[str], str] = lambda url: url
    callee: Callee = field(default_factory=Callee)
    calls: dict[str, C] = field(default_factory=dict)
    callbacks: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    api_base: str = ""

    async def __aenter__(self) -> Self:
        # Every call holds a connection of its own.
        connector = aiohttp.TCPConnector(limit=0)
        self.client = aiohttp.ClientSession(connector=connector, timeout=WEBHOOK_TIMEOUT)
        self._api = self._rest()
        self.api_base = await self._api.start("127.0.0.1", 0)
        return self

    async def listen(self, host: str, port: int) -> None:
        """Serve the REST API at a known address instead."""
        await self._api.stop()
        self.api_base = await self._api.start(host, port)

    async def __aexit__(self, *exception: object) -> None:
        for call in self.calls.values():
            call.hang_up()
        await asyncio.gather(*(call.over() for call in self.calls.values()))
        await self._api.stop()
        await self.client.close()

    def enlist(self, call: C) -> C:
        """Take note of a new call."""
        self.calls[call.id] = call
        self.called.set()
        return call

    @abstractmethod
    def _rest(self) -> RestServer:
        """Make the REST API."""

    @abstractmethod
    def call(
        self,
        webhook_url: str,
        *,
        from_: str = "+14155550100",
        to: str = "+15005550006",
        status_callback: str | None = None,
        microphone: bytes = b"",
    ) -> C:
        """Have somebody call a number of the account.

        status_callback: where the account has its news told.  microphone: what they say (s16le,
        16 kHz).
        """

    @abstractmethod
    async def ask(
        self, url: str, fields: Mapping[str, str], method: str = "POST"
    ) -> tuple[int, str, bytes]:
        """Call a webhook, with what proves who calls; gives status, content type and body."""
