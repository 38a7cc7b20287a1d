"""From a host name to the addresses a SIP request goes to, in order (RFC 3263, RFC 2782).

NAPTR and SRV records are asked for with dnspython: pure Python, maintained for twenty years, and
with an asyncio interface. Addresses come from the system's resolver, which also knows /etc/hosts.
What was found is kept for as long as its TTL says.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

import dns.asyncresolver
import dns.exception
import dns.resolver

from rapida_media import clock
from rapida_media.ids import IdSource
from rapida_media.sip.address import DEFAULT_PORTS, Address, is_numeric

QUERY_SECONDS = 5.0
MIN_TTL, MAX_TTL = 5.0, 3600.0
# The system's resolver tells no TTL; and how long a name without records is not asked for again.
ADDRESS_TTL = NOTHING_TTL = 60.0
MAX_NAMES = 1_000
# RFC 3263 section 4.1 and the services registered for SIP.
SERVICES = {"sip+d2u": "udp", "sip+d2t": "tcp", "sips+d2t": "tls"}
PREFIXES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}


class Naptr(NamedTuple):
    """What of a NAPTR record leads from a service to its SRV records (RFC 3263 section 4.1)."""

    order: int
    preference: int
    service: str
    replacement: str


class Srv(NamedTuple):
    """One server of a service (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Dns(Protocol):
    """Where records come from. Each gives (seconds to keep, records); none is no error."""

    async def naptr(self, name: str) -> tuple[float, list[Naptr]]: ...
    async def srv(self, name: str) -> tuple[float, list[Srv]]: ...
    async def addresses(self, name: str) -> tuple[float, list[str]]: ...


class SystemDns:
    """The name servers and the hosts file this machine is configured with."""

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        self._resolver = resolver

    async def naptr(self, name: str) -> tuple[float, list[Naptr]]:
        ttl, records = await self._query(name, "NAPTR")
        return ttl, [
            Naptr(each.order, each.preference, each.service.decode("ascii", "replace"),
                  each.replacement.to_text(omit_final_dot=True))
            for each in records
            if each.flags.lower() == b"s"
        ]  # fmt: skip

    async def srv(self, name: str) -> tuple[float, list[Srv]]:
        ttl, records = await self._query(name, "SRV")
        return ttl, [
            Srv(each.priority, each.weight, each.port, each.target.to_text(omit_final_dot=True))
            for each in records
        ]

    async def addresses(self, name: str) -> tuple[float, list[str]]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, ValueError):  # ValueError: no host name at all
            return ADDRESS_TTL, []
        return ADDRESS_TTL, list(dict.fromkeys(str(address[0]) for *_, address in found))

    async def _query(self, name: str, kind: str) -> tuple[float, list[Any]]:
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
            answer = await self._resolver.resolve(name, kind, lifetime=QUERY_SECONDS)
        except (dns.exception.DNSException, OSError, ValueError):
            return NOTHING_TTL, []
        return float(answer.rrset.ttl if answer.rrset is not None else 0), list(answer)


