"""Takes the connections peers make to us: so many of a stranger's, TLS handshakes included.

A handshake costs 300 kB before we know who is there, so that it is counted from its beginning.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine

from rapida_media.call.source_limit import source_of
from rapida_media.net.sip_stream import SipConnection
from rapida_media.net.tls import handshake_error
from rapida_media.net.udp import numeric_family, only_ipv6
from rapida_media.stats import Counters

log = logging.getLogger(__name__)

# Of the connections there may be, how many strangers may have, and how many one of them: all
# telephones of an office, which are one address to us.
STRANGERS = 1_500
OF_ONE_STRANGER = 200
HANDSHAKE_S = 10.0
BACKLOG = 128
# How long nothing is taken while the system has no more descriptors.
OUT_OF_DESCRIPTORS_S = 0.5


class Door:
    """Counts the connections of strangers. known: whether a host (an IP literal) is none."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self._known = known
        self._strangers: Counter[str] = Counter()

    def enter(self, host: str) -> str | None:
        """Let one more in; gives the source it ``leave``s as, None when there is no room for it."""
        if self._known(host):
            return ""
        source = source_of(host)
        if self._strangers[source] >= OF_ONE_STRANGER or self._strangers.total() >= STRANGERS:
            return None
        self._strangers[source] += 1
        return source

    def leave(self, connection: SipConnection) -> None:
        """Forget a connection, if it was a stranger's. Again is no harm."""
        source, connection.source = connection.source, ""
        if source:
            self._strangers[source] -= 1
            if not self._strangers[source]:
                del self._strangers[source]


class SipListener:
    """One address that is listened on, deaf until ``start``.

    make: gives the protocol of a new connection.  context: of TLS.
    Raises OSError when the address cannot be had.
    """

    def __init__(
        self,
        address: tuple[str, int],
        make: Callable[[], SipConnection],
        context: ssl.SSLContext | None,
        door: Door,
        counters: Counters,
    ) -> None:
        self._make = make
        self._context = context
        self._door = door
        self._counters = counters
        self._tasks: set[asyncio.Task[None]] = set()
        self._socket = socket.socket(numeric_family(address[0]), socket.SOCK_STREAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            only_ipv6(self._socket)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self.port: int = self._socket.getsockname()[1]

    def start(self) -> None:
        """Begin to take connections."""
        self._socket.listen(BACKLOG)
        self._spawn(self._accept())

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._socket.close()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, (host, *_) = await loop.sock_accept(self._socket)
            except OSError:
                self._counters.add("sip_accept_failed")
                await asyncio.sleep(OUT_OF_DESCRIPTORS_S)
                continue
            source = self._door.enter(host)
            if source is None:
                self._counters.add("sip_connections_refused")
                connection.close()
            else:
                self._spawn(self._take(connection, host, source))

    async def _take(self, connection: socket.socket, host: str, source: str) -> None:
        """Shake hands, where it wants TLS, and hand over."""
        protocol = self._make()
        protocol.source = source
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S if self._context else None,
            )
        except OSError as error:  # SSLError and TimeoutError are
            self._counters.add("sip_tls_handshakes_failed")
            if not source and isinstance(error, ssl.SSLError):  # what strangers try is no news
                why = handshake_error(error)
                log.warning("no TLS with a peer that connected from %s: %s", host, why)
            self._door.leave(protocol)
