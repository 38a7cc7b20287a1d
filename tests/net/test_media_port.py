"""Port pairs: even and odd, each only once, back at the end of the queue, none leaked."""

import random
import socket

from rapida_media.net.media_port import MediaPorts


class Numbers:
    """Seeded ids."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def token(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def number(self, bits: int) -> int:
        return self._random.getrandbits(bits)


def free_range(pairs: int) -> tuple[int, int]:
    """A range that is free now, found by asking the system for one port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        first = min(probe.getsockname()[1] & ~1, 65_000)
    return first, first + 2 * pairs - 1


def test_rtp_is_even_and_rtcp_the_next_odd_port():
    ports = MediaPorts("127.0.0.1", 30_001, 30_020, Numbers(1))
    pair = ports.open()
    assert pair is not None
    assert pair.port % 2 == 0
    assert pair.rtp.getsockname()[1] == pair.port
    assert pair.rtcp.getsockname()[1] == pair.port + 1
    assert 30_002 <= pair.port <= 30_018
    ports.close(pair)


def test_the_pool_ends_where_the_range_ends_and_is_whole_again_afterwards():
    ports = MediaPorts("127.0.0.1", *free_range(5), Numbers(2))
    pairs = [ports.open() for _ in range(5)]
    assert None not in pairs
    assert ports.open() is None
    assert (ports.in_use, ports.free) == (5, 0)
    for pair in pairs:
        ports.close(pair)
    assert (ports.in_use, ports.free) == (0, 5)


def test_a_port_that_another_program_holds_is_passed_over():
    first, last = free_range(3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", first + 1))
        ports = MediaPorts("127.0.0.1", first, last, Numbers(3))
        pairs = [ports.open() for _ in range(2)]
        assert {pair.port for pair in pairs} == {first + 2, first + 4}
        assert ports.open() is None
        for pair in pairs:
            ports.close(pair)
    assert ports.free == 3


def test_a_port_just_given_back_is_the_last_to_be_taken_again():
    ports = MediaPorts("127.0.0.1", *free_range(4), Numbers(4))
    first = ports.open()
    ports.close(first)
    following = [ports.open() for _ in range(4)]
    assert following[-1].port == first.port
    for pair in following:
        ports.close(pair)
