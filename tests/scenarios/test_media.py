"""Two RTP streams on the virtual network: loss, restarts, wraps, one-way media."""

from __future__ import annotations

import pytest

from rapida_media.kernels import MediaStream, Tone
from rapida_media.sip.address import Address
from rapida_media.testing.media import MediaNode
from rapida_media.testing.network import Conditions, Network
from rapida_media.testing.world import World

SECOND = 50  # frames


def stream(sequence_number: int = 1000, timestamp: int = 0, ssrc: int = 0xA) -> MediaStream:
    return MediaStream(ssrc=ssrc, sequence_number=sequence_number, timestamp=timestamp)


def pair(
    world: World, sender: MediaStream | None = None, sending: bool = True
) -> tuple[MediaNode, MediaNode]:
    """Give a sender and a receiver that talk to each other."""
    left = MediaNode("192.0.2.1", 4000, sender or stream())
    right = MediaNode("192.0.2.2", 4000, stream(5, 6, 0xB))
    world.add(left)
    world.add(right)
    left.connect(right.address, world.now, sending=sending)
    right.connect(left.address, world.now)
    return left, right


def speak(node: MediaNode, seconds: float) -> None:
    node.stream.write(Tone(440).read(int(seconds * 16000)))


def positions(node: MediaNode) -> list[int]:
    return [frame.pts for frame in node.frames]


def test_a_good_network_carries_every_frame_once_and_on_time(world: World) -> None:
    left, right = pair(world)
    speak(left, 2.0)
    world.run_for(2.0)
    expected = [n * 320 for n in range(len(right.frames))]
    assert positions(right) == expected
    assert 2 * SECOND - 2 <= len(right.frames) <= 2 * SECOND
    gaps = [b - a for a, b in zip(right.arrivals, right.arrivals[1:], strict=False)]
    assert max(gaps) == pytest.approx(0.020, abs=1e-6)
    assert right.stream.statistics()["packets_lost"] == 0


def test_five_percent_loss_and_reordering_keep_the_time_line(world: World) -> None:
    world.network.conditions = Conditions(loss=0.05, delay=0.02, jitter=0.025)
    left, right = pair(world)
    speak(left, 20.0)
    world.run_for(20.0)
    line = positions(right)
    assert line == [n * 320 for n in range(line[0] // 320, line[0] // 320 + len(line))]
    concealed = sum(frame.concealed for frame in right.frames)
    assert 0.03 < concealed / len(right.frames) < 0.12
    assert len(right.frames) > 19.5 * SECOND


def test_sequence_number_and_timestamp_wrap_unnoticed(world: World) -> None:
    sender = stream(sequence_number=0xFFF0, timestamp=0xFFFFFF00)
    left, right = pair(world, sender)
    speak(left, 2.0)
    world.run_for(2.0)
    assert positions(right) == [n * 320 for n in range(len(right.frames))]
    assert not any(frame.concealed for frame in right.frames)
    assert right.stream.statistics()["packets_lost"] == 0


@pytest.mark.parametrize(
    "restarted",
    [
        pytest.param(stream(200, 0), id="backwards sequence jump"),
        pytest.param(stream(40000, 0x80000000), id="forwards sequence jump"),
        pytest.param(stream(7, 8, ssrc=0xC), id="SSRC change"),
    ],
)
def test_a_sender_that_restarts_is_heard_again_within_a_few_packets(
    world: World, restarted: MediaStream
) -> None:
    left, right = pair(world)
    speak(left, 1.0)
    world.run_for(1.0)
    before = len(right.frames)
    left.stream = restarted
    left.connect(right.address, world.now)
    speak(left, 1.0)
    world.run_for(1.0)
    assert len(right.frames) - before >= SECOND - 5
    line = positions(right)
    assert line == sorted(set(line))
    assert line[-1] < 2.5 * 16000  # no gap as long as the jump
    assert not any(frame.concealed for frame in right.frames[before + 5 :])


def test_one_way_media_is_heard_one_way(world: World) -> None:
    left, right = pair(world, sending=False)
    speak(right, 1.0)
    world.run_for(1.0)
    assert len(left.frames) >= SECOND - 2
    assert right.frames == []
    assert left.stream.statistics()["packets_sent"] == 0


def test_digits_marks_and_audio_keep_their_order(world: World) -> None:
    left, right = pair(world)
    speak(left, 0.2)
    left.stream.mark(1)
    left.stream.send_digits("1#")
    speak(left, 0.2)
    left.stream.mark(2)
    world.run_for(2.0)
    assert [digit for digit, _, _ in right.digits] == ["1", "#"]
    assert left.marks == [(1, True), (2, True)]


def test_a_digit_survives_heavy_loss_once() -> None:
    world = World(4, Network(4, Conditions(loss=0.3)))
    left, right = pair(world)
    left.stream.send_digits("5", duration_ms=200)
    world.run_for(2.0)
    assert [digit for digit, _, _ in right.digits] == ["5"]


def test_a_peer_behind_a_nat_is_answered_where_it_really_is(world: World) -> None:
    left, right = pair(world)
    right.stream.configure(
        receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU",
        remote=("10.0.0.1", 4000),
    )  # fmt: skip
    speak(left, 1.0)
    world.run_for(1.0)
    assert right.stream.remote == (left.address.host, left.address.port)
    assert left.frames
    assert Address(*right.stream.remote) == left.address
