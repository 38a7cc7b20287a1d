"""Addresses that a provider may ask from: a key of its account, as a list in one text."""

from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network


def addresses_fault(text: str) -> str | None:
    """Say what is wrong with an address list of the configuration."""
    try:
        return None if networks(text) else "is empty; leave it out to take requests from anywhere"
    except ValueError as error:
        return f"{error}; expected addresses or networks such as 203.0.113.0/24, with commas"


@cache
def networks(text: str) -> tuple[Network, ...]:
    """Read addresses and networks, separated by commas or spaces. ValueError for others."""
    return tuple(ip_network(each) for each in re.split(r"[,\s]+", text) if each)


def is_listed(remote: str, listed: str) -> bool:
    """Tell whether an address is in a list; an empty one has all."""
    if not listed:
        return True
    try:
        address = ip_address(remote)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in each for each in networks(listed))
