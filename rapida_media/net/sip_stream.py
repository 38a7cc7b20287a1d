"""One SIP connection over TCP or TLS: framing, limits, life time (RFC 3261 §18.3, RFC 5626)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace

from rapida_media.errors import RemoteProtocolError
from rapida_media.net.tls import proven_names
from rapida_media.sip.address import Address
from rapida_media.sip.framing import StreamFramer
from rapida_media.stats import Counters

# A connection that brings neither a whole message nor a keep-alive for so long is closed, unless a
# call or a registration relies on it (RFC 5626 section 4.4.1 has clients send a keep-alive at least
# every 120 s). The system then finds out whether the peer is still there.
IDLE_S = 180.0
# Seconds of silence before the system asks, between questions, and how many it asks.
ALIVE = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}
# What a peer that does not read may leave in our send queue.
SEND_QUEUE_BYTES = 262_144
# RFC 5626 section 4.4.1: a double CRLF is the ping, a single CRLF the pong.
PONG = b"\r\n"


class SipConnection(asyncio.Protocol):
    """Frames one byte stream into SIP messages.

    transport: "tcp" or "tls".
    opened: asked once connected; False refuses the connection.
    receiver: called with each whole message and this connection.
    needed: asked whether to keep a silent connection.
    closed: called once, when the connection is gone.
    """

    def __init__(
        self,
        transport: str,
        *,
        opened: Callable[[SipConnection], bool],
        receiver: Callable[[bytes, SipConnection], None],
        needed: Callable[[SipConnection], bool],
        closed: Callable[[SipConnection], None],
        counters: Counters,
    ) -> None:
        self._name = transport
        self._opened = opened
        self._receiver = receiver
        self._needed = needed
        self._closed = closed
        self._counters = counters
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self.peer = self.local = Address("", 0, transport)
        self.source = ""  # which stranger it is counted as

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # Absent when the peer has reset the connection meanwhile.
        proven = proven_names(transport.get_extra_info("peercert"))
        self.peer = replace(self._address(transport.get_extra_info("peername")), proven=proven)
        self.local = self._address(transport.get_extra_info("sockname"))
        if self._opened(self):
            _keep_alive(transport.get_extra_info("socket"))
            self._restart_idle_timer()
        else:
            transport.abort()

    def _address(self, name: tuple[str, int] | None) -> Address:
        return Address(name[0], name[1], self._name) if name else Address("", 0, self._name)

    def data_received(self, data: bytes) -> None:
        pings, keep_alives = self._framer.pings, self._framer.keep_alives
        try:
            self._framer.feed(data)
            while (message := self._framer.next_message()) is not None:
                self._restart_idle_timer()
                self._receiver(message, self)
        except RemoteProtocolError:
            # Where the next message starts is unknown: the stream is of no further use.
            self._counters.add("sip_stream_framing_lost")
            self.close()
            return
        if self._framer.keep_alives > keep_alives:
            self._restart_idle_timer()
        if self._framer.pings > pings:
            # One write for all: a flood of pings must not cost a system call each.
            self.send(PONG * (self._framer.pings - pings))

    def connection_lost(self, error: Exception | None) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._closed(self)

    def send(self, data: bytes) -> None:
        """Queue one message; a peer that does not read is cut off."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > SEND_QUEUE_BYTES:
            self._counters.add("sip_stream_send_queue_full")
            transport.abort()
            return
        transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _restart_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self._silent)

    def _silent(self) -> None:
        if self._needed(self):
            self._restart_idle_timer()
        else:
            self.close()


def _keep_alive(connection: socket.socket) -> None:
    """Have the system end a connection whose peer is no more: calls keep it, however silent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in ALIVE.items():
        if (option := getattr(socket, name, None)) is not None:  # not every system has all
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
