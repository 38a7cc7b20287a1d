"""Packets as a capture file holds them: headers and checksums by their RFCs."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.net import pcap

V4 = ("192.0.2.1", 5060), ("198.51.100.7", 40_000)
V6 = ("2001:db8::1", 5060), ("2001:db8::2", 40_000)


def test_a_record_is_dated_and_measured():
    record = pcap.record(1_700_000_000.25, *V4, b"x")
    assert struct.unpack("<IIII", record[:16]) == (1_700_000_000, 250_000, 29, 29)
    assert len(record) == 16 + 29


def ones_complement_sum(data: bytes) -> int:
    """Add 16-bit words as RFC 1071 section 1 says; a correct checksum makes it all ones."""
    data += b"\0" * (len(data) % 2)
    total = 0
    for at in range(0, len(data), 2):
        total += int.from_bytes(data[at : at + 2])
        total = (total & 0xFFFF) + (total >> 16)
    return total


@given(st.binary(max_size=300), st.integers(0, 65_535), st.integers(0, 65_535))
def test_both_checksums_of_ipv4_are_right(payload, from_port, to_port):
    packet = pcap.record(0.0, (V4[0][0], from_port), (V4[1][0], to_port), payload)[16:]
    assert ones_complement_sum(packet[:20]) == 0xFFFF
    pseudo = packet[12:20] + struct.pack("!HH", 17, len(packet) - 20)
    assert ones_complement_sum(pseudo + packet[20:]) == 0xFFFF
    assert packet[28:] == payload


@pytest.mark.parametrize("payload", [b"", b"odd", b"even" * 200])
def test_the_checksum_of_ipv6_is_right(payload):
    packet = pcap.record(0.0, *V6, payload)[16:]
    assert packet[0] >> 4 == 6
    pseudo = packet[8:40] + struct.pack("!II", 8 + len(payload), 17)
    assert ones_complement_sum(pseudo + packet[40:]) == 0xFFFF
    assert packet[48:] == payload


def test_no_udp_checksum_is_zero():
    # A payload that makes the sum all ones: RFC 768 then wants all ones, since 0 means "none".
    for filler in range(65_536):
        packet = pcap.record(0.0, *V4, filler.to_bytes(2))[16:]
        if packet[26:28] == b"\xff\xff":
            break
    else:
        pytest.fail("no payload gave the checksum of all ones")
