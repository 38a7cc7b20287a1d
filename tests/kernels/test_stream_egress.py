"""What a stream sends: schedule, time line, markers, truth about what was played."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtp_peer import FRAME, HOST, Peer, configure, constant, make_stream

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import MediaStream, PayloadDecoder, PayloadEncoder, RtpPacket, parse_rtp

ZERO = b"\xff" * 160  # μ-law


def sender(**changes: object) -> Peer:
    peer = Peer(make_stream())
    configure(peer.stream, **changes)
    peer.stream.start(peer.now)
    return peer


def due(peer: Peer) -> list[RtpPacket]:
    packets = [parse_rtp(data) for data, _ in peer.stream.datagrams_to_send(peer.now)]
    assert None not in packets
    return packets  # type: ignore[return-value]


def tick(peer: Peer, ticks: int = 1) -> list[RtpPacket]:
    packets = []
    for _ in range(ticks):
        packets += due(peer)
        peer.now = peer.stream.next_send_time()
    return packets


def samples(packet: RtpPacket) -> list[int]:
    """Read an L16 payload."""
    read = array("h", packet.payload)
    read.byteswap()
    return read.tolist()


def marks(peer: Peer) -> list[tuple[int, bool]]:
    taken = []
    while (mark := peer.stream.next_mark()) is not None:
        taken.append(mark)
    return taken


def test_the_first_packet_has_the_given_numbers_and_the_marker() -> None:
    peer = sender()
    [(data, remote)] = peer.stream.datagrams_to_send(peer.now)
    packet = parse_rtp(data)
    assert packet is not None
    assert packet[:5] == (True, 0, 65534, 2**32 - 320, 0xA1)
    assert (packet.payload, remote) == (ZERO, HOST)


def test_sequence_and_timestamp_wrap() -> None:
    packets = tick(sender(), 4)
    assert [p.sequence_number for p in packets] == [65534, 65535, 0, 1]
    assert [p.timestamp for p in packets] == [2**32 - 320, 2**32 - 160, 0, 160]
    assert [p.marker for p in packets] == [True, False, False, False]


def test_nothing_is_due_before_the_start() -> None:
    stream = make_stream()
    assert stream.next_send_time() == math.inf
    assert stream.datagrams_to_send(1e9) == []


@pytest.mark.parametrize(
    ("encoding", "size", "units"), [("PCMU", 160, 160), ("PCMA", 160, 160), ("L16/16000", 640, 320)]
)
def test_audio_is_encoded_as_negotiated(encoding: str, size: int, units: int) -> None:
    peer = sender(send_encoding=encoding, send_payload_type=111)
    pcm = bytes(range(256)) * 10
    assert peer.stream.write(pcm) == 1280
    packets = tick(peer, 4)
    assert b"".join(p.payload for p in packets) == PayloadEncoder(encoding).encode(pcm)
    assert {(p.payload_type, len(p.payload)) for p in packets} == {(111, size)}
    assert (packets[1].timestamp - packets[0].timestamp) % 2**32 == units


@given(sizes=st.lists(st.integers(0, 1000), max_size=12))
def test_writes_of_any_size_are_one_stream_of_samples(sizes: list[int]) -> None:
    peer = sender(send_encoding="L16/16000", send_payload_type=96)
    pcm = b"".join(n.to_bytes(2, "little") for n in range(1, sum(sizes) + 1))
    start = 0
    for size in sizes:
        assert peer.stream.write(pcm[2 * start : 2 * (start + size)]) == size
        start += size
    assert peer.stream.queued_ms == -(-start // 16)
    packets = tick(peer, -(-start // 320))
    sent = b"".join(p.payload for p in packets)
    assert sent == PayloadEncoder("L16/16000").encode(pcm + bytes(-len(pcm) % 640))
    assert peer.stream.idle
    assert peer.stream.statistics()["played_ms"] == start // 16


@given(st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 30)), max_size=10))
def test_the_queue_grows_and_shrinks_without_losing_a_sample(
    steps: list[tuple[int, int]],
) -> None:
    peer = sender(send_encoding="L16/16000", send_payload_type=96)
    written, sent = [], b""
    for samples, ticks in steps:
        first = len(written) + 1
        written += range(first, first + samples)
        block = b"".join((n % 30000 + 1).to_bytes(2, "little") for n in written[first - 1 :])
        peer.stream.write(block)
        sent += b"".join(p.payload for p in tick(peer, ticks))
    sent += b"".join(p.payload for p in tick(peer, peer.stream.queued_ms // 20 + 1))
    heard = [int.from_bytes(sent[i : i + 2], "big") for i in range(0, len(sent), 2)]
    assert [n for n in heard if n] == [n % 30000 + 1 for n in written]


def test_the_schedule_is_absolute_and_late_ticks_are_caught_up() -> None:
    peer = sender()
    start = peer.now
    for n in range(1000):
        assert len(due(peer)) == 1
        assert peer.stream.next_send_time() == pytest.approx(start + 0.02 * (n + 1), abs=1e-9)
        peer.now = peer.stream.next_send_time() + 0.013 * (n % 2)
    peer.now = start + 20.0 + 0.0999
    assert len(due(peer)) == 5
    assert peer.stream.statistics()["late_ticks"] == 4
    assert peer.stream.next_send_time() == pytest.approx(start + 20.1)


def test_a_machine_that_slept_skips_time_but_no_audio() -> None:
    peer = sender()
    peer.stream.write(constant(9000, 16000))
    tick(peer, 10)
    queued = peer.stream.queued_ms
    peer.now += 60.0
    packets = due(peer)
    assert len(packets) == 11
    assert packets[0].marker
    skipped = peer.stream.statistics()["skipped_ticks"]
    assert packets[0].timestamp == (2**32 - 320 + 160 * (10 + int(skipped))) % 2**32
    assert packets[0].sequence_number == 8
    assert peer.stream.queued_ms == queued - 220
    assert skipped == 3000 - 10


def test_with_silence_suppressed_pauses_are_unsent_and_the_clock_goes_on() -> None:
    peer = sender(silence="suppress")
    assert tick(peer, 50) == []
    peer.stream.write(constant(9000, 640))
    packets = tick(peer, 50)
    peer.stream.write(constant(9000, 320))
    packets += tick(peer, 50)
    # the third packet carries what the resampler still held of the second
    assert [(p.marker, p.sequence_number, p.timestamp) for p in packets] == [
        (True, 65534, 50 * 160 - 320),
        (False, 65535, 51 * 160 - 320),
        (False, 0, 52 * 160 - 320),
        (True, 1, 100 * 160 - 320),
        (False, 2, 101 * 160 - 320),
    ]
    assert packets[2].payload != ZERO


def test_silence_sent_has_no_marker_and_ends_in_zeros() -> None:
    peer = sender()
    peer.stream.write(constant(9000, 320))
    packets = tick(peer, 5)
    assert [p.marker for p in packets] == [True, False, False, False, False]
    assert [p.payload == ZERO for p in packets] == [False, False, True, True, True]
    assert peer.stream.statistics()["silence_packets_sent"] == 4


def test_while_not_sending_audio_waits_and_the_clock_goes_on() -> None:
    peer = sender(sending=False)
    peer.stream.write(constant(9000, 320))
    assert tick(peer, 10) == []
    assert peer.stream.queued_ms == 20
    configure(peer.stream)
    [packet] = tick(peer)
    assert (packet.marker, packet.timestamp) == (True, 10 * 160 - 320)
    assert packet.payload != ZERO


@pytest.mark.parametrize("remote", [None, ("192.0.2.9", 0)])
def test_without_a_remote_nothing_is_sent(remote: tuple[str, int] | None) -> None:
    peer = sender(remote=remote)
    assert tick(peer, 3) == []
    assert peer.stream.remote is None


def test_a_codec_switch_keeps_sequence_and_timestamp_going() -> None:
    peer = sender()
    tick(peer, 2)
    configure(peer.stream, send_payload_type=96, send_encoding="L16/16000")
    packets = tick(peer, 2)
    assert [(p.payload_type, p.sequence_number, p.timestamp) for p in packets] == [
        (96, 0, 0),
        (96, 1, 320),
    ]


# --- clear, mark, limits


def test_clear_returns_what_was_sent_of_the_utterance() -> None:
    peer = sender()
    peer.stream.write(constant(9000, 16000))
    tick(peer, 13)
    assert peer.stream.clear() == 260
    assert (peer.stream.queued_ms, peer.stream.idle) == (0, True)
    assert peer.stream.clear() == 0
    assert peer.stream.statistics()["cleared_samples"] == 16000 - 13 * 320


def test_an_utterance_begins_when_the_queue_has_run_empty() -> None:
    peer = sender()
    peer.stream.write(constant(9000, 320))
    tick(peer, 5)
    peer.stream.write(constant(9000, 3200))
    tick(peer, 2)
    peer.stream.write(constant(9000, 3200))
    tick(peer, 1)
    assert peer.stream.clear() == 60


def test_speech_that_is_cut_fades_out_within_5_ms() -> None:
    peer = sender(send_payload_type=96, send_encoding="L16/16000")
    peer.stream.write(constant(16000, 16000))
    tick(peer, 3)
    assert peer.stream.clear() == 60
    assert (peer.stream.queued_ms, peer.stream.idle) == (0, True)
    faded, silent = (samples(packet) for packet in tick(peer, 2))
    assert faded[0] == 16000
    assert all(0 <= a - b <= 201 for a, b in pairwise(faded[:81]))
    assert not any(faded[80:])
    assert not any(silent)
    assert peer.stream.statistics()["played_ms"] == 60


def test_what_is_written_after_a_clear_follows_the_fade_and_is_counted_alone() -> None:
    peer = sender(send_payload_type=96, send_encoding="L16/16000")
    peer.stream.write(constant(16000, 16000))
    tick(peer, 3)
    peer.stream.clear()
    peer.stream.write(constant(-9000, 560))
    (packet,) = tick(peer, 1)
    assert samples(packet)[80:] == [-9000] * 240
    assert peer.stream.clear() == 15


def test_what_was_not_begun_is_cleared_without_a_trace() -> None:
    peer = sender(send_payload_type=96, send_encoding="L16/16000")
    peer.stream.write(constant(16000, 16000))
    assert peer.stream.clear() == 0
    (packet,) = tick(peer, 1)
    assert not any(samples(packet))


def test_clear_counts_samples_not_packets() -> None:
    peer = sender()
    peer.stream.write(constant(9000, 320 + 160))
    tick(peer, 4)
    assert peer.stream.clear() == 30


def test_a_mark_is_reached_when_the_audio_before_it_has_been_sent() -> None:
    peer = sender()
    peer.stream.mark(1)
    assert marks(peer) == [(1, True)]
    peer.stream.write(constant(9000, 330))
    peer.stream.mark(2)
    peer.stream.write(constant(9000, 640))
    peer.stream.mark(3)
    peer.stream.mark(-4)
    heard = []
    for _ in range(5):
        tick(peer)
        heard.append(marks(peer))
    assert heard == [[], [(2, True)], [], [(3, True), (-4, True)], []]


def test_clear_gives_back_marks_not_reached_in_their_order() -> None:
    peer = sender()
    for n in range(20):
        peer.stream.write(constant(9000, 320))
        peer.stream.mark(n)
    peer.stream.send_digits("12")
    tick(peer, 3)
    peer.stream.clear()
    assert marks(peer) == [(n, n < 3) for n in range(20)]
    assert peer.stream.statistics()["unsent_digits"] == 2
    assert peer.stream.idle


def test_more_audio_than_the_limit_is_dropped_and_counted() -> None:
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1, playout_limit_ms=100)
    assert stream.write(constant(1, 1000)) == 1000
    assert stream.write(constant(1, 1000)) == 600
    assert stream.write(constant(1, 1000)) == 0
    assert stream.statistics()["dropped_samples"] == 1400
    assert stream.queued_ms == 100


def test_too_many_marks_are_refused() -> None:
    stream = make_stream()
    stream.write(constant(1, 320))
    for n in range(4096):
        stream.mark(n)
    with pytest.raises(LocalProtocolError):
        stream.mark(5000)


def test_half_a_sample_is_refused() -> None:
    stream = make_stream()
    with pytest.raises(LocalProtocolError):
        stream.write(b"abc")
    assert stream.queued_ms == 0


@pytest.mark.parametrize("options", [{"gap_wait_ms": -1}, {"playout_limit_ms": 0}])
def test_a_stream_with_impossible_limits_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(LocalProtocolError):
        make_stream(**options)


def played(packets: list[RtpPacket]) -> list[bool]:
    """For each L16 packet, whether it carries sound."""
    return [any(packet.payload) for packet in packets]


@pytest.mark.parametrize("late_ms", [0.5, 4.9, 14.0])
def test_a_writer_that_keeps_pace_is_not_cut_by_silence_when_a_frame_comes_late(
    late_ms: float,
) -> None:
    peer = sender(send_encoding="L16/16000", send_payload_type=96)
    start, packets = peer.now, []
    peer.stream.write(constant(2000, FRAME))
    packets += due(peer)
    for frame in range(1, 20):
        # Every other frame comes just in time, the others after their tick.
        late = late_ms / 1000 if frame % 2 else -0.001
        for now in sorted((start + frame * 0.020, start + frame * 0.020 + late)):
            peer.now = now
            if now == start + frame * 0.020 + late:
                peer.stream.write(constant(2000, FRAME))
            packets += due(peer)
    assert len(packets) == 20
    assert all(played(packets))
    assert [p.timestamp for p in packets] == [
        (packets[0].timestamp + FRAME * index) % 2**32 for index in range(20)
    ]


def test_a_tick_is_held_no_longer_than_fifteen_milliseconds_and_the_next_keeps_its_place() -> None:
    peer = sender(send_encoding="L16/16000", send_payload_type=96)
    start = peer.now
    peer.stream.write(constant(2000, FRAME))
    assert played(due(peer)) == [True]
    peer.now = start + 0.0349
    assert due(peer) == []
    peer.now = peer.stream.next_send_time()
    assert peer.now == pytest.approx(start + 0.035)
    assert played(due(peer)) == [False]
    assert peer.stream.next_send_time() == pytest.approx(start + 0.040)
    assert peer.stream.statistics()["late_ticks"] == 0


def test_a_pause_in_g722_is_coded_silence_not_a_constant() -> None:
    peer = sender(send_encoding="G722", send_payload_type=9)
    decoder = PayloadDecoder("G722")
    peer.stream.write(constant(3000, 5 * FRAME))
    packets = tick(peer, 50)
    assert [p.timestamp for p in packets[:3]] == [2**32 - 320, 2**32 - 160, 0]
    assert {len(p.payload) for p in packets} == {160}
    heard = array("h", b"".join(decoder.decode(p.payload) for p in packets))
    assert max(heard[: 5 * FRAME]) > 2500
    assert max(map(abs, heard[20 * FRAME :])) < 20


def test_how_late_packets_left_is_told_by_the_99th_of_100_and_the_worst() -> None:
    peer = sender()
    figures = peer.stream.statistics()
    assert (figures["send_lateness_p99_ms"], figures["send_lateness_max_ms"]) == (None, 0)
    for late_ms in [1.8] * 95 + [7.0] * 4 + [13.0]:
        peer.now = peer.stream.next_send_time() + late_ms / 1000
        assert len(due(peer)) == 1
    figures = peer.stream.statistics()
    assert figures["send_lateness_max_ms"] == pytest.approx(13, abs=0.01)
    assert figures["send_lateness_p99_ms"] == pytest.approx(7.5, abs=0.5)


def test_what_was_waited_for_did_not_leave_late() -> None:
    peer = sender()
    peer.stream.write(constant(100, FRAME))
    tick(peer, 2)  # the second waits 15 ms for more to come
    assert peer.stream.statistics()["send_lateness_max_ms"] == pytest.approx(0, abs=1e-3)
