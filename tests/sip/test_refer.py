"""Refer-To, Replaces and sipfrag against the examples of RFC 3515, 3891 and 5589."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.builder import build_request
from rapida_media.sip.message import Request
from rapida_media.sip.refer import (
    ReferTo,
    Replaces,
    format_sipfrag,
    parse_replaces,
    parse_sipfrag,
    refer_to_of,
    replaces_of,
)

# RFC 3891 section 6.1.
EXAMPLE = Replaces("98732@sip.example.com", "r33th4x0r", "ff87ff")


def request(*headers: tuple[str, str], body: bytes = b"") -> Request:
    return build_request("REFER", "sip:a@192.0.2.1", headers, body)


@pytest.mark.parametrize(
    ("text", "replaces"),
    [
        ("98732@sip.example.com ;from-tag=r33th4x0r ;to-tag=ff87ff",
         Replaces("98732@sip.example.com", "ff87ff", "r33th4x0r")),
        ("12adf2f34456gs5;to-tag=12345;from-tag=54321;early-only",
         Replaces("12adf2f34456gs5", "12345", "54321", True)),
        ("87134@171.161.34.23;to-tag=24796;from-tag=0;foo=bar",
         Replaces("87134@171.161.34.23", "24796", "0")),
    ],
)  # fmt: skip
def test_the_examples_of_rfc_3891(text: str, replaces: Replaces) -> None:
    assert parse_replaces(text) == replaces
    assert parse_replaces(str(replaces)) == replaces


@pytest.mark.parametrize(
    "text", ["", "x", "x;to-tag=1", "x;from-tag=1;to-tag", ";to-tag=1;from-tag=2"]
)
def test_a_replaces_without_its_parts_is_malformed(text: str) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_replaces(text)


def test_an_invite_replaces_one_call_at_most() -> None:
    assert replaces_of(request()) is None
    assert replaces_of(request(("Replaces", str(EXAMPLE)))) == EXAMPLE
    with pytest.raises(RemoteProtocolError):
        replaces_of(request(("Replaces", str(EXAMPLE)), ("Replaces", str(EXAMPLE))))


@pytest.mark.parametrize(
    ("value", "target", "replaces"),
    [
        ("sip:alice@atlanta.example.com", "sip:alice@atlanta.example.com", None),
        ('"Alice" <sip:alice@192.0.2.4;transport=tcp>', "sip:alice@192.0.2.4;transport=tcp", None),
        ("<sips:a8342043f@atlanta.example.com;gr>", "sips:a8342043f@atlanta.example.com;gr", None),
        ("<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3B"
         "to-tag%3D12345%3Bfrom-tag%3D5FFE-3994>",
         "sip:dave@denver.example.org", Replaces("12345@192.168.118.3", "12345", "5FFE-3994")),
        ("<sip:carol@192.0.2.4?Subject=x&replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>",
         "sip:carol@192.0.2.4", Replaces("1", "2", "3")),
        # As Asterisk writes it.
        ("sip:dave@192.0.2.4:5070;transport=tcp?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3",
         "sip:dave@192.0.2.4:5070;transport=tcp", Replaces("1", "2", "3")),
        ("<sip:carol@192.0.2.4;method=INVITE>", "sip:carol@192.0.2.4", None),
        ("<tel:+1-555-0100>", "tel:+1-555-0100", None),
    ],
)  # fmt: skip
def test_refer_to_names_whom_to_call(value: str, target: str, replaces: Replaces | None) -> None:
    assert refer_to_of(request(("Refer-To", value))) == (target, replaces)


@pytest.mark.parametrize(
    "values",
    [
        [],
        ["<sip:a@192.0.2.4>", "<sip:b@192.0.2.4>"],
        ["sip:"],
        ["<tel:>"],
        ["<sip:a@192.0.2.4;method=SUBSCRIBE>"],
        ["<sip:a@192.0.2.4?Replaces=1>"],
    ],
)
def test_a_refer_to_we_cannot_follow_is_refused(values: list[str]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        refer_to_of(request(*(("Refer-To", value) for value in values)))
    assert caught.value.status == 400


@pytest.mark.parametrize("uri", ["mailto:carol@example.com", "https://example.com/", "tel:x"])
def test_a_refer_to_of_another_scheme_is_refused_as_that(uri: str) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        refer_to_of(request(("Refer-To", f"<{uri}>")))
    assert caught.value.status == 416


def test_a_refer_to_reads_back_as_written() -> None:
    refer_to = ReferTo("sip:carol@192.0.2.4:5070;transport=tcp", EXAMPLE)
    assert "Replaces=98732%40sip.example.com%3Bto-tag%3Dr33th4x0r%3Bfrom-tag%3Dff87ff" in str(
        refer_to
    )
    assert refer_to_of(request(("Refer-To", str(refer_to)))) == refer_to


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"SIP/2.0 100 Trying\r\n", (100, "Trying")),
        (b"SIP/2.0 200 OK", (200, "OK")),
        (
            b"\r\nSIP/2.0 503 Service Unavailable\r\nRetry-After: 5\r\n",
            (503, "Service Unavailable"),
        ),
        (b"SIP/2.0 486\r\n", (486, "")),
        (b"INVITE sip:a@b SIP/2.0\r\n", None),
        (b"SIP/2.0 99 x\r\n", None),
        (b"", None),
    ],
)
def test_a_sipfrag_tells_a_status(body: bytes, outcome: tuple[int, str] | None) -> None:
    assert parse_sipfrag(request(body=body)) == outcome


@given(st.integers(100, 699), st.text("abc xyz-é", max_size=20))
def test_a_sipfrag_reads_back_as_written(status: int, reason: str) -> None:
    read = parse_sipfrag(request(body=format_sipfrag(status, reason)))
    assert read == (status, reason.strip())
