"""Requests and responses as bytes, and what a writer refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.builder import REASONS, build_request, build_response
from rapida_media.sip.message import Request, Response, parse_message

INVITE = b"""\
INVITE sip:bob@192.0.2.4 SIP/2.0
v:  SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8 ;rport , SIP/2.0/TCP second;branch=z9hG4bK2
Via: SIP/2.0/TCP third;branch=z9hG4bK3
Max-Forwards: 70
Record-Route: <sip:p2.example.com;lr>,
 <sip:p1.example.com;lr>
t: Bob <sip:bob@biloxi.com>
From:"Alice \xff"<sip:alice@atlanta.com>;tag=1928301774
Call-ID:   a84b4c76e66710@pc33.atlanta.com
CSeq: 314159   INVITE
Timestamp: 54
Content-Length: 0

""".replace(b"\n", b"\r\n")


def request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def test_a_request_is_written_in_the_order_given() -> None:
    built = build_request(
        "OPTIONS",
        "sip:carol@chicago.com",
        [("Via", "SIP/2.0/UDP pc33;branch=z9hG4bK1"), ("Subject", "Zoë"), ("X-Empty", "")],
        b"body",
    )
    assert (
        built.raw
        == (
            "OPTIONS sip:carol@chicago.com SIP/2.0\r\n"
            "Via: SIP/2.0/UDP pc33;branch=z9hG4bK1\r\n"
            "Subject: Zoë\r\n"
            "X-Empty: \r\n"
            "Content-Length: 4\r\n"
            "\r\n"
            "body"
        ).encode()
    )
    assert (built.method, built.uri.user, built.body) == ("OPTIONS", "carol", b"body")
    assert built.top_via.branch == "z9hG4bK1"
    assert built.header("Subject") == "Zoë"


def test_a_response_echoes_the_bytes_it_must() -> None:
    response = build_response(
        request(INVITE),
        180,
        to_tag="8321234356",
        headers=[("Contact", "<sip:bob@192.0.2.4>")],
        received=("192.0.2.1", 5071),
    )
    assert response.raw == (
        b"SIP/2.0 180 Ringing\r\n"
        b"v:  SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bKnashds8 ;rport=5071;received=192.0.2.1,"
        b" SIP/2.0/TCP second;branch=z9hG4bK2\r\n"
        b"Via: SIP/2.0/TCP third;branch=z9hG4bK3\r\n"
        b"Record-Route: <sip:p2.example.com;lr>,\r\n <sip:p1.example.com;lr>\r\n"
        b'From:"Alice \xff"<sip:alice@atlanta.com>;tag=1928301774\r\n'
        b"t: Bob <sip:bob@biloxi.com>;tag=8321234356\r\n"
        b"Call-ID:   a84b4c76e66710@pc33.atlanta.com\r\n"
        b"CSeq: 314159   INVITE\r\n"
        b"Contact: <sip:bob@192.0.2.4>\r\n"
        b"Content-Length: 0\r\n"
        b"\r\n"
    )
    assert (response.status, response.reason) == (180, "Ringing")
    assert response.to.tag == "8321234356"
    assert len(response.vias) == 3


def test_a_100_repeats_the_timestamp_and_makes_no_dialog() -> None:
    trying = build_response(request(INVITE), 100)
    assert trying.header("Timestamp") == "54"
    assert not trying.has("Record-Route")
    assert trying.to.tag is None
    refusal = build_response(request(INVITE), 486, to_tag="x")
    assert not refusal.has("Timestamp")
    assert not refusal.has("Record-Route")


@pytest.mark.parametrize("theirs", [b";tag=theirs", b" ; TAG", b";tag;tag=theirs"])
def test_a_to_tag_is_never_added_twice(theirs: bytes) -> None:
    line = b"To: <sip:b@c>" + theirs
    data = INVITE.replace(b"t: Bob <sip:bob@biloxi.com>", line)
    response = build_response(request(data), 200, to_tag="ours")
    assert response.raw_header_lines("To") == [line]


@pytest.mark.parametrize(
    ("via", "source", "expected"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.9", "192.0.2.1", "192.0.2.9;received=192.0.2.1"),
        ("host.example", "192.0.2.1", "host.example;received=192.0.2.1"),
        ("192.0.2.1;rport", "192.0.2.1", "192.0.2.1;rport=7;received=192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1", "[2001:db8::1]"),
        ("[2001:db8::1]", "2001:db8::2", "[2001:db8::1];received=2001:db8::2"),
        ("h;received=6.6.6.6;a=b", "192.0.2.1", "h;a=b;received=192.0.2.1"),
        ("h;rport=66;received=6.6.6.6", "192.0.2.1", "h;rport=7;received=192.0.2.1"),
        ("h;RPORT ;x", "192.0.2.1", "h;rport=7;x;received=192.0.2.1"),
        ("h;rports=1", "192.0.2.1", "h;rports=1;received=192.0.2.1"),
        ("h;;broken", "192.0.2.1", "h;;broken"),
    ],
)
def test_the_top_via_learns_where_the_request_came_from(
    via: str, source: str, expected: str
) -> None:
    received = request(f"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\n\r\n".encode())
    response = build_response(received, 200, received=(source, 7))
    assert response.raw_header_lines("Via") == [f"Via: SIP/2.0/UDP {expected}".encode()]


def test_a_request_without_anything_can_be_answered() -> None:
    response = build_response(request(b"X sip:a SIP/2.0\r\n\r\n"), 400, "Bad", to_tag="t")
    assert response.raw == b"SIP/2.0 400 Bad\r\nContent-Length: 0\r\n\r\n"


def test_bare_line_ends_of_a_peer_do_not_become_lines_of_ours() -> None:
    data = (
        b"X sip:a SIP/2.0\r\nVia: SIP/2.0/UDP h\nEvil: 1\r\nFrom: a\rEvil: 2\r\nTo: c\r\n d\r\n\r\n"
    )
    response = build_response(request(data), 400, to_tag="t", received=("192.0.2.1", 5060))
    assert response.raw == (
        b"SIP/2.0 400 Bad Request\r\n"
        b"Via: SIP/2.0/UDP h Evil: 1\r\n"
        b"From: a Evil: 2\r\n"
        b"To: c\r\n d;tag=t\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert not response.has("Evil")


_CUTS = ["a\r\nEvil: 1", "a\nEvil: 1", "a\rEvil: 1", "\n", "a\r\n b"]


@pytest.mark.parametrize("text", _CUTS)
def test_a_writer_refuses_cr_and_lf_everywhere(text: str) -> None:
    received = request(INVITE)
    for attempt in (
        lambda: build_request(text, "sip:a@b", []),
        lambda: build_request("OPTIONS", text, []),
        lambda: build_request("OPTIONS", "sip:a@b", [("Subject", text)]),
        lambda: build_request("OPTIONS", "sip:a@b", [(text, "x")]),
        lambda: build_response(received, 200, text),
        lambda: build_response(received, 200, to_tag=text),
        lambda: build_response(received, 200, headers=[("Subject", text)]),
        lambda: build_response(received, 200, headers=[("Subject", "x"), (text, "y")]),
    ):
        with pytest.raises(LocalProtocolError):
            attempt()


def test_a_writer_refuses_what_it_writes_itself_and_what_is_no_message() -> None:
    received = request(INVITE)
    for attempt in (
        lambda: build_request("OPTIONS", "sip:a@b", [("Content-Length", "1")]),
        lambda: build_request("OPTIONS", "sip:a@b", [("l", "1")]),
        lambda: build_request("OPTIONS", "sip:a@b", [("CONTENT-length", "1")]),
        lambda: build_request("OPTIONS", "", []),
        lambda: build_request("OPTIONS", "sip:a@b x", []),
        lambda: build_request("", "sip:a@b", []),
        lambda: build_request("OPTIONS", "sip:a@b", [("Subject", "\ud800")]),
        lambda: build_response(received, 99),
        lambda: build_response(received, 700),
    ):
        with pytest.raises(LocalProtocolError):
            attempt()


def test_every_reason_belongs_to_a_status() -> None:
    assert all(100 <= status <= 699 and reason for status, reason in REASONS.items())
    assert build_response(request(INVITE), 299).reason == "Unknown"


_VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
_NAMES = st.text("abcXYZ-.!%*_+`'~", min_size=4, max_size=12)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=6), st.binary(max_size=50))
def test_what_is_built_reads_back(headers: list[tuple[str, str]], body: bytes) -> None:
    built = build_request("INFO", "sip:a@b", headers, body)
    parsed = request(built.raw)
    assert parsed.body == built.body == body
    assert parsed.defect is None
    for name, value in headers:
        assert f"{name}: {value}".encode() in parsed.raw_header_lines(name)
        assert parsed.raw_header_lines(name) == built.raw_header_lines(name)
        assert parsed.header(name) == built.header(name)


@given(
    st.binary(max_size=40),
    st.sampled_from(["Via", "To", "From", "CSeq", "Call-ID", "Record-Route", "Timestamp"]),
    st.sampled_from([100, 180, 200, 400]),
)
def test_no_request_makes_the_answer_more_than_one_message(
    junk: bytes, name: str, status: int
) -> None:
    data = INVITE.replace(b"Max-Forwards: 70", name.encode() + b":" + junk)
    received = request(data)
    response = build_response(received, status, to_tag="ours", received=("192.0.2.1", 5060))
    answer = parse_message(response.raw)
    assert isinstance(answer, Response)
    assert answer.raw_header_lines("Content-Length") == [b"Content-Length: 0"]
    assert response.raw.endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert answer.defect is None
