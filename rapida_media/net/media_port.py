"""RTP/RTCP port pairs: an even port for RTP, the next odd one for RTCP (RFC 3550 section 11).

Ports are taken from a shuffled list and come back at its end: taking one is a constant cost, a
port rests before its next call, and an outsider cannot guess which one comes next.
"""

from __future__ import annotations

import socket
from collections import deque
from dataclasses import dataclass
from typing import Any

from rapida_media.ids import IdSource
from rapida_media.net.udp import numeric_family

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
    """The pool of port pairs in ``first``-``last`` on one local address."""

    def __init__(self, address: str, first: int, last: int, ids: IdSource) -> None:
        self._address = address
        pairs = list(range(first + first % 2, last, 2))
        for index in range(len(pairs) - 1, 0, -1):
            other = ids.number(32) % (index + 1)
            pairs[index], pairs[other] = pairs[other], pairs[index]
        self._free = deque(pairs)
        self.in_use = 0

    @property
    def free(self) -> int:
        return len(self._free)

    def open(self) -> MediaPort | None:
        """Bind the next pair; None when all are taken, by us or by other programs."""
        for _ in range(min(TRIES, len(self._free))):
            port = self._free.popleft()
            try:
                rtp = self._bind(port)
            except OSError:
                self._free.append(port)
                continue
            try:
                rtcp = self._bind(port + 1)
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

    def _bind(self, port: int) -> socket.socket:
        bound = socket.socket(numeric_family(self._address), socket.SOCK_DGRAM)
        try:
            bound.setblocking(False)
            bound.bind((self._address, port))
        except OSError:
            bound.close()
            raise
        return bound
