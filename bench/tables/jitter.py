"""Jitter buffers: what a packet and its 20 ms cost, and how calls over bad networks sound.

docs/media-quality.md tells what the columns mean and how to add traces and recordings. A few
minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

from bench.harness import Candidate, MissingPeerError, Row, Run
from bench.material import items
from bench.networks import conditions, listen, make_condition
from bench.peers import module
from bench.results import Fact
from bench.tables import Facts, Table
from rapida_media.kernels import ulaw_encode
from rapida_media.testing.jitter import PCMU, PEER, RtpPacket, open_stream

SEEDS = (1, 2)
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
    return {policy: _listen_to_all(policy, pesq) for policy in POLICIES}


def _listen_to_all(policy: str, pesq: Callable[..., float]) -> dict[str, dict[str, Fact]]:
    table: dict[str, dict[str, Fact]] = {}
    for name in conditions():
        heard = [listen(make_condition(name, seed), policy, pesq, seed) for seed in SEEDS]
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


TABLE = Table("Jitter buffers over sixteen kinds of network", rows, facts)
