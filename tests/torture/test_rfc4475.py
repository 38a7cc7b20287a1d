"""Every RFC 4475 message gets the verdict the RFC asks of a parser."""

from __future__ import annotations

import pytest
from corpus import BY_NAME, CORPUS, Torture

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.builder import build_response
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.sip.uri import unescape

# What validate() is to raise: the preferred answer, where the parser alone can know it.
FAULTS: dict[str, int | None] = {
    "badaspec": 400,
    "baddn": 400,
    "badinv01": 400,
    "badvers": 505,
    "clerr": 400,
    "escruri": 400,
    "insuf": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "mcl01": 400,
    "mismatch01": 400,
    "mismatch02": 501,
    "multi01": 400,
    "ncl": 400,
    "novelsc": 416,
    "quotbal": 400,
    "regbadct": 400,
    "scalar02": 400,
    "scalarlg": None,
    "trws": 400,
    "unkscm": 416,
}
# No message at all: a status code of ten digits, a request line without version.
UNREADABLE = {"bigcode", "test"}


def request(name: str) -> Request:
    message = parse_message(BY_NAME[name].data)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("torture", CORPUS, ids=str)
def test_every_message_gets_the_verdict_the_rfc_asks_for(torture: Torture) -> None:
    name = torture.file.removesuffix(".dat")
    if name in UNREADABLE:
        with pytest.raises(RemoteProtocolError):
            parse_message(torture.data)
        return
    message = parse_message(torture.data)
    assert isinstance(message, Request if torture.is_request else Response)
    if name not in FAULTS:
        message.validate()
        return
    with pytest.raises(RemoteProtocolError) as fault:
        message.validate()
    assert fault.value.status == FAULTS[name]


@pytest.mark.parametrize("torture", CORPUS, ids=str)
def test_our_table_agrees_with_the_index(torture: Torture) -> None:
    name = torture.file.removesuffix(".dat")
    refused = name in FAULTS or name in UNREADABLE
    if torture.kind == "valid":
        assert not refused
    if torture.kind == "invalid_reject":
        assert refused
    if name in FAULTS and torture.is_request:
        assert str(FAULTS[name]) in torture.allowed
        assert torture.preferred in (None, str(FAULTS[name]))
    if torture.preferred == "400":
        assert refused


@pytest.mark.parametrize("torture", [t for t in CORPUS if t.is_request], ids=str)
def test_every_request_can_be_answered_with_its_own_bytes(torture: Torture) -> None:
    if torture.file == "test.dat":
        return
    received = parse_message(torture.data)
    assert isinstance(received, Request)
    response = build_response(received, 400, to_tag="ours")
    answer = parse_message(response.raw)
    assert isinstance(answer, Response)
    assert answer.defect is None
    assert answer.raw_header_lines("Via") == received.raw_header_lines("Via")
    for name in ("From", "Call-ID", "CSeq"):
        assert answer.raw_header_lines(name) == received.raw_header_lines(name)[:1]
    for line in received.raw_header_lines("To")[:1]:
        assert answer.raw_header_lines("To")[0].startswith(line.rstrip())


