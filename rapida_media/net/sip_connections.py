"""The TCP and TLS connections of the SIP endpoint: those peers make and those we make.

A connection serves both directions for as long as it lives: RFC 3261 section 18, RFC 5923.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from rapida_media.config import Listen
from rapida_media.errors import ConfigError
from rapida_media.net.sip_listener import Door, SipListener
from rapida_media.net.sip_stream import SipConnection
from rapida_media.net.tls import Tls, connect_error
from rapida_media.net.udp import numeric_family
from rapida_media.sip.address import Address
from rapida_media.stats import Counters

log = logging.getLogger(__name__)

# Bounds on what strangers can make us hold.
MAX_CONNECTIONS = 2_000
# The caller waits meanwhile: enough for a SYN, lost, to be sent twice again (RFC 6298, 1 + 2 s).
CONNECT_TIMEOUT_S = 5.0
# Messages that wait for one outgoing connection to be made: the INVITEs of many calls at once.
PENDING_MESSAGES = 1_000


class Connections:
    """All stream connections.

    received: called with each message, its source and our address it came to. failed: with an
    address that cannot be reached. lost: with the peer of a connection that is gone. needed: asked
    with that of a silent one, whether to keep it. known: tells the hosts that are no strangers.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        received: Callable[[bytes, Address, Address], None],
        failed: Callable[[Address], None],
        lost: Callable[[Address], None],
        needed: Callable[[Address], bool],
        known: Callable[[str], bool],
        counters: Counters,
        tls: Tls,
    ) -> None:
        self._loop = loop
        self._received = received
        self._failed = failed
        self._lost = lost
        self._needed = needed
        self._counters = counters
        self._tls = tls
        self._door = Door(known)
        self._servers: dict[Address, SipListener | None] = {}
        self._open: dict[Address, SipConnection] = {}
        # The domain a connection of ours was verified for, by peer.
        self._domains: dict[Address, str | None] = {}
        self._pending: dict[Address, list[bytes]] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def local_addresses(self) -> list[Address]:
        return [*self._servers]

    @property
    def count(self) -> int:
        return len(self._open)

    def listen(self, listen: Listen) -> Address:
        """Bind one listener, deaf until ``start``; OSError when the address cannot be had,
        ConfigError for its TLS files.

        Without a certificate a TLS address is not listened on: it only is where our own
        connections leave from, so that peers find us by the Contact that names it.
        """
        if listen.transport == "tls" and not self._tls.can_listen:
            with socket.socket(numeric_family(listen.host)) as probe:
                probe.bind((listen.host, listen.port))
                local = Address(listen.host, probe.getsockname()[1], "tls")
            self._servers[local] = None
            return local
        server = SipListener(
            (listen.host, listen.port),
            partial(self._protocol, listen.transport),
            self._tls.server() if listen.transport == "tls" else None,
            self._door,
            self._counters,
        )
        local = Address(listen.host, server.port, listen.transport)
        self._servers[local] = server
        return local

    def start(self) -> None:
        """Begin to take connections."""
        for server in self._servers.values():
            if server is not None:
                server.start()

    def close(self) -> None:
        self._closed = True
        for task in self._connecting:
            task.cancel()
        for server in self._servers.values():
            if server is not None:
                server.close()
        for connection in list(self._open.values()):
            connection.close()

    def send(self, data: bytes, destination: Address) -> None:
        """Send by the connection there is, or make one."""
        connection = self._open.get(destination)
        if connection is not None and self._speaks_for(destination):
            connection.send(data)
            return
        pending = self._pending.setdefault(destination, [])
        if len(pending) >= PENDING_MESSAGES:
            self._counters.add("sip_stream_pending_full")
            return
        pending.append(data)
        if len(pending) == 1:
            task = self._loop.create_task(self._connect(destination))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    def _speaks_for(self, destination: Address) -> bool:
        """Whether the connection to an address was verified for the domain that is wanted now: one
        server may hold the certificates of many."""
        wanted = destination.domain
        return destination.transport != "tls" or wanted in (None, self._domains.get(destination))

    def _protocol(self, transport: str) -> SipConnection:
        return SipConnection(
            transport,
            opened=self._opened,
            receiver=self._message,
            needed=lambda connection: self._needed(connection.peer),
            closed=self._connection_closed,
            counters=self._counters,
        )

    def _opened(self, connection: SipConnection) -> bool:
        if len(self._open) >= MAX_CONNECTIONS:
            self._counters.add("sip_connections_refused")
            return False
        self._open[connection.peer] = connection
        return True

    def _message(self, message: bytes, connection: SipConnection) -> None:
        self._received(message, connection.peer, connection.local)

    def _connection_closed(self, connection: SipConnection) -> None:
        self._door.leave(connection)
        if self._open.get(connection.peer) is not connection:
            return
        del self._open[connection.peer]
        self._domains.pop(connection.peer, None)
        if not self._closed:
            self._lost(connection.peer)

    async def _connect(self, peer: Address) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await self._make(peer)
        except (OSError, ConfigError) as error:  # TimeoutError and SSLError are OSErrors
            self._pending.pop(peer, None)
            self._counters.add("sip_connect_failed")
            if peer.transport == "tls":
                log.warning(
                    "no TLS connection to %s:%d: %s", peer.host, peer.port, connect_error(error)
                )
            self._failed(peer)
            return
        if self._open.get(connection.peer) is connection:
            self._domains[connection.peer] = peer.domain
            connection.peer = replace(connection.peer, domain=peer.domain)
        for data in self._pending.pop(peer, []):
            connection.send(data)

    async def _make(self, peer: Address) -> SipConnection:
        if peer.transport != "tls":
            _, made = await self._loop.create_connection(
                partial(self._protocol, peer.transport), peer.host, peer.port
            )
            return made
        for local, server in self._servers.items():
            if server is None and (":" in local.host) == (":" in peer.host):
                try:
                    return await self._make_tls(peer, (local.host, local.port))
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:  # by another connection of ours
                        raise
        return await self._make_tls(peer, None)

    async def _make_tls(self, peer: Address, local: tuple[str, int] | None) -> SipConnection:
        _, made = await self._loop.create_connection(
            partial(self._protocol, "tls"),
            peer.host,
            peer.port,
            ssl=self._tls.client(),
            server_hostname=peer.domain or peer.host,
            local_addr=local,
        )
        return made
