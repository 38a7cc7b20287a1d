"""Indexing, typed values on first use, limits, and what validate refuses."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import CSeq
from rapida_media.sip.message import Limits, Message, Request, Response, parse_message

# The INVITE of RFC 3665 section 3.1.
INVITE = b"""\
INVITE sip:bob@biloxi.example.com SIP/2.0
Via: SIP/2.0/TCP client.atlanta.example.com:5060;branch=z9hG4bK74bf9
Max-Forwards: 70
From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl
To: Bob <sip:bob@biloxi.example.com>
Call-ID: 3848276298220188511@atlanta.example.com
CSeq: 1 INVITE
Contact: <sip:alice@client.atlanta.example.com;transport=tcp>
Content-Type: application/sdp
Content-Length: 5

v=0
""".replace(b"\n", b"\r\n")


def request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def invite(**changes: str | None) -> Request:
    """Give the INVITE with header lines replaced, or left out where None."""
    head, _, body = INVITE.partition(b"\r\n\r\n")
    lines = []
    for line in head.split(b"\r\n"):
        key = line.partition(b":")[0].decode().lower().replace("-", "_")
        if key not in changes:
            lines.append(line)
        elif (value := changes[key]) is not None:
            lines.append(line.partition(b":")[0] + b":" + value.encode("utf-8", "surrogateescape"))
    return request(b"\r\n".join(lines) + b"\r\n\r\n" + body)


def fault_of(message: Message) -> int | None:
    assert isinstance(message, Request | Response)
    with pytest.raises(RemoteProtocolError) as fault:
        message.validate()
    return fault.value.status


def test_the_invite_of_rfc_3665_is_read() -> None:
    message = request(INVITE)
    message.validate()
    assert (message.method, message.uri_text) == ("INVITE", "sip:bob@biloxi.example.com")
    assert message.top_via.branch == "z9hG4bK74bf9"
    assert message.vias == [message.top_via]
    assert (message.from_.display_name, message.from_.tag) == ("Alice", "9fxced76sl")
    assert message.to.tag is None
    assert message.call_id == "3848276298220188511@atlanta.example.com"
    assert message.cseq == CSeq(1, "INVITE")
    assert message.contacts[0].uri.params == {"transport": "tcp"}
    assert message.max_forwards == 70
    assert message.content_type is not None
    assert message.content_type.name == "application/sdp"
    assert message.body == b"v=0\r\n"
    assert message.raw == INVITE
    assert repr(message) == "<Request INVITE>"


def test_absent_optional_fields_are_none_or_empty() -> None:
    message = request(b"BYE sip:a@b SIP/2.0\r\n\r\n")
    assert message.header("Subject") is None
    assert message.header_values("Via") == []
    assert message.raw_header_lines("Via") == []
    assert not message.has("Via")
    assert (message.max_forwards, message.content_length, message.content_type) == (None,) * 3
    assert (message.expires, message.retry_after) == (None, None)
    assert message.contacts == message.routes == message.record_routes == []
    assert message.allow == message.require == message.supported == message.accept == []
    assert message.unsupported == message.proxy_require == []
    assert message.body == b""
    for name in ("top_via", "vias", "from_", "to", "call_id", "cseq"):
        with pytest.raises(RemoteProtocolError, match="missing") as fault:
            getattr(message, name)
        assert fault.value.status == 400


def test_a_typed_value_is_parsed_once() -> None:
    message = request(INVITE)
    assert message.from_ is message.from_
    assert message.uri is message.uri
    assert (Message.body.__doc__ or "").startswith("Give the body")


def test_lines_are_echoed_as_they_came() -> None:
    message = request(
        b"OPTIONS sip:a@b SIP/2.0\r\n"
        b"vIA  :\tSIP/2.0/UDP  one \r\n"
        b"v:SIP/2.0/UDP two;\r\n  branch=z9hG4bK1\r\n"
        b"X-Odd:\xff\xc3\xa9 \xe2\x82\r\n\r\n"
    )
    assert message.raw_header_lines("Via") == [
        b"vIA  :\tSIP/2.0/UDP  one ",
        b"v:SIP/2.0/UDP two;\r\n  branch=z9hG4bK1",
    ]
    assert [via.host for via in message.vias] == ["one", "two"]
    assert message.vias[1].branch == "z9hG4bK1"
    assert message.raw_header_lines("x-odd") == [b"X-Odd:\xff\xc3\xa9 \xe2\x82"]
    assert message.header("X-ODD") == "\ufffdé \ufffd"


def test_list_fields_are_cut_and_others_are_not() -> None:
    message = request(
        b"OPTIONS sip:a@b SIP/2.0\r\n"
        b"Allow: INVITE, ACK\r\nSubject: one, two\r\nallow:BYE\r\nAccept:\r\n"
        b"k: timer,100rel\r\nSupported: replaces\r\nRequire:\r\n"
        b"Accept: application/sdp;q=0.5, text/*\r\n\r\n"
    )
    assert message.header_values("Allow") == ["INVITE", "ACK", "BYE"]
    assert message.header_values("Subject") == ["one, two"]
    assert message.allow == ["INVITE", "ACK", "BYE"]
    assert message.supported == ["timer", "100rel", "replaces"]
    assert message.require == []
    assert message.has("Require")
    assert [media.name for media in message.accept] == ["application/sdp", "text/*"]


def test_crlf_before_the_start_line_is_ignored() -> None:
    assert request(b"\r\n\r\n" + INVITE).call_id == request(INVITE).call_id


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"", 400),
        (b"\r\n\r\n", 400),
        (b"hello", 400),
        (b"INVITE sip:a@b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"IN(VITE sip:a@b SIP/2.0\r\n\r\n", 400),
        (b"\xff\xfe sip:a@b SIP/2.0\r\n\r\n", 400),
        (b"SIP/2.0 20 OK\r\n\r\n", None),
        (b"SIP/2.0 700 OK\r\n\r\n", None),
        (b"SIP/2.0 2000 OK\r\n\r\n", None),
        (b"SIP/2.0\r\n\r\n", None),
        (b"A sip:a@b SIP/2.0\r\n" + b"a:b\r\n" * 256 + b"\r\n", 513),
        (b"A sip:a@b SIP/2.0\r\na:" + b"b" * 32768 + b"\r\n\r\n", 513),
        (b"A sip:a@b SIP/2.0\r\na:" + b"\r\n b" * 300 + b"\r\n\r\n", 513),
        (b"A sip:a@b SIP/2.0\r\n\r\n" + b"b" * 65536, 513),
    ],
)
def test_what_is_no_message_raises_at_once(data: bytes, status: int | None) -> None:
    with pytest.raises(RemoteProtocolError) as fault:
        parse_message(data)
    assert fault.value.status == status


def test_limits_are_the_callers() -> None:
    with pytest.raises(RemoteProtocolError):
        parse_message(INVITE, Limits(message_bytes=len(INVITE) - 1))
    with pytest.raises(RemoteProtocolError):
        parse_message(INVITE, Limits(header_count=9))
    with pytest.raises(RemoteProtocolError):
        parse_message(INVITE, Limits(header_bytes=100))
    parse_message(INVITE, Limits(len(INVITE), len(INVITE), 10))


@pytest.mark.parametrize("name", ["via", "from", "to", "call_id", "cseq"])
def test_a_request_without_a_mandatory_field_is_a_400(name: str) -> None:
    assert fault_of(invite(**{name: None})) == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"via": "SIP/2.0/UDP"},
        {"from": "Alice"},
        {"to": "<sip:a@b>;tag=1;tag=2"},
        {"call_id": ""},
        {"cseq": "1 BYE"},
        {"cseq": "x INVITE"},
        {"contact": "<sip:a@b"},
        {"max_forwards": "256"},
        {"content_type": "sdp"},
        {"content_length": "6"},
        {"content_length": "-1"},
        {"content_length": "four"},
        {"content_length": "5\r\nl: 5"},
        {"max_forwards": "70\r\nTo: <sip:c@d>"},
        {"max_forwards": "70\r\nno colon here"},
        {"max_forwards": "70\r\nna me: x"},
        {"max_forwards": "70\r\n: x"},
        {"max_forwards": "70\r\nVia"},
        {"max_forwards": "70\nX: y"},
        {"max_forwards": "70\rX: y"},
        {"max_forwards": "70\r\nRoute: x"},
        {"max_forwards": "70\r\nRecord-Route: <sip:a@b>,"},
    ],
)
def test_a_request_with_a_broken_field_is_a_400(changes: dict[str, str]) -> None:
    assert fault_of(invite(**changes)) == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"max_forwards": None},
        {"contact": None},
        {"content_length": None},
        {"content_length": "3"},
        {"content_length": "004 "},
        {"from": "<sip:alice@atlanta.example.com>"},
        {"max_forwards": "0"},
        {"max_forwards": "70\r\nX-Any: \r\n\t\r\n ;;,<"},
        {"max_forwards": "70\r\nRoute: <sip:a@b;lr>, <sip:c@d>;x"},
        {"contact": "*"},
    ],
)
def test_what_older_or_odd_peers_send_is_accepted(changes: dict[str, str | None]) -> None:
    invite(**changes).validate()


def test_a_continuation_without_a_field_is_a_400() -> None:
    assert fault_of(request(INVITE.replace(b"Via:", b" folded\r\nVia:", 1))) == 400


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b" SIP/2.0", b" SIP/3.0", 505),
        (b" SIP/2.0", b" sip/2.0", None),
        (b"sip:bob@biloxi.example.com SIP", b"h323:bob@b SIP", 416),
        (b"sip:bob@biloxi.example.com SIP", b"sip:bob@b;lr;lr SIP", 400),
        (b"INVITE sip", b"WATCH sip", 501),
        (b"INVITE sip", b"BYE sip", 400),
        (b"INVITE sip", b"invite sip", 501),
    ],
)
def test_the_start_line_decides_the_status(old: bytes, new: bytes, status: int | None) -> None:
    message = request(INVITE.replace(old, new, 1))
    if status is None:
        message.validate()
    else:
        assert fault_of(message) == status


RESPONSE = b"""\
SIP/2.0 200 OK
Via: SIP/2.0/UDP a;branch=z9hG4bK1;received=192.0.2.1
From: <sip:a@b>;tag=1
To: <sip:c@d>;tag=2
Call-ID: x
CSeq: 1 INVITE
Retry-After: 18000;duration=3600
Expires: 5