def test_wsinv_survives_its_white_space() -> None:
    message = request("wsinv")
    assert message.uri.host == "chair-dnrc.example.com"
    assert message.uri.params == {"unknownparam": None}
    assert message.to.tag == "1918181833n"
    assert message.from_.tag == "98asjd8"
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert message.max_forwards == 68
    assert message.cseq == (9, "INVITE")
    assert [(v.transport, v.host, v.branch) for v in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert not message.top_via.has_magic_cookie
    assert message.header("Subject") == ""
    assert message.header("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.header("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    contact = message.contacts[0]
    assert contact.display_name == 'Quoted string ""'
    assert contact.params == {"newparam": "newvalue", "secondparam": None, "q": "0.33"}
    assert message.routes[0].uri.params == {
        "lr": None,
        "unknownwith": "value",
        "unknown-no-value": None,
    }
    assert len(message.body) == 150


def test_intmeth_keeps_its_wide_characters() -> None:
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.cseq.method == message.method
    assert message.uri.host == "example.com"
    assert message.uri.user is not None
    assert message.uri.user.startswith("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    assert message.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_.params["fromparam''~+*_!.-%"] == "работающий"
    assert message.from_.tag == "_token~1'+`*%!-."
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.header("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_escapes_are_undone_exactly_once() -> None:
    message = request("esc01")
    assert unescape(message.uri.user or "") == "sips:user@example.com"
    assert unescape(message.to.uri.user or "") == "user"
    assert unescape(message.from_.uri.user or "") == "I have spaces"
    params = message.contacts[0].uri.params
    assert {name: value and unescape(value) for name, value in params.items()} == {
        "lr": None,
        "name": "value%41",
    }


def test_an_escaped_nul_does_not_end_a_user() -> None:
    message = request("escnull")
    assert unescape(message.to.uri.user or "") == "null-\0-null"
    assert [unescape(c.uri.user or "") for c in message.contacts] == ["\0", "\0\0"]


def test_escapes_mean_nothing_in_methods_and_header_names() -> None:
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to.display_name == "%Z%45"
    assert [c.uri.user for c in message.contacts] == ["alias1", "alias3"]
    assert message.header("C%6Fntact") == "<sip:alias2@host2.example.com>"


def test_a_semicolon_belongs_to_the_user() -> None:
    uri = request("semiuri").uri
    assert unescape(uri.user or "") == "user;par=u@example.net"
    assert uri.host == "example.com"
    assert uri.params == {}


def test_a_long_request_is_not_truncated() -> None:
    message = request("longreq")
    assert len(message.vias) == 34
    assert [via.host for via in message.vias[:2]] == ["sip33.example.com", "sip32.example.com"]
    assert message.vias[-1].received == "192.0.2.5"


def test_octets_behind_the_body_of_a_datagram_are_ignored() -> None:
    message = request("dblreq")
    assert message.method == "REGISTER"
    assert message.body == b""


def test_a_binary_body_is_kept_whole() -> None:
    message = request("mpart01")
    assert len(message.body) == 553
    assert message.body.endswith(b"--7a9cbec02ceef655--\r\n")
    assert message.content_type is not None
    assert message.content_type.name == "multipart/mixed"
    assert message.content_type.params == {"boundary": "7a9cbec02ceef655"}


def test_unknown_transports_keep_their_order() -> None:
    vias = request("transports").vias
    assert [via.transport for via in vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("unreason", 200, "= 2**3 * 5**2 но сто девяносто девять - простое"),
        ("noreason", 100, ""),
    ],
)
def test_a_reason_phrase_is_free_text(name: str, status: int, reason: str) -> None:
    message = parse_message(BY_NAME[name].data)
    assert isinstance(message, Response)
    assert (message.status, message.reason) == (status, reason)


def test_brackets_decide_whose_parameter_it_is() -> None:
    bare, bracketed = request("cparam01").contacts[0], request("cparam02").contacts[0]
    assert (bare.params, bare.uri.params) == ({"unknownparam": None}, {})
    assert (bracketed.params, bracketed.uri.params) == ({}, {"unknownparam": None})


def test_an_escaped_header_stays_in_a_bracketed_contact() -> None:
    assert request("regescrt").contacts[0].uri.headers == "Route=%3Csip:sip.example.com%3E"


def test_a_branch_that_is_only_the_cookie_identifies_nothing() -> None:
    assert not request("badbranch").top_via.has_magic_cookie


def test_an_rfc_2543_body_is_the_rest_of_the_datagram() -> None:
    message = request("inv2543")
    assert message.content_length is None
    assert message.body.endswith(b"m=audio 49217 RTP/AVP 0\r\n")
    assert message.from_.tag is None
