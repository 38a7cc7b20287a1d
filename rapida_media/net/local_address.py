"""Which of this machine's addresses a far end would see: for Contact and SDP behind ``0.0.0.0``."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from rapida_media.net.udp import numeric_family

if TYPE_CHECKING:
    from rapida_media.sip.address import Address
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


def contacts(
    listened_on: Sequence[Address], external_address: str | None
) -> dict[str, tuple[str, int]]:
    """By transport and, where it is listened on in both IP families, by family: what Via and
    Contact name."""
    found: dict[str, tuple[str, int]] = {}
    ipv4 = {each.transport for each in listened_on if ":" not in each.host}
    for address in reversed(listened_on):
        ipv6 = ":" in address.host
        fits = external_address and (":" in external_address) == ipv6
        outside = external_address if fits else None
        key = f"{address.transport}6" if ipv6 and address.transport in ipv4 else address.transport
        found[key] = outside or reachable(address.host), address.port
    return found


def contact_towards(
    listened_on: Sequence[Address], external_address: str | None
) -> Callable[[Flow], tuple[str, int] | None] | None:
    """Give what Via and Contact name to one peer, where we have several addresses; None where
    ``contacts`` knows it for all. A peer in one network need not reach our address in another."""
    ways = [(each.transport, ":" in each.host) for each in listened_on]
    several = len(set(ways)) < len(ways) or any(is_unspecified(each.host) for each in listened_on)
    if not several:
        return None

    def towards(flow: Flow) -> tuple[str, int] | None:
        ipv6 = ":" in flow.remote.host
        if external_address and (":" in external_address) == ipv6:
            return None
        listener = listener_towards(listened_on, flow)
        if listener is None:
            return None
        try:
            unspecified = is_unspecified(listener.host)
            host = local_address_towards(flow.remote.host) if unspecified else listener.host
        except OSError:
            return None
        return host, listener.port

    return towards


def listener_towards(listened_on: Iterable[Address], flow: Flow) -> Address | None:
    """Give the listener that talks to a peer: the one it talked to, else the one whose address our
    packets to it leave from, else the first of its kind; None for none."""
    peer, local = flow
    fitting = [
        each
        for each in listened_on
        if each.transport == peer.transport and (":" in each.host) == (":" in peer.host)
    ]
    for each in fitting:
        # A connection's own address is one of those behind 0.0.0.0.
        hosts = (each.host, local.host) if local and is_unspecified(each.host) else (each.host,)
        if local is not None and local.port == each.port and local.host in hosts:
            return local
    if len(fitting) > 1:
        try:
            here = local_address_towards(peer.host)
        except OSError:
            here = None
        return next((each for each in fitting if each.host == here), fitting[0])
    return fitting[0] if fitting else None
