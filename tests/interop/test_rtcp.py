"""RTCP with GStreamer's rtpbin over a lossy, jittery network, decoded by tshark.

Between the two stands a relay that loses and delays by a seed and knows what it did. Both ends'
views of each other have to agree with it: losses within one in a hundred packets, jitter with
RFC 3550's own sum over the relay's times of sending.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import subprocess
import time
from copy import copy
from pathlib import Path
from random import Random
from typing import Any

import pytest
from missing import skip_or_fail

from rapida_media.ids import SystemIds
from rapida_media.net.media import MediaChannel, MediaShell
from rapida_media.net.media_port import MediaPorts
from rapida_media.net.pcap import HEADER, record
from rapida_media.rtp.rtcp import SenderReport, parse_rtcp
from rapida_media.sdp.codec import Codec
from rapida_media.sdp.offer_answer import NegotiatedAudio

from .conftest import require

HOST = "127.0.0.1"
PCMU = Codec("PCMU", 8000, 1, 0)
LOSS, JITTER_S, SECONDS = 0.08, 0.02, 14
SYSTEM_PYTHON = "/usr/bin/python3"


class Direction:
    """One way through the relay: what it lost, and the jitter of what it sent on (A.8)."""

    def __init__(self) -> None:
        self.sent = self.lost = 0
        self.jitter = 0.0
        self._transit: float | None = None

    def note(self, data: bytes, at: float) -> None:
        (timestamp,) = struct.unpack_from("!I", data, 4)
        transit = at * 8000 - timestamp
        if self._transit is not None:
            self.jitter += (abs(transit - self._transit) - self.jitter) / 16
        self._transit = transit


class Relay:
    """Two ports, for RTP and RTCP, each passing packets between ours and GStreamer's."""

    def __init__(self, seed: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._random = Random(seed)
        self.from_us, self.from_peer = Direction(), Direction()
        self.ours: list[tuple[float, bool, bytes]] = []  # (when, RTCP, datagram) that we sent
        self.sockets = bind_pair()
        self.port = int(self.sockets[0].getsockname()[1])
        self.peer_port, self.our_port = free_pair(), 0
        for index, each in enumerate(self.sockets):
            self._loop.add_reader(each.fileno(), self._readable, index)

    def close(self) -> None:
        for each in self.sockets:
            self._loop.remove_reader(each.fileno())
            each.close()

    def _readable(self, index: int) -> None:
        while True:
            try:
                data, source = self.sockets[index].recvfrom(2048)
            except OSError:
                return
            ours = source[1] == self.our_port + index
            if ours:
                self.ours.append((time.time(), index == 1, data))
            port = (self.peer_port if ours else self.our_port) + index
            if index == 1:
                self._send(index, data, port)
                continue
            way = self.from_us if ours else self.from_peer
            way.sent += 1
            if self._random.random() < LOSS:
                way.lost += 1
            else:
                delay = self._random.random() * JITTER_S
                self._loop.call_later(delay, self._forward, way, data, port)

    def _forward(self, way: Direction, data: bytes, port: int) -> None:
        way.note(data, self._loop.time())
        self._send(0, data, port)

    def _send(self, index: int, data: bytes, port: int) -> None:
        if self.sockets[index].fileno() >= 0:
            self.sockets[index].sendto(data, (HOST, port))


def bind_pair() -> tuple[socket.socket, socket.socket]:
    """Bind an even port and the next."""
    for port in range(46_000, 47_000, 2):
        pair = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        try:
            for offset, each in enumerate(pair):
                each.setblocking(False)
                each.bind((HOST, port + offset))
        except OSError:
            for each in pair:
                each.close()
            continue
        return pair[0], pair[1]
    raise AssertionError("no pair of ports is free")


def free_pair() -> int:
    pair = bind_pair()
    port = int(pair[0].getsockname()[1])
    for each in pair:
        each.close()
    return port


def need_gstreamer() -> None:
    probe = (
        "import gi; gi.require_version('Gst', '1.0'); from gi.repository import Gst;"
        "Gst.init(None); assert all(map(Gst.ElementFactory.find, ('rtpbin', 'mulawenc')))"
    )
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", probe], capture_output=True, check=False).returncode
    ):
        skip_or_fail(
            "GStreamer for Python is not installed (Debian/Ubuntu: apt-get install python3-gi "
            "gir1.2-gstreamer-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good)"
        )


def open_channel(media: MediaShell, relay: Relay) -> MediaChannel:
    channel = media.open()
    assert channel is not None
    relay.our_port = channel.port.port
    channel.leg.configure(
        NegotiatedAudio(
            remote_address=HOST,
            remote_port=relay.port,
            remote_rtcp=(HOST, relay.port + 1),
            send=PCMU,
            receive=(PCMU,),
            send_event=None,
            receive_events={},
            direction="sendrecv",
            ptime_ms=20,
        )
    )
    return channel


class Exchange:
    """What both ends and the relay knew at the end."""

    stats: dict[str, Any]
    of_us: dict[str, Any]  # GStreamer's, on our source
    own: dict[str, Any]  # GStreamer's, on its own: with our reports
    from_us: Direction
    from_peer: Direction
    goodbyes: int  # of GStreamer's, a little later
    relay: Relay


