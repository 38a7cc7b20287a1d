"""RTCP of a running engine over real sockets: reports both ways, on one port and on two."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from rapida_media.agents.events import DeadAir, OneWayAudio
from rapida_media.call.call import Call
from rapida_media.rtp import watch
from rapida_media.rtp.rtcp import (
    Goodbye,
    Packet,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    format_rtcp,
    parse_rtcp,
)

from .conftest import AgentNamer, Bench
from .rtp import speech
from .waiting import eventually


class RtcpPhone:
    """The far end's RTCP socket."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.heard: list[tuple[Packet, ...]] = []

    def read(self) -> list[tuple[Packet, ...]]:
        while True:
            try:
                packets = parse_rtcp(self.socket.recv(2048))
            except BlockingIOError:
                return self.heard
            assert packets is not None
            self.heard.append(packets)


@pytest.fixture
def rtcp() -> Iterator[RtcpPhone]:
    phone = RtcpPhone()
    yield phone
    phone.socket.close()


class Listener:
    """An agent that only keeps its call and what it is told of its media."""

    def __init__(self) -> None:
        self.call: Call
        self.troubles: list[OneWayAudio | DeadAir] = []

    async def __call__(self, call: Call) -> None:
        self.call = call
        async for event in call:
            if isinstance(event, OneWayAudio | DeadAir):
                self.troubles.append(event)


async def test_reports_go_to_the_port_that_the_far_end_names_and_come_back(
    bench: Bench, agent_named: AgentNamer, rtcp: RtcpPhone
) -> None:
    listener = Listener()
    await bench.start(agent=agent_named(listener))
    phone = await bench.phone()
    call = phone.new_call("x")
    call.send_invite(call.sdp() + f"a=rtcp:{rtcp.port}\r\n")
    assert await call.final() == 200
    await call.rtp.say(speech(1.0))
    await eventually(rtcp.read, 5.0)
    report = rtcp.heard[0][0]
    assert isinstance(report, SenderReport)
    (block,) = report.blocks
    assert block.cumulative_lost == 0
    ours = ReceiverReport(block.ssrc, (ReportBlock(
        report.ssrc, 128, 25, 1000, 80, report.ntp >> 16 & 0xFFFFFFFF, 0
    ),))  # fmt: skip
    assert call.rtp.remote is not None
    host, port = call.rtp.remote
    rtcp.socket.sendto(format_rtcp([ours]), (host, port + 1))
    await eventually(lambda: listener.call.stats()["round_trip_ms"] is not None)
    stats = listener.call.stats()
    assert (stats["remote_packets_lost"], stats["remote_jitter_ms"]) == (25, 10.0)
    assert await call.bye() == 200
    await eventually(lambda: isinstance(rtcp.read()[-1][-1], Goodbye))
    assert rtcp.heard[-1][-1] == Goodbye((report.ssrc,))


async def test_rtcp_shares_the_media_port_when_the_far_end_offers_that(
    bench: Bench, agent_named: AgentNamer
) -> None:
    listener = Listener()
    await bench.start(agent=agent_named(listener))
    phone = await bench.phone()
    call = phone.new_call("x")
    call.send_invite(call.sdp() + "a=rtcp-mux\r\n")
    assert await call.final() == 200
    assert call.response is not None
    assert b"a=rtcp-mux" in call.response.body
    await call.rtp.say(speech(0.2))
    ssrc = call.rtp.port
    call.rtp.send(format_rtcp([SenderReport(ssrc, 1 << 32, 0, 10, 1600)]))
    call.rtp.send(b"\x80\xc9\x00\x09")
    await eventually(lambda: listener.call.stats()["rtcp_received"] == 1)
    assert listener.call.stats()["rtcp_malformed"] == 1
    assert listener.call.stats()["bad_header"] == 0
    call.rtp.stop_reading()
    assert await call.phone.options()
    call.send_bye()
    datagram = b""
    deadline = asyncio.get_running_loop().time() + 3
    while not (len(datagram) > 1 and datagram[1] in (200, 201)):
        assert asyncio.get_running_loop().time() < deadline
        datagram = await call.rtp.next_datagram()
    packets = parse_rtcp(datagram)
    assert packets is not None
    assert isinstance(packets[-1], Goodbye)


async def test_an_agent_is_told_that_a_side_is_not_heard_and_that_nobody_speaks(
    bench: Bench, agent_named: AgentNamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "ONE_WAY_S", 1.0)
    monkeypatch.setattr(watch, "DEAD_AIR_S", 2.0)
    listener = Listener()
    await bench.start(agent=agent_named(listener))
    call = await (await bench.phone()).call()
    await call.rtp.say(speech(0.2))
    await eventually(lambda: len(listener.troubles) == 2, 8.0)
    one_way, dead_air = listener.troubles
    assert isinstance(one_way, OneWayAudio)
    assert (one_way.missing, one_way.seconds >= 1.0) == ("received", True)
    assert isinstance(dead_air, DeadAir)
    assert await call.bye() == 200
