"""Payloads that pass from one stream to another: whose numbers they carry, and who has the word."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtp_peer import EVENT, HOST, Peer, configure, constant, make_stream

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import MediaStream, RtpPacket, parse_rtp, ulaw_encode

LOUD = ulaw_encode(constant(8000, 160))


class Pair:
    """One far end that speaks, a stream that takes it, and one that sends it on."""

    def __init__(self, **outbound: object) -> None:
        self.source = make_stream()
        self.sink = MediaStream(ssrc=0xB2, sequence_number=500, timestamp=70_000)
        configure(self.sink, **outbound)
        self.peer = Peer(self.source)
        self.source.start(self.peer.now)
        self.sink.start(self.peer.now)
        self.source.relay_to(self.sink)

    def speak(self, payload: bytes = LOUD, *, units: int = 160, **fields: object) -> None:
        self.take(self.peer.raw(payload, units=units, **{"payload_type": 0, **fields}))

    def take(self, data: bytes) -> None:
        self.source.receive_datagram(data, HOST, self.peer.now)

    def sent(self) -> list[RtpPacket]:
        packets = [parse_rtp(data) for data, _ in self.sink.datagrams_to_send(self.peer.now)]
        assert None not in packets
        return packets  # type: ignore[return-value]

    def run(self, ticks: int, payload: bytes = LOUD) -> list[RtpPacket]:
        """Let the far end speak for so many packet times."""
        packets = []
        for _ in range(ticks):
            self.speak(payload)
            packets += self.sent()
            self.peer.now += 0.02
        return packets

    def pause(self, ticks: int) -> list[RtpPacket]:
        packets = []
        for _ in range(ticks):
            packets += self.sent()
            self.peer.now += 0.02
        return packets


def test_the_first_packet_that_a_stream_sends_may_be_one_that_passes_through() -> None:
    pair = Pair()
    pair.speak(marker=True)
    (packet,) = pair.sent()
    assert packet.payload == LOUD
    assert pair.sink.first_sent_at == pair.peer.now


@pytest.fixture
def pair() -> Pair:
    made = Pair(send_payload_type=0)
    made.run(2)  # the first packet of a source is on probation
    return made


def test_payloads_pass_unchanged_under_our_own_numbers(pair: Pair) -> None:
    spoken = [bytes([n]) * 160 for n in range(20)]
    packets = [packet for payload in spoken for packet in pair.run(1, payload)]
    assert [p.payload for p in packets] == spoken
    assert {p.ssrc for p in packets} == {0xB2}
    steps = itertools.pairwise(packets)
    assert {
        (b.sequence_number - a.sequence_number, b.timestamp - a.timestamp) for a, b in steps
    } == {(1, 160)}
    assert not any(p.marker for p in packets)


def test_the_first_packet_follows_what_was_sent_before_and_has_the_marker() -> None:
    pair = Pair()
    before = pair.pause(3)  # silence of our own
    pair.speak()
    pair.speak()
    (first,) = pair.sent()
    assert (first.sequence_number, first.marker) == (before[-1].sequence_number + 1, True)
    assert 0 < first.timestamp - before[-1].timestamp <= 320


def test_loss_and_reordering_pass_as_they_are(pair: Pair) -> None:
    base = pair.run(1)[0]
    pair.peer.sequence += 1  # one is lost
    pair.peer.timestamp += 160
    late, early = (pair.peer.raw(each * 160, units=160, payload_type=0) for each in (b"b", b"c"))
    pair.take(early)
    pair.take(late)
    packets = pair.sent()
    assert [p.sequence_number - base.sequence_number for p in packets] == [3, 2]
    assert [p.timestamp - base.timestamp for p in packets] == [480, 320]
    assert [p.payload[:1] for p in packets] == [b"c", b"b"]


def test_keys_pass_as_events_under_the_number_the_other_end_knows() -> None:
    pair = Pair(send_event=96)
    pair.run(3)
    start = pair.peer.timestamp
    for duration, end in ((160, 0), (320, 0), (480, 0x80), (480, 0x80), (480, 0x80)):
        payload = struct.pack("!BBH", 5, end | 10, duration)
        pair.take(pair.peer.raw(payload, payload_type=EVENT, timestamp=start))
    packets = pair.sent()
    assert {(p.payload_type, p.timestamp) for p in packets} == {(96, packets[0].timestamp)}
    assert [struct.unpack("!BBH", p.payload)[2] for p in packets] == [160, 320, 480, 480, 480]
    assert pair.source.next_digit()[0] == "5"  # type: ignore[index]


def test_what_is_written_has_the_word(pair: Pair) -> None:
    last = pair.run(3)[-1]
    pair.sink.write(constant(500, 320 * 5))
    spoken = pair.run(5)
    ours = ulaw_encode(constant(500, 160))
    assert LOUD not in [p.payload for p in spoken]
    assert ours in [p.payload for p in spoken]
    assert spoken[0].marker
    after = pair.run(3)
    assert [p.payload for p in after] == [LOUD] * 3
    numbers = [p.sequence_number for p in (last, *spoken, *after)]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    times = [p.timestamp for p in (last, *spoken, *after)]
    assert times == sorted(set(times))


def test_a_pause_of_the_far_end_is_filled_with_silence_after_a_while(pair: Pair) -> None:
    pair.run(3)
    silence = pair.pause(20)
    assert {p.payload for p in silence} == {b"\xff" * 160}
    assert len(silence) == 15  # 100 ms is the length of a jitter buffer, not of a pause
    (again,) = pair.run(1)
    assert again.marker
    assert 0 < again.timestamp - silence[-1].timestamp <= 320


def test_no_frames_are_made_unless_somebody_listens(pair: Pair) -> None:
    while pair.source.next_frame() is not None:
        pass
    pair.run(10)
    assert pair.source.next_frame() is None
    pair.source.listen(True)
    pair.run(5)
    frames = []
    while (frame := pair.source.next_frame()) is not None:
        frames.append(frame)
    assert len(frames) == 5
    assert frames[0].pts == 320 * 12  # the time line went on


def test_the_time_line_goes_on_when_the_relay_ends(pair: Pair) -> None:
    pair.run(50)
    while pair.source.next_frame() is not None:
        pass
    pair.source.relay_to(None)
    pair.run(2)
    frame = pair.source.next_frame()
    assert frame is not None
    assert frame.pts == 320 * 52
    assert not frame.concealed


def test_another_codec_ends_the_relay_and_is_heard_as_frames(pair: Pair) -> None:
    pair.run(3)
    while pair.source.next_frame() is not None:
        pass
    pair.speak(payload_type=8)
    assert not pair.source.relaying
    assert LOUD not in [p.payload for p in pair.sent()]
    assert pair.source.next_frame() is not None


def test_a_listener_on_the_sending_side_hears_what_passes(pair: Pair) -> None:
    pair.sink.observe_sent(True)
    sent = len(pair.run(10))
    frames = []
    while (frame := pair.sink.next_sent_frame()) is not None:
        frames.append(frame)
    assert sent == len(frames) == 10
    assert [b.pts - a.pts for a, b in itertools.pairwise(frames)] == [320] * 9


@pytest.mark.parametrize("ms", [10, 30, 60])
def test_packets_of_any_length_pass_and_are_heard_by_a_listener(ms: int) -> None:
    pair = Pair()
    pair.sink.observe_sent(True)
    pair.run(2)
    payload, packets = LOUD[:80] * (ms // 10), []
    for _ in range(600 // ms):
        pair.speak(payload, units=8 * ms)
        packets += pair.sent()
        pair.peer.now += ms / 1000
    assert {p.payload for p in packets} == {payload}
    samples = 0
    while (frame := pair.sink.next_sent_frame()) is not None:
        samples += sum(1 for each in memoryview(frame.pcm).cast("h") if each)
    assert samples >= 16 * (600 - 2 * ms - 20)


def test_a_packet_longer_than_ours_ends_the_relay() -> None:
    pair = Pair()
    pair.run(2)
    pair.speak(LOUD * 5, units=800)
    assert not pair.source.relaying


def test_a_far_end_that_holds_us_gets_nothing(pair: Pair) -> None:
    configure(pair.sink, sending=False)
    assert pair.run(5) == []
    assert pair.source.relaying


def test_a_burst_is_bounded(pair: Pair) -> None:
    for _ in range(40):
        pair.speak()
    assert len(pair.sent()) == 16
    statistics = pair.sink.statistics()
    assert (statistics["packets_passed_through"], statistics["pass_through_drops"]) == (17, 24)


def test_one_stream_passes_to_another_only() -> None:
    pair = Pair()
    third = make_stream()
    with pytest.raises(LocalProtocolError, match="another stream"):
        third.relay_to(pair.sink)
    with pytest.raises(LocalProtocolError, match="itself"):
        third.relay_to(third)
    pair.source.relay_to(None)
    third.relay_to(pair.sink)
    assert third.relaying


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["speak", "lose", "pause", "write", "restart", "jump", "key", "hold"]),
        max_size=60,
    )
)
def test_what_the_far_end_gets_is_one_stream_whatever_happens(story: list[str]) -> None:
    pair = Pair()
    packets: list[RtpPacket] = []
    for act in story:
        if act == "lose":
            pair.peer.sequence += 3
            pair.peer.timestamp += 480
        elif act == "pause":
            packets += pair.pause(8)
        elif act == "write":
            pair.sink.write(constant(300, 700))
        elif act == "restart":
            pair.peer.ssrc += 1
            pair.peer.sequence += 20_000
            pair.peer.timestamp += 1_000_000
        elif act == "jump":
            pair.peer.timestamp += 2**31
        elif act == "key":
            pair.sink.send_digits("1")
        elif act == "hold":
            configure(pair.sink, sending=False)
            packets += pair.run(2)
            configure(pair.sink)
        packets += pair.run(2)
    assert {p.ssrc for p in packets} <= {0xB2}
    audio = [p for p in packets if p.payload_type == 0]
    for before, after in itertools.pairwise(packets):
        assert 0 < (after.sequence_number - before.sequence_number) % 65536 < 50
    for before, after in itertools.pairwise(audio):
        assert 0 < (after.timestamp - before.timestamp) % 2**32 < 2**31


@pytest.mark.parametrize("ppm", [-500, 500])
def test_a_sender_report_names_the_time_of_what_passes_through(ppm: int) -> None:
    """RFC 3550 section 6.4.1: the same instant as the NTP time, "in the same units and with the
    same random offset as the RTP timestamps in data packets"."""
    pair = Pair(send_payload_type=0)
    pair.run(50)
    last = 0
    for _ in range(20_000):  # the clocks are 0.2 s apart at the end
        pair.speak()
        for packet in pair.sent():
            last = packet.timestamp
        pair.peer.now += 0.02 * (1 - ppm * 1e-6)
    beside = (pair.sink.timestamp_at(pair.peer.now) - last + 2**31) % 2**32 - 2**31
    assert abs(beside) < 8 * 30
    pair.source.relay_to(None)
    own = pair.pause(10)
    beside = (pair.sink.timestamp_at(pair.peer.now) - own[-1].timestamp + 2**31) % 2**32 - 2**31
    assert abs(beside) < 8 * 30
