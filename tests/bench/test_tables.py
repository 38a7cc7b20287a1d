"""The benchmark's tables: each candidate does the work that its time is told of. No timings."""

from __future__ import annotations

import contextlib

import pytest

from bench.harness import MissingPeerError, Row
from bench.tables import NAMES, bridge, table

LONG = ("1 s", "60 s")  # more of the same


def short_rows(name: str) -> list[Row]:
    return [row for row in table(name).rows() if not row.name.endswith(LONG)]


@pytest.mark.parametrize("name", NAMES)
def test_every_candidate_that_is_here_works_through_a_batch(name: str) -> None:
    for row in short_rows(name):
        worked = []
        for candidate in row.candidates:
            batch = row.items[:2]
            try:
                run = candidate.make()
                if candidate.prepare is not None:
                    batch = [candidate.prepare(item) for item in batch]
            except MissingPeerError:
                continue
            run(batch)
            worked.append(candidate.name)
        assert row.candidates[0].name in worked


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("codec", [bridge.PCMU, bridge.PCMA])
def test_a_packet_of_the_bridge_arrives_at_the_other_end(
    codec: bridge.Codec, recorded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    legs: list[bridge.Legs] = []

    class Kept(bridge.Legs):
        def __init__(self, codec: bridge.Codec) -> None:
            super().__init__(codec)
            legs.append(self)

    monkeypatch.setattr(bridge, "Legs", Kept)
    (row,) = table("bridge").rows()
    bridge.bridged(codec, recorded=recorded)()(row.items[:10])

    arrived = []
    with contextlib.suppress(BlockingIOError):
        while True:
            arrived.append(legs[0].listener.recv(2048))
    assert len(arrived) >= 9
    assert {datagram[1] & 0x7F for datagram in arrived} == {codec.payload_type}
    payloads = [datagram[12:] for datagram in arrived]
    assert all(len(payload) == 160 for payload in payloads)
    assert (payloads[1:8] == list(row.items[1:8])) is (codec is bridge.PCMU)
