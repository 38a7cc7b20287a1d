"""The tools the scenarios stand on: clock, ids and network repeat, and lose what they say."""

from __future__ import annotations

import pytest

from rapida_media.sip.address import Address
from rapida_media.testing.clock import SeededIds, VirtualClock
from rapida_media.testing.network import Conditions, Network, Packet
from rapida_media.testing.parties import Call
from rapida_media.testing.world import World

A, B = Address("192.0.2.1", 1), Address("192.0.2.2", 2)


def delivered(network: Network) -> list[tuple[float, bytes]]:
    packets = []
    while (at := network.next_arrival()) is not None:
        packet = network.receive(at)
        assert packet is not None
        packets.append((at, packet.data))
    return packets


def send_hundred(network: Network) -> None:
    for number in range(100):
        network.send(Packet(bytes([number]), A, B), number * 0.02)


def test_time_only_runs_forward() -> None:
    clock = VirtualClock(5.0)
    clock.advance_to(6.0)
    assert clock.now == 6.0
    with pytest.raises(ValueError, match="time runs forward"):
        clock.advance_to(5.9)


def test_ids_repeat_for_a_seed_and_differ_between_seeds() -> None:
    assert SeededIds(1).token() == SeededIds(1).token() != SeededIds(2).token()
    assert len(SeededIds(1).token()) == 32
    assert 0 <= SeededIds(1).number(16) < 1 << 16


def test_a_good_network_delivers_everything_in_order_after_its_delay() -> None:
    network = Network(1, Conditions(delay=0.05))
    send_hundred(network)
    assert network.receive(0.049) is None
    assert delivered(network) == [
        (pytest.approx(number * 0.02 + 0.05), bytes([number])) for number in range(100)
    ]
    assert (network.sent, network.lost, len(network)) == (100, 0, 0)


def test_a_bad_network_loses_repeats_and_reorders_the_same_way_for_the_same_seed() -> None:
    conditions = Conditions(loss=0.3, duplication=0.2, delay=0.01, jitter=0.1)
    runs = []
    for seed in (1, 1, 2):
        network = Network(seed, conditions)
        send_hundred(network)
        runs.append(delivered(network))
    assert runs[0] == runs[1] != runs[2]
    order = [data[0] for _, data in runs[0]]
    assert order != sorted(order)
    assert 60 < len(order) < 110
    assert len(set(order)) < len(order)


def test_run_idle_complains_when_a_world_stays_busy() -> None:
    call = Call(World(1))
    call.dial()
    with pytest.raises(AssertionError, match="still busy"):
        call.world.run_idle(10.0)