""".replace(b"\n", b"\r\n")


def test_a_response_is_read() -> None:
    message = parse_message(RESPONSE)
    assert isinstance(message, Response)
    message.validate()
    assert (message.status, message.reason, message.version) == (200, "OK", "SIP/2.0")
    assert message.top_via.received == "192.0.2.1"
    assert (message.retry_after, message.expires) == (18000, 5)
    assert repr(message) == "<Response 200>"


@pytest.mark.parametrize(
    ("old", "new"), [(b"SIP/2.0 200", b"SIP/7.0 200"), (b"To:", b"Too:"), (b"CSeq: 1", b"CSeq: x")]
)
def test_a_broken_response_is_dropped_without_a_status(old: bytes, new: bytes) -> None:
    assert fault_of(parse_message(RESPONSE.replace(old, new))) is None


_ATTRIBUTES = """
    top_via vias from_ to call_id cseq contacts routes record_routes max_forwards content_length
    content_type accept allow require proxy_require supported unsupported expires retry_after
    body missing_body_bytes defect"""


def exercise(data: bytes) -> None:
    """Use everything a message offers; only RemoteProtocolError may come out."""
    with contextlib.suppress(RemoteProtocolError):
        message = parse_message(data)
        for name in [*_ATTRIBUTES.split(), "uri"]:
            if name == "uri" and isinstance(message, Response):
                continue
            with contextlib.suppress(RemoteProtocolError):
                getattr(message, name)
        for key in list(message.index.fields):
            for line in message.raw_header_lines(key):
                assert line in data
            value = message.header(key)
            assert value is not None
            value.encode()
            with contextlib.suppress(RemoteProtocolError):
                message.header_values(key)
        message.validate()


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_but_remote_protocol_errors(data: bytes) -> None:
    exercise(data)
    exercise(b"INVITE sip:a@b SIP/2.0\r\n" + data)
    exercise(b"SIP/2.0 200 OK\r\nVia:" + data + b"\r\n\r\n")


def test_mutated_messages_raise_nothing_but_remote_protocol_errors() -> None:
    chance = random.Random(4475)
    pieces = [b"\r\n", b" ", b";", b",", b'"', b"<", b">", b":", b"=", b"\\", b"\0", b"\xff", b"\n"]
    for _ in range(3000):
        data = bytearray(chance.choice((INVITE, RESPONSE)))
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at : at + chance.randint(1, 9)] = b""
                case 1:
                    data[at:at] = chance.choice(pieces)
                case _:
                    data[at] = chance.randrange(256)
        exercise(bytes(data))


_NAME = st.text("abcXYZ019-.!%*_+`'~", min_size=1, max_size=8)
_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@given(st.lists(st.tuples(_NAME, _TEXT), max_size=12))
def test_every_field_is_found_under_any_case_of_its_name(fields: list[tuple[str, str]]) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    message = request(f"OPTIONS sip:a@b SIP/2.0\r\n{head}\r\n".encode())
    assert message.defect is None
    for name, _ in fields:
        lines = message.raw_header_lines(name.upper())
        assert lines == message.raw_header_lines(name)
        assert message.has(name.lower())
        for other, value in fields:
            if other == name:
                assert f"{name}: {value}".encode() in lines
