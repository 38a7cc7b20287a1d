"""Telephone events heard and sent (RFC 4733): one key press is one digit, whatever is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rtp_peer import EVENT, Peer, configure, constant, make_stream

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import DIGIT, RtpPacket, format_rtp, parse_rtp

UNITS = 320  # 20 ms of the 16 kHz clock that the peer's audio has


def started() -> Peer:
    peer = Peer(make_stream())
    peer.send(1001, 1002, 1003)
    peer.frames()
    return peer


def press(peer: Peer, code: int, updates: int = 5, ends: int = 3) -> list[bytes]:
    """Make the packets of one event of 20 ms updates; the timestamp line moves on after it."""
    packets = [
        peer.event(code, UNITS * (n + 1), marker=n == 0, end=False) for n in range(updates - 1)
    ]
    packets += [peer.event(code, UNITS * updates, end=True) for _ in range(ends)]
    peer.timestamp += UNITS * updates
    return packets


def test_an_event_with_three_end_packets_is_one_digit() -> None:
    peer = started()
    for packet in press(peer, 5):
        peer.deliver(packet)
        peer.wait(20)
    assert peer.digits() == [("5", 100, 960)]
    peer.send(1004)
    assert [(pts, value) for pts, _, value in peer.frames()] == [(8, 1004)]
    assert peer.stream.statistics()["concealed_frames"] == 0


def test_every_event_code_has_its_name() -> None:
    peer = started()
    names = []
    for code in range(17):
        peer.deliver(*press(peer, code, updates=1, ends=1))
        names += [digit for digit, _, _ in peer.digits()]
    assert names == [*"0123456789*#ABCD", "flash"]


def test_other_events_are_counted() -> None:
    peer = started()
    peer.deliver(*press(peer, 32), peer.raw(b"\x01\x0a\x00", payload_type=EVENT))
    assert peer.digits() == []
    statistics = peer.stream.statistics()
    assert (statistics["unknown_events"], statistics["bad_payload"]) == (7, 1)


@given(kept=st.sets(st.integers(0, 6), min_size=1))
def test_any_part_of_an_event_that_arrives_makes_the_digit_once(kept: set[int]) -> None:
    peer = started()
    for n, packet in enumerate(press(peer, 9)):
        if n in kept:
            peer.deliver(packet)
        peer.wait(20)
    peer.wait(250)
    [(digit, duration_ms, pts)] = peer.digits()
    assert (digit, duration_ms, pts) == ("9", 20 * min(max(kept) + 1, 5), 960)


@given(order=st.permutations(range(7)))
def test_reordered_packets_of_an_event_are_one_digit(order: list[int]) -> None:
    peer = started()
    packets = press(peer, 9)
    peer.deliver(*[packets[n] for n in order])
    assert [digit for digit, _, _ in peer.digits()] == ["9"]


def test_a_lost_end_is_noticed_after_200_ms() -> None:
    peer = started()
    peer.deliver(*press(peer, 3)[:2])
    assert peer.stream.next_timeout() == pytest.approx(peer.now + 0.2)
    peer.wait(199)
    assert peer.digits() == []
    peer.wait(2)
    assert peer.digits() == [("3", 40, 960)]
    assert peer.stream.next_timeout() is None


def test_a_lost_end_is_noticed_when_the_next_event_begins() -> None:
    peer = started()
    peer.deliver(*press(peer, 1)[:3])
    peer.deliver(*press(peer, 1))
    assert peer.digits() == [("1", 60, 960), ("1", 100, 960 + 1600)]


def test_an_end_packet_late_from_before_the_next_event_is_ignored() -> None:
    peer = started()
    first, second = press(peer, 1), press(peer, 2)
    peer.deliver(*first[:5], *second[:2], first[5], *second[2:], first[6])
    assert [digit for digit, _, _ in peer.digits()] == ["1", "2"]


def test_a_long_event_in_segments_is_one_digit() -> None:
    peer = started()
    peer.deliver(peer.event(7, 0x8000, marker=True), peer.event(7, 0xFFFF))
    peer.timestamp += 0xFFFF
    peer.deliver(peer.event(7, 8000), peer.event(7, 16000, end=True))
    assert peer.digits() == [("7", (0xFFFF + 16000) // 16, 960)]


@pytest.mark.parametrize("heard", [0xFFFF, 0xFFFF - 640, 0xFFFF - 3000])
def test_a_segment_whose_last_updates_were_lost_is_joined(heard: int) -> None:
    peer = started()
    peer.deliver(peer.event(7, 0x8000, marker=True), peer.event(7, heard))
    peer.timestamp += 0xFFFF
    peer.deliver(peer.event(7, 320), peer.event(7, 16000, end=True))
    assert peer.digits() == [("7", (0xFFFF + 16000) // 16, 960)]


def test_the_same_key_pressed_again_is_no_segment_of_the_first_press() -> None:
    peer = started()
    peer.deliver(*press(peer, 7)[:4])
    peer.timestamp += UNITS
    peer.deliver(*press(peer, 7)[1:])
    assert [digit for digit, _, _ in peer.digits()] == ["7", "7"]


def test_a_long_event_whose_sender_keeps_the_timestamp_is_one_digit() -> None:
    peer = started()
    peer.deliver(*[peer.event(7, min(n * 8000, 0xFFFF)) for n in range(1, 12)])
    peer.deliver(peer.event(7, 0xFFFF, end=True))
    assert peer.digits() == [("7", 0xFFFF // 16, 960)]


def test_audio_under_an_event_keeps_its_time_but_not_its_sound() -> None:
    peer = started()
    packets = press(peer, 4)
    peer.timestamp -= 5 * UNITS
    peer.deliver(packets[0])
    peer.deliver(peer.packet(30000, sequence_number=peer.sequence - 7 + 1))
    [(pts, flags, value)] = peer.frames()
    assert (pts, value) == (3, 0)
    assert flags & DIGIT


def test_audio_from_under_an_event_that_comes_after_its_end_is_mute() -> None:
    peer = started()
    begin = peer.timestamp
    packets = press(peer, 4)
    after = peer.timestamp
    leak = peer.packet(30000, timestamp=begin + UNITS)
    peer.timestamp = after
    peer.deliver(*packets, leak)
    peer.send(1004)
    assert [value for _, _, value in peer.frames()] == [0, 1004]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_tone_that_waits_to_be_played_when_its_event_comes_is_mute(lost: int) -> None:
    """A gateway sends the tone and the event side by side, the tone first."""
    peer = Peer(make_stream(jitter="fixed:60"))
    peer.send(*[1000] * 10)
    begin = peer.timestamp
    for step in range(5):
        peer.deliver(peer.packet(30000))
        event = peer.event(5, (step + 1) * UNITS, end=step == 4, timestamp=begin)
        if step >= lost:
            peer.deliver(event)
        peer.wait(20)
    peer.send(*[1000] * 10)
    heard = peer.frames()
    assert max(value for _, _, value in heard) < 2000
    assert sum(bool(flags & DIGIT) for _, flags, _ in heard) == 5
    assert [digit for digit, _, _ in peer.digits()] == ["5"]


def test_audio_from_before_an_event_that_comes_during_it_is_heard() -> None:
    peer = started()
    before = peer.packet(1004)
    packets = press(peer, 4)
    peer.deliver(packets[0], before, *packets[1:])
    assert [value for _, _, value in peer.frames()] == [1004]


@pytest.mark.parametrize(("rate_hz", "units"), [(8000, 160), (16000, 320), (48000, 960)])
def test_an_event_is_timed_by_the_clock_of_its_payload_type(rate_hz: int, units: int) -> None:
    peer = Peer(make_stream())
    configure(peer.stream, receive_events={EVENT: rate_hz})
    peer.send(1001, 1002)
    for n in range(1, 6):
        peer.deliver(peer.event(3, n * units, marker=n == 1, end=n == 5))
    assert [(digit, duration_ms) for digit, duration_ms, _ in peer.digits()] == [("3", 100)]


def test_an_unknown_event_clock_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        configure(make_stream(), receive_events={EVENT: 44100})


def test_digits_nobody_takes_are_counted() -> None:
    peer = started()
    for code in range(10):
        peer.deliver(*press(peer, code), *press(peer, code))
    assert len(peer.digits()) == 16
    assert peer.stream.statistics()["dropped_digits"] == 4


def test_a_restart_of_the_source_ends_the_event() -> None:
    peer = started()
    peer.deliver(*press(peer, 6)[:3])
    peer.ssrc, peer.sequence, peer.timestamp = 8, 5, 70
    peer.send(1004, 1005)
    assert peer.digits() == [("6", 60, 960)]
    assert [value for _, _, value in peer.frames()] == [1004, 1005]


# --- sending


def tick(peer: Peer, ticks: int) -> list[RtpPacket | None]:
    sent: list[RtpPacket | None] = []
    for _ in range(ticks):
        datagrams = [parse_rtp(data) for data, _ in peer.stream.datagrams_to_send(peer.now)]
        sent += datagrams or [None]
        peer.now = peer.stream.next_send_time()
    return sent


def sender(**changes: object) -> Peer:
    peer = Peer(make_stream())
    configure(peer.stream, **changes)
    peer.stream.start(peer.now)
    return peer


def outline(packet: RtpPacket | None) -> tuple[object, ...] | None:
    if packet is None:
        return None
    body = packet.payload.hex() if packet.payload_type == EVENT else "audio"
    ticks = (packet.timestamp - (2**32 - 320)) % 2**32 // 160
    return packet.marker, packet.sequence_number, ticks, body


def test_an_event_replaces_the_audio_on_one_timestamp_line() -> None:
    peer = sender()
    peer.stream.write(constant(8000, 400))
    peer.stream.send_digits("5", duration_ms=50)
    peer.stream.write(constant(8000, 320))
    assert [outline(packet) for packet in tick(peer, 10)] == [
        (True, 65534, 0, "audio"),
        (False, 65535, 1, "audio"),
        (True, 0, 2, "050a00a0"),
        (False, 1, 2, "050a0140"),
        (False, 2, 2, "058a0190"),
        (False, 3, 2, "058a0190"),
        (False, 4, 2, "058a0190"),
        None,
        (True, 5, 8, "audio"),
        (False, 6, 9, "audio"),
    ]
    assert peer.stream.statistics()["played_ms"] == 45


def test_events_at_16_khz_count_in_that_clock() -> None:
    peer = sender(send_payload_type=96, send_encoding="L16/16000")
    peer.stream.send_digits("A", duration_ms=40, gap_ms=0)
    packets = [packet for packet in tick(peer, 6) if packet and packet.payload_type == EVENT]
    assert [packet.payload.hex() for packet in packets] == [
        "0c0a0140", "0c8a0280", "0c8a0280", "0c8a0280",
    ]  # fmt: skip


def test_digits_sent_are_digits_heard() -> None:
    peer = sender(receive={0: "PCMU"})
    peer.stream.send_digits("0123456789*#abcd!", duration_ms=80, gap_ms=60)
    peer.stream.mark(1)
    heard = []
    while not peer.stream.idle:
        for data, _ in peer.stream.datagrams_to_send(peer.now):
            peer.deliver(data)
        heard += peer.digits()
        peer.now = peer.stream.next_send_time()
    assert [digit for digit, _, _ in heard] == [*"0123456789*#ABCD", "flash"]
    assert {duration_ms for _, duration_ms, _ in heard} == {80}
    starts = [pts for _, _, pts in heard]
    assert {b - a for a, b in pairwise(starts)} == {140 * 16}
    peer.stream.datagrams_to_send(peer.now)
    assert peer.stream.next_mark() == (1, True)


@pytest.mark.parametrize(
    ("encoding", "units", "duration_ms"),
    [("PCMU", 160, 20_010), ("L16/16000", 320, 9_000), ("PCMU", 160, 65535 / 8 + 5)],
)
def test_a_long_digit_goes_out_in_segments_and_lasts_exactly(
    encoding: str, units: int, duration_ms: float
) -> None:
    peer = sender(
        send_payload_type=0 if encoding == "PCMU" else 96, send_encoding=encoding,
        receive_events={EVENT: 50 * units},
    )  # fmt: skip
    peer.stream.write(constant(8000, 320))
    peer.stream.send_digits("9", duration_ms=int(duration_ms), gap_ms=0)
    peer.stream.write(constant(8000, 320))
    total = int(duration_ms) * units // 20
    packets = [p for p in tick(peer, int(duration_ms) // 20 + 10) if p is not None]
    events = [p for p in packets if p.payload_type == EVENT]
    begin = events[0].timestamp
    assert [p.marker for p in events] == [True] + [False] * (len(events) - 1)
    ends = []
    for n, packet in enumerate(events):
        base = (packet.timestamp - begin) % 2**32
        duration = int.from_bytes(packet.payload[2:], "big")
        assert base % 0xFFFF == 0
        assert base + duration <= min((n + 1) * units, total)
        ends.append(bool(packet.payload[1] & 0x80))
    assert base + duration == total
    assert ends == [False] * (len(events) - 3) + [True] * 3
    for packet in events:
        peer.deliver(format_rtp(**{**packet._asdict(), "csrcs": ()}))
    assert peer.digits()[0][:2] == ("9", total * 20 // units)


@pytest.mark.parametrize(
    "wrong",
    [
        {"digits": "12x"},
        {"digits": "1", "duration_ms": 10},
        {"digits": "1", "duration_ms": 60001},
        {"digits": "1", "gap_ms": -1},
        {"digits": "1" * 5000},
    ],
)
def test_digits_that_cannot_be_sent_are_refused_whole(wrong: dict[str, object]) -> None:
    peer = sender()
    with pytest.raises(LocalProtocolError):
        peer.stream.send_digits(**wrong)  # type: ignore[arg-type]
    assert peer.stream.idle


def test_digits_to_a_peer_without_telephone_event_are_refused() -> None:
    peer = sender(send_event=None)
    with pytest.raises(LocalProtocolError):
        peer.stream.send_digits("1")


def test_digits_are_dropped_when_the_peer_stops_taking_them() -> None:
    peer = sender()
    peer.stream.send_digits("12", duration_ms=40)
    tick(peer, 1)
    configure(peer.stream, send_event=None)
    tick(peer, 10)
    assert peer.stream.idle
    assert peer.stream.statistics()["unsent_digits"] == 1
