from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sdp.description import (
    Attribute,
    Connection,
    Limits,
    Line,
    MediaDescription,
    Origin,
    SessionDescription,
    parse_number,
    parse_sdp,
)


def crlf(text: str) -> bytes:
    return text.strip().replace("\n", "\r\n").encode() + b"\r\n"


# RFC 8866 section 5, the example description.
RFC_8866_EXAMPLE = crlf("""
v=0
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1
s=Call to John Smith
i=SDP Offer #1
u=http://www.jdoe.example.com/home.html
e=Jane Doe <jane@jdoe.example.com>
p=+1 617 555-6011
c=IN IP4 198.51.100.1
t=0 0
m=audio 49170 RTP/AVP 0
m=audio 49180 RTP/AVP 0
m=video 51372 RTP/AVP 99
c=IN IP6 2001:db8::2
a=rtpmap:99 h263-1998/90000
""")

# RFC 4566 section 5, the example description.
RFC_4566_EXAMPLE = crlf("""
v=0
o=jdoe 2890844526 2890842807 IN IP4 10.47.16.5
s=SDP Seminar
i=A Seminar on the session description protocol
u=http://www.example.com/seminars/sdp.pdf
e=j.doe@example.com (Jane Doe)
c=IN IP4 224.2.17.12/127
t=2873397496 2873404696
a=recvonly
m=audio 49170 RTP/AVP 0
m=video 51372 RTP/AVP 99
a=rtpmap:99 h263-1998/90000
""")

MINIMAL = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"


def test_the_example_of_rfc_8866_is_read() -> None:
    assert parse_sdp(RFC_8866_EXAMPLE) == SessionDescription(
        origin=Origin("jdoe", "3724394400", "3724394405", "IP4", "198.51.100.1"),
        name="Call to John Smith",
        connection=Connection("IP4", "198.51.100.1"),
        times=("0 0",),
        media=(
            MediaDescription("audio", 49170, "RTP/AVP", ("0",)),
            MediaDescription("audio", 49180, "RTP/AVP", ("0",)),
            MediaDescription(
                "video",
                51372,
                "RTP/AVP",
                ("99",),
                connection=Connection("IP6", "2001:db8::2"),
                attributes=(Attribute("rtpmap", "99 h263-1998/90000"),),
            ),
        ),
        other=(
            Line("i", "SDP Offer #1"),
            Line("u", "http://www.jdoe.example.com/home.html"),
            Line("e", "Jane Doe <jane@jdoe.example.com>"),
            Line("p", "+1 617 555-6011"),
        ),
    )


@pytest.mark.parametrize("example", [RFC_8866_EXAMPLE, RFC_4566_EXAMPLE])
def test_the_examples_of_the_rfcs_are_written_back_byte_for_byte(example: bytes) -> None:
    assert parse_sdp(example).format() == example


def test_attributes_belong_to_the_section_they_stand_in() -> None:
    description = parse_sdp(RFC_4566_EXAMPLE)
    assert description.attribute("recvonly") == ""
    assert [media.attribute("recvonly") for media in description.media] == [None, None]
    assert description.media[1].attribute_values("rtpmap") == ["99 h263-1998/90000"]


def test_lines_may_end_in_a_bare_newline() -> None:
    assert parse_sdp(RFC_8866_EXAMPLE.replace(b"\r\n", b"\n")) == parse_sdp(RFC_8866_EXAMPLE)


def test_a_missing_last_line_end_and_blank_lines_are_tolerated() -> None:
    assert parse_sdp(MINIMAL.encode()[:-2]) == parse_sdp(MINIMAL.encode() + b"\r\n\r\n")


def test_unknown_lines_and_lines_out_of_order_are_kept() -> None:
    text = "v=0\r\na=x\r\no=- 1 1 IN IP4 192.0.2.1\r\ny=what\r\nc=IN IP4 192.0.2.1\r\n"
    description = parse_sdp(text.encode())
    assert description.times == ()
    assert description.format() == (
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\ny=what\r\na=x\r\n"
    )


