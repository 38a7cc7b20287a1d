"""Two SRTP streams on the virtual network: a bad network, the wrap of the sequence number, keys
that do not fit, keys that change."""

from __future__ import annotations

import pytest

from rapida_media.kernels import MediaStream, Tone
from rapida_media.rtp.srtp import AVAILABLE_SUITES, SrtpReceiver, SrtpSender
from rapida_media.sdp.crypto import SUITES
from rapida_media.testing.media import MediaNode
from rapida_media.testing.network import Conditions
from rapida_media.testing.world import World

SECOND = 50  # frames
SUITE = "AES_CM_128_HMAC_SHA1_80"


def key(suite: str, number: int) -> bytes:
    return bytes([number]) * SUITES[suite]


def pair(
    world: World, suite: str = SUITE, sequence_number: int = 1000, *, expected: int = 1
) -> tuple[MediaNode, MediaNode]:
    """Give a sender with key 1 and a receiver that expects a key, each sending to the other."""
    left = MediaNode(
        "192.0.2.1", 4000, MediaStream(ssrc=0xA, sequence_number=sequence_number, timestamp=0)
    )
    right = MediaNode("192.0.2.2", 4000, MediaStream(ssrc=0xB, sequence_number=5, timestamp=6))
    for node in (left, right):
        world.add(node)
    left.connect(right.address, world.now)
    right.connect(left.address, world.now)
    left.stream.secure(
        sender=SrtpSender(suite, key(suite, 1)), receiver=SrtpReceiver(suite, key(suite, 2))
    )
    right.stream.secure(
        sender=SrtpSender(suite, key(suite, 2)),
        receiver=SrtpReceiver(suite, key(suite, expected)),
    )
    return left, right


def speak(node: MediaNode, seconds: float) -> None:
    node.stream.write(Tone(440).read(int(seconds * 16000)))


def positions(node: MediaNode) -> list[int]:
    return [frame.pts for frame in node.frames]


@pytest.mark.parametrize("suite", AVAILABLE_SUITES)
def test_both_hear_every_frame_and_no_word_is_on_the_wire(world: World, suite: str) -> None:
    wire: list[bytes] = []
    world.network.filter = lambda packet: bool(wire.append(packet.data)) or True
    left, right = pair(world, suite)
    speak(left, 2.0)
    speak(right, 2.0)
    world.run_for(2.0)
    for node in (left, right):
        assert positions(node) == [n * 320 for n in range(len(node.frames))]
        assert len(node.frames) >= 2 * SECOND - 2
        assert not any(frame.concealed for frame in node.frames)
        assert sum(frame.level_dbov > -20 for frame in node.frames) > 1.9 * SECOND
    # Encrypted, the 160 codes of a packet are as good as random; a tone has a few dozen.
    assert min(len(set(packet[12:172])) for packet in wire) > 60


def test_loss_reordering_and_duplicates_cost_no_more_than_without_srtp(world: World) -> None:
    world.network.conditions = Conditions(loss=0.05, delay=0.02, jitter=0.025, duplication=0.02)
    left, right = pair(world)
    speak(left, 20.0)
    world.run_for(20.0)
    line = positions(right)
    assert line == [n * 320 for n in range(line[0] // 320, line[0] // 320 + len(line))]
    concealed = sum(frame.concealed for frame in right.frames)
    assert 0.03 < concealed / len(right.frames) < 0.12
    figures = right.stream.statistics()
    assert figures["srtp_failures"] == 0
    assert 5 < figures["srtp_replays"] < 50  # the duplicates


@pytest.mark.parametrize("lost", [0, 20])
def test_the_roll_over_counter_follows_the_wrap_even_when_packets_around_it_are_lost(
    world: World, lost: int
) -> None:
    left, right = pair(world, sequence_number=0xFFF0)
    sent = [0]

    def losing_the_wrap(packet: object) -> bool:
        sent[0] += 1
        return not 16 <= sent[0] // 2 < 16 + lost

    world.network.filter = losing_the_wrap
    speak(left, 2.0)
    world.run_for(2.0)
    figures = right.stream.statistics()
    assert figures["srtp_failures"] == 0
    assert figures["packets_lost"] <= lost + 1
    assert positions(right)[-1] >= (2 * SECOND - 4) * 320


def test_packets_reordered_across_the_wrap_are_heard(world: World) -> None:
    world.network.conditions = Conditions(delay=0.02, jitter=0.05)
    left, right = pair(world, sequence_number=0xFFE0)
    speak(left, 3.0)
    world.run_for(3.0)
    figures = right.stream.statistics()
    assert figures["reordered"] > 10
    assert figures["srtp_failures"] == figures["srtp_replays"] == 0


def test_a_long_call_wraps_more_than_once(world: World) -> None:
    left, right = pair(world, sequence_number=0xFFF0)
    right.connect(left.address, world.now, sending=False)
    world.run_for(65_600 / SECOND)
    figures = right.stream.statistics()
    assert figures["packets_received"] > 16 + 65_536
    assert figures["srtp_failures"] == figures["packets_lost"] == 0


def test_a_wrong_key_is_counted_and_makes_no_noise(world: World) -> None:
    left, right = pair(world, expected=3)
    speak(left, 2.0)
    world.run_for(2.0)
    figures = right.stream.statistics()
    assert figures["srtp_failures"] >= 2 * SECOND - 2
    assert figures["packets_received"] == 0
    assert right.frames == []


def test_plain_packets_to_a_secure_stream_are_counted_and_make_no_noise(world: World) -> None:
    left, right = pair(world)
    left.stream.secure(sender=None, receiver=None)
    speak(left, 1.0)
    world.run_for(1.0)
    assert right.frames == []
    assert right.stream.statistics()["srtp_failures"] >= SECOND - 2
    # And what the secure one sends is no payload that the plain one could take for speech's end.
    assert left.stream.statistics()["srtp_failures"] == 0


def test_a_new_key_in_mid_call_is_heard_at_once_and_old_packets_are_not(world: World) -> None:
    left, right = pair(world, sequence_number=0xFFF0)
    speak(left, 2.0)
    world.run_for(1.0)
    keep = right.stream
    before = len(right.frames)
    left.stream.secure(
        sender=SrtpSender(SUITE, key(SUITE, 9)), receiver=SrtpReceiver(SUITE, key(SUITE, 2))
    )
    keep.secure(
        sender=SrtpSender(SUITE, key(SUITE, 2)), receiver=SrtpReceiver(SUITE, key(SUITE, 9))
    )
    world.run_for(1.0)
    assert len(right.frames) - before >= SECOND - 2
    assert keep.statistics()["srtp_failures"] <= 1  # the one that was under way
