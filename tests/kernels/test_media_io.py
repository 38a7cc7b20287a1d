"""The poller over real UDP sockets on the loopback interface; time stays virtual."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

import pytest
from rtp_peer import configure, constant

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import MediaPoller, MediaStream


def udp(family: int = socket.AF_INET, host: str = "127.0.0.1") -> socket.socket:
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind((host, 0))
    return sock


def has_ipv6() -> bool:
    try:
        udp(socket.AF_INET6, "::1").close()
    except OSError:
        return False
    return True


class Line:
    """Two streams, each behind its socket, in one poller."""

    def __init__(self, pair: tuple[socket.socket, socket.socket]) -> None:
        self.sockets = pair
        self.poller = MediaPoller()
        self.streams = [
            MediaStream(ssrc=n, sequence_number=n, timestamp=n, gap_wait_ms=40) for n in (1, 2)
        ]
        self.slots = [
            self.poller.add(sock.fileno(), stream)
            for sock, stream in zip(pair, self.streams, strict=True)
        ]
        for stream, other in zip(self.streams, reversed(pair), strict=True):
            configure(stream, remote=other.getsockname()[:2])
            stream.start(0.0)


@pytest.fixture
def line() -> Iterator[Line]:
    with udp() as a, udp() as b:
        yield Line((a, b))


def frames(stream: MediaStream) -> int:
    count = 0
    while stream.next_frame() is not None:
        count += 1
    return count


def test_audio_and_digits_pass_between_two_streams(line: Line) -> None:
    a, b = line.streams
    a.write(constant(9000, 320 * 50))
    a.send_digits("7")
    heard = [0, 0]
    for n in range(60):
        line.poller.tick(n * 0.02)
        for slot in line.poller.receive(n * 0.02):
            heard[line.slots.index(slot)] += frames(line.streams[line.slots.index(slot)])
    assert heard == [60, 52]  # a also hears b's silence; b has a digit instead of 8 frames
    assert b.next_digit() == ("7", 100, 50 * 320)
    assert a.statistics()["packets_sent"] == b.statistics()["packets_received"] == 59
    assert b.statistics()["packets_lost"] == 0
    assert line.poller.receive(2.0) == []


def test_the_poller_is_readable_while_packets_wait(line: Line) -> None:
    assert select.select([line.poller], [], [], 0)[0] == []
    line.poller.tick(0.0)
    assert select.select([line.poller], [], [], 0)[0] == [line.poller]
    line.poller.receive(0.0)
    assert select.select([line.poller], [], [], 0)[0] == []


def test_only_streams_with_news_are_named(line: Line) -> None:
    a, _ = line.streams
    a.write(constant(1, 320))
    a.mark(5)
    assert line.poller.tick(0.0) == [line.slots[0]]
    assert a.next_mark() == (5, True)
    assert line.poller.tick(0.01) == []


def test_a_gap_that_has_waited_is_news_of_a_tick(line: Line) -> None:
    a, b = line.streams
    packets = [a.datagrams_to_send(n * 0.02)[0][0] for n in range(4)]
    target = line.sockets[1].getsockname()
    for packet in (packets[0], packets[1], packets[3]):
        line.sockets[0].sendto(packet, target)
    assert line.poller.receive(0.06) == [line.slots[1]]
    assert frames(b) == 2
    line.poller.remove(line.slots[0])
    assert line.poller.tick(0.11) == [line.slots[1]]
    assert frames(b) == 2


def test_datagrams_of_a_size_no_audio_has_are_counted(line: Line) -> None:
    for size in (0, 1, 2048, 2049, 60_000):
        line.sockets[0].sendto(bytes(size), line.sockets[1].getsockname())
    assert line.poller.receive(0.0) == []
    assert line.streams[1].statistics()["bad_header"] == 5


def test_a_burst_is_taken_in_bounded_portions(line: Line) -> None:
    for _ in range(150):
        line.sockets[0].sendto(b"noise", line.sockets[1].getsockname())
    for _ in range(4):
        line.poller.receive(0.0)
    assert line.streams[1].statistics()["bad_header"] == 150


def test_send_errors_are_counted_and_audio_goes_on(line: Line) -> None:
    a, _ = line.streams
    configure(a, remote=("2001:db8::1", 4000))  # not to be reached from an IPv4 socket
    line.poller.tick(0.0)
    configure(a, remote=("255.255.255.255", 4000))  # the kernel refuses: no broadcast
    line.poller.tick(0.02)
    assert a.statistics()["send_errors"] == 2
    configure(a, remote=line.sockets[1].getsockname())
    line.poller.tick(0.04)
    assert a.statistics()["send_errors"] == 2


def test_a_refused_port_is_counted_when_the_socket_hears_of_it() -> None:
    with udp() as sock, udp() as gone:
        address = gone.getsockname()
        gone.close()
        sock.connect(address)
        poller, stream = MediaPoller(), MediaStream(ssrc=1, sequence_number=1, timestamp=1)
        configure(stream, remote=address)
        stream.start(0.0)
        poller.add(sock.fileno(), stream)
        for n in range(4):
            poller.tick(n * 0.02)
            poller.receive(n * 0.02)
        statistics = stream.statistics()
        assert statistics["send_errors"] + statistics["receive_errors"] > 0


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")
@pytest.mark.parametrize("dual", [False, True], ids=["IPv6", "IPv4 through IPv6"])
def test_an_ipv6_socket_serves_both_families(dual: bool) -> None:
    with (
        udp(socket.AF_INET6, "::") as a,
        udp(socket.AF_INET if dual else socket.AF_INET6, "127.0.0.1" if dual else "::1") as b,
    ):
        line = Line((a, b))
        host = "127.0.0.1" if dual else "::1"
        configure(line.streams[1], remote=(host, a.getsockname()[1]))
        for n in range(3):
            line.poller.tick(n * 0.02)
            line.poller.receive(n * 0.02)
        assert line.streams[1].statistics()["packets_received"] == 3
        assert frames(line.streams[1]) == 3


def test_a_socket_closed_before_its_removal_is_harmless(line: Line) -> None:
    again = line.sockets[1].dup()
    line.sockets[1].close()
    line.poller.remove(line.slots[1])
    line.sockets[0].sendto(b"noise", again.getsockname())
    assert line.poller.receive(0.0) == []
    again.close()


def test_many_streams_come_and_go_and_slots_are_used_again() -> None:
    poller = MediaPoller()
    sockets = [udp() for _ in range(150)]
    streams = [MediaStream(ssrc=n, sequence_number=0, timestamp=0) for n in range(150)]
    slots = [
        poller.add(sock.fileno(), stream) for sock, stream in zip(sockets, streams, strict=True)
    ]
    assert slots == list(range(150))
    poller.remove(70)
    assert poller.add(sockets[70].fileno(), streams[70]) == 70
    for sock, stream in zip(sockets, streams, strict=True):
        configure(stream, remote=sock.getsockname())  # each to itself
        stream.start(0.0)
    for n in range(3):
        poller.tick(n * 0.02)
        news = poller.receive(n * 0.02)
    assert sorted(news) == slots
    for slot, sock in zip(slots, sockets, strict=True):
        poller.remove(slot)
        sock.close()
    assert poller.tick(1.0) == []


def test_what_is_no_socket_and_what_is_no_slot_is_refused(line: Line) -> None:
    with pytest.raises(OSError):
        line.poller.add(0x7FFF, line.streams[0])
    with pytest.raises(OSError):
        line.poller.add(line.sockets[0].fileno(), line.streams[0])
    with pytest.raises(LocalProtocolError):
        line.poller.remove(77)
    with pytest.raises(LocalProtocolError):
        line.poller.tick(float("nan"))
