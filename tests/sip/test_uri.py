"""URIs against the examples of RFC 3261 section 19.1, then round trips."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.uri import (
    SipUri,
    equivalent,
    escape_user,
    parse_request_uri,
    parse_uri,
    unescape,
    user_of,
)


def test_the_examples_of_section_19_1_3_are_read() -> None:
    assert parse_uri("sip:alice@atlanta.com") == SipUri("sip", "alice", "atlanta.com")
    assert parse_uri("sip:alice:secretword@atlanta.com;transport=tcp") == SipUri(
        "sip", "alice", "atlanta.com", params={"transport": "tcp"}, password="secretword"
    )
    assert parse_uri("sips:alice@atlanta.com?subject=project%20x&priority=urgent") == SipUri(
        "sips", "alice", "atlanta.com", headers="subject=project%20x&priority=urgent"
    )
    assert parse_uri("sip:+1-212-555-1212:1234@gateway.com;user=phone") == SipUri(
        "sip", "+1-212-555-1212", "gateway.com", params={"user": "phone"}, password="1234"
    )
    assert parse_uri("sips:1212@gateway.com") == SipUri("sips", "1212", "gateway.com")
    assert parse_uri("sip:alice@192.0.2.4") == SipUri("sip", "alice", "192.0.2.4")
    assert parse_uri("sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com") == SipUri(
        "sip",
        None,
        "atlanta.com",
        params={"method": "REGISTER"},
        headers="to=alice%40atlanta.com",
    )
    assert parse_uri("sip:alice;day=tuesday@atlanta.com") == SipUri(
        "sip", "alice;day=tuesday", "atlanta.com"
    )


def test_an_ipv6_host_loses_and_regains_its_brackets() -> None:
    uri = parse_uri("sip:bob@[2001:db8::9:1]:5070")
    assert (uri.host, uri.port) == ("2001:db8::9:1", 5070)
    assert str(uri) == "sip:bob@[2001:db8::9:1]:5070"


def test_a_missing_user_differs_from_any_user() -> None:
    assert parse_uri("sip:example.com").user is None
    assert str(parse_uri("sip:example.com")) == "sip:example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "sip:@host",
        "sip::pw@host",
        "sip:user@",
        "sip:a@b@c",
        "sip:a b@host",
        "sip:a@host; lr",
        "sip:a@host;;lr",
        "sip:a@host;lr;LR",
        "sip:a@host;=x",
        "sip:a@host:70000",
        "sip:a@host:",
        "sip:a@[::1",
        "sip:a@[:::]",
        "sip:a@ho st",
        "sip:a@h\r\nost",
        "<sip:a@host>",
        "alan@host",
        "ſip:a@host",
        "tel:",
    ],
)
def test_what_is_no_uri_is_a_400(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as fault:
        parse_uri(text)
    assert fault.value.status == 400


@pytest.mark.parametrize("text", ["tel:+15550001", "soap.beep://192.0.2.103:3002", "isbn:29837"])
def test_another_scheme_is_a_416(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as fault:
        parse_uri(text)
    assert fault.value.status == 416


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("tel:+1-201-555-0123", "+1-201-555-0123"),
        ("TEL:7042;phone-context=example.com", "7042;phone-context=example.com"),
        ("tel:+441632960123;isub=1411;npdi", "+441632960123;isub=1411;npdi"),
        ("sip:+15550100;npdi@carrier.example;user=phone", "+15550100;npdi"),
    ],
)
def test_a_request_may_name_a_telephone_number(text: str, user: str) -> None:
    uri = parse_request_uri(text)
    assert uri.user == user
    assert (uri.scheme == "tel") is (uri.host == "")
    assert user_of(text) == user
    assert str(uri) == text.replace("TEL", "tel")


@pytest.mark.parametrize("text", ["tel:", "tel:;isub=1", "tel:bob smith", "tel:<1>", "isbn:29837"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_request_uri(text)
    assert user_of(text) is None


# RFC 3261 section 19.1.4.
EQUIVALENT = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0:0:0:0:0:1]"),
]
DIFFERENT = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:chicago.com", "sip:carol@chicago.com"),
    ("sip:carol@chicago.com", "sips:carol@chicago.com"),
    ("sip:a;b@chicago.com", "sip:a%3Bb@chicago.com"),
]


@pytest.mark.parametrize(("a", "b"), EQUIVALENT)
def test_equivalent_uris_are_found_so_both_ways(a: str, b: str) -> None:
    assert equivalent(parse_uri(a), parse_uri(b))
    assert equivalent(parse_uri(b), parse_uri(a))


@pytest.mark.parametrize(("a", "b"), DIFFERENT)
def test_different_uris_are_found_so_both_ways(a: str, b: str) -> None:
    assert not equivalent(parse_uri(a), parse_uri(b))
    assert not equivalent(parse_uri(b), parse_uri(a))


def test_octets_that_are_no_utf_8_unescape_to_the_replacement_character() -> None:
    assert unescape("a%FFb%C3%A9") == "a\ufffdbé"


@given(st.text())
def test_any_text_can_be_the_user_part(text: str) -> None:
    escaped = escape_user(text)
    assert unescape(escaped) == text
    if text:
        uri = parse_uri(f"sip:{escaped}@example.com")
        assert unescape(uri.user or "") == text


_WORD = st.text("abcXYZ019-_.!~*'()", min_size=1, max_size=8)
_ESCAPED = st.lists(st.one_of(_WORD, st.sampled_from(["%20", "%00", "%c3%A9"])), min_size=1).map(
    "".join
)
_HOST = st.sampled_from(["example.com", "h_1.example", "192.0.2.1", "2001:db8::1", "::1"])
URIS = st.builds(
    SipUri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=st.one_of(st.none(), _ESCAPED),
    host=_HOST,
    port=st.one_of(st.none(), st.integers(0, 65535)),
    params=st.dictionaries(
        st.text("abc;%= é-", min_size=1, max_size=5),
        st.one_of(st.none(), _ESCAPED, st.just("")),
        max_size=4,
    ),
    headers=st.sampled_from(["", "a=b", "Route=%3Csip:x%3E&b=c"]),
)


@given(URIS)
def test_a_written_uri_reads_back_the_same(uri: SipUri) -> None:
    assert parse_uri(str(uri)) == uri
    assert equivalent(uri, parse_uri(str(uri)))
