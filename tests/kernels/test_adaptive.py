"""What a listener hears through the adaptive and fixed policies, in virtual time."""

from __future__ import annotations

import itertools
import math
from array import array
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtp_peer import Peer, make_stream

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import CONCEALED, MediaStream
from rapida_media.testing.jitter import (
    COMFORT_NOISE,
    PCMU,
    PEER,
    Begin,
    Call,
    RtpPacket,
    make_call,
    open_stream,
)
from rapida_media.testing.traces import MODELS, Arrival, Trace, make_trace


def speech(seconds: float, seed: int = 1) -> bytes:
    """Voiced bursts of 1.5 s with noisy pauses of 0.5 s between them."""
    random = Random(seed)
    samples = array("h")
    for n in range(int(seconds * 8000)):
        at = n / 8000
        noise = random.gauss(0, 12)
        voice = 0.0
        if at % 2 >= 0.5:
            pitch = 110 + 25 * math.sin(at * 3)
            voice = sum(math.sin(at * pitch * 2 * math.pi * k) / k for k in range(1, 9)) * 1800
        samples.append(round(voice + noise))
    return samples.tobytes()


SPEECH = speech(10)


class Listener:
    """Plays a call by ticks and keeps the delay of each: ms above the least of the network."""

    def __init__(self, call: Call, policy: str = "adaptive", tick_ms: int = 10) -> None:
        self.call = call
        self.stream = open_stream(policy)
        self.tick_ms = tick_ms
        self.ticks = self.delivered = 0
        self.pcm = bytearray()
        self.delays: list[tuple[float, float]] = []
        self._begin_us = call.packets[0].arrival_us + 3000

    def run(self) -> Listener:
        packets = self.call.packets
        end = packets[-1].arrival_us
        while (now_us := self._begin_us + self.ticks * self.tick_ms * 1000) < end:
            while packets[self.delivered].arrival_us <= now_us:
                packet = packets[self.delivered]
                self.stream.receive_datagram(packet.datagram(), PEER, packet.arrival_us / 1e6)
                self.delivered += 1
            self.pcm += self.stream.pull(now_us / 1e6, self.tick_ms)
            self.ticks += 1
            self._measure(now_us)
        return self

    def _measure(self, now_us: int) -> None:
        position, _, idle = self.stream.playout_state()
        if not idle:
            played_ms = (position + self.call.first_sample) / 8 * (1 - self.call.drift_ppm * 1e-6)
            heard_ms = (now_us - self.call.heard_us) / 1000 + self.tick_ms
            self.delays.append((now_us / 1e6, heard_ms - played_ms))

    def delay(self, since: float, until: float = math.inf) -> float:
        chosen = [delay for at, delay in self.delays if since <= at < until]
        return sum(chosen) / len(chosen)

    def require_sums(self) -> None:
        """Every packet ended in one way: taken = played + late + skipped + waiting."""
        count = self.stream.statistics()
        audio = sum(packet.payload_type == PCMU for packet in self.call.packets[: self.delivered])
        ended = count["played"] + count["late"] + count["skipped"] + count["waiting"]
        assert count["taken"] == ended
        assert 0 <= audio - count["duplicate"] - count["taken"] <= count["on_probation"]
        assert len(self.pcm) == self.ticks * self.tick_ms * 16


def straight(
    seconds: float, delays: dict[int, float | None] | None = None, ppm: float = 0
) -> Trace:
    """20 ms packets after 10 ms each, but those in `delays` after so many ms, or never."""
    delays = delays or {}
    sent = [number * 20 * (1 - ppm * 1e-6) for number in range(int(seconds * 50))]
    arrivals = [
        Arrival(sent[number] + delay, number)
        for number in range(len(sent))
        if (delay := delays.get(number, 10.0)) is not None
    ]
    return Trace("straight", 20, ppm, sent, sorted(arrivals))


