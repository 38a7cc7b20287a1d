"""Endpoints on a virtual network and a virtual clock: a one-hour call is a millisecond test.

A scenario adds endpoints, acts on them with ``world.now`` and lets time pass with ``run_until`` or
``run_idle``. After every input a node is drained completely, as the network shell does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rapida_media.sip.address import Address
from rapida_media.sip.endpoint import EndpointConfig, SipEndpoint
from rapida_media.sip.events import AnyEvent
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds, VirtualClock
from rapida_media.testing.network import Network, Packet

EventHandler = Callable[[AnyEvent], None]


class Node(Protocol):
    """What lives in a world: takes packets and time, gives packets and deadlines."""

    address: Address

    def receive(self, packet: Packet, now: float) -> None: ...

    def next_timeout(self) -> float | None: ...

    def handle_timeout(self, now: float) -> None: ...

    def packets_to_send(self, now: float) -> list[Packet]: ...


class SipNode:
    """A SIP endpoint at one address. Events are kept in ``events`` and shown to ``on_event``."""

    def __init__(self, address: Address, endpoint: SipEndpoint, counters: Counters) -> None:
        self.address = address
        self.endpoint = endpoint
        self.counters = counters
        self.events: list[AnyEvent] = []
        self.on_event: EventHandler | None = None
        self.sent: list[Packet] = []

    def receive(self, packet: Packet, now: float) -> None:
        self.endpoint.receive_datagram(packet.data, packet.source, self.address, now)

    def next_timeout(self) -> float | None:
        return self.endpoint.next_timeout()

    def handle_timeout(self, now: float) -> None:
        self.endpoint.handle_timeout(now)

    def packets_to_send(self, now: float) -> list[Packet]:
        while (event := self.endpoint.next_event()) is not None:
            self.events.append(event)
            if self.on_event is not None:
                self.on_event(event)
        packets = [
            Packet(data, self.address, destination)
            for data, destination, _ in self.endpoint.datagrams_to_send()
        ]
        self.sent += packets
        return packets

    @property
    def idle(self) -> bool:
        """Whether no dialog, transaction or timer is left."""
        endpoint = self.endpoint
        return not (endpoint.sessions or endpoint.transaction_count or endpoint.timer_count)


class World:
    """Nodes, a network between them, and time."""

    def __init__(self, seed: int = 0, network: Network | None = None) -> None:
        self.clock = VirtualClock()
        self.network = Network(seed) if network is None else network
        self.nodes: dict[Address, Node] = {}
        self._seed = seed

    @property
    def now(self) -> float:
        return self.clock.now

    def add_sip(self, host: str, port: int = 5060, **settings: Any) -> SipNode:
        """Add a SIP endpoint over UDP; settings go to its ``EndpointConfig``."""
        address = Address(host, port)
        counters = Counters()
        config = EndpointConfig(**{"contacts": {"udp": (host, port)}, **settings})
        ids = SeededIds(self._seed * 1000 + len(self.nodes))
        node = SipNode(address, SipEndpoint(config, ids, counters), counters)
        self.add(node)
        return node

    def add(self, node: Node) -> None:
        self.nodes[node.address] = node

    def inject(self, data: bytes, source: Address, destination: Address) -> None:
        """Send raw bytes from an address that need not be a node."""
        self.network.send(Packet(data, source, destination), self.now)

    def run_until(self, now: float) -> None:
        """Let time pass, delivering packets and firing timers in their order."""
        self._drain()
        while (moment := self.next_moment()) is not None and moment <= now:
            self._step(moment)
        self.clock.advance_to(now)

    def run_for(self, seconds: float) -> None:
        self.run_until(self.now + seconds)

    def run_idle(self, limit_seconds: float = 3600.0) -> None:
        """Let time pass until nothing is in flight and no timer runs.

        Raises AssertionError when that is still not so after ``limit_seconds``.
        """
        end = self.now + limit_seconds
        self._drain()
        while (moment := self.next_moment()) is not None:
            assert moment <= end, f"still busy after {limit_seconds} s"
            self._step(moment)

    def next_moment(self) -> float | None:
        """Give when the next packet arrives or timer fires; None when nothing is to come."""
        moments = [node.next_timeout() for node in self.nodes.values()]
        moments.append(self.network.next_arrival())
        return min((moment for moment in moments if moment is not None), default=None)

    def _step(self, moment: float) -> None:
        self.clock.advance_to(max(moment, self.now))
        while (packet := self.network.receive(self.now)) is not None:
            node = self.nodes.get(packet.destination)
            if node is not None:  # else a dead host: nobody answers
                node.receive(packet, self.now)
                self._flush(node)
        for node in self.nodes.values():
            deadline = node.next_timeout()
            if deadline is not None and deadline <= self.now:
                node.handle_timeout(self.now)
                self._flush(node)

    def _drain(self) -> None:
        for node in self.nodes.values():
            self._flush(node)

    def _flush(self, node: Node) -> None:
        for packet in node.packets_to_send(self.now):
            self.network.send(packet, self.now)
