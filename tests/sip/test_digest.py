"""Digest arithmetic against published examples."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.sip.digest import (
    Authorization,
    Credentials,
    format_authorization,
    parse_authorization,
    parse_challenge,
    response_digest,
    strongest,
)

# The examples circulated for SIP with draft-smith-sipping-auth-examples-01: bob, "zanzibar".
SIP_NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
SIP_BODY = "\r\n".join((
    "v=0", "o=bob 2890844526 2890844526 IN IP4 media.biloxi.com", "s=-",
    "c=IN IP4 media.biloxi.com", "t=0 0", "m=audio 49170 RTP/AVP 0", "a=rtpmap:0 PCMU/8000",
    "m=video 51372 RTP/AVP 31", "a=rtpmap:31 H261/90000", "m=video 53000 RTP/AVP 32",
    "a=rtpmap:32 MPV/90000", "",
)).encode()  # fmt: skip


@pytest.mark.parametrize(
    ("algorithm", "qop", "response"),
    [
        ("MD5", "", "bf57e4e0d0bffc0fbaedce64d59add5e"),
        ("MD5", "auth", "89eb0059246c02b2f6ee02c7961d5ea3"),
        ("MD5-sess", "auth", "e4e4ea61d186d07a92c9e1f6919902e9"),
        ("MD5", "auth-int", "bdbeebb2da6adb6bca02599c2239e192"),
        ("MD5-sess", "auth-int", "91984da2d8663716e91554859c22ca70"),
    ],
)
def test_an_invite_is_authenticated_as_in_the_sip_examples(algorithm, qop, response):
    values = Authorization(
        "bob", "biloxi.com", SIP_NONCE, "sip:bob@biloxi.com", response, algorithm, qop,
        "00000001", "0a4f113b",
    )  # fmt: skip
    assert response_digest(values, "zanzibar", "INVITE", SIP_BODY) == response


# RFC 7616 section 3.9.1.
RFC7616_NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
RFC7616_OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
RFC7616_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_is_computed_written_and_read(algorithm, response):
    values = Authorization(
        "Mufasa", "http-auth@example.org", RFC7616_NONCE, "/dir/index.html", response, algorithm,
        "auth", "00000001", RFC7616_CNONCE,
    )  # fmt: skip
    assert response_digest(values, "Circle of Life", "GET", b"") == response
    written = format_authorization(values, RFC7616_OPAQUE)
    assert written == (
        f'Digest username="Mufasa", realm="http-auth@example.org", nonce="{RFC7616_NONCE}", '
        f'uri="/dir/index.html", response="{response}", algorithm={algorithm}, qop=auth, '
        f'nc=00000001, cnonce="{RFC7616_CNONCE}", opaque="{RFC7616_OPAQUE}"'
    )
    assert parse_authorization(written) == values


def test_the_stronger_of_the_challenges_of_rfc_7616_is_chosen():
    tail = f'qop="auth, auth-int", nonce="{RFC7616_NONCE}", opaque="{RFC7616_OPAQUE}"'
    challenges = [
        parse_challenge(f'Digest realm="http-auth@example.org", algorithm={algorithm}, {tail}')
        for algorithm in ("MD5", "SHA-256")
    ]
    best = strongest(filter(None, challenges))
    assert best is challenges[1]
    assert (best.algorithm, best.qop, best.opaque) == ("SHA-256", "auth", RFC7616_OPAQUE)


def test_the_challenge_of_rfc_3665_is_read():
    challenge = parse_challenge(
        'Digest realm="atlanta.example.com", qop="auth", '
        'nonce="ea9c8e88df84f1cec4341ae6cbe5a359", opaque="", stale=FALSE, algorithm=MD5'
    )
    assert challenge is not None
    assert (challenge.realm, challenge.stale, challenge.opaque) == (
        "atlanta.example.com",
        False,
        "",
    )


def test_the_credentials_of_rfc_3665_are_read_though_a_comma_is_missing():
    values = parse_authorization(
        'Digest username="bob", realm="atlanta.example.com" '
        'nonce="ea9c8e88df84f1cec4341ae6cbe5a359", opaque="", '
        'uri="sips:ss2.biloxi.example.com", response="dfe56131d1958046689d83306477ecc"'
    )
    assert values is not None
    assert (values.realm, values.uri) == ("atlanta.example.com", "sips:ss2.biloxi.example.com")
    assert (values.algorithm, values.qop) == ("MD5", "")


@pytest.mark.parametrize(
    "text",
    [
        'Basic realm="x"',
        'Digest realm="x"',
        'Digest realm="x", nonce="y", algorithm=AKAv1-MD5',
        'Digest realm="x", nonce="y", qop="auth-conf"',
        'Digest realm="x", nonce="y',
        "",
    ],
)
def test_a_challenge_that_cannot_be_answered_counts_for_nothing(text):
    assert parse_challenge(text) is None


@pytest.mark.parametrize("count", ["1", "0000000g", "000000001", ""])
def test_credentials_with_a_malformed_nonce_count_are_none(count):
    text = (
        'Digest username="a", realm="b", nonce="c", uri="d", response="e", qop=auth, '
        f'nc={count or "x"}, cnonce="f"'
    )
    assert parse_authorization(text) is None


def test_a_password_is_never_shown():
    assert "zanzibar" not in repr(Credentials("bob", "zanzibar"))


@given(st.text())
def test_no_text_makes_the_parsers_raise(text):
    for value in (text, f"Digest {text}"):
        parse_challenge(value)
        parse_authorization(value)
