"""IPv4 and IPv6 at once: media and Contact are of the family the far end can use."""

from __future__ import annotations

import re
import socket

import pytest

from .conftest import Bench
from .waiting import eventually

BOTH = """
[sip]
listen = ["udp:127.0.0.1:0", "tcp:127.0.0.1:0", "udp:[::1]:0", "tcp:[::1]:0"]
[rtp]
ports = "30000-32766"
"""


@pytest.fixture(autouse=True)
def ipv6() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6, not even for itself")


def offer(address: str, port: int) -> str:
    family = "IP6" if ":" in address else "IP4"
    return (
        f"v=0\r\no=- 7 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\n"
    )


class Ear:
    """A UDP socket that counts what it hears."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]

    def hears(self) -> bool:
        try:
            return bool(self.socket.recv(2048))
        except BlockingIOError:
            return False


@pytest.mark.parametrize("signalling", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("media", ["127.0.0.1", "::1"])
async def test_media_is_answered_and_sent_in_the_family_of_the_offer(
    bench: Bench, signalling: str, media: str
) -> None:
    await bench.start(BOTH)
    phone = await bench.phone(host=signalling)
    ear = Ear(media)
    call = phone.invite(sdp=offer(media, ear.port))
    assert await call.final(acknowledge=False) == 200
    assert call.response is not None
    answer = call.response.body.decode()
    family = "IP6" if ":" in media else "IP4"
    assert re.search(rf"c=IN {family} {re.escape(media)}\r\n", answer)
    assert call.response.contacts[0].uri.host == signalling
    call.acknowledge()
    await eventually(ear.hears)
    await call.bye()
    ear.socket.close()


async def test_an_engine_of_one_family_refuses_media_of_the_other(bench: Bench) -> None:
    await bench.start()
    call = (await bench.phone()).invite(sdp=offer("::1", 4000))
    assert await call.final() == 488


@pytest.mark.parametrize(("began", "other"), [("127.0.0.1", "::1"), ("::1", "127.0.0.1")])
@pytest.mark.parametrize("config", [BOTH, ""])
async def test_media_that_moves_to_the_other_family_is_refused_and_goes_on_as_it_was(
    bench: Bench, began: str, other: str, config: str
) -> None:
    """The sockets of a call are of one family, whatever the engine listens on: "488 (Not Acceptable
    Here)", and "the session … unchanged" (RFC 3261 section 14.2)."""
    if not config and began == "::1":
        pytest.skip("the engine listens on IPv4 alone")
    await bench.start(config)
    before, after = Ear(began), Ear(other)
    call = (await bench.phone()).invite(sdp=offer(began, before.port))
    assert await call.final() == 200
    await eventually(before.hears)
    call.send_invite(offer(other, after.port).replace("o=- 7 1", "o=- 7 2"))
    to_tag = call.to_tag
    assert await call.final() == 488
    call.to_tag = to_tag
    while before.hears():
        pass
    await eventually(before.hears)
    assert not after.hears()
    call.send_invite(offer(began, before.port).replace("o=- 7 1", "o=- 7 2"))
    assert await call.final() == 200
    assert await call.bye() == 200
    before.socket.close()
    after.socket.close()


async def test_both_unspecified_addresses_are_listened_on_with_one_port(bench: Bench) -> None:
    engine = await bench.start('[sip]\nlisten = ["udp:0.0.0.0:0"]')
    port = engine.sip_addresses[0].port
    await bench.stop()
    both = f'[sip]\nlisten = ["udp:0.0.0.0:{port}", "udp:[::]:{port}", "tcp:0.0.0.0:{port}", ' \
           f'"tcp:[::]:{port}"]'  # fmt: skip
    engine = await bench.start(both)
    assert [address.port for address in engine.sip_addresses] == [port] * 4
