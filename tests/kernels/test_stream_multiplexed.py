"""STUN and DTLS on the RTP port (RFC 7983): told apart, kept for the owner, bounded."""

from __future__ import annotations

import pytest
from rtp_peer import HOST, Peer, configure, make_stream


@pytest.mark.parametrize("first", [0, 3, 20, 63])
def test_stun_and_dtls_wait_for_the_owner_of_the_stream(first: int) -> None:
    peer = Peer(make_stream(multiplexed=True))
    datagram = bytes([first]) + bytes(30)
    peer.deliver(datagram)
    assert peer.stream.has_news
    assert peer.stream.next_datagram() == (datagram, HOST, peer.now)
    assert peer.stream.next_datagram() is None
    assert not peer.stream.has_news


@pytest.mark.parametrize("first", [4, 19, 64, 127, 128, 192])
def test_nothing_else_is_taken_for_stun_or_dtls(first: int) -> None:
    peer = Peer(make_stream(multiplexed=True))
    peer.deliver(bytes([first]) + bytes(30), b"")
    assert peer.stream.next_datagram() is None


def test_a_stream_on_a_port_of_its_own_knows_neither() -> None:
    peer = Peer(make_stream())
    configure(peer.stream)
    peer.deliver(bytes(31))
    assert peer.stream.next_datagram() is None
    assert peer.stream.statistics()["bad_header"] == 1


def test_rtp_goes_on_beside_them() -> None:
    peer = Peer(make_stream(multiplexed=True))
    configure(peer.stream)
    peer.send(1, 2)
    peer.deliver(bytes(31))
    peer.send(3)
    assert peer.stream.packets_received == 2  # the first one of a source is on probation
    assert peer.stream.next_datagram() is not None


def test_a_flood_of_them_is_bounded() -> None:
    peer = Peer(make_stream(multiplexed=True))
    peer.deliver(bytes(1501), *[bytes([n]) * 20 for n in range(3)] * 10)
    taken = [peer.stream.next_datagram() for _ in range(9)]
    assert taken[0] == (bytes(20), HOST, peer.now)
    assert taken[8] is None
    assert None not in taken[:8]