@pytest.mark.parametrize("tick_ms", [10, 20])
def test_a_clean_path_is_heard_whole_after_a_few_milliseconds(tick_ms: int) -> None:
    heard = Listener(make_call(straight(20), SPEECH), tick_ms=tick_ms).run()
    heard.require_sums()
    count = heard.stream.statistics()
    assert (count["late"], count["lost_ms"], count["stalled_ms"]) == (0, 0, 0)
    assert heard.delay(since=5) < tick_ms + 4


def test_a_lost_packet_is_concealed_and_costs_no_delay() -> None:
    heard = Listener(make_call(straight(10, {300: None}), SPEECH)).run()
    heard.require_sums()
    assert heard.delay(7) == pytest.approx(heard.delay(5, 5.9), abs=0.1)
    count = heard.stream.statistics()
    assert count["lost_ms"] + count["stalled_ms"] == 20


def test_a_stall_is_waited_for_and_its_delay_given_back_within_five_seconds() -> None:
    stalled = {350 + n: 10 + 200 - 20.0 * n for n in range(10)}  # from 7 s on: inside speech
    heard = Listener(make_call(straight(20, stalled), SPEECH)).run()
    heard.require_sums()
    count = heard.stream.statistics()
    assert (count["late"], count["skipped"], count["lost_ms"]) == (0, 0, 0)
    assert heard.delay(7.25, 7.3) > 150
    assert heard.delay(12.2) < heard.delay(4, 6) + 20


def test_a_packet_that_comes_a_little_late_does_not_move_the_listener() -> None:
    heard = Listener(make_call(straight(10, {430: 25.0}), SPEECH)).run()
    heard.require_sums()
    assert heard.stream.statistics()["stalled_ms"] == 10
    assert heard.delay(8.7, 9.9) == pytest.approx(heard.delay(7, 8.5), abs=0.1)


def test_a_stall_counts_once_however_many_packets_it_held() -> None:
    stalled = {
        first + n: 160 - 20.0 * n for first in range(200, 2000, 250) for n in range(8)
    }  # 150 ms every five seconds
    heard = Listener(make_call(straight(40, stalled), SPEECH)).run()
    heard.require_sums()
    assert heard.delay(20) < 60


def test_a_listener_is_not_moved_for_one_late_packet_in_front_of_lost_ones() -> None:
    handover: dict[int, float | None] = {350 + n: 210 - 20.0 * n for n in range(11)}
    handover |= dict.fromkeys(range(351, 357))
    heard = Listener(make_call(straight(20, handover), SPEECH)).run()
    heard.require_sums()
    assert heard.stream.statistics()["skipped"] == 3  # it, and the two first behind the hole
    assert heard.delay(7.3, 8) == pytest.approx(heard.delay(4, 6.9), abs=0.1)


def test_a_queue_that_fills_is_followed_in_few_steps() -> None:
    filling = {600 + n: 10 + 1.2 * n for n in range(100)}  # 120 ms in two seconds
    heard = Listener(make_call(straight(15, filling), SPEECH)).run()
    heard.require_sums()
    longest, moved = heard.delay(11, 11.9), [12.0]
    for at, delay in heard.delays:
        if 12 <= at < 14 and delay > longest + 5:
            longest = delay
            moved.append(at)
    assert longest > 100
    assert sum(later - before > 0.1 for before, later in itertools.pairwise(moved)) <= 7


def test_where_much_is_lost_the_packet_after_it_is_waited_for() -> None:
    lost = straight(20, dict.fromkeys(range(50, 1000, 15)))
    heard = Listener(make_call(lost, SPEECH)).run()
    heard.require_sums()
    assert 20 < heard.delay(10) < 35
    assert Listener(make_call(straight(20), SPEECH)).run().delay(10) < 14


def test_the_delay_follows_a_route_up_and_down_within_five_seconds() -> None:
    longer: dict[int, float | None] = dict.fromkeys(range(500, 1000), 70.0)
    heard = Listener(make_call(straight(30, longer), SPEECH)).run()
    heard.require_sums()
    assert heard.delay(8, 10) < 20
    assert 60 <= heard.delay(15, 20) < 90
    assert heard.delay(25.2) < 25


