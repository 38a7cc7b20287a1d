"""What a stream counts for the quality of a call: bursts and gaps, skew, levels."""

from __future__ import annotations

import math
from array import array
from random import Random

import pytest
from rtp_peer import Peer, configure, constant, make_stream

from rapida_media.kernels import Tone


def hear(peer: Peer, pattern: str, value: int = 3000) -> dict[str, int | float | None]:
    """Send one packet per character, "." arriving in time and "x" never, then enough to settle."""
    for fate in pattern + "." * 40:
        packet = peer.packet(value)
        if fate == ".":
            peer.deliver(packet)
        peer.wait(20)
        peer.frames()
    return peer.stream.statistics()


def peer() -> Peer:
    return Peer(make_stream())


def test_a_call_without_losses_is_one_gap() -> None:
    figures = hear(peer(), "." * 100)
    assert (figures["burst_density"], figures["gap_density"]) == (0, 0)
    assert (figures["burst_ms"], figures["discarded"]) == (0, 0)
    assert figures["gap_ms"] == pytest.approx(20 * 107, abs=60)


def test_losses_far_apart_lie_in_gaps() -> None:
    """RFC 3611 section 4.7.2: with Gmin 16 a loss 16 packets from the next is no burst."""
    figures = hear(peer(), ("." * 20 + "x") * 30)
    assert figures["burst_density"] == 0
    assert figures["gap_density"] == pytest.approx(1 / 21, rel=0.05)
    assert figures["loss_run"] == 1


def test_losses_near_each_other_make_a_burst() -> None:
    figures = hear(peer(), ("." * 100 + "xx.x.xx.xx") * 20)
    assert figures["burst_density"] == pytest.approx(0.7, abs=0.1)
    assert figures["gap_density"] == pytest.approx(0.0, abs=0.01)
    assert figures["burst_ms"] == pytest.approx(200, rel=0.15)
    assert figures["gap_ms"] == pytest.approx(2000, rel=0.1)
    assert figures["loss_run"] == pytest.approx(7 / 4)


def test_a_far_end_pauses_from_its_comfort_noise_to_its_next_sound() -> None:
    """RFC 3389; a packet that reordering brings from before the pause does not end it."""
    told = peer()
    told.send(1, 2, 3)
    reordered = told.packet(4)
    told.deliver(told.raw(bytes([60]), payload_type=13), reordered)
    figures = told.stream.statistics()
    assert (figures["far_end_pauses"], figures["comfort_noise_received"]) == (1, 1)
    told.send(5)
    figures = told.stream.statistics()
    assert (figures["far_end_pauses"], figures["comfort_noise_received"]) == (0, 1)


def test_the_only_burst_of_a_call_has_its_length_and_a_lone_loss_is_none() -> None:
    figures = hear(peer(), "." * 100 + "xxxxx" + "." * 100)
    assert figures["burst_ms"] == pytest.approx(100, abs=10)
    assert figures["gap_ms"] == pytest.approx(2000, abs=60)
    figures = hear(peer(), "." * 100 + "x" + "." * 100)
    assert (figures["burst_ms"], figures["burst_density"]) == (0, 0)
    assert figures["gap_density"] == pytest.approx(0.01, abs=0.002)


@pytest.mark.parametrize("policy", ["immediate", "adaptive"])
@pytest.mark.parametrize("ms", [10, 20, 60])
def test_bursts_and_gaps_last_as_long_as_their_packets(policy: str, ms: int) -> None:
    made = Peer(make_stream(jitter=policy))
    for fate in ("." * 50 + "xxx.xxx") * 8 + "." * 50:
        packet = made.packet(2000, ms)
        if fate == ".":
            made.deliver(packet)
        made.wait(ms)
        made.frames()
    figures = made.stream.statistics()
    assert figures["packet_ms"] == ms
    assert figures["burst_ms"] == pytest.approx(7 * ms, rel=0.03)
    assert figures["gap_ms"] == pytest.approx(50 * ms, rel=0.03)


def test_a_reordered_packet_is_no_loss_and_a_late_one_is_discarded() -> None:
    reordered = peer()
    reordered.send(1, 2, 3)
    first, second = reordered.packet(4), reordered.packet(5)
    reordered.deliver(second, first)
    assert hear(reordered, "")["loss_run"] == 0
    late = peer()
    late.send(1, 2, 3)
    kept = late.packet(4)
    late.send(5, 6, 7, 8, 9)
    late.deliver(kept)
    figures = hear(late, "")
    assert (figures["discarded"], figures["packets_lost"], figures["late"]) == (1, 0, 1)


@pytest.mark.parametrize("policy", ["immediate", "adaptive"])
@pytest.mark.parametrize("packets", [1, 3])
@pytest.mark.parametrize("places", [31, 33, 99, 150, 400])
def test_however_late_a_packet_comes_it_is_late_and_not_lost(
    places: int, packets: int, policy: str
) -> None:
    """RFC 3550 A.1 alone takes two in a row of more than 100 places ago for a restart."""
    straggling = Peer(make_stream(jitter=policy))
    straggling.send(*[1] * 50)
    kept = [straggling.packet() for _ in range(packets)]
    straggling.send(*[1] * places)
    straggling.deliver(*kept)
    straggling.send(*[1] * 40)
    figures = straggling.stream.statistics()
    assert (figures["late"], figures["discarded"], figures["reordered"]) == (packets,) * 3
    assert (figures["packets_lost"], figures["restarts"]) == (0, 0)
    # All of them, but the first, which was on probation.
    assert figures["packets_received"] == 50 + packets + places + 40 - 1
    assert figures["on_probation"] == 1


