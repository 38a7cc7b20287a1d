"""Where SIP messages come from and go to. Values only; resolving names is the shell's business."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import NamedTuple

UNRELIABLE = frozenset({"udp"})
_PRIVATE = tuple(
    ip_network(each)
    for each in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"),
    )
)
DEFAULT_PORTS = {"udp": 5060, "tcp": 5060, "tls": 5061}


@dataclass(frozen=True, slots=True)
class Address:
    """A transport address. host: numeric, IPv6 without brackets; transport: udp, tcp or tls.

    domain: the name it was found by, which a TLS certificate has to prove. proven: the names that
    one proved. Neither is part of what makes two addresses equal.
    """

    host: str
    port: int
    transport: str = "udp"
    domain: str | None = field(default=None, compare=False)
    proven: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def reliable(self) -> bool:
        return self.transport not in UNRELIABLE


class Path(NamedTuple):
    """A peer's address and the listener of ours that talks to it (None: the default one)."""

    remote: Address
    local: Address | None


class Datagram(NamedTuple):
    """One message to send. local: the listener that sends it, None for the transport's default."""

    data: bytes
    destination: Address
    local: Address | None


@lru_cache(1024)  # the same few peers again and again
def is_numeric(host: str) -> bool:
    """Tell an IP address (IPv6 without brackets) from a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_private(host: str) -> bool:
    """Tell an address that means another machine, or none, elsewhere (RFC 1918, RFC 6598, RFC 3927,
    RFC 4193, RFC 1122 section 3.2.1.3, RFC 4291 sections 2.5.3 and 2.5.6); False for names."""
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _PRIVATE)


def format_host_port(host: str, port: int) -> str:
    """Write ``host:port`` as Via and URIs want it, IPv6 in brackets."""
    return f"{format_host(host)}:{port}"


def format_host(host: str) -> str:
    """Write a host as URIs want it, IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
