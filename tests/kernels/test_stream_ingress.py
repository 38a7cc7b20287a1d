"""What a stream makes of received audio, in virtual time (RFC 3550 sections 5 and A.1)."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtp_peer import FRAME, HOST, Peer, configure, make_stream

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import CONCEALED, SILENCE, TALKSPURT_START, MediaStream, ulaw_encode


def started(**options: float) -> Peer:
    """A peer whose first three packets (1, 2, 3) have been heard and taken."""
    peer = Peer(make_stream(**options))
    peer.send(1001, 1002, 1003)
    assert [value for _, _, value in peer.frames()] == [1001, 1002, 1003]
    return peer


def values(peer: Peer) -> list[int]:
    return [value for _, _, value in peer.frames()]


def count(peer: Peer, *names: str) -> tuple[int | float, ...]:
    statistics = peer.stream.statistics()
    return tuple(statistics[name] for name in names)


def test_packets_in_order_leave_at_once_and_none_is_lost_to_probation() -> None:
    peer = Peer(make_stream())
    peer.send(1001)
    assert peer.frames() == []
    peer.send(1002)
    assert peer.frames() == [(0, TALKSPURT_START, 1001), (1, 0, 1002)]
    peer.send(1003)
    assert peer.frames() == [(2, 0, 1003)]
    assert peer.stream.next_timeout() is None


def test_a_marker_makes_the_first_packet_heard_at_once() -> None:
    peer = Peer(make_stream())
    peer.deliver(peer.packet(1001, marker=True))
    assert peer.frames() == [(0, TALKSPURT_START, 1001)]


@pytest.mark.parametrize("sequence", [65533, 65535, 0])
@pytest.mark.parametrize("timestamp", [2**32 - 640, 2**32 - 321, 2**31 - 400])
def test_sequence_and_timestamp_wrap_without_a_seam(sequence: int, timestamp: int) -> None:
    peer = Peer(make_stream(), sequence=sequence, timestamp=timestamp)
    peer.send(*range(1001, 1011))
    assert peer.frames() == [(n, TALKSPURT_START if n == 0 else 0, 1001 + n) for n in range(10)]
    assert count(peer, "packets_lost", "restarts", "concealed_frames") == (0, 0, 0)


def test_packets_of_changing_length_are_cut_into_whole_frames() -> None:
    peer = Peer(make_stream())
    for ms in (10, 30, 60, 20, 40, 10, 10):
        peer.deliver(peer.packet(1000, ms))
        peer.wait(ms)
    frames = peer.frames()
    assert [pts for pts, _, _ in frames] == list(range(9))
    assert {value for _, _, value in frames} == {1000}


def test_a_gap_waits_for_the_reordered_packet() -> None:
    peer = started()
    late = peer.packet(1004)
    peer.wait(20)
    peer.send(1005)
    assert peer.frames() == []
    peer.wait(19)
    peer.deliver(late)
    assert values(peer) == [1004, 1005]
    assert peer.stream.next_timeout() is None
    assert count(peer, "reordered", "late", "packets_lost", "concealed_frames") == (1, 0, 0, 0)


def test_a_gap_that_stays_is_concealed_when_its_wait_is_over() -> None:
    peer = started()
    peer.packet()
    peer.wait(20)
    peer.deliver(peer.packet(1005))
    assert peer.stream.next_timeout() == pytest.approx(peer.now + 0.040)
    peer.wait(39)
    assert peer.frames() == []
    peer.wait(2)
    frames = peer.frames()
    assert [(pts, flags) for pts, flags, _ in frames] == [(3, CONCEALED), (4, 0)]
    assert [value for _, _, value in frames] == [1003, 1005]  # repeated, the fade just begun
    assert count(peer, "packets_lost", "concealed_frames") == (1, 1)


def test_a_straggler_that_finds_no_room_any_more_still_goes_in_front() -> None:
    peer = started(gap_wait_ms=1000)
    peer.packet(1004)
    straggler = peer.packet(1005)
    peer.send(*range(1006, 1022))  # sixteen wait behind the two
    assert peer.frames() == []
    peer.deliver(straggler)
    assert [value for _, flags, value in peer.frames() if not flags] == [*range(1005, 1022)]


def test_a_duplicate_of_a_packet_that_waits_is_played_once_however_old_it_is() -> None:
    peer = started(gap_wait_ms=1000)
    peer.packet(1004)
    waiting = peer.packet(1005)
    peer.deliver(waiting)
    for _ in range(140):  # the source remembers 128
        peer.packet()
    peer.send(1006)
    peer.deliver(waiting)
    peer.wait(1001)
    assert [value for _, flags, value in peer.frames() if not flags].count(1005) == 1
    assert count(peer, "late") == (1,)


def test_a_concealed_gap_keeps_its_length_and_is_never_silent() -> None:
    peer = started(gap_wait_ms=0)
    for _ in range(5):
        peer.packet()
    peer.deliver(peer.packet(1009))
    frames = peer.frames()
    assert [pts for pts, _, _ in frames] == [3, 4, 5, 6, 7, 8]
    assert [flags for _, flags, _ in frames] == [1, 1, 1, 1, 1, 0]
    heard = [value for _, _, value in frames]
    assert heard[-1] == 1009
    assert all(heard)


@pytest.mark.parametrize("ms", [10, 20, 60])
@pytest.mark.parametrize("lost_ms", [180, 240, 600, 960])
def test_an_outage_of_up_to_a_second_leaves_no_hole(ms: int, lost_ms: int) -> None:
    peer = Peer(make_stream(gap_wait_ms=0))
    for _ in range(12):
        peer.deliver(peer.packet(1003, ms))
    peer.frames()
    begin = 12 * ms // 20
    for _ in range(lost_ms // ms):
        peer.packet(0, ms)
    peer.wait(lost_ms)
    peer.deliver(peer.packet(1009, ms), peer.packet(1009, ms))
    frames = peer.frames()
    filled = [pts for pts, flags, _ in frames if flags & CONCEALED]
    assert filled == list(range(begin, begin + lost_ms // 20))
    assert [pts for pts, _, _ in frames] == list(range(begin, begin + (lost_ms + 2 * ms) // 20))
    assert peer.stream.statistics()["concealed_ms"] == lost_ms


def test_a_longer_outage_is_filled_for_a_second_and_then_only_keeps_its_length() -> None:
    peer = started(gap_wait_ms=0)
    for _ in range(100):
        peer.packet()
    peer.wait(2000)
    peer.deliver(peer.packet(1009))
    frames = peer.frames()
    assert [pts for pts, _, _ in frames] == [*range(3, 53), 103]
    assert frames[-1][1] == TALKSPURT_START


def test_more_packets_behind_a_gap_than_are_kept_end_the_wait() -> None:
    peer = started(gap_wait_ms=10_000)
    peer.packet()
    peer.deliver(*[peer.packet(1005 + n) for n in range(16)])
    assert peer.frames() == []
    peer.deliver(peer.packet(1021))
    assert [pts for pts, _, _ in peer.frames()] == list(range(3, 21))


def test_two_gaps_wait_each_for_themselves() -> None:
    peer = started()
    peer.packet()
    peer.send(1005)
    peer.packet()
    peer.deliver(peer.packet(1007))
    peer.wait(19)
    assert values(peer) == []
    peer.wait(2)
    assert len(values(peer)) == 2
    peer.wait(18)
    assert values(peer) == []
    peer.wait(2)
    assert len(values(peer)) == 2


def test_a_packet_behind_a_concealed_gap_is_late_and_changes_nothing() -> None:
    peer = started()
    late = peer.packet(1004)
    peer.send(1005)
    peer.wait(60)
    assert len(peer.frames()) == 2
    peer.deliver(late)
    assert peer.frames() == []
    assert count(peer, "late", "reordered", "packets_lost") == (1, 1, 0)


def test_duplicates_are_heard_once() -> None:
    peer = started()
    one, two, three = peer.packet(1004), peer.packet(1005), peer.packet(1006)
    peer.deliver(one, one, three, three, two, one, two)
    assert values(peer) == [1004, 1005, 1006]
    assert count(peer, "duplicate", "reordered", "late") == (4, 1, 0)


def test_a_pause_with_unbroken_sequence_is_no_loss() -> None:
    peer = started()
    peer.timestamp += 16 * 5000
    peer.wait(5000)
    peer.send(1004)
    assert peer.frames() == [(253, TALKSPURT_START, 1004)]
    assert count(peer, "packets_lost", "concealed_frames") == (0, 0)


def test_a_pause_inside_a_frame_fills_it_up_without_overlap() -> None:
    peer = Peer(make_stream())
    peer.send(1001, 1002)
    peer.send(1003, ms=10)
    peer.timestamp += 16 * 25
    peer.send(1004)
    frames = peer.frames()
    assert [pts for pts, _, _ in frames] == [0, 1, 2, 3.75]
    assert frames[3][1:] == (TALKSPURT_START, 1004)


def test_a_timestamp_jump_beyond_reason_follows_the_arrival_clock() -> None:
    for jump in (16 * 60_000, -16 * 60_000, 2**31):
        peer = started()
        peer.timestamp += jump
        peer.send(1004)
        assert peer.frames() == [(3, 0, 1004)]
        peer.timestamp += jump
        peer.wait(1000)
        peer.send(1005)
        assert peer.frames() == [(54, TALKSPURT_START, 1005)]


def test_a_backwards_sequence_jump_restarts_with_both_packets_heard() -> None:
    peer = started()
    peer.sequence, peer.timestamp = 40000, 9
    peer.send(1004)
    assert peer.frames() == []
    peer.send(1005, 1006)
    frames = peer.frames()
    assert [(pts, value) for pts, _, value in frames] == [(3, 1004), (4, 1005), (5, 1006)]
    assert count(peer, "restarts", "packets_lost", "concealed_frames", "on_probation") == (
        1, 0, 0, 2,
    )  # fmt: skip


def test_one_stray_sequence_number_is_dropped() -> None:
    peer = started()
    stray = peer.packet(9, sequence_number=30000)
    peer.sequence -= 1
    peer.timestamp -= FRAME
    peer.deliver(stray)
    peer.send(1004)
    assert values(peer) == [1004]
    assert count(peer, "restarts") == (0,)


def test_a_new_ssrc_takes_over_after_two_packets_and_time_goes_on() -> None:
    peer = started()
    peer.ssrc, peer.sequence, peer.timestamp = 8, 3, 77
    peer.send(1004)
    assert peer.frames() == []
    peer.send(1005)
    assert [(pts, value) for pts, _, value in peer.frames()] == [(3, 1004), (4, 1005)]
    assert count(peer, "ssrc_changes", "packets_lost") == (1, 0)


def test_a_new_ssrc_with_a_marker_takes_over_at_once() -> None:
    peer = started()
    peer.ssrc, peer.sequence = 8, 3
    peer.deliver(peer.packet(1004, marker=True))
    assert values(peer) == [1004]


def test_a_second_ssrc_between_packets_of_the_first_is_not_heard() -> None:
    peer = started()
    other = Peer(peer.stream, sequence=900)
    other.ssrc = 9
    for value in range(1004, 1010):
        other.deliver(other.packet(5))
        peer.send(value)
    assert values(peer) == list(range(1004, 1010))
    assert count(peer, "ssrc_changes") == (0,)


def test_losses_of_a_source_that_is_gone_stay_counted() -> None:
    peer = started()
    peer.packet()
    peer.send(1005)
    peer.ssrc, peer.sequence = 8, 3
    peer.send(1006, 1007)
    assert count(peer, "packets_lost", "ssrc_changes") == (1, 1)
    assert values(peer)[-2:] == [1006, 1007]


def test_the_payload_type_may_switch_from_packet_to_packet() -> None:
    peer = started()
    loud = ulaw_encode(array("h", [8000] * 160).tobytes())
    peer.deliver(peer.raw(loud, units=160, payload_type=0))
    peer.send(1005)
    frames = peer.frames()
    assert [pts for pts, _, _ in frames] == [3, 4]
    assert frames[1][2] == 1005
    assert count(peer, "packets_lost", "concealed_frames") == (0, 0)


def test_an_unknown_payload_type_is_counted_and_leaves_no_hole() -> None:
    peer = started()
    peer.deliver(peer.packet(9, payload_type=14))
    peer.send(1005)
    assert peer.frames() == [(4, TALKSPURT_START, 1005)]
    assert count(peer, "unknown_payload_type", "packets_lost", "concealed_frames") == (1, 0, 0)


def test_a_packet_of_no_audio_or_of_far_too_much_is_counted() -> None:
    peer = started()
    peer.deliver(peer.raw(b"", payload_type=0), peer.raw(bytes(40_000), payload_type=0))
    peer.send(1004)
    assert values(peer) == [1004]
    assert count(peer, "bad_payload") == (2,)


def test_silence_is_flagged() -> None:
    peer = started()
    peer.send(0, 16, 17)
    assert [flags for _, flags, _ in peer.frames()] == [SILENCE, SILENCE, 0]


def test_frames_nobody_takes_are_dropped_oldest_first() -> None:
    peer = Peer(make_stream())
    peer.send(*range(1, 101))
    assert [pts for pts, _, _ in peer.frames()] == list(range(37, 100))
    assert count(peer, "dropped_frames") == (37,)
    peer.send(101)
    assert [pts for pts, _, _ in peer.frames()] == [100]


def test_while_not_receiving_nothing_is_heard_but_all_is_counted() -> None:
    peer = started()
    configure(peer.stream, receiving=False)
    peer.send(1, 1)
    assert peer.frames() == []
    configure(peer.stream)
    peer.send(1006)
    assert peer.frames() == [(5, TALKSPURT_START, 1006)]
    assert count(peer, "packets_received", "packets_lost") == (5, 0)


# --- where from


def test_another_address_latches_after_three_packets_and_then_for_good() -> None:
    peer = Peer(make_stream())
    peer.source = ("198.51.100.7", 5555)
    peer.send(1, 2)
    assert (peer.frames(), peer.stream.remote) == ([], HOST)
    peer.send(1003, 1004)
    assert peer.stream.remote == ("198.51.100.7", 5555)
    assert values(peer) == [1003, 1004]
    peer.source = ("198.51.100.8", 5555)
    peer.send(1, 1, 1, 1)
    assert values(peer) == []
    assert count(peer, "wrong_source") == (6,)


def test_the_signalled_address_takes_back_what_a_faster_stranger_latched() -> None:
    peer = Peer(make_stream())
    stranger = Peer(peer.stream, sequence=900)
    stranger.source, stranger.ssrc = ("198.51.100.7", 5555), 50
    stranger.send(*[1] * 5)
    assert peer.stream.remote == stranger.source
    peer.send(1, 1)
    assert peer.stream.remote == stranger.source
    peer.send(1)
    assert peer.stream.remote == HOST
    stranger.send(*[1] * 10)
    assert peer.stream.remote == HOST


@pytest.mark.parametrize("fault", ["payload type", "ssrc", "interrupted"])
def test_another_address_does_not_latch_by(fault: str) -> None:
    peer = Peer(make_stream())
    other = Peer(peer.stream, sequence=900)
    other.source = ("198.51.100.7", 5555)
    for n in range(2):
        other.ssrc = 50 + n if fault == "ssrc" else 50
        other.deliver(other.packet(payload_type=77 if fault == "payload type" else 96))
    if fault == "interrupted":
        peer.send(1)
    other.ssrc = 50
    other.deliver(other.packet())
    assert peer.stream.remote == HOST


def test_the_signalled_address_freezes_too() -> None:
    peer = started()
    peer.source = ("198.51.100.7", 5555)
    peer.send(*[1] * 10)
    assert peer.stream.remote == HOST
    assert count(peer, "wrong_source") == (10,)


def test_the_same_remote_again_keeps_the_latch_and_another_one_undoes_it() -> None:
    peer = Peer(make_stream())
    peer.source = ("2001:db8::7", 5555)
    peer.send(1, 2, 3)
    configure(peer.stream)
    assert peer.stream.remote == ("2001:db8::7", 5555)
    configure(peer.stream, remote=("203.0.113.5", 6000))
    assert peer.stream.remote == ("203.0.113.5", 6000)


def test_an_ipv4_address_mapped_into_ipv6_is_the_ipv4_address() -> None:
    peer = Peer(make_stream())
    peer.source = (f"::ffff:{HOST[0]}", HOST[1])
    peer.send(1001, 1002)
    assert values(peer) == [1001, 1002]


# --- misuse, nonsense, any order


@pytest.mark.parametrize(
    "wrong",
    [
        {"receive": {128: "PCMU"}},
        {"receive": {0: "G729"}},
        {"send_encoding": "pcmu"},
        {"send_payload_type": -1},
        {"send_event": 200},
        {"remote": ("example.com", 4000)},
        {"remote": (HOST[0], 70000)},
        {"silence": "hum"},
    ],
)
def test_a_refused_configuration_changes_nothing(wrong: dict[str, object]) -> None:
    peer = started()
    with pytest.raises(LocalProtocolError):
        configure(peer.stream, **wrong)
    assert peer.stream.remote == HOST
    peer.send(1004)
    assert values(peer) == [1004]


def test_a_time_that_is_no_number_is_refused() -> None:
    peer = started()
    before = peer.stream.statistics()
    for call in (
        lambda: peer.stream.receive_datagram(peer.packet(), HOST, math.nan),
        lambda: peer.stream.handle_timeout(math.inf),
        lambda: peer.stream.start(math.nan),
        lambda: peer.stream.datagrams_to_send(math.inf),
    ):
        with pytest.raises(LocalProtocolError):
            call()
    assert peer.stream.statistics() == before


@given(
    order=st.permutations(range(3, 18)),
    lost=st.sets(st.integers(3, 17), max_size=9),  # longer gaps are not filled
    first=st.integers(0, 65535),
    timestamp=st.integers(0, 2**32 - 1),
)
def test_any_order_within_the_wait_is_the_order_sent(
    order: list[int], lost: set[int], first: int, timestamp: int
) -> None:
    peer = Peer(make_stream(), sequence=first, timestamp=timestamp)
    packets = [peer.packet(1001 + n) for n in range(19)]
    peer.deliver(*packets[:3], *[packets[n] for n in order if n not in lost])
    peer.wait(41)
    peer.deliver(packets[18])
    peer.wait(41)
    frames = peer.frames()
    assert [pts for pts, _, _ in frames] == list(range(19))
    assert [int(pts) for pts, flags, _ in frames if flags & CONCEALED] == sorted(lost)
    assert all(value == 1001 + pts for pts, flags, value in frames if not flags & CONCEALED)


PIECES = st.lists(
    st.tuples(
        st.sampled_from(["audio", "audio", "audio", "event", "bytes"]),
        st.integers(-3000, 4000),  # sequence step
        st.one_of(st.just(0), st.integers(-(2**31), 2**31)),  # timestamp step
        st.binary(max_size=60),
        st.floats(0, 5),
        st.sampled_from([7, 7, 7, 8]),  # SSRC
    ),
    max_size=60,
)


@given(pieces=PIECES, wait=st.sampled_from([0.0, 40.0, 500.0]))
def test_no_input_breaks_the_line_of_frames(
    pieces: list[tuple[str, int, int, bytes, float, int]], wait: float
) -> None:
    stream = make_stream(gap_wait_ms=wait)
    peer, end = Peer(stream), 0.0
    for kind, sequence, timestamp, data, pause, ssrc in pieces:
        peer.ssrc = ssrc
        peer.sequence += sequence if len(data) > 40 else 0
        peer.timestamp += timestamp
        if kind == "bytes":
            peer.deliver(data)
        elif kind == "event":
            peer.deliver(peer.raw(data, payload_type=101))
        else:
            peer.deliver(peer.raw(data * 5, units=5 * len(data), payload_type=len(data) % 3 * 8))
        peer.wait(pause * 20)
        for pts, _, _ in peer.frames():
            assert pts >= end
            end = pts + 1
        for _, duration_ms, pts in peer.digits():
            assert duration_ms >= 0
            assert pts >= 0


@given(st.lists(st.binary(max_size=1500), max_size=20))
def test_random_bytes_are_counted(datagrams: list[bytes]) -> None:
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1)
    configure(stream)
    for n, datagram in enumerate(datagrams):
        stream.receive_datagram(datagram, HOST, float(n))
    statistics = stream.statistics()
    dropped = (
        "bad_header", "unknown_payload_type", "wrong_source", "on_probation", "rtcp_dropped",
    )  # fmt: skip
    counted = statistics["packets_received"] + sum(statistics[name] for name in dropped)
    while stream.next_rtcp() is not None:
        counted += 1
    assert counted == len(datagrams)
