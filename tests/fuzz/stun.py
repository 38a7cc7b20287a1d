"""STUN: any datagram is answered or dropped, also one whose signature is right."""

from __future__ import annotations

import hmac

from rapida_media.rtp.ice import IceLite
from rapida_media.rtp.stun import (
    BINDING_ERROR,
    BINDING_REQUEST,
    BINDING_SUCCESS,
    ICE_CONTROLLED,
    ICE_CONTROLLING,
    MAGIC_COOKIE,
    MESSAGE_INTEGRITY,
    PRIORITY,
    USE_CANDIDATE,
    USERNAME,
    format_stun,
    parse_stun,
)
from rapida_media.testing.clock import SeededIds

SOURCE = ("192.0.2.2", 40000)
_ICE = IceLite(SeededIds(1))
_ATTRIBUTES = [
    (USERNAME, f"{_ICE.ufrag}:them".encode()),
    (PRIORITY, bytes(4)),
    (ICE_CONTROLLING, bytes(8)),
    (USE_CANDIDATE, b""),
]
SEEDS = [
    format_stun(BINDING_REQUEST, bytes(12), _ATTRIBUTES[:count], _ICE.password.encode())
    for count in range(1, 5)
]
TOKENS = [
    *(name.to_bytes(2, "big") for name in (USERNAME, PRIORITY, ICE_CONTROLLED, 0x7777, 0xC057)),
    *(size.to_bytes(2, "big") for size in (0, 1, 3, 4, 20, 0xFFFF)),
    MAGIC_COOKIE.to_bytes(4, "big"),
    bytes((0, MESSAGE_INTEGRITY, 0, 20)),
]


def fuzz(data: bytes) -> None:
    for datagram in (data, _signed(data)):
        ice = IceLite(SeededIds(1))
        ice.expect("them")
        answer = ice.receive(datagram, SOURCE, 1.0)
        if answer is None:
            assert ice.selected is None
            continue
        message = parse_stun(answer)
        assert message is not None
        assert message.type in (BINDING_SUCCESS, BINDING_ERROR)
        assert message.is_signed_with(ice.password.encode())
        assert (ice.selected == SOURCE) == (message.type == BINDING_SUCCESS)


def _signed(data: bytes) -> bytes:
    """Put the right length and signature on what stands before the signature of a seed."""
    body = data[20:-32]
    body += bytes(-len(body) % 4)
    head = data[:2].ljust(2, b"\0") + (len(body) + 24).to_bytes(4, "big")[-2:]
    head += MAGIC_COOKIE.to_bytes(4, "big") + data[8:20].ljust(12, b"\0")
    made = hmac.digest(_ICE.password.encode(), head + body, "sha1")
    return head + body + bytes((0, MESSAGE_INTEGRITY, 0, 20)) + made
