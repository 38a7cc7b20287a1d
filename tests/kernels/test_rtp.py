"""The RTP packet, read and written (RFC 3550 section 5.1), with every length that can lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import RtpPacket, format_rtp, parse_rtp

U32 = st.integers(0, 0xFFFFFFFF)
PACKETS = st.builds(
    RtpPacket,
    marker=st.booleans(),
    payload_type=st.integers(0, 127),
    sequence_number=st.integers(0, 0xFFFF),
    timestamp=U32,
    ssrc=U32,
    csrcs=st.lists(U32, max_size=15).map(tuple),
    extension_profile=st.none() | st.integers(0, 0xFFFF),
    extension=st.integers(0, 5).flatmap(lambda n: st.binary(min_size=4 * n, max_size=4 * n)),
    payload=st.binary(max_size=200),
    padding_bytes=st.integers(0, 255),
).map(lambda p: p if p.extension_profile is not None else p._replace(extension=b""))

HEADER = bytes.fromhex("80 60 1234 00000100 cafebabe")


def test_the_fixed_header_is_read_as_section_5_1_draws_it() -> None:
    packet = parse_rtp(bytes.fromhex("80 e0 1234 89abcdef cafebabe") + b"sound")
    assert packet == RtpPacket(True, 96, 0x1234, 0x89ABCDEF, 0xCAFEBABE, (), None, b"", b"sound", 0)


def test_csrcs_extension_and_padding_are_not_payload() -> None:
    data = bytes.fromhex(
        "b2 00 0001 00000002 00000003"  # padding, extension, two CSRCs
        "0000000a 0000000b"
        "bede 0001 11223344"
        "aabb 000003"
    )
    assert parse_rtp(data) == RtpPacket(
        False, 0, 1, 2, 3, (10, 11), 0xBEDE, b"\x11\x22\x33\x44", b"\xaa\xbb", 3
    )


@pytest.mark.parametrize(
    ("fault", "data"),
    [
        ("empty", b""),
        ("eleven bytes", HEADER[:11]),
        ("version 1", b"\x40" + HEADER[1:]),
        ("CSRCs beyond the end", b"\x8f" + HEADER[1:] + bytes(59)),
        ("extension header cut", b"\x90" + HEADER[1:] + b"\xbe\xde\x00"),
        ("extension beyond the end", b"\x90" + HEADER[1:] + b"\xbe\xde\xff\xff" + bytes(100)),
        ("padding without payload", b"\xa0" + HEADER[1:]),
        ("padding of nothing", b"\xa0" + HEADER[1:] + b"\x00"),
        ("padding into the header", b"\xa0" + HEADER[1:] + b"\x01\x03"),
    ],
)
def test_a_malformed_packet_is_none(fault: str, data: bytes) -> None:
    assert parse_rtp(data) is None, fault


def test_a_packet_of_padding_alone_has_no_payload() -> None:
    packet = parse_rtp(b"\xa0" + HEADER[1:] + b"\x00\x02")
    assert packet is not None
    assert (packet.payload, packet.padding_bytes) == (b"", 2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"payload_type": 128},
        {"csrcs": (1,) * 16},
        {"extension_profile": 1, "extension": b"abc"},
        {"extension": b"abcd"},
    ],
)
def test_what_the_header_cannot_say_is_refused(wrong: dict[str, object]) -> None:
    fields = {
        "marker": False,
        "payload_type": 0,
        "sequence_number": 0,
        "timestamp": 0,
        "ssrc": 0,
        "payload": b"",
    }
    with pytest.raises(LocalProtocolError):
        format_rtp(**{**fields, **wrong})  # type: ignore[arg-type]


@given(PACKETS)
def test_what_is_formatted_parses_to_the_same(packet: RtpPacket) -> None:
    assert parse_rtp(format_rtp(**packet._asdict())) == packet


@given(st.binary(max_size=100))
def test_any_bytes_are_none_or_account_for_every_byte(data: bytes) -> None:
    packet = parse_rtp(data)
    if packet is not None:
        rest = 0 if packet.extension_profile is None else 4 + len(packet.extension)
        rest += len(packet.payload) + packet.padding_bytes
        assert len(data) == 12 + 4 * len(packet.csrcs) + rest
