"""RFC 3263: which server, which transport, in which order."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import closing
from typing import ClassVar

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rrset
import pytest

from rapida_media.net import resolver as module
from rapida_media.net.resolver import Naptr, Resolver, Srv, SystemDns
from rapida_media.sip.address import Address
from rapida_media.testing.clock import SeededIds


class Records:
    """A DNS of a few names; asked keeps the questions."""

    def __init__(self, naptr=None, srv=None, addresses=None, ttl=300.0):
        self._naptr, self._srv, self._addresses = naptr or {}, srv or {}, addresses or {}
        self._ttl = ttl
        self.asked = []

    def _answer(self, kind, table, name):
        self.asked.append((kind, name))
        return self._ttl, table.get(name, [])

    async def naptr(self, name):
        return self._answer("naptr", self._naptr, name)

    async def srv(self, name):
        return self._answer("srv", self._srv, name)

    async def addresses(self, name):
        return self._answer("address", self._addresses, name)


# The example of RFC 3263 section 4.1.
EXAMPLE = Records(
    naptr={
        "example.com": [
            Naptr(100, 50, "SIP+D2U", "_sip._udp.example.com"),
            Naptr(50, 50, "SIPS+D2T", "_sips._tcp.example.com"),
            Naptr(90, 50, "SIP+D2T", "_sip._tcp.example.com"),
        ]
    },
    srv={
        "_sip._tcp.example.com": [
            Srv(0, 1, 5060, "server1.example.com"),
            Srv(1, 2, 5060, "server2.example.com"),
        ],
        "_sip._udp.example.com": [Srv(0, 1, 5070, "server1.example.com")],
        "_sips._tcp.example.com": [Srv(0, 1, 5061, "server1.example.com")],
    },
    addresses={
        "server1.example.com": ["192.0.2.1"],
        "server2.example.com": ["192.0.2.2", "2001:db8::2"],
    },
)


def make(records, transports=("udp", "tcp"), **options):
    return Resolver(SeededIds(1), records, transports, **options)


async def test_naptr_chooses_the_transport_we_support_and_srv_the_servers():
    assert await make(EXAMPLE).resolve("Example.COM.") == [
        Address("192.0.2.1", 5060, "tcp"),
        Address("192.0.2.2", 5060, "tcp"),
        Address("2001:db8::2", 5060, "tcp"),
        Address("192.0.2.1", 5070, "udp"),
    ]


async def test_without_ipv6_no_such_address_is_tried():
    found = await make(EXAMPLE, ipv6=False).resolve("example.com", transport="tcp")
    assert [each.host for each in found] == ["192.0.2.1", "192.0.2.2"]


async def test_a_transport_in_the_uri_is_kept_and_its_srv_asked():
    assert await make(EXAMPLE).resolve("example.com", transport="udp") == [
        Address("192.0.2.1", 5070, "udp")
    ]


async def test_sips_goes_by_tls_only():
    assert await make(EXAMPLE, ("udp", "tcp", "tls")).resolve("example.com", sips=True) == [
        Address("192.0.2.1", 5061, "tls")
    ]


@pytest.mark.parametrize(
    ("arguments", "address"),
    [
        (("192.0.2.9",), Address("192.0.2.9", 5060, "udp")),
        (("192.0.2.9", 5070, "tcp"), Address("192.0.2.9", 5070, "tcp")),
        (("2001:db8::9", None, "tls"), Address("2001:db8::9", 5061, "tls")),
        (("server1.example.com", 5080), Address("192.0.2.1", 5080, "udp")),
    ],
)
async def test_an_address_or_a_port_asks_for_no_srv(arguments, address):
    records = Records(addresses={"server1.example.com": ["192.0.2.1"]})
    assert await make(records).resolve(*arguments) == [address]
    assert all(kind == "address" for kind, _ in records.asked)


async def test_without_naptr_each_transport_is_asked_for_and_without_srv_the_name_itself():
    records = Records(addresses={"pbx.example": ["192.0.2.5"]})
    assert await make(records).resolve("pbx.example") == [Address("192.0.2.5", 5060, "udp")]
    assert records.asked == [
        ("naptr", "pbx.example"),
        ("srv", "_sip._udp.pbx.example"),
        ("srv", "_sip._tcp.pbx.example"),
        ("address", "pbx.example"),
    ]


async def test_without_udp_of_ours_what_says_nothing_is_called_by_what_we_have():
    records = Records(addresses={"pbx.example": ["192.0.2.5"]})
    resolver = make(records, ("tcp", "tls"))
    for host in ("pbx.example", "192.0.2.5"):
        assert await resolver.resolve(host) == [Address("192.0.2.5", 5060, "tcp")]
    assert await resolver.resolve("pbx.example", 5070) == [Address("192.0.2.5", 5070, "tcp")]


async def test_a_name_nobody_knows_gives_nothing():
    assert await make(Records()).resolve("nowhere.example") == []


async def test_a_service_said_not_to_exist_is_not_used():
    records = Records(srv={"_sip._udp.example.com": [Srv(0, 0, 0, ".")]})
    assert await make(records).resolve("example.com", transport="udp") == []


async def test_weights_share_the_calls_of_one_priority():
    records = Records(
        srv={
            "_sip._udp.x.example": [
                Srv(1, 100, 5060, "192.0.2.9"),
                Srv(0, 60, 5060, "192.0.2.1"),
                Srv(0, 20, 5060, "192.0.2.2"),
                Srv(0, 20, 5060, "192.0.2.3"),
                Srv(0, 0, 5060, "192.0.2.4"),
            ]
        }
    )
    resolver = make(records)
    orders = [
        tuple(each.host for each in await resolver.resolve("x.example", transport="udp"))
        for _ in range(2000)
    ]
    assert all(order[-1] == "192.0.2.9" and len(set(order)) == 5 for order in orders)
    first = Counter(order[0] for order in orders)
    assert 0.55 < first["192.0.2.1"] / 2000 < 0.65
    assert 0.15 < first["192.0.2.2"] / 2000 < 0.25
    assert 0 < first["192.0.2.4"] / 2000 < 0.04


async def test_records_are_kept_for_their_ttl_and_names_without_any_for_a_minute(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.clock, "monotonic", lambda: now[0])
    records = Records(srv={"_sip._udp.x.example": [Srv(0, 1, 5060, "192.0.2.1")]}, ttl=300.0)
    resolver = make(records)

    async def questions(at, host):
        now[0] = at
        before = len(records.asked)
        await resolver.resolve(host, transport="udp")
        return len(records.asked) - before

    assert [await questions(at, "x.example") for at in (100, 399, 401)] == [1, 0, 1]
    assert [await questions(at, "y.example") for at in (500, 559, 561)] == [2, 0, 2]


async def test_the_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_NAMES", 10)
    resolver = make(Records())
    for number in range(50):
        await resolver.resolve(f"n{number}.example")
    assert len(resolver._cache) == 10


class NameServer(asyncio.DatagramProtocol):
    """Answers over a real socket from a zone in text form."""

    ZONE: ClassVar = {
        ("carrier.example.", "NAPTR"): '10 10 "s" "SIP+D2T" "" _sip._tcp.carrier.example.',
        ("_sip._tcp.carrier.example.", "SRV"): "5 0 5062 192-0-2-7.carrier.example.",
    }

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, source):
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        text = self.ZONE.get((question.name.to_text(), kind))
        if text is not None:
            answer.answer.append(dns.rrset.from_text(question.name, 77, "IN", kind, text))
        answer.flags |= dns.flags.RA
        self.transport.sendto(answer.to_wire(), source)


async def test_records_are_read_from_a_real_name_server():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(NameServer, ("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    system = SystemDns(resolver)
    try:
        naptr = await system.naptr("carrier.example")
        srv = await system.srv("_sip._tcp.carrier.example")
        nothing = await system.srv("_sip._udp.carrier.example")
    finally:
        transport.close()
    assert naptr == (77.0, [Naptr(10, 10, "SIP+D2T", "_sip._tcp.carrier.example")])
    assert srv == (77.0, [Srv(5, 0, 5062, "192-0-2-7.carrier.example")])
    assert nothing == (60.0, [])


async def test_the_system_knows_this_machine_and_not_a_name_that_cannot_be():
    assert "127.0.0.1" in (await SystemDns().addresses("localhost"))[1]
    assert (await SystemDns().addresses("a..b"))[1] == []
    assert (await SystemDns().srv("a..b"))[1] == []
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    nobody = dns.asyncresolver.Resolver(configure=False)
    nobody.nameservers, nobody.port, nobody.timeout = ["127.0.0.1"], port, 0.1
    assert (await SystemDns(nobody).srv("x.example"))[1] == []
