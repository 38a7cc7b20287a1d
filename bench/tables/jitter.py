"""Jitter buffers: what a packet and its 20 ms cost, and how calls over bad networks sound.

docs/media-quality.md tells what the columns mean and how to add traces and recordings. A few
minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import Any

from bench.assembled import Stoi, as_it_comes, immediate, judge, silence
from bench.buffers import OTHERS
from bench.harness import Candidate, MissingPeerError, Row, Run
from bench.material import items
from bench.networks import Pesq, conditions, listen, make_condition
from bench.peers import module
from bench.results import Fact
from bench.tables import Facts, Table
from rapida_media.kernels import ulaw_encode
from rapida_media.testing.jitter import COMFORT_NOISE, PCMU, PEER, RtpPacket, open_stream
from rapida_media.testing.traces import MODELS

SEEDS = (1, 2)
LISTENED_SEEDS = range(1, 13)  # PESQ of one call tells little
POLICIES = ("adaptive", "fixed:60")
PACKETS = 1 << 16


def rows() -> list[Row]:
    numbers = range(1000)
    made = []
    for name, every in (("nothing lost", 0), ("every tenth packet lost", 10)):
        candidates = [
            Candidate("rapida-media, adaptive", partial(_ours, "adaptive", every)),
            Candidate("rapida-media, immediate", partial(_ours, "immediate", every)),
            Candidate("aiortc", partial(_aiortc, every)),
        ]
        made.append(Row(f"a packet received and 20 ms played, {name}", numbers, candidates))
    pauses = [Candidate(f"rapida-media, {name}", partial(_pause, name)) for name in POLICIES]
    made.append(Row("20 ms played of a pause with comfort noise (RFC 3389)", numbers, pauses))
    return made


@cache
def _datagrams() -> list[bytes]:
    frames = [ulaw_encode(frame) for frame in items(8000, "20 ms")]
    return [
        RtpPacket(0, n, n * 160, 1, PCMU, n == 0, frames[n % len(frames)]).datagram()
        for n in range(PACKETS)
    ]


def _ours(policy: str, lost_every: int) -> Run:
    stream, datagrams, number = open_stream(policy), _datagrams(), 0
    receive, pull, take = stream.receive_datagram, stream.pull, stream.next_frame

    def run(batch: Sequence[Any]) -> None:
        nonlocal number
        for _ in batch:
            now = number * 0.02
            if not lost_every or number % lost_every:
                receive(datagrams[number % PACKETS], PEER, now)
            number += 1
            if policy == "immediate":
                take()
            else:
                pull(now + 0.004, 20)

    return run


def _pause(policy: str) -> Run:
    """The background is described by ten coefficients: the dearest there is."""
    stream, now = open_stream(policy), 10.0
    for number, datagram in enumerate(_datagrams()[:500]):
        stream.receive_datagram(datagram, PEER, number * 0.02)
        stream.pull(number * 0.02 + 0.004, 20)
    noise = bytes([65, 100, 140, 120, 130, 127, 120, 130, 125, 128, 126])
    described = RtpPacket(0, 500, 500 * 160, 1, COMFORT_NOISE, False, noise)
    stream.receive_datagram(described.datagram(), PEER, now)
    pull = stream.pull

    def run(batch: Sequence[Any]) -> None:
        nonlocal now
        for _ in batch:
            now += 0.02
            pull(now, 20)

    return run


def _aiortc(lost_every: int) -> Run:
    """Its buffer takes parsed packets and gives frames, still coded."""
    buffer = module("aiortc.jitterbuffer").JitterBuffer(capacity=16)
    parse = module("aiortc.rtp").RtpPacket.parse
    datagrams, number = _datagrams(), 0

    def run(batch: Sequence[Any]) -> None:
        nonlocal number
        for _ in batch:
            if not lost_every or number % lost_every:
                packet = parse(datagrams[number % PACKETS])
                packet._data = packet.payload
                buffer.add(packet)
            number += 1

    return run


def facts() -> Facts:
    try:
        pesq: Callable[..., float] = module("pesq").pesq
    except MissingPeerError:
        return {}
    heard = {}
    ours = {f"rapida-media, {policy}": policy for policy in POLICIES}
    for name, player in (ours | {other: other for other in OTHERS}).items():
        with suppress(MissingPeerError):
            heard[name] = _listen_to_all(player, pesq)
    try:
        stoi: Stoi = module("pystoi").stoi
    except MissingPeerError:
        return heard
    return {**heard, "rapida-media, immediate": _assemble_all(pesq, stoi)}


def _listen_to_all(player: str, pesq: Callable[..., float]) -> dict[str, dict[str, Fact]]:
    table: dict[str, dict[str, Fact]] = {}
    for name in conditions():
        heard = [listen(make_condition(name, seed), player, pesq, seed) for seed in LISTENED_SEEDS]
        table[name] = {
            "MOS": round(statistics.fmean(each.mos for each in heard), 2),
            "delay ms": round(statistics.fmean(each.delay_ms for each in heard), 1),
            "U": round(statistics.fmean(each.utility for each in heard), 2),
            "dead ms/min": round(statistics.fmean(each.dead_ms for each in heard), 1),
            "jumps/min": round(statistics.fmean(each.jumps for each in heard), 1),
        }
    columns = ("MOS", "delay ms", "U", "dead ms/min", "jumps/min")
    table["mean"] = {
        column: round(statistics.fmean(float(row[column]) for row in table.values()), 2)
        for column in columns
    }
    return table


def _assemble_all(pesq: Pesq, stoi: Stoi) -> dict[str, dict[str, Fact]]:
    """What a recogniser is given, where the sender keeps one time line."""
    return {name: _assemble(name, pesq, stoi) for name in MODELS}


def _assemble(name: str, pesq: Pesq, stoi: Stoi) -> dict[str, Fact]:
    calls = [make_condition(name, seed) for seed in SEEDS]
    given = [immediate(call) for call in calls]
    waits = sorted(wait for each in given for wait in each.waits_ms)
    found: dict[str, Fact] = {
        "in place %": round(100 * statistics.fmean(each.in_place for each in given), 2),
        "wait ms": round(statistics.fmean(waits), 2),
        "p95": round(waits[len(waits) * 95 // 100], 1),
        "p99": round(waits[len(waits) * 99 // 100], 1),
        "holes": sum(each.holes for each in given),
    }
    for way, streams in (
        ("", [each.stream for each in given]),
        (", silence", map(silence, calls)),
        (", as it comes", map(as_it_comes, calls)),
    ):
        scores = [judge(call, each, pesq, stoi) for call, each in zip(calls, streams, strict=True)]
        found[f"PESQ{way}"] = round(statistics.fmean(mos for mos, _ in scores), 2)
        found[f"STOI{way}"] = round(statistics.fmean(clear for _, clear in scores), 3)
    return found


TABLE = Table("Jitter buffers over sixteen kinds of network", rows, facts)