def test_the_delay_that_is_told_is_that_of_the_last_seconds_and_beside_it_the_mean() -> None:
    longer: dict[int, float | None] = dict.fromkeys(range(1000, 1500), 110.0)
    heard = Listener(make_call(straight(30, longer), SPEECH)).run()
    count = heard.stream.statistics()
    assert count["delay_ms"] == pytest.approx(heard.delay(26), abs=8)
    assert count["delay_mean_ms"] == pytest.approx(heard.delay(0), abs=8)
    assert count["delay_ms"] > count["delay_mean_ms"] + 40


@pytest.mark.parametrize("ppm", [300, -300])
def test_two_hours_of_drift_do_not_let_the_delay_grow(ppm: int) -> None:
    heard = Listener(make_call(straight(1800, ppm=ppm), SPEECH), tick_ms=20).run()
    heard.require_sums()
    assert max(delay for _, delay in heard.delays[500:]) < 60
    assert heard.delay(1700) < 40
    assert heard.stream.statistics()["skipped"] == 0


def test_a_new_source_and_a_timestamp_jump_leave_no_gap() -> None:
    begins = [
        Begin(400, ssrc=7, sequence_number=9, timestamp_step=10**9),
        Begin(700, timestamp_step=37 * 8000),
    ]
    heard = Listener(make_call(straight(20), SPEECH, begins=begins)).run()
    heard.require_sums()
    assert heard.stream.statistics()["pause_ms"] < 200
    assert heard.delay(15) < 30


def test_pauses_without_packets_are_filled_with_the_noise_that_was_described() -> None:
    spoken = [(n * 16000 + 4000, n * 16000 + 16000) for n in range(10)]
    heard = Listener(make_call(straight(20), SPEECH, spoken=spoken)).run()
    heard.require_sums()
    count = heard.stream.statistics()
    assert count["pause_ms"] > 3000
    samples = array("h", bytes(heard.pcm))
    pause = samples[int(8.3 * 8000) : int(8.4 * 8000)]
    assert 2 < math.sqrt(sum(x * x for x in pause) / len(pause)) < 60  # -65 dBov are 18
    assert heard.delay(5) < 30


def test_a_talkspurt_begins_late_enough_for_the_stalls_of_those_before_it() -> None:
    spoken = [(n * 20000, n * 20000 + 16000) for n in range(12)]  # 2 s, then half a second of noise
    stalled = {n + k: 70.0 - 20 * k for n in range(50, 1500, 50) for k in range(3)}
    heard = Listener(make_call(straight(30, stalled), SPEECH, spoken=spoken)).run()
    heard.require_sums()
    begun = [heard.delay(2.5 * n + 0.1, 2.5 * n + 0.3) for n in range(4, 12)]
    assert all(60 <= delay < 80 for delay in begun), begun


def test_a_sender_that_pauses_is_trusted_little_by_little() -> None:
    spoken = [(n * 20000, n * 20000 + 16000) for n in range(12)]
    heard = Listener(make_call(straight(30), SPEECH, spoken=spoken)).run()
    assert 30 < heard.delay(2.6, 4) < 50
    assert heard.delay(20) < 20


def test_a_fixed_delay_is_kept() -> None:
    stalled = {300 + n: 10 + 160 - 20.0 * n for n in range(8)}
    heard = Listener(make_call(straight(20, stalled), SPEECH), "fixed:60").run()
    heard.require_sums()
    assert heard.delay(3, 6) == pytest.approx(60, abs=10)
    assert heard.delay(11.2) == pytest.approx(60, abs=10)
    count = heard.stream.statistics()
    assert (count["delay_adapts"], count["delay_max_ms"]) == (0, 960)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_network_is_survived_with_all_packets_accounted_for(name: str) -> None:
    heard = Listener(make_call(make_trace(name, 5, 8, vary=0.3), SPEECH)).run()
    heard.require_sums()
    assert sum(delay for _, delay in heard.delays) / len(heard.delays) < 300


