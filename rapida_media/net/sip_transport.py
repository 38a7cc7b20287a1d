"""Joins the sans-IO SIP endpoint to sockets: input, drain, send, arm one timer.

UDP and TCP listeners; TCP connections are kept and reused for both directions of a dialog.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rapida_media import clock
from rapida_media.config import Listen
from rapida_media.net.sip_stream import SipConnection
from rapida_media.net.udp import UdpSocket
from rapida_media.sip.address import Address, Datagram
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.events import Event
from rapida_media.stats import Counters

# Bounds on what strangers can make us hold.
MAX_CONNECTIONS = 2_000
CONNECT_TIMEOUT_S = 10.0
# Messages that wait for one outgoing connection to be made.
PENDING_MESSAGES = 32

Peer = tuple[str, int]


class SipTransport:
    """The sockets of one endpoint.

    handle_event: called with each event of the endpoint and ``now``, before anything is sent.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handle_event: Callable[[Event, float], None],
        counters: Counters,
    ) -> None:
        self._loop = loop
        self._endpoint: SipEndpoint
        self._handle_event = handle_event
        self._counters = counters
        self._udp: dict[Address, UdpSocket] = {}
        self._servers: dict[Address, asyncio.Server] = {}
        self._connections: dict[Peer, SipConnection] = {}
        self._pending: dict[Peer, list[bytes]] = {}
        self._connecting: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False
        # Set while no session is alive, not even one whose BYE waits for its answer.
        self.quiet = asyncio.Event()

    def attach(self, endpoint: SipEndpoint) -> None:
        """Name the endpoint. Its Contact needs the ports, so it comes after the listeners."""
        self._endpoint = endpoint

    @property
    def local_addresses(self) -> list[Address]:
        """What is listened on, with the ports the system really gave."""
        return [*self._udp, *self._servers]

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def listen(self, listen: Listen) -> Address:
        """Open one listener; OSError when the address cannot be had."""
        if listen.transport == "udp":
            return self._listen_udp(listen.host, listen.port)
        server = await self._loop.create_server(self._accepted, listen.host, listen.port)
        local = Address(listen.host, server.sockets[0].getsockname()[1], "tcp")
        self._servers[local] = server
        return local

    def _listen_udp(self, host: str, port: int) -> Address:
        # The receiver learns its own address only after the bind, which may choose the port.
        local: list[Address] = []
        listener = UdpSocket(
            self._loop,
            (host, port),
            lambda data, source: self._received(data, Address(*source, "udp"), local[0]),
            self._counters,
        )
        local.append(Address(host, listener.address[1], "udp"))
        self._udp[local[0]] = listener
        return local[0]

    async def close(self) -> None:
        """Close every socket; what the endpoint still had to say is not sent."""
        if self._timer is not None:
            self._timer.cancel()
        for udp in self._udp.values():
            udp.close()
        for task in self._connecting:
            task.cancel()
        for server in self._servers.values():
            server.close()
        for connection in list(self._connections.values()):
            connection.close()

    # -- the endpoint's shell ------------------------------------------------------------------

    def _received(self, data: bytes, source: Address, local: Address) -> None:
        now = clock.monotonic()
        self._endpoint.receive_datagram(data, source, local, now)
        self.drain(now)

    def drain(self, now: float) -> None:
        """After every input and intent: handle all events, send all datagrams, arm the timer."""
        if self._draining:  # an event handler's own intent: the loop below takes it along
            return
        self._draining = True
        try:
            while True:
                while (event := self._endpoint.next_event()) is not None:
                    self._handle_event(event, now)
                datagrams = self._endpoint.datagrams_to_send()
                if not datagrams:
                    break
                for datagram in datagrams:
                    self._send(datagram)
        finally:
            self._draining = False
        if self._endpoint.sessions:
            self.quiet.clear()
        else:
            self.quiet.set()
        self._arm()

    def _arm(self) -> None:
        deadline = self._endpoint.next_timeout()
        if deadline is None:
            return
        if self._timer is not None:
            # An early wake-up finds nothing due and arms again: cheaper than a new timer for
            # every message.
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._timeout)

    def _timeout(self) -> None:
        self._timer = None
        now = clock.monotonic()
        self._endpoint.handle_timeout(now)
        self.drain(now)

    # -- sending -------------------------------------------------------------------------------

    def _send(self, datagram: Datagram) -> None:
        destination = datagram.destination
        if destination.transport == "udp":
            self._send_udp(datagram)
            return
        peer = (destination.host, destination.port)
        connection = self._connections.get(peer)
        if connection is not None:
            connection.send(datagram.data)
        else:
            self._connect_and_send(peer, datagram.data)

    def _send_udp(self, datagram: Datagram) -> None:
        listener = self._udp.get(datagram.local) if datagram.local else None
        if listener is None:
            listener = next(iter(self._udp.values()), None)
        destination = datagram.destination
        sent = listener is not None and listener.send(
            datagram.data, (destination.host, destination.port)
        )
        if not sent:
            self._failed_soon(destination)

    def _failed_soon(self, destination: Address) -> None:
        self._loop.call_soon(self._transport_failed, destination)

    def _transport_failed(self, destination: Address) -> None:
        now = clock.monotonic()
        self._endpoint.transport_failed(destination, now)
        self.drain(now)

    # -- connections ---------------------------------------------------------------------------

    def _accepted(self) -> SipConnection:
        return SipConnection(
            self._connection_opened,
            self._message_received,
            self._connection_closed,
            self._counters,
        )

    def _connection_opened(self, connection: SipConnection) -> bool:
        if len(self._connections) >= MAX_CONNECTIONS:
            self._counters.add("sip_connections_refused")
            return False
        self._connections[connection.peer] = connection
        return True

    def _message_received(self, message: bytes, connection: SipConnection) -> None:
        source = Address(*connection.peer, "tcp")
        self._received(message, source, Address(*connection.local, "tcp"))

    def _connection_closed(self, connection: SipConnection) -> None:
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]

    def _connect_and_send(self, peer: Peer, data: bytes) -> None:
        pending = self._pending.setdefault(peer, [])
        if len(pending) >= PENDING_MESSAGES:
            self._counters.add("sip_stream_pending_full")
            return
        pending.append(data)
        if len(pending) == 1:
            task = self._loop.create_task(self._connect(peer))
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _connect(self, peer: Peer) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await self._loop.create_connection(self._accepted, *peer)
        except OSError:  # TimeoutError is one
            self._pending.pop(peer, None)
            self._counters.add("sip_connect_failed")
            self._transport_failed(Address(*peer, "tcp"))
            return
        for data in self._pending.pop(peer, []):
            connection.send(data)
