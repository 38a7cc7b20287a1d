"""A UDP socket reader of our own: one preallocated buffer, many datagrams per wake-up.

The event loop's own datagram transport allocates 256 KiB for every packet it reads.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from rapida_media.net.icmp import ask_for_errors, next_error
from rapida_media.stats import Counters

# RFC 3261 section 18.1.1: "All implementations MUST be able to handle messages up to the maximum
# datagram packet size."
BUFFER_BYTES = 65_536
# What may wait in the kernel: a burst of a few hundred INVITEs while the loop is busy. The system
# grants less where net.core.rmem_max is lower.
QUEUE_BYTES = 1 << 20
# What one wake-up reads at most, so that a flood on one socket cannot starve the media.
DATAGRAMS_PER_WAKE = 64
ATTEMPTS = 2

Receiver = Callable[[bytes, tuple[str, int]], None]


def numeric_family(host: str) -> socket.AddressFamily:
    """AF_INET6 for an IPv6 literal, else AF_INET."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def only_ipv6(bound: socket.socket) -> None:
    """Keep an IPv6 socket that will be bound to ``::`` from also taking the port of ``0.0.0.0``,
    so that both may be listened on and no peer is known by an IPv4 address mapped into IPv6."""
    if bound.family == socket.AF_INET6:
        bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)


class UdpSocket:
    """A bound, non-blocking UDP socket whose datagrams go to ``receiver(data, (host, port))``.

    undelivered: called with the beginning of a datagram that ICMP says did not arrive. Anybody can
    forge such a message, but cannot quote what he has not seen.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: tuple[str, int],
        receiver: Receiver,
        undelivered: Callable[[bytes], None],
        counters: Counters,
    ) -> None:
        self._loop = loop
        self._receiver = receiver
        self._undelivered = undelivered
        self._counters = counters
        self._buffer = bytearray(BUFFER_BYTES)
        self._socket = socket.socket(numeric_family(address[0]), socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            only_ipv6(self._socket)
            ask_for_errors(self._socket)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE_BYTES)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self.address: tuple[str, int] = self._socket.getsockname()[:2]

    def start(self) -> None:
        """Begin to receive."""
        self._loop.add_reader(self._socket.fileno(), self._readable)

    def send(self, data: bytes, destination: tuple[str, int]) -> bool:
        """Send one datagram; False (counted) when the system refuses it."""
        # The error of an earlier datagram, to somebody else, is told once, by whatever is called
        # next; ``_readable`` hears of it in full.
        for _ in range(ATTEMPTS):
            try:
                self._socket.sendto(data, destination)
            except OSError:
                continue
            return True
        self._counters.add("udp_send_failed")
        return False

    def close(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    def _readable(self) -> None:
        for number in range(DATAGRAMS_PER_WAKE):
            try:
                size, source = self._socket.recvfrom_into(self._buffer)
            except BlockingIOError:
                if not number:  # what woke us up is no datagram
                    self._take_errors()
                return
            except OSError:
                if not self._take_errors():
                    self._counters.add("udp_receive_failed")
                return
            self._receiver(bytes(memoryview(self._buffer)[:size]), source[:2])

    def _take_errors(self) -> int:
        """Tell of the datagrams that did not arrive; gives how many errors there were."""
        for number in range(DATAGRAMS_PER_WAKE):
            quoted = next_error(self._socket)
            if quoted is None:
                return number
            self._counters.add("udp_errors")
            if quoted:
                self._undelivered(quoted)
        return DATAGRAMS_PER_WAKE