class Resolver:
    """Finds the servers of a SIP domain.

    transports: those we can send by; of them the peer's NAPTR and SRV records choose. Where it has
    none it is UDP, or the first of them.
    ipv6: whether we can reach IPv6 addresses.
    """

    def __init__(
        self,
        ids: IdSource,
        dns: Dns | None = None,
        transports: Sequence[str] = ("udp", "tcp", "tls"),
        *,
        ipv6: bool = True,
    ) -> None:
        self._ids = ids
        self._dns = dns or SystemDns()
        self._transports = transports
        self._default = "udp" if "udp" in transports else transports[0]
        self._ipv6 = ipv6
        self._cache: OrderedDict[tuple[str, str], tuple[float, list[Any]]] = OrderedDict()

    async def resolve(
        self,
        host: str,
        port: int | None = None,
        transport: str | None = None,
        *,
        sips: bool = False,
    ) -> list[Address]:
        """Give the addresses for a URI's host, port and transport, the first to be tried first.

        host: without IPv6 brackets. Empty when there is none we can reach.
        """
        if sips:
            transport = "tls"
        if is_numeric(host):
            chosen = transport or self._default
            return [Address(host, port or DEFAULT_PORTS[chosen], chosen)]
        host = host.lower().removesuffix(".")
        if port is not None:
            return await self._addresses(host, port, transport or self._default, host)
        if transport is not None:
            found = await self._by_srv(f"{PREFIXES[transport]}.{host}", transport, host)
        else:
            found = await self._choose(host)
        if found:
            return found
        chosen = transport or self._default
        return await self._addresses(host, DEFAULT_PORTS[chosen], chosen, host)

    async def addresses(self, host: str) -> list[str]:
        """Give the addresses of a name that we can reach; empty when there are none."""
        return [each.host for each in await self.resolve(host, DEFAULT_PORTS["udp"], "udp")]

    async def behind(self, domain: str) -> list[str]:
        """Give all that may call as a domain: the servers it is called at, and what its name alone
        stands for."""
        found = [*await self.resolve(domain, DEFAULT_PORTS["udp"]), *await self.resolve(domain)]
        return list(dict.fromkeys(each.host for each in found))

    async def _choose(self, host: str) -> list[Address]:
        """Let the peer's records choose the transport (RFC 3263 section 4.1)."""
        found: list[Address] = []
        for record in sorted(await self._records("naptr", host, self._dns.naptr)):
            transport = SERVICES.get(record.service.lower())
            if transport is not None and transport in self._transports:
                found += await self._by_srv(record.replacement, transport, host)
        if found:
            return found
        # "If no NAPTR records are found, the client constructs SRV queries for those transport
        # protocols it supports, and does a query for each."
        for transport in self._transports:
            found += await self._by_srv(f"{PREFIXES[transport]}.{host}", transport, host)
        return found

    async def _by_srv(self, name: str, transport: str, domain: str) -> list[Address]:
        found: list[Address] = []
        for record in self._in_order(await self._records("srv", name, self._dns.srv)):
            if record.target not in ("", "."):  # RFC 2782: "." says that there is no such service
                found += await self._addresses(record.target, record.port, transport, domain)
        return found

    def _in_order(self, records: list[Srv]) -> list[Srv]:
        """Sort by priority, and within one priority at random by weight (RFC 2782)."""
        ordered: list[Srv] = []
        # "arrange all SRV RRs (that have not been ordered yet) in any order, except that all those
        # with weight 0 are placed at the beginning of the list"
        left = sorted(records, key=lambda each: (each.priority, each.weight))
        while left:
            same = [each for each in left if each.priority == left[0].priority]
            pick = self._ids.number(32) % (sum(each.weight for each in same) + 1)
            running = 0
            for each in same:
                running += each.weight
                if running >= pick:
                    ordered.append(each)
                    left.remove(each)
                    break
        return ordered

    async def _addresses(self, host: str, port: int, transport: str, domain: str) -> list[Address]:
        hosts = [host] if is_numeric(host) else await self._records(
            "address", host, self._dns.addresses
        )  # fmt: skip
        usable = [each for each in hosts if self._ipv6 or ipaddress.ip_address(each).version == 4]
        return [Address(each, port, transport, domain) for each in usable]

    async def _records(
        self, kind: str, name: str, ask: Callable[[str], Awaitable[tuple[float, list[Any]]]]
    ) -> list[Any]:
        now = clock.monotonic()
        key = kind, name.lower()
        kept = self._cache.get(key)
        if kept is not None and kept[0] > now:
            return kept[1]
        ttl, records = await ask(name)
        ttl = min(max(ttl, MIN_TTL), MAX_TTL) if records else NOTHING_TTL
        self._cache[key] = now + ttl, records
        self._cache.move_to_end(key)
        if len(self._cache) > MAX_NAMES:
            self._cache.popitem(last=False)
        return records