def test_a_user_name_with_spaces_is_read() -> None:
    description = parse_sdp(MINIMAL.replace("o=-", "o=desk phone 7").encode())
    assert description.origin.username == "desk phone 7"


def test_a_port_count_is_read_and_written() -> None:
    text = MINIMAL + "m=video 49170/2 RTP/AVP 31\r\n"
    description = parse_sdp(text.encode())
    assert (description.media[0].port, description.media[0].port_count) == (49170, 2)
    assert description.format() == text.encode()


def test_bytes_that_are_no_utf_8_survive() -> None:
    data = MINIMAL.replace("s=-", "s=Caf\xe9").encode("latin-1")
    assert parse_sdp(data).format() == data


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("o=- 1 1 IN IP4 192.0.2.1\r\n", 400),
        ("v=1\r\no=- 1 1 IN IP4 192.0.2.1\r\n", 488),
        ("v=0\r\n", 400),
        ("v=0\r\no=- 1 1 IN 192.0.2.1\r\n", 400),
        (MINIMAL + "c=IN IP4\r\n", 400),
        (MINIMAL + "m=audio\r\n", 400),
        (MINIMAL + "m=audio 65536 RTP/AVP 0\r\n", 400),
        (MINIMAL + "m=audio -1 RTP/AVP 0\r\n", 400),
        (MINIMAL + "m=audio ٣ RTP/AVP 0\r\n", 400),
        (MINIMAL + "m=audio 1/0 RTP/AVP 0\r\n", 400),
        (MINIMAL + "nonsense\r\n", 400),
        (MINIMAL + " a=x\r\n", 400),
        (MINIMAL + "a=x\ry\r\n", 400),
        (MINIMAL + "a=x\0y\r\n", 400),
    ],
)
def test_malformed_descriptions_are_refused(text: str, status: int) -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        parse_sdp(text.encode())
    assert refusal.value.status == status


@pytest.mark.parametrize(
    "limits",
    [Limits(description_bytes=len(RFC_8866_EXAMPLE) - 1), Limits(lines=14), Limits(media_lines=2)],
)
def test_limits_are_kept(limits: Limits) -> None:
    with pytest.raises(RemoteProtocolError, match="at most"):
        parse_sdp(RFC_8866_EXAMPLE, limits)


@pytest.mark.parametrize("value", ["x\r\na=evil", "x\ny", "x\0"])
def test_the_writer_refuses_line_breaks(value: str) -> None:
    description = SessionDescription(Origin("-", "1", "1", "IP4", "192.0.2.1"), name=value)
    with pytest.raises(LocalProtocolError):
        description.format()


@given(st.text(max_size=30))
def test_numbers_are_plain_digits_only(text: str) -> None:
    number = parse_number(text, 999)
    if number is not None:
        assert text.strip("0123456789") == ""
        assert number == int(text) <= 999


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_remote_protocol_error(data: bytes) -> None:
    with suppress(RemoteProtocolError):
        parse_sdp(data)


# Text shaped like SDP reaches deeper than random bytes do.
LINES = st.builds(
    "{}={}".format,
    st.sampled_from("vosiuepcbtrzkamxY"),
    st.text(max_size=20)
    | st.sampled_from(
        [
            "0",
            "IN IP4 192.0.2.1",
            "- 1 1 IN IP4 192.0.2.1",
            "audio 4000 RTP/AVP 0 8 101",
            "audio 0/3 UDP/TLS/RTP/SAVPF x",
            "rtpmap:101 telephone-event/8000",
            "sendonly",
        ]
    ),
)
BODIES = st.lists(LINES, max_size=12).map(
    lambda lines: "\r\n".join(["v=0", "o=- 1 1 IN IP4 192.0.2.1", *lines]).encode(
        "utf-8", "surrogatepass"
    )
)


@given(BODIES)
def test_what_is_read_is_written_so_that_it_reads_the_same(data: bytes) -> None:
    try:
        description = parse_sdp(data)
    except RemoteProtocolError:
        return
    assert parse_sdp(description.format()) == description