def test_a_day_with_pauses_wraps_drift_and_new_sources_adds_up() -> None:
    """24 hours: two seconds of talk a minute, 200 ppm, one packet 70 places late, a new source
    every hour."""
    stream, random = open_stream("adaptive"), Random(3)
    payload = bytes(range(160))
    sequence, timestamp, sent, duplicates = 65_000, 2**32 - 10**6, 0, 0
    for minute in range(24 * 60):
        ssrc = minute // 60
        for number in range(100):
            now = minute * 60 * (1 - 200e-6) + number * 0.02 + random.random() * 0.004
            packet = RtpPacket(0, sequence, timestamp, ssrc, PCMU, number == 0, payload)
            came = [packet] * (2 if number == 50 else 1)
            if number == 20:
                straggler = came.pop()
            elif number == 90:
                came.append(straggler)
            for each in came:
                stream.receive_datagram(each.datagram(), PEER, now)
            sequence, timestamp = (sequence + 1) & 0xFFFF, (timestamp + 160) & 0xFFFFFFFF
            assert len(stream.pull(now + 0.005, 20)) == 320
        sent, duplicates = sent + 100, duplicates + 1
        end = RtpPacket(0, sequence, timestamp, ssrc, COMFORT_NOISE, False, b"\x41")
        stream.receive_datagram(end.datagram(), PEER, now + 0.02)
        sequence, timestamp = (sequence + 1) & 0xFFFF, (timestamp + 58 * 8000) & 0xFFFFFFFF
        for tick in range(1, 50):
            stream.pull(now + tick * 0.02, 20)
    count = stream.statistics()
    assert count["packets_received"] == sent + duplicates + 24 * 60
    assert count["duplicate"] == duplicates
    assert count["played"] + count["late"] + count["skipped"] + count["waiting"] == sent
    # The last packets' fate is not settled yet.
    assert count["late"] == count["discarded"] == 24 * 60
    assert (count["packets_lost"], count["skipped"]) == (0, 0)
    assert count["delay_mean_ms"] < 40


# --- frames on the stream's own clock -------------------------------------------------------


def frames(stream: MediaStream) -> Iterator[tuple[int, int]]:
    while (frame := stream.next_frame()) is not None:
        assert len(frame.pcm) == 640
        yield frame.pts, frame.flags


def test_frames_come_every_20_ms_whatever_the_packets_do() -> None:
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1, jitter="adaptive")
    stream.configure(
        receive={0: "PCMU", 9: "G722"}, send_payload_type=0, send_encoding="PCMU", remote=PEER
    )
    call = make_call(straight(6, {100: None, 101: None, 150: 75.0, 151: 75.0}), SPEECH)
    packets, at, taken = call.packets, 0, []
    first = packets[0].arrival_us / 1e6
    for tick in range(5 * 200):
        now = first + tick * 0.005
        while at < len(packets) and packets[at].arrival_us / 1e6 <= now:
            packet = packets[at]._replace(payload_type=9) if at > 200 else packets[at]
            stream.receive_datagram(packet.datagram(), PEER, packet.arrival_us / 1e6)
            at += 1
        stream.handle_timeout(now)
        taken += frames(stream)
    assert len(taken) in (249, 250)
    assert [pts for pts, _ in taken] == [n * 320 for n in range(len(taken))]
    assert sum(bool(flags & CONCEALED) for _, flags in taken) < 20


@pytest.mark.parametrize("policy", ["adaptive", "fixed:60"])
def test_a_key_pressed_in_place_of_sound_is_a_pause_and_no_loss(policy: str) -> None:
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1, jitter=policy)
    stream.configure(
        receive={0: "PCMU"},
        receive_events=(101,),
        send_payload_type=0,
        send_encoding="PCMU",
        remote=PEER,
    )
    packets = list(make_call(straight(4), SPEECH).packets)
    for number, packet in enumerate(packets):
        step = number - 120
        if 0 <= step < 15:
            ended = 0x8A if step == 14 else 0x0A
            event = bytes([5, ended]) + (160 * (step + 1)).to_bytes(2, "big")
            packets[number] = packet._replace(
                timestamp=packets[120].timestamp, payload_type=101, payload=event
            )
        now = packet.arrival_us / 1e6
        stream.handle_timeout(now)
        stream.receive_datagram(packets[number].datagram(), PEER, now)
    count = stream.statistics()
    digit = stream.next_digit()
    assert digit is not None
    assert digit[:2] == ("5", 300)
    assert (count["concealed_ms"], count["stalled_ms"], count["lost_ms"]) == (0, 0, 0)
    assert count["pause_ms"] in range(280, 400)