async def exchange() -> Exchange:
    relay = Relay(seed=11)
    media = MediaShell(
        asyncio.get_running_loop(), MediaPorts(HOST, 47_000, 47_998, SystemIds()), SystemIds(), 40.0
    )
    peer = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON,
        str(Path(__file__).with_name("gst_peer.py")),
        *(str(each) for each in (relay.peer_port, relay.port, relay.port + 1, SECONDS)),
        stdout=asyncio.subprocess.PIPE,
    )
    channel = open_channel(media, relay)
    media.start(channel, time.monotonic())
    try:
        assert peer.stdout is not None
        output = await asyncio.wait_for(peer.stdout.readline(), SECONDS + 15)
        result = Exchange()
        result.stats, result.relay = channel.leg.stats(), relay
        result.from_us, result.from_peer = copy(relay.from_us), copy(relay.from_peer)
        await asyncio.wait_for(peer.wait(), 15)
        result.goodbyes = channel.leg.rtcp.counters.goodbyes
        sources = json.loads(output)
        result.own = next(each for each in sources if each["internal"])
        result.of_us = next(each for each in sources if each["ssrc"] == channel.leg.stream.ssrc)
    finally:
        media.close(channel)
        await asyncio.sleep(0.1)
        media.shut_down()
        relay.close()
    return result


@pytest.fixture(scope="module")
def exchanged() -> Exchange:
    need_gstreamer()
    return asyncio.run(exchange())


def test_what_we_lost_of_it_is_what_the_relay_lost(exchanged: Exchange) -> None:
    truth, stats = exchanged.from_peer, exchanged.stats
    assert truth.lost > 20
    assert stats["loss"] == pytest.approx(truth.lost / truth.sent, abs=0.01)
    assert stats["jitter_ms"] == pytest.approx(truth.jitter / 8, rel=0.1)


def test_what_it_reports_of_us_is_what_the_relay_lost(exchanged: Exchange) -> None:
    truth, stats = exchanged.from_us, exchanged.stats
    assert truth.lost > 20
    assert stats["remote_loss"] == pytest.approx(truth.lost / truth.sent, abs=0.01)
    assert stats["remote_jitter_ms"] == pytest.approx(truth.jitter / 8, rel=0.5)
    of_us = exchanged.of_us
    expected = of_us["packets-received"] + of_us["packets-lost"]
    assert of_us["packets-lost"] / expected == pytest.approx(stats["remote_loss"], abs=0.01)


def test_what_we_report_of_it_reaches_it(exchanged: Exchange) -> None:
    ours = exchanged.of_us
    assert ours["have-rb"]
    assert ours["rb-packetslost"] / max(1, exchanged.from_peer.sent) == pytest.approx(
        exchanged.stats["loss"], abs=0.03
    )
    assert ours["rb-round-trip"] / 65536 < 0.05
    assert exchanged.stats["round_trip_ms"] < 50


def test_it_is_reported_on_until_it_says_goodbye(exchanged: Exchange) -> None:
    assert exchanged.goodbyes == 1
    ours = [parse_rtcp(data) for _, rtcp, data in exchanged.relay.ours if rtcp]
    blocks = [each[0].blocks for each in ours if each and isinstance(each[0], SenderReport)]
    assert len(blocks) == len(ours) >= 3
    told = [len(each) for each in blocks[1:]]  # the last is with our own BYE
    assert told == sorted(told, reverse=True)
    assert (told[0], told[-1]) == (1, 0)


def test_its_clock_and_ours_agree_on_the_time_of_our_sender_reports(exchanged: Exchange) -> None:
    assert exchanged.of_us["have-sr"]
    at = exchanged.of_us["sr-ntptime"] / 2**32 - 2_208_988_800
    assert abs(at - time.time()) < 60


def test_tshark_decodes_every_packet_we_sent_without_a_warning(
    exchanged: Exchange, tmp_path: Path
) -> None:
    tshark = require("tshark")
    relay, capture = exchanged.relay, tmp_path / "ours.pcap"
    content = HEADER
    for at, rtcp, data in relay.ours:
        source, to = relay.our_port + rtcp, relay.port + rtcp
        content += record(at, (HOST, source), (HOST, to), data)
    capture.write_bytes(content)
    fields = ("_ws.col.Protocol", "rtcp.pt", "_ws.expert.message", "_ws.malformed")
    decoded = subprocess.run(
        [tshark, "-r", str(capture), "-T", "fields", *(x for f in fields for x in ("-e", f)),
         "-d", f"udp.port=={relay.port},rtp", "-d", f"udp.port=={relay.port + 1},rtcp"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    assert len(decoded) == len(relay.ours)
    reports = [line.split("\t") for line in decoded if line.startswith("RTCP")]
    assert len(reports) == sum(rtcp for _, rtcp, _ in relay.ours) >= 3
    assert all(line.startswith(("RTP\t", "RTCP\t")) for line in decoded)
    assert {(line + "\t\t").split("\t")[2] for line in decoded} == {""}, decoded[-3:]
    assert reports[0][1].split(",")[:2] == ["200", "202"]
    assert reports[-1][1].split(",")[-1] == "203"
    assert any("207" in report[1].split(",") for report in reports)
