"""Which trunk a SIP URI belongs to, and whether it is reached through the trunk's server."""

from __future__ import annotations

import tomllib

import pytest

from rapida_media.call.trunk_uri import goes_to_server, trunk_of_uri, uri_by_trunk
from rapida_media.config import parse_config
from rapida_media.sip.uri import parse_uri

CONFIG = """
[sip]
listen = ["udp:192.0.2.200:5060", "tls:192.0.2.200:5061"]
tls_certificate = "c.pem"
tls_key = "c.pem"
[trunks.carrier]
hosts = ["198.51.100.0/24", "gateway.carrier.example"]
domain = "carrier.example"
proxy = "edge.carrier.example:5080"
[trunks.pbx]
hosts = ["192.0.2.7"]
transport = "tls"
[trunks.beside]
hosts = ["192.0.2.7", "2001:db8::/32"]
proxy = "192.0.2.7:5070"
"""
TRUNKS = parse_config(tomllib.loads(CONFIG)).trunks


@pytest.mark.parametrize(
    ("uri", "trunk", "by_server"),
    [
        ("sip:+1555@carrier.example", "carrier", True),
        ("sip:+1555@Carrier.Example.;user=phone", "carrier", True),
        ("sip:+1555@carrier.example:5062", "carrier", False),
        ("sip:+1555@edge.carrier.example:5080", "carrier", True),
        ("sip:+1555@edge.carrier.example", "carrier", False),
        ("sip:+1555@gateway.carrier.example", "carrier", False),
        ("sip:+1555@198.51.100.9:5066", "carrier", False),
        ("sip:+1555@198.51.101.9", None, False),
        ("sip:carrier.example@evil.example", None, False),
        ("sip:+1555@not-carrier.example", None, False),
        ("sips:+1555@carrier.example", None, False),
        ("sips:100@192.0.2.7", "pbx", True),
        ("sip:100@192.0.2.7", "pbx", True),
        ("sip:100@192.0.2.7:5070", "beside", True),
        ("sip:100@192.0.2.7:5099", "pbx", False),
        ("sip:100@[2001:DB8:0::1]", "beside", False),
        ("sip:100@[2001:db9::1]", None, False),
    ],
)
def test_a_uri_belongs_to_the_trunk_that_has_its_host(
    uri: str, trunk: str | None, by_server: bool
) -> None:
    parsed = parse_uri(uri)
    found = trunk_of_uri(parsed, TRUNKS.values())
    assert (found and found.name) == trunk
    if found is not None:
        assert goes_to_server(parsed, found) is by_server


@pytest.mark.parametrize(
    ("tel", "trunk", "uri"),
    [
        ("tel:+1-555-0100", "carrier", "sip:+15550100@carrier.example"),
        ("TEL:+1(555)0100;ext=7", "carrier", "sip:+15550100;ext=7@carrier.example"),
        ("tel:+15550100", "beside", "sip:+15550100@192.0.2.7"),
        ("tel:+15550100", None, None),
        ("sip:+15550100@carrier.example", "carrier", None),
        ("mailto:a@carrier.example", "carrier", None),
    ],
)
def test_a_tel_uri_is_a_sip_uri_of_the_trunk_that_calls_it(
    tel: str, trunk: str | None, uri: str | None
) -> None:
    """RFC 3261 section 19.1.6."""
    assert uri_by_trunk(tel, TRUNKS[trunk] if trunk is not None else None) == uri
