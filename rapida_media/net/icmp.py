"""What ICMP says of datagrams we sent, where the system tells (Linux: ip(7), IP_RECVERR).

RFC 3261 section 18.4: "Host, network, port or protocol unreachable errors … SHOULD cause the
transport layer to inform the transport user of a failure in sending. Source quench and TTL exceeded
ICMP errors SHOULD be ignored."
"""

from __future__ import annotations

import socket
import struct

# From linux/in.h, linux/in6.h; the socket module has no names for them. The flag it has, on Linux.
_ASK = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
_ERROR_QUEUE: int | None = getattr(socket, "MSG_ERRQUEUE", None)
# struct sock_extended_err: errno, origin, type, code, and what is none of our business.
_ERROR = struct.Struct("=IBBB")
# (origin, ICMP type): destination unreachable by ICMP (RFC 792) and by ICMPv6 (RFC 4443), and the
# code of the first that means a packet too big.
_UNREACHABLE = {(2, 3), (3, 1)}
_TOO_BIG = (2, 3, 4)
# What is quoted of a datagram fits into the smallest IPv6 packet (RFC 4443 section 3.1).
_QUOTED_BYTES, _ABOUT_BYTES = 1280, 256


def ask_for_errors(bound: socket.socket) -> None:
    """Have the system keep the ICMP errors of this socket, if it can."""
    if _ERROR_QUEUE is not None:
        bound.setsockopt(*_ASK[bound.family], 1)


def next_error(bound: socket.socket) -> bytes | None:
    """Take one error from the queue of a socket: the beginning of the datagram that did not arrive,
    as the ICMP message quotes it. Empty for an error that says something else; None when the queue
    is."""
    if _ERROR_QUEUE is None:
        return None
    try:
        quoted, about, *_ = bound.recvmsg(_QUOTED_BYTES, _ABOUT_BYTES, _ERROR_QUEUE)
    except OSError:
        return None
    return quoted if any(_says_unreachable(data) for *_, data in about) else b""


def _says_unreachable(error: bytes) -> bool:
    if len(error) < _ERROR.size:
        return False
    _, origin, kind, code = _ERROR.unpack_from(error)
    return (origin, kind) in _UNREACHABLE and (origin, kind, code) != _TOO_BIG
