"""What an endpoint calls itself: Contact and Via by transport, IP family and scheme."""

from __future__ import annotations

import pytest

from rapida_media.sip.address import Address, Path
from rapida_media.sip.user_agent import EndpointConfig, UserAgent
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds

CONTACTS = {
    "udp": ("192.0.2.1", 5060),
    "tcp": ("192.0.2.1", 5060),
    "tls": ("192.0.2.1", 5061),
    "udp6": ("2001:db8::1", 5060),
    "tls6": ("2001:db8::1", 5061),
}


@pytest.fixture
def agent() -> UserAgent:
    return UserAgent(EndpointConfig(CONTACTS), SeededIds(1), Counters())


@pytest.mark.parametrize(
    ("peer", "contact", "sent_by"),
    [
        (Address("192.0.2.9", 1), "<sip:192.0.2.1:5060>", "UDP 192.0.2.1:5060"),
        (Address("2001:db8::9", 1), "<sip:[2001:db8::1]:5060>", "UDP [2001:db8::1]:5060"),
        (
            Address("192.0.2.9", 1, "tcp"),
            "<sip:192.0.2.1:5060;transport=tcp>",
            "TCP 192.0.2.1:5060",
        ),
        (
            Address("2001:db8::9", 1, "tls"),
            "<sip:[2001:db8::1]:5061;transport=tls>",
            "TLS [2001:db8::1]:5061",
        ),
        # Without an address of its family, a peer is told what there is.
        (
            Address("2001:db8::9", 1, "tcp"),
            "<sip:192.0.2.1:5060;transport=tcp>",
            "TCP 192.0.2.1:5060",
        ),
    ],
)
def test_contact_and_via_are_of_the_peers_transport_and_family(
    agent: UserAgent, peer: Address, contact: str, sent_by: str
) -> None:
    assert agent.contact(Path(peer, None)) == ("Contact", contact)
    assert agent.sent_by(Path(peer, None)) == sent_by


@pytest.mark.parametrize(
    ("uri", "transport", "contact"),
    [
        ("sips:bob@example.com", "tls", "<sips:192.0.2.1:5061>"),
        ("SIPS:bob@example.com", "tls", "<sips:192.0.2.1:5061>"),
        ("sip:bob@example.com", "tls", "<sip:192.0.2.1:5061;transport=tls>"),
        # Over UDP nothing is secure, whatever the URI says.
        ("sips:bob@example.com", "udp", "<sip:192.0.2.1:5060>"),
    ],
)
def test_the_contact_for_a_sips_uri_is_one(
    agent: UserAgent, uri: str, transport: str, contact: str
) -> None:
    path = Path(Address("192.0.2.9", 1, transport), None)
    assert agent.contact(path, uri=uri) == ("Contact", contact)


@pytest.mark.parametrize(
    ("uri", "contact"),
    [
        ("sip:bob@example.com", "<sip:198.51.100.2:5071;transport=tls>"),
        ("sips:bob@example.com", "<sips:198.51.100.2:5071>"),
    ],
)
def test_where_it_depends_on_the_way_contact_and_via_follow_that(uri: str, contact: str) -> None:
    ways = {Path(Address("198.51.100.9", 1, "tls"), None): ("198.51.100.2", 5071)}
    config = EndpointConfig(contacts={"tls": ("192.0.2.1", 5061)}, towards=ways.get)
    agent = UserAgent(config, SeededIds(1), Counters())
    (there,) = ways
    assert agent.contact(there, uri=uri) == ("Contact", contact)
    assert agent.sent_by(there) == "TLS 198.51.100.2:5071"
    elsewhere = Path(Address("203.0.113.9", 1, "tls"), None)
    assert agent.contact(elsewhere) == ("Contact", "<sip:192.0.2.1:5061;transport=tls>")
    assert agent.sent_by(elsewhere) == "TLS 192.0.2.1:5061"
