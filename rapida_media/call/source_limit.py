"""How much attention a stranger gets: scanners try thousands of numbers from one address."""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import ip_address, ip_network

# A phone that mistypes its password, or a carrier's failover, stays well below this.
BURST = 20.0
PER_SECOND = 0.5
MAX_SOURCES = 10_000


class SourceLimit:
    """A token bucket for each source, in a table of bounded size.

    A source is an IPv4 address, or the /64 an IPv6 address lies in: one host has all of it.
    """

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, host: str, now: float) -> bool:
        """Take one token of ``host`` (an IP literal); False when it has none left."""
        source = source_of(host)
        tokens, filled_at = self._buckets.get(source, (BURST, now))
        tokens = min(BURST, tokens + (now - filled_at) * PER_SECOND)
        allowed = tokens >= 1
        self._buckets[source] = (tokens - 1 if allowed else tokens, now)
        self._buckets.move_to_end(source)
        if len(self._buckets) > MAX_SOURCES:
            self._buckets.popitem(last=False)
        return allowed

    def forgive(self, host: str) -> None:
        """Forget what a source did: it has shown that it knows the password."""
        self._buckets.pop(source_of(host), None)


def source_of(host: str) -> str:
    """Give what the hosts of one party have in common: see ``SourceLimit``."""
    if ":" not in host:
        return host
    address = host.partition("%")[0]
    mapped = ip_address(address)
    if mapped.version == 6 and mapped.ipv4_mapped is not None:
        return str(mapped.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))
