"""The UDP socket hears what ICMP says of its datagrams, and loses no other for it."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest

from rapida_media.net import icmp
from rapida_media.net.udp import UdpSocket, numeric_family
from rapida_media.stats import Counters

PATIENCE_S = 5.0

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a UDP socket")


class Ends:
    """A socket of ours, a far end that lives, and the address of one that is gone."""

    def __init__(self, host: str) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue()
        self.undelivered: asyncio.Queue[bytes] = asyncio.Queue()
        self.counters = Counters()
        self.ours = UdpSocket(
            asyncio.get_running_loop(),
            (host, 0),
            lambda data, source: self.received.put_nowait(data),
            self.undelivered.put_nowait,
            self.counters,
        )
        self.ours.start()
        self.alive = socket.socket(numeric_family(host), socket.SOCK_DGRAM)
        self.alive.bind((host, 0))
        self.alive.settimeout(PATIENCE_S)
        with socket.socket(numeric_family(host), socket.SOCK_DGRAM) as gone:
            gone.bind((host, 0))
            self.dead: tuple[str, int] = gone.getsockname()[:2]


@pytest.fixture(params=["127.0.0.1", "::1"])
async def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    made = Ends(request.param)
    yield made
    made.ours.close()
    made.alive.close()


async def test_the_beginning_of_what_finds_nobody_comes_back(ends: Ends) -> None:
    message = b"INVITE sip:nobody@192.0.2.1 SIP/2.0\r\n" * 20
    assert ends.ours.send(message, ends.dead)
    async with asyncio.timeout(PATIENCE_S):
        quoted = await ends.undelivered.get()
    assert message.startswith(quoted)
    assert len(quoted) >= 500
    await asyncio.sleep(0.05)
    assert ends.counters["udp_errors"] == 1, "it does not wake us again"


async def test_an_error_costs_no_other_datagram(ends: Ends) -> None:
    alive = ends.alive.getsockname()[:2]
    for number in range(20):
        ends.ours.send(b"lost", ends.dead)
        assert ends.ours.send(b"%d" % number, alive)
        ends.alive.sendto(b"%d" % number, ends.ours.address)
    assert [ends.alive.recv(9) for _ in range(20)] == [b"%d" % number for number in range(20)]
    async with asyncio.timeout(PATIENCE_S):
        for number in range(20):
            assert await ends.received.get() == b"%d" % number
        for _ in range(20):
            assert await ends.undelivered.get() == b"lost"
    assert not ends.counters["udp_send_failed"]


@pytest.mark.parametrize(
    ("error", "unreachable"),
    [
        ((111, 2, 3, 3), True),  # port
        ((113, 2, 3, 1), True),  # host
        ((90, 2, 3, 4), False),  # too big
        ((113, 2, 11, 0), False),  # time exceeded: "SHOULD be ignored"
        ((111, 3, 1, 4), True),  # ICMPv6, port
        ((90, 3, 2, 0), False),  # ICMPv6, too big
        ((90, 1, 0, 0), False),  # of our own system
    ],
)
def test_only_what_is_unreachable_counts(
    error: tuple[int, int, int, int], unreachable: bool
) -> None:
    packed = icmp._ERROR.pack(*error) + bytes(9)
    assert icmp._says_unreachable(packed) is unreachable
    assert not icmp._says_unreachable(packed[:4])
