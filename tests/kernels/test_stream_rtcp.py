"""What a stream knows for RTCP: its clock, its source, its SSRC, and RTCP on the RTP port."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtp_peer import HOST, Peer, configure, constant, make_stream

from rapida_media.kernels import parse_rtp

REPORT = bytes.fromhex("80c90001 00000007")


def started(**changes: object) -> Peer:
    peer = Peer(make_stream())
    configure(peer.stream, **changes)
    peer.stream.start(peer.now)
    return peer


def send(peer: Peer, ticks: int) -> list[bytes]:
    sent = []
    for _ in range(ticks):
        sent += [data for data, _ in peer.stream.datagrams_to_send(peer.now)]
        peer.now = peer.stream.next_send_time()
    return sent


def test_the_clock_runs_between_packets_too() -> None:
    peer = started()
    assert peer.stream.timestamp_at(peer.now) == 2**32 - 320
    begin = peer.now
    send(peer, 3)
    assert peer.stream.timestamp_at(begin + 0.05) == 400 - 320
    assert peer.stream.timestamp_at(begin + 0.04) == 2**32 - 320 + 320 - 2**32
    assert peer.stream.timestamp_at(begin + 100) == 800_000 - 320


@given(ticks=st.integers(0, 200), late_ms=st.integers(0, 15))
def test_every_packet_is_stamped_with_the_clock_at_its_time(ticks: int, late_ms: int) -> None:
    peer = started()
    begin = peer.now
    for n, data in enumerate(send(peer, ticks)):
        packet = parse_rtp(data)
        assert packet is not None
        assert packet.timestamp == peer.stream.timestamp_at(begin + n * 0.02)
    assert peer.stream.sender_counts == (ticks, 160 * ticks)


def test_a_report_on_the_source_covers_its_own_interval() -> None:
    peer = started()
    assert (peer.stream.source_ssrc, peer.stream.reception_report()) == (None, None)
    peer.send(1, 2)
    peer.sequence += 2
    peer.send(3, 4, 5, 6)
    report = peer.stream.reception_report()
    assert peer.stream.source_ssrc == 7
    # The first of the two packets that make a source believable is not one "received" (A.1).
    assert report is not None
    assert report[:3] == ((2 << 8) // 7, 2, 107)
    peer.send(7)
    again = peer.stream.reception_report()
    assert again is not None
    assert again[:3] == (0, 2, 108)


@pytest.mark.parametrize("agreed", [True, False])
def test_rtcp_on_the_rtp_port_is_told_apart_agreed_or_not(agreed: bool) -> None:
    peer = started(rtcp_mux=agreed)
    peer.deliver(REPORT)
    assert peer.stream.has_news
    assert peer.stream.next_rtcp() == (REPORT, HOST, peer.now)
    assert peer.stream.next_rtcp() is None
    assert not peer.stream.has_news


def test_a_report_on_us_that_comes_where_none_was_agreed_is_no_collision() -> None:
    """Read as RTP its first block has our SSRC where the sender's would be."""
    peer = started()
    send(peer, 5)
    report = bytes.fromhex("81c90007 00000007 000000a1") + bytes(20)
    peer.deliver(report)
    assert not peer.stream.take_collision()
    assert peer.stream.next_rtcp() == (report, HOST, peer.now)
    assert peer.stream.statistics()["unknown_payload_type"] == 0


def test_an_agreed_payload_type_is_no_rtcp_where_that_has_a_port_of_its_own() -> None:
    peer = started(receive={72: "PCMU"})
    packets = [peer.raw(bytes(160), units=160, payload_type=72, marker=True) for _ in range(3)]
    peer.deliver(*packets)
    assert peer.stream.next_rtcp() is None
    assert peer.stream.statistics()["packets_received"] == 3


@pytest.mark.parametrize("second", [191, 224, 0x80, 96, 72])
def test_rtp_is_no_rtcp(second: int) -> None:
    peer = started(rtcp_mux=True)
    peer.deliver(bytes([0x80, second]) + bytes(30))
    assert peer.stream.next_rtcp() is None


def test_a_flood_of_rtcp_is_bounded_and_counted() -> None:
    peer = started(rtcp_mux=True)
    peer.deliver(*[REPORT] * 14, REPORT + bytes(1493))
    assert [peer.stream.next_rtcp() for _ in range(9)] == [(REPORT, HOST, peer.now)] * 8 + [None]
    assert peer.stream.statistics()["rtcp_dropped"] == 7


def test_our_own_packets_come_back_are_no_collision_and_are_heard() -> None:
    peer = started()
    peer.stream.write(constant(9000, 16000))
    peer.deliver(*send(peer, 20))
    assert not peer.stream.take_collision()
    assert peer.stream.statistics()["own_packets_back"] == 20
    assert len(peer.frames()) == 20


def test_what_passed_through_ahead_of_our_clock_comes_back_as_no_collision() -> None:
    peer = started()
    last = send(peer, 20)[-1]
    timestamp = (int.from_bytes(last[4:8], "big") + 480) % 2**32
    peer.deliver(last[:4] + timestamp.to_bytes(4, "big") + last[8:])
    assert not peer.stream.take_collision()
    assert peer.stream.statistics()["own_packets_back"] == 1


def test_another_source_with_our_ssrc_is_a_collision() -> None:
    peer = started()
    send(peer, 5)
    peer.ssrc = 0xA1
    peer.send(1001)
    assert peer.stream.has_news
    assert (peer.stream.take_collision(), peer.stream.take_collision()) == (True, False)
    peer.stream.change_ssrc(0xB2)
    packets = [parse_rtp(data) for data in send(peer, 1)]
    assert [(p.ssrc, p.marker) for p in packets if p] == [(0xB2, True), (0xB2, False)]
    assert peer.stream.sender_counts == (2, 320)
    assert peer.stream.statistics()["packets_sent"] == 7


def test_joined_packets_come_back_are_no_collision_however_long_the_call() -> None:
    peer = started(packet_ms=40)
    for _ in range(30):
        peer.deliver(*send(peer, 50))
        peer.frames()
    assert not peer.stream.take_collision()
    assert peer.stream.statistics()["own_packets_back"] > 700