def test_a_late_packet_makes_up_for_no_other_that_is_lost() -> None:
    missing = peer()
    missing.send(*[1] * 20)
    missing.packet()
    missing.send(*[1] * 20)
    kept = missing.packet()
    missing.send(*[1] * 60)
    missing.deliver(kept)
    figures = hear(missing, "")
    assert (figures["packets_lost"], figures["discarded"], figures["loss_run"]) == (1, 1, 1)


def test_a_source_that_plays_the_same_packets_again_is_heard_again() -> None:
    """Asked of sipp's replays: nobody who has ended is late."""
    again = peer()
    first = [again.packet() for _ in range(300)]
    for packet in [*first, *first]:
        again.deliver(packet)
        again.wait(20)
    figures = again.stream.statistics()
    assert figures["restarts"] == 1
    assert figures["late"] <= 6
    # What was late, and the first of the two that begin anew.
    assert figures["packets_received"] == 2 * 300 - 2


def test_a_restart_at_another_timestamp_waits_for_nothing() -> None:
    restarting = peer()
    restarting.send(*[1] * 300)
    restarting.sequence -= 200
    restarting.timestamp += 1_000_000
    restarting.send(2, 2, 2)
    figures = restarting.stream.statistics()
    assert (figures["restarts"], figures["late"]) == (1, 0)


def test_a_packet_that_comes_twice_makes_up_for_no_lost_one() -> None:
    """RFC 3550 A.3 lets it, and so does the report to the far end."""
    doubled = peer()
    for n in range(200):
        packet = doubled.packet(3000)
        if n % 20 != 10:
            doubled.deliver(packet)
        if n % 10 == 5:
            doubled.deliver(packet)
        doubled.wait(20)
        doubled.frames()
    figures = doubled.stream.statistics()
    assert (figures["packets_lost"], figures["duplicate"]) == (10, 20)
    assert figures["loss"] == pytest.approx(0.05, abs=0.001)
    report = doubled.stream.reception_report()
    assert report is not None
    assert report.cumulative_lost == -10


def test_a_restart_is_no_burst() -> None:
    restarting = peer()
    hear(restarting, "." * 50)
    restarting.sequence += 20_000
    figures = hear(restarting, "." * 50)
    assert (figures["burst_density"], figures["discarded"]) == (0, 0)


@pytest.mark.parametrize("ppm", [-300, -50, 0, 120, 300])
def test_the_far_ends_clock_is_measured_in_spite_of_jitter(ppm: int) -> None:
    skewed, chance = peer(), Random(4)
    for n in range(6000):
        due = 10 + n * 0.02 / (1 + ppm * 1e-6)
        skewed.now = max(skewed.now, due + chance.expovariate(1 / 0.004))
        skewed.deliver(skewed.packet(1000))
        skewed.frames()
    assert skewed.stream.statistics()["clock_skew_ppm"] == pytest.approx(ppm, abs=12)


def test_no_skew_is_claimed_of_a_short_call() -> None:
    assert hear(peer(), "." * 100)["clock_skew_ppm"] is None


def test_a_pause_and_a_new_clock_are_no_skew() -> None:
    paused = peer()
    for n in range(3000):
        if n % 500 == 499:  # the timestamp goes on through a pause
            paused.wait(2000)
            paused.timestamp += 32_000
        if n == 1500:
            paused.timestamp += 10_000_000
        paused.send(1000)
        paused.frames()
    assert paused.stream.statistics()["clock_skew_ppm"] == pytest.approx(0, abs=5)


def test_levels_of_speech_and_of_pauses_are_told_apart() -> None:
    tone = Tone(440, dbov=-20)
    level = peer()
    for n in range(200):
        pcm = array("h", tone.read(320)) if n % 4 < 2 else array("h", [10] * 320)
        pcm.byteswap()
        level.deliver(level.raw(pcm.tobytes(), units=320, payload_type=96))
        level.wait(20)
        level.frames()
    figures = level.stream.statistics()
    assert figures["received_speech_dbov"] == pytest.approx(-20, abs=0.3)
    assert figures["received_noise_dbov"] == pytest.approx(20 * math.log10(10 / 32768), abs=0.3)
    assert figures["received_active_ms"] == pytest.approx(2000, abs=40)
    assert figures["received_clipped"] == 0


def test_clipping_of_both_sides_is_counted() -> None:
    loud = peer()
    configure(loud.stream)
    loud.send(32767, 32767, 32767)
    loud.stream.start(loud.now)
    loud.stream.write(constant(-32768, 640))
    loud.stream.datagrams_to_send(loud.now + 0.1)
    figures = loud.stream.statistics()
    assert (figures["received_clipped"], figures["sent_clipped"]) == (960, 640)
    assert figures["sent_speech_dbov"] == pytest.approx(0, abs=0.1)
