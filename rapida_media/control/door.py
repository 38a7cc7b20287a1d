"""The listening socket: lets connections in, and out again those that ask for nothing.

aiohttp bounds what comes after a request has begun; a client that connects and sends nothing, or a
byte a second, it would wait for. So connections are accepted here and have a deadline for their
first request, and there is a limit to how many may stand idle: beyond it the oldest goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address

from aiohttp import web
from aiohttp.typedefs import Handler

from rapida_media.config import HttpListen
from rapida_media.errors import ConfigError
from rapida_media.stats import Counters

log = logging.getLogger(__name__)

# For a request line and header fields, from a phone network's edge.
FIRST_REQUEST_S = 10.0
IDLE_LIMIT = 1024
BACKLOG = 512
# Out of descriptors: calls that end give some back.
EXHAUSTED_S = 0.1

Connections = Callable[[], asyncio.BaseProtocol]


class Door:
    """counters: ``http_connections``, ``http_idle_closed``."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._idle: OrderedDict[asyncio.BaseTransport, asyncio.TimerHandle] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._accepting: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None

    @property
    def idle(self) -> int:
        """Connections that have asked for nothing yet."""
        return len(self._idle)

    def listen(self, listen: HttpListen) -> int:
        """Bind; gives the port. ConfigError when it cannot be had."""
        family = socket.AF_INET6 if ip_address(listen.host).version == 6 else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setblocking(False)
            bound.bind((listen.host, listen.port))
            bound.listen(BACKLOG)
        except OSError as error:
            bound.close()
            raise ConfigError(f"[http] listen: {listen}: {error.strerror or error}") from None
        self._socket = bound
        port: int = bound.getsockname()[1]
        return port

    def open(self, connections: Connections) -> None:
        """Let connections in; each is given a protocol of these."""
        self._accepting = self._loop.create_task(self._accept(connections), name="http door")

    async def close(self) -> None:
        """Let nobody in any more, and idlers out."""
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()
        while self._idle:
            self._send_away(next(iter(self._idle)))

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Note that a connection has asked for something: it may stay."""
        if request.transport is not None:
            self._leave_alone(request.transport)
        return await handler(request)

    async def _accept(self, connections: Connections) -> None:
        """Task root of the listening socket."""
        assert self._socket is not None, "it listens"
        while True:
            try:
                accepted, _ = await self._loop.sock_accept(self._socket)
            except OSError as error:
                log.warning("no connection can be taken: %s", error)
                await asyncio.sleep(EXHAUSTED_S)
                continue
            with contextlib.suppress(OSError):
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                transport, _ = await self._loop.connect_accepted_socket(connections, accepted)
                self._watch(transport)

    def _watch(self, transport: asyncio.BaseTransport) -> None:
        self._counters.add("http_connections")
        self._idle[transport] = self._loop.call_later(FIRST_REQUEST_S, self._send_away, transport)
        if len(self._idle) > IDLE_LIMIT:
            self._send_away(next(iter(self._idle)))

    def _leave_alone(self, transport: asyncio.BaseTransport) -> None:
        if (deadline := self._idle.pop(transport, None)) is not None:
            deadline.cancel()

    def _send_away(self, transport: asyncio.BaseTransport) -> None:
        self._leave_alone(transport)
        if not transport.is_closing():
            self._counters.add("http_idle_closed")
            transport.close()
