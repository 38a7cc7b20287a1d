"""Which address a peer is told where we have several: one in its own network."""

from __future__ import annotations

import pytest

from rapida_media.net.local_address import contact_towards
from rapida_media.sip.address import Address, Path

CARRIERS, OFFICE = Address("198.51.100.2", 5060), Address("192.168.1.2", 5062)
ANYWHERE = Address("0.0.0.0", 5060), Address("0.0.0.0", 5060, "tcp")
ROUTES = {"198.51.100.9": "198.51.100.2", "192.168.1.9": "192.168.1.2"}


@pytest.fixture(autouse=True)
def routes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rapida_media.net.local_address.local_address_towards", ROUTES.get)


@pytest.mark.parametrize(
    ("listened_on", "peer", "came_to", "named"),
    [
        ((CARRIERS, OFFICE), Address("192.168.1.9", 5060), OFFICE, ("192.168.1.2", 5062)),
        ((CARRIERS, OFFICE), Address("192.168.1.9", 5060), CARRIERS, ("198.51.100.2", 5060)),
        ((CARRIERS, OFFICE), Address("192.168.1.9", 5060), None, ("192.168.1.2", 5062)),
        ((CARRIERS, OFFICE), Address("203.0.113.1", 5060), None, ("198.51.100.2", 5060)),
        (ANYWHERE, Address("192.168.1.9", 5060), ANYWHERE[0], ("192.168.1.2", 5060)),
        (ANYWHERE, Address("198.51.100.9", 5060), None, ("198.51.100.2", 5060)),
        (
            ANYWHERE,
            Address("192.168.1.9", 40001, "tcp"),
            Address("192.168.1.2", 5060, "tcp"),
            ("192.168.1.2", 5060),
        ),
        (
            ANYWHERE,
            Address("192.168.1.9", 5060, "tcp"),
            Address("192.168.1.2", 40001, "tcp"),
            ("192.168.1.2", 5060),
        ),
        (ANYWHERE, Address("192.168.1.9", 5061, "tls"), None, None),
    ],
    ids=[
        *(
            "the listener called",
            "the other listener called",
            "by the route",
            "nobody knows",
        ),
        *("on all addresses", "on all addresses, a call of ours", "a connection of theirs"),
        *("a connection of ours", "no listener of that transport"),
    ],
)
def test_a_peer_is_told_the_address_it_can_reach(
    listened_on: tuple[Address, ...],
    peer: Address,
    came_to: Address | None,
    named: tuple[str, int] | None,
) -> None:
    towards = contact_towards(listened_on, None)
    assert towards is not None
    assert towards(Path(peer, came_to)) == named


def test_an_address_outside_a_nat_is_told_to_all() -> None:
    towards = contact_towards((CARRIERS, OFFICE), "203.0.113.5")
    assert towards is not None
    assert towards(Path(Address("192.168.1.9", 5060), OFFICE)) is None


def test_where_there_is_one_address_for_each_way_nothing_depends_on_the_peer() -> None:
    one_each = (CARRIERS, Address("198.51.100.2", 5060, "tcp"), Address("2001:db8::2", 5060))
    assert contact_towards(one_each, None) is None
