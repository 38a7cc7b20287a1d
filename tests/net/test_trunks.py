"""What is kept up with trunks, over a resolver that does not always answer."""

from __future__ import annotations

from rapida_media.call.gate import Gate
from rapida_media.config import Trunk
from rapida_media.net.trunks import Trunks
from rapida_media.sip.address import Address
from rapida_media.sip.builder import build_request
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds

INVITE = build_request("INVITE", "sip:1@x", [("To", "<sip:1@x>"), ("Call-ID", "1")])
EDGES, SERVERS = "edges.carrier.example", "sip.carrier.example"
CARRIER = Trunk("carrier", names=(EDGES,), domain=SERVERS)


class Names:
    """A resolver. known: by name, the hosts behind it."""

    def __init__(self) -> None:
        self.known = {EDGES: ["192.0.2.1", "192.0.2.2"], SERVERS: ["192.0.2.9"]}

    async def resolve(self, host, port=None, transport=None, *, sips=False):
        return [Address(each, port or 5060) for each in self.known.get(host, [])]


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
