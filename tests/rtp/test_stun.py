"""STUN messages against the vectors of RFC 5769, and against nonsense."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rapida_media.rtp.stun import (
    BINDING_REQUEST,
    BINDING_SUCCESS,
    PRIORITY,
    USERNAME,
    XOR_MAPPED_ADDRESS,
    format_stun,
    parse_stun,
    xor_mapped_address,
)

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
# Section 2.1.
REQUEST = bytes.fromhex(
    "00010058 2112a442 b7e7a701 bc34d686 fa87dfae"
    "80220010 5354554e 20746573 7420636c 69656e74"
    "00240004 6e0001ff 80290008 932ff9b1 51263b36"
    "00060009 6576746a 3a683676 59202020"
    "00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2"
    "80280004 e57a3bcf"
)
# Sections 2.2 and 2.3: what XOR-MAPPED-ADDRESS holds there.
MAPPED_IPV4 = bytes.fromhex("0001a147e112a643")
MAPPED_IPV6 = bytes.fromhex("0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9")


def test_the_sample_request_is_read_and_its_signature_holds() -> None:
    message = parse_stun(REQUEST)
    assert message is not None
    assert (message.type, message.transaction_id) == (BINDING_REQUEST, TRANSACTION)
    assert message.attributes[USERNAME] == b"evtj:h6vY"
    assert message.attributes[PRIORITY] == bytes.fromhex("6e0001ff")
    assert message.is_signed_with(PASSWORD)
    assert not message.is_signed_with(PASSWORD + b"x")


def test_addresses_are_masked_as_in_the_sample_responses() -> None:
    assert xor_mapped_address(("192.0.2.1", 32853), TRANSACTION) == MAPPED_IPV4
    host = "2001:db8:1234:5678:11:2233:4455:6677"
    assert xor_mapped_address((host, 32853), TRANSACTION) == MAPPED_IPV6


def test_every_changed_octet_of_a_message_is_noticed() -> None:
    for index in range(len(REQUEST) - 8):  # what is left is the FINGERPRINT
        changed = bytearray(REQUEST)
        changed[index] ^= 0x40
        message = parse_stun(bytes(changed))
        assert message is None or not message.is_signed_with(PASSWORD), index


def test_what_follows_the_signature_is_not_believed() -> None:
    made = format_stun(BINDING_SUCCESS, TRANSACTION, [(XOR_MAPPED_ADDRESS, MAPPED_IPV4)], b"key")
    without_fingerprint = made[:-8] + bytes.fromhex("00250000")
    patched = without_fingerprint[:2] + (len(made) - 24).to_bytes(2, "big")
    message = parse_stun(patched + without_fingerprint[4:])
    assert message is not None
    assert 0x0025 not in message.attributes
    assert message.is_signed_with(b"key")


@given(values=st.lists(st.tuples(st.integers(0x7000, 0x7FFF), st.binary(max_size=40)), max_size=9))
def test_what_is_written_is_read_again(values: list[tuple[int, bytes]]) -> None:
    message = parse_stun(format_stun(BINDING_REQUEST, TRANSACTION, values, b"key"))
    assert message is not None
    assert message.is_signed_with(b"key")
    # Of several of one type, the first counts.
    assert {name: message.attributes[name] for name, _ in values} == dict(reversed(values))


@given(data=st.binary(max_size=200), cut=st.integers(0, 108))
def test_nonsense_is_no_message_and_no_error(data: bytes, cut: int) -> None:
    parse_stun(data)
    parse_stun(REQUEST[:8] + data)
    assert cut == len(REQUEST) or parse_stun(REQUEST[:cut]) is None
