"""Ports for programs that have to be told one before they start: tests, demo, benchmarks.

A port that the system chose for a socket may be given to the next who asks, as soon as that socket
is closed: with several test processes that happens. These come from below the range it chooses from
(32768 and up on Linux), one after the other, so that nobody gets the same one twice within minutes.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle

FIRST, END = 20_480, 32_760
APART = 8  # room for the RTCP port beside an RTP port, and for a peer's video
HOST = "127.0.0.1"

_places = range(FIRST, END, APART)
_start = random.SystemRandom().randrange(len(_places))
_next: Iterator[int] = cycle((*_places[_start:], *_places[:_start]))


def free_port() -> int:
    """Give a loopback port that nobody has at the moment, for UDP nor for TCP.

    Raises OSError when all are taken.
    """
    for _ in _places:
        port = next(_next)
        if _is_free(port):
            return port
    raise OSError(f"expected a free port from {FIRST} to {END} on {HOST}: all are taken")


def _is_free(port: int) -> bool:
    with ExitStack() as probes:
        try:
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                probes.enter_context(socket.socket(socket.AF_INET, kind)).bind((HOST, port))
        except OSError:
            return False
    return True
