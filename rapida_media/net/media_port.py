"""RTP/RTCP port pairs: an even port for RTP, the next odd one for RTCP (RFC 3550 section 11).

Ports are taken from a shuffled list and come back at its end: taking one is a constant cost, a
port rests before its next call, and an outsider cannot guess which one comes next.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rapida_media.ids import IdSource
from rapida_media.net.udp import numeric_family, only_ipv6

# How many pairs that another program holds are skipped before a call is refused.
TRIES = 16
# What may wait on an RTCP port: reports come seconds apart.
RTCP_BUFFER_BYTES = 2048
_MAPPED = "::ffff:"  # RFC 4291 section 2.5.5.2


@dataclass(frozen=True, slots=True)
class MediaPort:
    """A bound pair of non-blocking UDP sockets; ``port`` is the RTP one's."""

    port: int
    rtp: socket.socket
    rtcp: socket.socket


def plain_address(address: tuple[Any, ...]) -> tuple[str, int]:
    """Give what a socket calls a source as host and port, an IPv4 one as such."""
    host, port = address[:2]
    return host.removeprefix(_MAPPED) if "." in host else host, port


def reachable_address(used: socket.socket, address: tuple[str, int]) -> tuple[str, int]:
    """Give what that socket has to be told to reach a host and port."""
    host, port = address
    return (_MAPPED + host if used.family == socket.AF_INET6 and ":" not in host else host), port


class MediaPorts:
    """The pool of port pairs in ``first``-``last`` on a local address.

    other: an address of the other IP family, where pairs are opened when that is asked for.
    """

    def __init__(
        self, address: str, first: int, last: int, ids: IdSource, *, other: str | None = None
    ) -> None:
        self._addresses = {":" in each: each for each in (address, other) if each is not None}
        pairs = list(range(first + first % 2, last, 2))
        for index in range(len(pairs) - 1, 0, -1):
            chosen = ids.number(32) % (index + 1)
            pairs[index], pairs[chosen] = pairs[chosen], pairs[index]
        self._free = deque(pairs)
        self.in_use = 0

    @property
    def free(self) -> int:
        return len(self._free)

    def address(self, *, ipv6: bool) -> str | None:
        """Give the local address of a family; None when media does not go that way."""
        return self._addresses.get(ipv6)

    def open(self, *, ipv6: bool = False) -> MediaPort | None:
        """Bind the next pair; None when all are taken, by us or by other programs, or when there
        is no address of the family."""
        address = self._addresses.get(ipv6)
        if address is None:
            return None
        for _ in range(min(TRIES, len(self._free))):
            port = self._free.popleft()
            try:
                rtp = _bind(address, port)
            except OSError:
                self._free.append(port)
                continue
            try:
                rtcp = _bind(address, port + 1)
            except OSError:
                rtp.close()
                self._free.append(port)
                continue
            rtcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RTCP_BUFFER_BYTES)
            self.in_use += 1
            return MediaPort(port, rtp, rtcp)
        return None

    def close(self, pair: MediaPort) -> None:
        """Close both sockets and put the pair at the end of the queue."""
        pair.rtp.close()
        pair.rtcp.close()
        self._free.append(pair.port)
        self.in_use -= 1


def _bind(address: str, port: int) -> socket.socket:
    bound = socket.socket(numeric_family(address), socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        only_ipv6(bound)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def media_addresses(hosts: Iterable[str]) -> list[str]:
    """Give where media is taken: where SIP is, on every address of a family that has several."""
    found: list[str] = []
    for ipv6, every in ((False, "0.0.0.0"), (True, "::")):  # noqa: S104 — follows [sip] listen
        family = {host for host in hosts if (":" in host) == ipv6}
        found += family if len(family) < 2 else [every]
    return found
