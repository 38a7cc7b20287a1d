"""Header values against the examples of RFC 3261 section 20, then round trips."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import (
    CSeq,
    MediaType,
    NameAddr,
    Via,
    parse_call_id,
    parse_contact,
    parse_cseq,
    parse_delta_seconds,
    parse_media_type,
    parse_name_addr,
    parse_number,
    parse_via,
)
from rapida_media.sip.syntax import split_list, split_tokens


def test_the_vias_of_section_20_42_are_read() -> None:
    assert parse_via("SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7") == Via(
        "UDP", "erlang.bell-telephone.com", 5060, {"branch": "z9hG4bK87asdks7"}
    )
    via = parse_via(
        "SIP / 2.0 / UDP first.example.com: 4000;ttl=16\t;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dl"
    )
    assert via == Via(
        "UDP",
        "first.example.com",
        4000,
        {"ttl": "16", "maddr": "224.2.0.1", "branch": "z9hG4bKa7c6a8dl"},
    )
    assert via.has_magic_cookie


def test_a_via_tells_where_to_answer() -> None:
    via = parse_via("SIP/2.0/TCP [2001:db8::9:1];received=192.0.2.1;rport=5061;branch=z9hG4bK1")
    assert (via.host, via.port, via.sent_by) == ("2001:db8::9:1", None, "[2001:db8::9:1]")
    assert (via.received, via.rport) == ("192.0.2.1", 5061)


@pytest.mark.parametrize("value", [";rport", ";rport=", ";rport=x", ";rport=123456", ""])
def test_an_unfilled_rport_is_no_port(value: str) -> None:
    assert parse_via(f"SIP/2.0/UDP h{value}").rport is None


@pytest.mark.parametrize(
    ("text", "name", "uri", "params"),
    [
        ('"A. G. Bell" <sip:agb@bell.com> ;tag=a48s', "A. G. Bell", "sip:agb@bell.com", "a48s"),
        ("sip:+12125551212@phone.com;tag=887s", "", "sip:+12125551212@phone.com", "887s"),
        ("Anonymous <sip:c8oqz@p.org>;tag=hyh8", "Anonymous", "sip:c8oqz@p.org", "hyh8"),
        ("caller<sip:caller@example.com>;TAG = 323", "caller", "sip:caller@example.com", "323"),
        ('"say \\"hi\\\\\\"" <sip:a@b>', 'say "hi\\"', "sip:a@b", None),
        ("  Zoë van Dam  <tel:+31>", "Zoë van Dam", "tel:+31", None),
        ('"<sip:x@y>;tag=1" <sip:a@b>;tag=2', "<sip:x@y>;tag=1", "sip:a@b", "2"),
    ],
)  # fmt: skip
def test_a_from_gives_name_uri_and_tag(text: str, name: str, uri: str, params: str | None) -> None:
    value = parse_name_addr(text.strip(), "From")
    assert (value.display_name, value.uri_text, value.tag) == (name, uri, params)


def test_contact_parameters_may_be_quoted() -> None:
    value = parse_contact(
        '<sip:a@b>;+sip.instance="<urn:uuid:0-1;x,y>";q=0.7; expires = "3600" ;reg-id=1'
    )
    assert value.params == {
        "+sip.instance": "<urn:uuid:0-1;x,y>",
        "q": "0.7",
        "expires": "3600",
        "reg-id": "1",
    }


def test_a_contact_may_mean_all() -> None:
    assert parse_contact("*") == NameAddr("", "*", {})
    assert str(parse_contact("*")) == "*"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip:",
        "<>",
        "a@b",
        "<a@b>",
        '"open <sip:a@b>',
        "< sip:a@b >",
        "Bell, Alexander <sip:a@b>",
        "<sip:a@b>;tag=1;tag=2",
        "<sip:a@b>;tag",
        "<sip:a@b>;",
        "<sip:a@b>;;tag=1",
        "<sip:a@b>;tag=a b",
        "<sip:a@b>;=x",
        '<sip:a@b>;x="open',
        "<sip:a@b> trailing",
        "<sip:a@b>, <sip:c@d>",
        "sip:a@b?Route=x",
    ],
)
def test_a_malformed_address_is_a_400(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as fault:
        parse_name_addr(text, "From")
    assert fault.value.status == 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0/UDP h:",
        "SIP/2.0/UDP h:70000",
        "SIP/3.0/UDP h",
        "SIP/2.0/UDP h;;",
        "SIP/2.0/UDP h;branch=a;branch=b",
        "SIP/2.0/UDP [::1",
        "SIP/2.0/UDPh",
        "SIP/2.0/UDP a b",
    ],
)
def test_a_malformed_via_is_a_400(text: str) -> None:
    with pytest.raises(RemoteProtocolError) as fault:
        parse_via(text)
    assert fault.value.status == 400


def test_numbers_stay_inside_their_bounds() -> None:
    assert parse_cseq("0009 \t INVITE") == CSeq(9, "INVITE")
    assert parse_cseq("4294967295 BYE").number == 2**32 - 1
    assert parse_cseq("0 BYE").number == 0
    assert parse_number("0068", "Max-Forwards", 255) == 68
    assert parse_delta_seconds("120 (in a meeting);duration=60", "Retry-After") == 120
    assert parse_delta_seconds("1" + "0" * 100, "Expires") == 2**32 - 1
    for text in (
        "4294967296 BYE",
        "BYE",
        "-1 BYE",
        "1BYE",
        "1 B Y E",
        "1" * 5000 + " BYE",
        "１ BYE",
    ):
        with pytest.raises(RemoteProtocolError):
            parse_cseq(text)
    for text in ("256", "-1", "", "x", "+1", "٣"):
        with pytest.raises(RemoteProtocolError):
            parse_number(text, "Max-Forwards", 255)
    with pytest.raises(RemoteProtocolError):
        parse_delta_seconds("soon", "Expires")


def test_a_call_id_is_one_word() -> None:
    assert parse_call_id("a84b4c76e66710@pc33.atlanta.com") == "a84b4c76e66710@pc33.atlanta.com"
    for text in ("", "a b", "a\tb"):
        with pytest.raises(RemoteProtocolError):
            parse_call_id(text)


def test_a_media_type_is_compared_in_lower_case() -> None:
    value = parse_media_type('Application/SDP ; Charset="utf-8"', "Content-Type")
    assert value == MediaType("application", "sdp", {"charset": "utf-8"})
    assert (value.name, str(value)) == ("application/sdp", "application/sdp;charset=utf-8")
    with pytest.raises(RemoteProtocolError):
        parse_media_type("application", "Content-Type")


def test_lists_are_cut_outside_quotes_and_brackets_only() -> None:
    text = '"a, b" <sip:x,y@h>;p="1,2" , <sip:c@d> ,sip:e@f'
    assert split_list(text, "Contact") == ['"a, b" <sip:x,y@h>;p="1,2"', "<sip:c@d>", "sip:e@f"]
    for bad in ("a,,b", "a,", ",a", 'a,"b', "a,<b", ","):
        with pytest.raises(RemoteProtocolError):
            split_list(bad, "Contact")
    assert split_tokens(" timer,100rel ,, replaces") == ["timer", "100rel", "replaces"]


_TOKEN = st.text("abcxyz019-.!%*_+`'~", min_size=1, max_size=6)
_VALUE = st.one_of(st.none(), _TOKEN, st.text(st.characters(exclude_characters="\r\n"), max_size=6))
_PARAMS = st.dictionaries(_TOKEN, _VALUE, max_size=4)


@given(
    st.text(st.characters(exclude_characters="\r\n"), max_size=12),
    st.sampled_from(["sip:a@example.com;lr", "sips:b@[::1]:5061", "tel:+1555", "sip:c,d?@h"]),
    _PARAMS,
)
def test_a_written_address_reads_back_the_same(
    name: str, uri: str, params: dict[str, str | None]
) -> None:
    value = NameAddr(name, uri, params)
    assert parse_name_addr(str(value), "From") == value
    assert split_list(f"{value}, {value}", "Contact") == [str(value), str(value)]


@given(
    _TOKEN.map(str.upper),
    st.sampled_from(["h.example.com", "192.0.2.1", "2001:db8::1"]),
    st.one_of(st.none(), st.integers(0, 65535)),
    _PARAMS,
)
def test_a_written_via_reads_back_the_same(
    transport: str, host: str, port: int | None, params: dict[str, str | None]
) -> None:
    via = Via(transport, host, port, params)
    assert parse_via(str(via)) == via


@given(st.integers(0, 2**32 - 1), _TOKEN)
def test_a_written_cseq_reads_back_the_same(number: int, method: str) -> None:
    assert parse_cseq(str(CSeq(number, method))) == CSeq(number, method)


@pytest.mark.parametrize(
    "text",
    [
        ";a" * 16000,
        '"' + "\\" * 32000,
        '"' * 32000,
        "<sip:" * 8000,
        " " * 32000,
        ";a = " * 8000,
        "a" * 32000,
        "a:" * 16000,
        '"a" ' * 8000,
        "," * 32000,
        '";",<' * 8000,
    ],
)
def test_hostile_values_cost_linear_time(text: str) -> None:
    start = time.process_time()
    for prefix in ("", "<sip:a@b>", "SIP/2.0/UDP h", "sip:a@b", '"x" <sip:a@b>;p="'):
        for parse in (parse_via, parse_contact, lambda t: split_list(t, "Contact")):
            try:
                parse(prefix + text)
            except RemoteProtocolError:
                continue
    assert time.process_time() - start < 1.0
