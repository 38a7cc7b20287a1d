"""Joins the sans-IO SIP endpoint to sockets: input, drain, send, arm one timer.

UDP here, TCP and TLS in ``sip_connections``. What the endpoint says about calls waits until the
records of what is said are kept, some milliseconds: who saw a 200 finds the call after a crash.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from rapida_media import clock
from rapida_media.call.journal import Keeper
from rapida_media.config import Listen
from rapida_media.net.local_address import listener_towards
from rapida_media.net.sip_connections import Connections
from rapida_media.net.tls import Tls
from rapida_media.net.udp import UdpSocket
from rapida_media.sip.address import Address, Datagram, Path
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.events import AnyEvent
from rapida_media.sip.trace import Tracer
from rapida_media.stats import Counters

# The one message that says nothing of a call: RFC 3261 section 17.2.1 has the transaction send it.
TRYING = b"SIP/2.0 100 "


class SipTransport:
    """The sockets of one endpoint.

    handle_event: called with each event of the endpoint and ``now``, before anything is sent.
    keeper: of the records of what happens to calls. known: tells the hosts that are no strangers.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handle_event: Callable[[AnyEvent, float], None],
        counters: Counters,
        tls: Tls,
        *,
        tracer: Tracer,
        keeper: Keeper,
        known: Callable[[str], bool],
    ) -> None:
        self._loop = loop
        self._endpoint: SipEndpoint
        self._handle_event = handle_event
        self._counters = counters
        self._tracer = tracer
        self._keeper = keeper
        self._held: deque[Sequence[Datagram]] = deque()
        self._udp: dict[Address, UdpSocket] = {}
        self._streams = Connections(
            loop,
            received=self._received,
            failed=self._transport_failed,
            lost=self._connection_lost,
            needed=self._connection_needed,
            known=known,
            counters=counters,
            tls=tls,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False
        # Set while no session is alive, not even one whose BYE waits for its answer.
        self.quiet = asyncio.Event()

    async def start(self, endpoint: SipEndpoint) -> None:
        """Begin to receive. The endpoint's Contact needs the ports, so it comes after them."""
        self._endpoint = endpoint
        for udp in self._udp.values():
            udp.start()
        self._streams.start()

    @property
    def local_addresses(self) -> list[Address]:
        """What is listened on, with the ports the system really gave."""
        return [*self._udp, *self._streams.local_addresses]

    @property
    def connection_count(self) -> int:
        return self._streams.count

    async def listen(self, listen: Listen) -> Address:
        """Bind one listener, deaf until ``start``.

        OSError when the address cannot be had, ConfigError when its TLS files cannot be used.
        """
        if listen.transport == "udp":
            return self._listen_udp(listen.host, listen.port)
        return self._streams.listen(listen)

    def _listen_udp(self, host: str, port: int) -> Address:
        # The receiver learns its own address only after the bind, which may choose the port.
        local: list[Address] = []
        listener = UdpSocket(
            self._loop,
            (host, port),
            lambda data, source: self._received(data, Address(*source, "udp"), local[0]),
            self._undelivered,
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
        self._streams.close()

    # -- the endpoint's shell ------------------------------------------------------------------

    def _received(self, data: bytes, source: Address, local: Address) -> None:
        now = clock.monotonic()
        self._tracer.record(data, sent=False, remote=source, local=local, now=now)
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
                self._let_out(datagrams, now)
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

    def _let_out(self, datagrams: list[Datagram], now: float) -> None:
        """Send, in order, what nothing has to be kept for yet; the rest follows its records."""
        if self._held or self._keeper.behind:
            held = [each for each in datagrams if not each.data.startswith(TRYING)]
            if held:
                self._held.append(held)
                self._keeper.when_kept(self._let_go)
            datagrams = [each for each in datagrams if each.data.startswith(TRYING)]
        for datagram in datagrams:
            self._send(datagram, now)

    def _let_go(self) -> None:
        """Send what waited longest: the keeper calls once for each."""
        now = clock.monotonic()
        for datagram in self._held.popleft():
            self._send(datagram, now)

    def _send(self, datagram: Datagram, now: float) -> None:
        data, destination, local = datagram
        self._tracer.record(data, sent=True, remote=destination, local=local, now=now)
        if destination.transport == "udp":
            self._send_udp(datagram)
        else:
            self._streams.send(datagram.data, destination)

    def _send_udp(self, datagram: Datagram) -> None:
        listener = self._udp.get(datagram.local) if datagram.local else None
        destination = datagram.destination
        if listener is None:
            listener = self._listener_towards(destination)
        sent = listener is not None and listener.send(
            datagram.data, (destination.host, destination.port)
        )
        if not sent:
            self._failed_soon(destination)

    def _listener_towards(self, destination: Address) -> UdpSocket | None:
        """Give the listener that a peer is sent from which did not talk to one of them."""
        local = listener_towards(self._udp, Path(destination, None))
        return None if local is None else self._udp[local]

    def _failed_soon(self, destination: Address) -> None:
        self._loop.call_soon(self._transport_failed, destination)

    def _transport_failed(self, destination: Address) -> None:
        now = clock.monotonic()
        self._endpoint.transport_failed(destination, now)
        self.drain(now)

    def _undelivered(self, quoted: bytes) -> None:
        now = clock.monotonic()
        self._endpoint.undelivered(quoted, now)
        self.drain(now)

    def _connection_needed(self, peer: Address) -> bool:
        return self._endpoint.uses_connection(peer)

    def _connection_lost(self, peer: Address) -> None:
        now = clock.monotonic()
        self._endpoint.connection_lost(peer, now)
        self.drain(now)
