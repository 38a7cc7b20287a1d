"""Host names in session descriptions: found where media would go, and replaced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.sdp.description import parse_sdp
from rapida_media.sdp.names import NAMES_MAX, HostName, host_names, with_addresses

# RFC 3264 section 10.1, with its host names.
OFFER = (
    b"v=0\r\n"
    b"o=alice 2890844526 2890844526 IN IP4 host.anywhere.com\r\n"
    b"s=\r\n"
    b"c=IN IP4 host.anywhere.com\r\n"
    b"t=0 0\r\n"
    b"m=audio 49170 RTP/AVP 0\r\n"
    b"a=rtpmap:0 PCMU/8000\r\n"
    b"m=video 51372 RTP/AVP 31\r\n"
    b"a=rtpmap:31 H261/90000\r\n"
)
HOST = HostName("host.anywhere.com", ipv6=False)


def test_the_name_of_rfc_3264_section_10_is_found_and_replaced() -> None:
    assert host_names(OFFER) == (HOST,)
    resolved = with_addresses(OFFER, {HOST: "192.0.2.7"})
    assert resolved == OFFER.replace(b"c=IN IP4 host.anywhere.com", b"c=IN IP4 192.0.2.7")
    assert host_names(resolved) == ()


def body(*media: str, connection: str = "c=IN IP4 192.0.2.1") -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.1", "s=-", connection, "t=0 0", *media]
    return "".join(f"{line}\r\n" for line in lines if line).encode()


def test_names_of_a_media_line_and_of_its_rtcp_are_found_in_their_family() -> None:
    offer = body(
        "m=audio 4000 RTP/AVP 0",
        "c=IN IP6 Media.Example",
        "a=rtcp:4007 IN IP4 rtcp.example",
        connection="c=IN IP4 unused.example",
    )
    media, rtcp = HostName("media.example", ipv6=True), HostName("rtcp.example", ipv6=False)
    assert host_names(offer) == (media, rtcp)
    (line,) = parse_sdp(with_addresses(offer, {media: "2001:db8::1", rtcp: "192.0.2.9"})).media
    assert str(line.connection) == "IN IP6 2001:db8::1"
    assert line.attribute("rtcp") == "4007 IN IP4 192.0.2.9"


@pytest.mark.parametrize(
    "offer",
    [
        b"", b"IN IP4 x", body("m=audio 4000 RTP/AVP 0"),
        body("m=audio 0 RTP/AVP 0", connection="c=IN IP4 a.example"),
        body("m=video 4000 RTP/AVP 31", connection="c=IN IP4 a.example"),
        body("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 2001:db8::1"),
        body("m=audio 4000 RTP/AVP 0", connection="c=IN IP5 a.example"),
        body("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 a_b!.example"),
        body("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 " + "a" * 254),
        body("m=audio 4000 RTP/AVP 0", connection="c=IN IP4 224.2.1.1/127"),
        body("m=audio 4000 RTP/AVP 0", "a=rtcp:4001", "a=rtcp:4001 IN IP4"),
    ],
)  # fmt: skip
def test_bodies_without_a_name_to_look_up_have_none(offer: bytes) -> None:
    assert host_names(offer) == ()


def test_no_more_than_a_few_names_are_looked_up_for_one_body() -> None:
    lines = [
        line for n in range(50) for line in ("m=audio 4000 RTP/AVP 0", f"c=IN IP4 h{n}.example")
    ]
    assert len(host_names(body(*lines))) == NAMES_MAX


def test_a_name_that_was_not_found_stays() -> None:
    assert with_addresses(OFFER, {}) == OFFER


@given(st.binary(max_size=300))
def test_no_body_raises(data: bytes) -> None:
    host_names(data)
    host_names(OFFER + data)
