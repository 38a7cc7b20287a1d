"""RTCP packets: bytes worked out by hand from the RFC's figures, round trips, malformed ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError
from rapida_media.rtp.rtcp import (
    Goodbye,
    Packet,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    format_rtcp,
    parse_rtcp,
)
from rapida_media.rtp.xr import (
    DelaySinceLastRr,
    ExtendedReport,
    ReceiverReferenceTime,
    VoipMetrics,
)

# Field by field along the figures of RFC 3550 section 6.4.1, 6.5 and 6.6.
SENDER_REPORT = bytes.fromhex(
    "81 c8 000c"  # version 2, one block; SR; 13 words
    "11223344"  # SSRC of sender
    "b44db705 20000000"  # NTP
    "0000a0b0 00000010 00000a00"  # RTP timestamp, packets, octets
    "55667788"  # SSRC_1
    "40 fffffe"  # a quarter lost; cumulative -2
    "00010203 00000050"  # highest, jitter
    "b7052000 00028000"  # LSR, DLSR 2.5 s
)
DESCRIPTION = bytes.fromhex("81 ca 0003 11223344 01 05 6140622e63 00")
FAREWELL = bytes.fromhex("81 cb 0003 11223344 04 676f6e65 000000")
# RFC 3611 section 4.7.
METRICS = bytes.fromhex(
    "80 cf 000a 11223344"
    "07 00 0008 55667788"
    "03 02 40 01 0064 1388 0019 003c e2 c4 7f 10 5d 7f 2c 2b b0 00 003c 0050 00c8"
)
REPORT = SenderReport(
    0x11223344,
    0xB44DB70520000000,
    0xA0B0,
    16,
    2560,
    (ReportBlock(0x55667788, 0x40, -2, 0x10203, 80, 0xB7052000, 0x28000),),
)
VOIP = VoipMetrics(
    0x55667788, 3, 2, 64, 1, 100, 5000, 25, 60, -30, -60, 127, 16, 93, 127, 44, 43, 0xB0, 60, 80,
    200,
)  # fmt: skip
EXAMPLES: list[tuple[bytes, Packet]] = [
    (SENDER_REPORT, REPORT),
    (DESCRIPTION, SourceDescription({0x11223344: b"a@b.c"})),
    (FAREWELL, Goodbye((0x11223344,), "gone")),
    (METRICS, ExtendedReport(0x11223344, (VOIP,))),
]

U8, U16, U32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
BLOCKS = st.lists(
    st.builds(ReportBlock, U32, U8, st.integers(-(2**23), 2**23 - 1), U32, U32, U32, U32),
    max_size=31,
).map(tuple)
NTP = st.integers(0, 2**64 - 1)
XR_BLOCKS = st.lists(
    st.one_of(
        st.builds(ReceiverReferenceTime, NTP),
        st.builds(DelaySinceLastRr, U32, U32, U32),
        st.builds(VoipMetrics, U32, loss_rate=U8, burst_duration=U16, mos_cq=U8),
    ),
    max_size=5,
).map(tuple)
PACKETS = st.one_of(
    st.builds(SenderReport, U32, NTP, U32, U32, U32, BLOCKS),
    st.builds(ReceiverReport, U32, BLOCKS),
    st.builds(
        SourceDescription,
        st.dictionaries(U32, st.binary(min_size=1, max_size=255), max_size=31),
    ),
    st.builds(
        Goodbye,
        st.lists(U32, max_size=31).map(tuple),
        st.text(st.characters(max_codepoint=0x7F, exclude_characters="\0"), max_size=40),
    ),
    st.builds(ExtendedReport, U32, XR_BLOCKS),
)


@pytest.mark.parametrize(("data", "packet"), EXAMPLES)
def test_a_packet_reads_and_writes_as_the_figure_draws_it(data: bytes, packet: Packet) -> None:
    assert parse_rtcp(data) == (packet,)
    assert format_rtcp([packet]) == data


@given(packets=st.lists(PACKETS, min_size=1, max_size=6))
def test_what_is_written_is_read_again(packets: list[Packet]) -> None:
    assert parse_rtcp(format_rtcp(packets)) == tuple(packets)


@given(data=st.binary(max_size=200))
def test_any_datagram_is_read_or_refused(data: bytes) -> None:
    packets = parse_rtcp(data)
    if packets:
        format_rtcp(packets)


@given(packets=st.lists(PACKETS, min_size=1, max_size=3), cut=st.integers(1, 60))
def test_a_datagram_cut_short_is_malformed_unless_the_cut_is_between_packets(
    packets: list[Packet], cut: int
) -> None:
    data = format_rtcp(packets)
    read = parse_rtcp(data[:-cut])
    if read is not None:
        assert read == tuple(packets[: len(read)])
        assert len(format_rtcp(read)) == len(data) - cut


def test_packets_without_a_use_are_passed_over() -> None:
    app = bytes.fromhex("80 cc 0002 11223344 6e616d65")
    feedback = bytes.fromhex("81 ce 0002 11223344 55667788")
    assert parse_rtcp(SENDER_REPORT + app + feedback + DESCRIPTION) == (
        REPORT,
        SourceDescription({0x11223344: b"a@b.c"}),
    )


def test_a_datagram_may_begin_with_any_packet() -> None:
    """RFC 5506 section 3.1: reduced-size."""
    assert parse_rtcp(FAREWELL) == (Goodbye((0x11223344,), "gone"),)


def test_the_last_packet_may_be_padded() -> None:
    padded = bytes.fromhex("a1 cb 0004 11223344 04 676f6e65 000000 00000004")
    assert parse_rtcp(SENDER_REPORT + padded) == (REPORT, Goodbye((0x11223344,), "gone"))
    assert parse_rtcp(padded + SENDER_REPORT) is None


def test_unknown_items_and_blocks_are_passed_over() -> None:
    named = bytes.fromhex("81 ca 0004 11223344 02 02 4d65 01 05 6140622e63 00")
    assert parse_rtcp(named) == (SourceDescription({0x11223344: b"a@b.c"}),)
    unknown = bytes.fromhex("80 cf 0004 11223344 63 00 0001 ffffffff 04 00 0002")
    assert parse_rtcp(unknown) is None
    unknown = bytes.fromhex("80 cf 0006 11223344 63 00 0001 ffffffff 04 00 0002 0102030405060708")
    assert parse_rtcp(unknown) == (
        ExtendedReport(0x11223344, (ReceiverReferenceTime(0x0102030405060708),)),
    )


@pytest.mark.parametrize(
    "data",
    [
        "",
        "80",
        "80 c9 0001",
        "40 c9 0001 11223344",  # version 1
        "80 c9 0000",  # no SSRC
        "81 c9 0001 11223344",  # a block that is not there
        "80 c8 0001 11223344",  # no sender information
        "a0 c9 0001 11223344",  # padding of 68 octets
        "a0 c9 0001 11223303",  # not whole words
        "81 cb 0000",
        "81 cb 0002 11223344 09676f6e",  # a reason longer than the packet
        "81 ca 0001 11223344",  # SDES without an end
        "81 ca 0002 11223344 01ff6100",
        "80 cf 0001 11223344 00",
        "80 cf 0002 11223344 07000000",  # VoIP metrics without content
    ],
)
def test_a_malformed_datagram_is_refused_whole(data: str) -> None:
    assert parse_rtcp(bytes.fromhex(data)) is None


@pytest.mark.parametrize(
    "packet",
    [
        ReceiverReport(2**32),
        ReceiverReport(1, (ReportBlock(1, 256, 0, 0, 0),)),
        ReceiverReport(1, (ReportBlock(1, 0, 2**23, 0, 0),)),
        ReceiverReport(1, (ReportBlock(1, 0, 0, 0, 0),) * 32),
        SourceDescription({1: b""}),
        Goodbye((1,), "x" * 256),
        ExtendedReport(1, (VoipMetrics(1, signal_level=-200),)),
    ],
)
def test_what_a_field_cannot_say_is_refused(packet: Packet) -> None:
    with pytest.raises(LocalProtocolError):
        format_rtcp([packet])
