"""Which of this machine's addresses a far end would see: for Contact and SDP behind ``0.0.0.0``."""

from __future__ import annotations

import socket
from ipaddress import ip_address

from rapida_media.net.udp import numeric_family


def local_address_towards(host: str) -> str:
    """Give the address the system would send from towards ``host`` (an IP literal).

    Connecting a UDP socket asks the routing table and sends nothing. OSError without a route.
    """
    with socket.socket(numeric_family(host), socket.SOCK_DGRAM) as probe:
        probe.connect((host, 9))
        address: str = probe.getsockname()[0]
    return address


def is_unspecified(host: str) -> bool:
    """Tell ``0.0.0.0`` and ``::``."""
    return ip_address(host).is_unspecified
