"""Which of this machine's addresses a far end would see: for Contact and SDP behind ``0.0.0.0``."""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from rapida_media.net.udp import numeric_family

if TYPE_CHECKING:
    from rapida_media.sip.address import Path as Flow


def local_address_towards(host: str) -> str:
    """Give the address the system would send from towards ``host`` (an IP literal).

    Connecting a UDP socket asks the routing table and sends nothing. OSError without a route.
    """
    with socket.socket(numeric_family(host), socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        address: str = probe.getsockname()[0]
    return address


@lru_cache(1024)  # our own few addresses, and what far ends call theirs
def is_unspecified(host: str) -> bool:
    """Tell ``0.0.0.0`` and ``::``."""
    return ip_address(host).is_unspecified


def address_towards(flow: Flow) -> str:
    """Give what the far end can reach us by: the listener it called, unless that is all."""
    if flow.local is not None and not is_unspecified(flow.local.host):
        return flow.local.host
    return local_address_towards(flow.remote.host)


def reachable(host: str) -> str:
    """Give an address for ``0.0.0.0`` and ``::``: the one the default route leads out by."""
    if not is_unspecified(host):
        return host
    # RFC 5737 and RFC 3849: documentation addresses; nothing is sent to them.
    try:
        return local_address_towards("2001:db8::1" if ":" in host else "192.0.2.1")
    except OSError:
        return "::1" if ":" in host else "127.0.0.1"