def test_a_late_owner_gets_half_a_second_and_then_a_gap() -> None:
    call = make_call(straight(1), SPEECH)
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1, jitter="fixed:20")
    stream.configure(receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=PEER)
    for packet in call.packets[:3]:
        stream.receive_datagram(packet.datagram(), PEER, packet.arrival_us / 1e6)
    stream.handle_timeout(1e6)
    assert len(list(frames(stream))) == 25
    due = stream.next_timeout()
    assert due is not None
    assert 1e6 < due < 1e6 + 0.03


def test_more_sound_than_the_buffer_holds_is_heard_once_and_in_order() -> None:
    """600 ms of it at once where 480 fit, before the first tick: the end of the first packet is
    left, and what came last does not stand in its place."""
    peer = Peer(make_stream(jitter="fixed:0"))
    peer.deliver(*[peer.packet(value, ms=150) for value in (1000, 2000, 3000, 4000)])
    peer.wait(640)
    heard = [value for _, _, value in peer.frames() if value in (1000, 2000, 3000, 4000)]
    assert heard == sorted(heard)
    assert set(heard) == {1000, 2000, 3000, 4000}


# --- misuse and any input -----------------------------------------------------------------


@pytest.mark.parametrize("policy", ["", "fixed", "fixed:", "fixed:401", "fixed:x", "Adaptive"])
def test_a_policy_that_there_is_not_is_refused(policy: str) -> None:
    with pytest.raises(LocalProtocolError, match="jitter: expected"):
        MediaStream(ssrc=1, sequence_number=1, timestamp=1, jitter=policy)


def test_only_a_listener_can_pull() -> None:
    with pytest.raises(LocalProtocolError, match="pull: expected"):
        open_stream("immediate").pull(0.0, 10)
    with pytest.raises(LocalProtocolError, match="pull: expected"):
        open_stream("adaptive").pull(0.0, 21)
    with pytest.raises(LocalProtocolError, match="playout_state: expected"):
        open_stream("immediate").playout_state()


STEPS = st.lists(
    st.tuples(
        st.integers(-3, 60),  # sequence
        st.one_of(st.integers(-5, 40).map(lambda n: n * 80), st.integers(0, 2**32 - 1)),
        st.sampled_from([0, 0, 0, 13, 9, 96]),  # payload type
        st.integers(0, 600),  # octets
        st.floats(0, 2),  # seconds until it comes
        st.sampled_from([10, 20]),  # ms taken then
        st.sampled_from([1, 1, 1, 2]),  # SSRC
    ),
    max_size=60,
)


@given(steps=STEPS, policy=st.sampled_from(["adaptive", "fixed:0", "fixed:120"]))
def test_whatever_comes_every_tick_gives_its_samples(
    steps: list[tuple[int, int, int, int, float, int, int]], policy: str
) -> None:
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1, jitter=policy)
    stream.configure(
        receive={0: "PCMU", 9: "G722", 96: "L16/16000"},
        send_payload_type=0,
        send_encoding="PCMU",
        remote=PEER,
    )
    now, sequence, timestamp = 5.0, 0, 0
    for step, units, payload_type, octets, wait, tick_ms, ssrc in steps:
        sequence, timestamp = (sequence + step) & 0xFFFF, (timestamp + units) & 0xFFFFFFFF
        packet = RtpPacket(0, sequence, timestamp, ssrc, payload_type, False, bytes(octets))
        stream.receive_datagram(packet.datagram(), PEER, now)
        assert len(stream.pull(now, tick_ms)) in (tick_ms * 16, tick_ms * 32)
        now += wait * wait
    count = stream.statistics()
    ended = count["played"] + count["late"] + count["skipped"] + count["waiting"]
    assert count["taken"] == ended <= len(steps)
