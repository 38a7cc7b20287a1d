"""Bodies in several parts: against RFC 2046 and the message of RFC 4475, then against anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.sip.builder import build_request
from rapida_media.sip.headers import parse_media_type
from rapida_media.sip.message import Request, parse_message
from rapida_media.sip.multipart import Part, parts_of
from rapida_media.sip.request_checks import body_refusal, offer_of

TORTURE = Path(__file__).parent.parent / "torture/rfc4475/mpart01.dat"
SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"
OFFER = b"Content-Type: application/sdp\r\n\r\n" + SDP
ISUP = (
    b"Content-Type: application/ISUP;version=itu-t92+\r\n"
    b"Content-Disposition: signal;handling=optional\r\n\r\n\x01\x00\x49\x00\x00\x03\x02"
)


def body(*parts: bytes, boundary: bytes = b"b1") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + (
        b"--" + boundary + b"--\r\n"
    )


def read(data: bytes, content_type: str = "multipart/mixed;boundary=b1") -> list[Part]:
    return parts_of(parse_media_type(content_type, "Content-Type"), data)


def invite(data: bytes, content_type: str = "multipart/mixed;boundary=b1") -> Request:
    return build_request("INVITE", "sip:a@192.0.2.2", [("Content-Type", content_type)], data)


def test_the_example_of_rfc_2046_is_cut_as_it_says() -> None:
    """Section 5.1.1: preamble, a part without header fields, one with, and an epilogue."""
    data = (
        b"This is the preamble.\r\n\r\n--simple boundary\r\n\r\n"
        b"This is implicitly typed plain US-ASCII text.\r\nIt does NOT end with a linebreak.\r\n"
        b"--simple boundary\r\nContent-type: text/plain; charset=us-ascii\r\n\r\n"
        b"This is explicitly typed.\r\nIt DOES end with a linebreak.\r\n\r\n"
        b"--simple boundary--\r\n\r\nThis is the epilogue.\r\n--simple boundary\r\n\r\nx"
    )
    first, second = read(data, 'multipart/mixed; boundary="simple boundary"')
    assert first.body.endswith(b"NOT end with a linebreak.")
    assert second.body.endswith(b"DOES end with a linebreak.\r\n")
    assert second.content_type == "text/plain"


def test_the_message_of_rfc_4475_has_a_text_and_a_certificate() -> None:
    message = parse_message(TORTURE.read_bytes())
    assert message.content_type is not None
    text, certificate = parts_of(message.content_type, message.body)
    assert text == Part("text/plain", "session", False, b"Hello")
    assert certificate.content_type == "application/octet-stream"
    assert certificate.body.startswith(b"0\x82\x01R\x06\x09*\x86H")


@pytest.mark.parametrize(
    "data",
    [
        body(OFFER, ISUP),
        body(ISUP, OFFER),
        b"preamble\r\n" + body(OFFER) + b"epilogue",
        body(OFFER).removesuffix(b"--b1--\r\n").removesuffix(b"\r\n"),
        body(b"c: APPLICATION/SDP ;charset=utf-8\r\n\r\n" + SDP),
        body(b"Content-Type: application/sdp\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n" + SDP),
        body(b"Content-Disposition: session;handling=required\r\n" + OFFER, ISUP),
        body(
            b"Content-Disposition: early-session\r\nContent-Type: application/sdp\r\n\r\nv=9", OFFER
        ),
        body(
            b"Content-Type: multipart/alternative;boundary=in\r\n\r\n" + body(OFFER, boundary=b"in")
        ),
    ],
)
def test_the_offer_among_the_parts_is_found(data: bytes) -> None:
    request = invite(data)
    assert body_refusal(request) is None
    assert offer_of(request) == SDP


def test_a_part_that_must_be_understood_and_is_not_refuses_the_call() -> None:
    must = ISUP.replace(b"optional", b"required")
    refusal = body_refusal(invite(body(OFFER, must)))
    assert refusal is not None
    assert refusal[0] == 415
    assert ("Accept", "application/sdp") in refusal[1]


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        (body(OFFER), "multipart/mixed"),
        (body(OFFER), "multipart/mixed;boundary"),
        (body(OFFER), "multipart/mixed;boundary=other"),
        (body(OFFER), "multipart/mixed;boundary=" + "b" * 71),
        (SDP, "multipart/mixed;boundary=b1"),
        (b"--b1--", "multipart/mixed;boundary=b1"),
    ],
)
def test_what_has_no_parts_is_malformed(data: bytes, content_type: str) -> None:
    request = invite(data, content_type)
    assert body_refusal(request) == (400, ())
    assert offer_of(request) == b""


def test_parts_within_parts_come_to_an_end() -> None:
    data = OFFER
    for depth in range(5):
        boundary = f"b{depth}".encode()
        head = b"Content-Type: multipart/mixed;boundary=" + boundary + b"\r\n\r\n"
        data = head + body(data, boundary=boundary)
    content, _, inside = data.partition(b"\r\n\r\n")
    assert read(inside, content.decode().partition(": ")[2]) == []


def test_no_more_parts_are_read_than_anybody_needs() -> None:
    assert len(read(body(*[ISUP] * 1000))) == 16


@given(st.binary(max_size=300), st.text(max_size=20))
def test_nothing_raises(data: bytes, boundary: str) -> None:
    read(data)
    read(b"--b1\r\n" + data + b"\r\n--b1--")
    read(body(b"Content-Type: multipart/x;boundary=b1\r\n\r\n" + data))
    content = parse_media_type("multipart/mixed", "Content-Type")
    parts_of(content._replace(params={"boundary": boundary}), data)
