"""What is kept up with trunks, over a resolver that does not always answer."""

from __future__ import annotations

import pytest

from rapida_media.call.gate import Gate
from rapida_media.config import Trunk
from rapida_media.net.resolver import Naptr, Resolver, Srv
from rapida_media.net.target import resolve_target
from rapida_media.net.trunks import Trunks
from rapida_media.sip.address import Address
from rapida_media.sip.builder import build_request
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds

INVITE = build_request("INVITE", "sip:1@x", [("To", "<sip:1@x>"), ("Call-ID", "1")])
EDGES, SERVERS = "edges.carrier.example", "sip.carrier.example"
CARRIER = Trunk("carrier", names=(EDGES,), domain=SERVERS)


class Records:
    """A domain whose server is to be called over TCP, at a port of its own."""

    async def naptr(self, name):
        return 60.0, [Naptr(10, 10, "SIP+D2T", f"_sip._tcp.{name}")] if name == SERVERS else []

    async def srv(self, name):
        return 60.0, [
            Srv(0, 0, 5070, "a.carrier.example")
        ] if name == f"_sip._tcp.{SERVERS}" else []

    async def addresses(self, name):
        return 60.0, ["192.0.2.7"]


class Names:
    """A resolver. known: by name, the hosts behind it."""

    def __init__(self) -> None:
        self.known = {EDGES: ["192.0.2.1", "192.0.2.2"], SERVERS: ["192.0.2.9"]}

    async def resolve(self, host, port=None, transport=None, *, sips=False):
        return [Address(each, port or 5060) for each in self.known.get(host, [])]

    async def behind(self, domain):
        return self.known.get(domain, [])


@pytest.mark.parametrize(
    ("transport", "address"),
    [(None, Address("192.0.2.7", 5070, "tcp")), ("udp", Address("192.0.2.7", 5060, "udp"))],
)
async def test_a_trunk_is_called_as_its_records_say_unless_the_configuration_does(
    transport, address
):
    counters, trunk = Counters(), Trunk("carrier", domain=SERVERS, transport=transport)
    gate = Gate({"carrier": trunk}, ("MD5",), SeededIds(1), counters)
    resolver = Resolver(SeededIds(1), Records())
    trunks = Trunks({"carrier": trunk}, gate, resolver, counters, lambda now: None)
    way = await trunks.outbound("carrier", "+15550100", None)
    assert way.target.addresses == (address,)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        (f"sip:bob@{SERVERS}", Address("192.0.2.7", 5070, "tcp")),
        (f"sip:bob@{SERVERS};transport=UDP", Address("192.0.2.7", 5060, "udp")),
        (f"sip:bob@{SERVERS}:5080", Address("192.0.2.7", 5080, "udp")),
    ],
)
async def test_a_uri_is_called_as_it_says_or_else_the_records_of_its_host(uri, address):
    target = await resolve_target(uri, None, Resolver(SeededIds(1), Records()))
    assert target.addresses == (address,)


async def test_a_name_server_that_fails_takes_no_trunk_away() -> None:
    counters, names = Counters(), Names()
    gate = Gate({"carrier": CARRIER}, ("MD5",), SeededIds(1), counters)
    trunks = Trunks({"carrier": CARRIER}, gate, names, counters, lambda now: None)

    def welcome() -> list[str]:
        hosts = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.9")
        return [host for host in hosts if gate.check(INVITE, Address(host, 5060), 1.0) is None]

    await trunks.look_up()
    assert welcome() == ["192.0.2.1", "192.0.2.2", "192.0.2.9"]
    names.known.clear()
    await trunks.look_up()
    assert welcome() == ["192.0.2.1", "192.0.2.2", "192.0.2.9"]
    assert trunks.health() == {"carrier": {"resolved": True}}
    way = await trunks.outbound("carrier", "+15550100", None)
    assert way.target.addresses == (Address("192.0.2.9", 5060),)
    names.known[EDGES] = ["192.0.2.3"]  # and what is found takes the place of what was
    await trunks.look_up()
    assert welcome() == ["192.0.2.3", "192.0.2.9"]


async def test_a_domain_calls_from_the_servers_its_records_name() -> None:
    counters, trunk = Counters(), Trunk("carrier", names=("other.example", SERVERS))
    gate = Gate({"carrier": trunk}, ("MD5",), SeededIds(1), counters)
    records = Records()
    hosts = {"a.carrier.example": ["192.0.2.7"], "other.example": ["192.0.2.5"]}
    records.addresses = lambda name: answered(hosts.get(name, []))
    resolver = Resolver(SeededIds(1), records)
    trunks = Trunks({"carrier": trunk}, gate, resolver, counters, lambda now: None)
    await trunks.look_up()
    for host, welcome in (("192.0.2.7", True), ("192.0.2.5", True), ("192.0.2.6", False)):
        assert (gate.check(INVITE, Address(host, 5060), 1.0) is None) is welcome


async def answered(hosts: list[str]) -> tuple[float, list[str]]:
    return 60.0, hosts
