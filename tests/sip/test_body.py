"""An offer among other parts of a body, as gateways and location-aware proxies send it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.sip.body import MOST_PARTS, parts_of
from rapida_media.sip.message import Request, parse_message
from rapida_media.sip.request_checks import body_refusal, offer_of
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

SDP_PART = b"Content-Type: application/sdp\r\n\r\n" + OFFER
ISUP = b"Content-Type: application/ISUP;version=itu-t92+\r\n"
OPTIONAL = b"Content-Disposition: signal ; handling=Optional\r\n"
LOCATION = b"Content-Type: application/pidf+xml\r\nContent-ID: <a@b>\r\n"


def invite(*parts: bytes, kind: str = "mixed", boundary: str = "b1") -> Request:
    mark = b"--" + boundary.encode()
    body = b"preamble\r\n" + b"".join(mark + b"\r\n" + each + b"\r\n" for each in parts)
    return of(body + mark + b"--\r\nepilogue", f'multipart/{kind};boundary="{boundary}"')


def of(body: bytes, content_type: str) -> Request:
    peer = SipPeer(World(), "192.0.2.9")
    raw = peer.request("INVITE", headers=[("Content-Type", content_type)], body=body)
    message = parse_message(raw)
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    "parts",
    [
        [SDP_PART],
        [SDP_PART, ISUP + OPTIONAL + b"\r\n\x01\x00\r\n--b\x49\x00"],
        [ISUP + OPTIONAL + b"\r\n\x01", SDP_PART],
        [LOCATION + b"Content-Disposition: by-reference\r\n\r\n<presence/>", SDP_PART],
        [
            b"c: application/sdp\r\nContent-Disposition: session;\r\n handling=required\r\n\r\n"
            + OFFER
        ],
        [b"Content-Type: application/sdp\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + OFFER],
    ],
)
def test_an_offer_is_found_among_parts_that_may_be_ignored(parts: list[bytes]) -> None:
    request = invite(*parts)
    assert offer_of(request) == OFFER
    assert body_refusal(request) is None


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([SDP_PART, ISUP + b"\r\n\x01\x00"], 415),
        ([SDP_PART, b"\r\na text, since it says nothing"], 415),
        ([b"Content-Type: application/sdp\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b"], 415),
        ([b"Content-Type: nonsense\r\n\r\n"], 415),
        ([], 400),
    ],
)
def test_a_part_that_must_be_understood_and_is_not_refuses_the_call(
    parts: list[bytes], status: int
) -> None:
    refusal = body_refusal(invite(*parts))
    assert refusal is not None
    assert refusal[0] == status


def test_of_alternatives_one_is_enough() -> None:
    request = invite(b"Content-Type: text/html\r\n\r\n<p>", SDP_PART, kind="alternative")
    assert (offer_of(request), body_refusal(request)) == (OFFER, None)


def test_a_longer_boundary_that_begins_like_ours_ends_the_parts() -> None:
    body = b"--b1\r\n" + SDP_PART + b"\r\n--b12\r\n" + ISUP + b"\r\n\x01\r\n--b1--"
    assert [each.content for each in parts_of(of(body, "multipart/mixed;boundary=b1"))] == [OFFER]


def test_of_very_many_parts_the_first_are_looked_at() -> None:
    assert len(parts_of(invite(*[SDP_PART] * 100))) == MOST_PARTS


@given(st.binary(max_size=200))
def test_no_body_makes_it_fail(noise: bytes) -> None:
    for body in (
        noise,
        b"--b1\r\n" + noise,
        b"--b1" + noise + b"\r\n--b1--",
        b"--b1\r\n--b1" + noise,
    ):
        request = of(body, "multipart/mixed;boundary=b1")
        assert isinstance(offer_of(request), bytes)
        body_refusal(request)
