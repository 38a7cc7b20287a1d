"""AudioSocket's messages: the vectors, cut and joined in every way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_asterisk import (
    DTMF_5,
    DTMF_HASH,
    ERROR,
    HANG_UP,
    HEADER_8_KHZ,
    HEADER_16_KHZ,
    TWO_SAMPLES_8_KHZ,
    UUID_MESSAGE,
)

from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.providers.asterisk import audiosocket
from rapida_media.providers.asterisk.audiosocket import (
    KINDS,
    AudioSocketStream,
    Framing,
    pack,
    uuid_of,
)
from rapida_media.providers.stream import (
    AudioFormat,
    AudioReceived,
    DigitReceived,
    Malformed,
    Started,
    Stopped,
    StreamEvent,
)

VECTORS = (
    UUID_MESSAGE, DTMF_5, DTMF_HASH, HEADER_8_KHZ + bytes(320), HEADER_16_KHZ + bytes(640),
    TWO_SAMPLES_8_KHZ, HANG_UP, ERROR,
)  # fmt: skip


def started(rate_hz: int = 8000) -> AudioSocketStream:
    stream = AudioSocketStream(rate_hz)
    assert list(stream.receive(UUID_MESSAGE)) == [
        Started(stream_id="0123456789abcdef0123456789abcdef")
    ]
    return stream


def one(stream: AudioSocketStream, message: str | bytes) -> StreamEvent:
    (event,) = stream.receive(message)
    return event


def test_messages_are_found_in_one_byte_at_a_time_and_in_one_read() -> None:
    whole = b"".join(VECTORS)
    assert list(Framing().feed(whole)) == list(VECTORS)
    framing = Framing()
    by_byte = [message for byte in whole for message in framing.feed(bytes((byte,)))]
    assert by_byte == list(VECTORS)


@given(
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=700)), max_size=8),
    st.lists(st.integers(0, 4000), max_size=12),
)
def test_messages_are_found_wherever_reads_end(
    messages: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    packed = [pack(kind, payload) for kind, payload in messages]
    whole, framing, found, at = b"".join(packed), Framing(), [], 0
    for cut in [*sorted(each for each in cuts if each < len(whole)), len(whole)]:
        found += list(framing.feed(whole[at:cut]))
        at = cut
    assert found == packed


def test_the_vectors_are_understood() -> None:
    stream = started()
    assert one(stream, DTMF_5) == DigitReceived("5")
    assert one(stream, DTMF_HASH) == DigitReceived("#")
    assert one(stream, TWO_SAMPLES_8_KHZ) == AudioReceived(b"\x01\x00\xfe\xff")
    assert one(stream, HANG_UP) == Stopped("hang-up")
    assert one(stream, ERROR) == Stopped("error 01")


def test_what_is_sent_is_the_vectors() -> None:
    stream = started()
    assert stream.media(b"\x01\x00\xfe\xff") == TWO_SAMPLES_8_KHZ
    assert stream.goodbye() == HANG_UP
    assert (stream.clear(), stream.mark("m1")) == (None, None)


@pytest.mark.parametrize(("rate_hz", "kind"), KINDS.items())
def test_every_rate_is_answered_with_the_same(rate_hz: int, kind: int) -> None:
    stream, frame = started(), bytes(2 * rate_hz // 50)
    assert one(stream, pack(kind, frame)) == AudioReceived(frame)
    assert stream.receives == stream.sends == AudioFormat("s16le", rate_hz)
    assert stream.media(frame) == bytes((kind,)) + len(frame).to_bytes(2, "big") + frame


def test_unknown_kinds_and_audio_of_no_length_give_nothing() -> None:
    stream = started()
    for message in (pack(0x02, b"x"), pack(0x19, bytes(9)), pack(0x7F), pack(0x10)):
        assert list(stream.receive(message)) == []
    assert stream.sends == AudioFormat("s16le", 8000)


@pytest.mark.parametrize(
    "message",
    [
        "", "text", b"", b"\x10", b"\x10\x00", b"\x10\x00\x04\x00", UUID_MESSAGE, UUID_MESSAGE[:-1],
        pack(0x03), pack(0x03, b"12"), pack(0x03, b"x"), pack(0x03, b"\xff"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(message: str | bytes) -> None:
    assert isinstance(one(started(), message), Malformed)


@pytest.mark.parametrize("message", [TWO_SAMPLES_8_KHZ, DTMF_5, HANG_UP, pack(0x01, b"short")])
def test_nothing_counts_before_the_uuid(message: bytes) -> None:
    assert uuid_of(message) is None
    assert isinstance(one(AudioSocketStream(), message), Malformed)


@pytest.mark.parametrize(
    ("asked", "rate_hz"),
    [
        ("", 8000), ("slin", 8000), ("slin16", 16_000), ("slin12", 12_000), ("slin44", 44_100),
        ("slin192", 192_000), ("slin17", 8000), ("ulaw", 8000), ("slin\u00b2", 8000),
    ],
)  # fmt: skip
def test_the_dialplan_may_name_the_format(asked: str, rate_hz: int) -> None:
    make = audiosocket(asked).stream
    assert make is not None
    assert make().sends == AudioFormat("s16le", rate_hz)


class Leg:
    """A leg over AudioSocket in virtual time, which notes when it sends."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sent: list[tuple[float, bytes]] = []
        self.leg = StreamLeg(audiosocket("slin16"), AudioSocketStream(16_000), self, self)

    def send(self, message: str | bytes, *, audio: bool = False) -> None:
        assert isinstance(message, bytes)
        self.sent.append((self.now, message))

    def drop_audio(self) -> None:
        """Nothing waits here."""

    def stream_started(self, event: Started) -> None: ...

    def stream_stopped(self, event: Stopped) -> None: ...

    def run(self, seconds: float, step_s: float = 0.005) -> None:
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += step_s
            self.leg.tick(self.now)


def test_silence_is_sent_from_the_first_moment_and_every_20_ms() -> None:
    line = Leg()
    line.leg.receive(UUID_MESSAGE, line.now)
    line.run(10.0)
    silence = HEADER_16_KHZ + bytes(640)
    assert {message for _, message in line.sent} == {silence}
    times = [round((at - 100.0) * 1000) for at, _ in line.sent]
    assert times[0] == 5
    assert len(times) == 10 * 50 + 1, "one each 20 ms, and one on the way"
    assert {later - at for at, later in pairwise(times[1:])} == {20}


def test_after_a_stall_no_more_than_two_frames_come_at_once() -> None:
    line = Leg()
    line.leg.receive(UUID_MESSAGE, line.now)
    line.leg.write(b"\x01\x00" * 16_000 * 4)
    line.run(1.0)
    before = len(line.sent)
    line.run(0.5, step_s=0.5)
    assert len(line.sent) - before == 2


@pytest.mark.parametrize("drift", [-0.02, 0.02])
def test_a_clock_that_is_off_neither_piles_up_nor_holds_back(drift: float) -> None:
    """Five minutes at two percent drift as far as a day at 70 ppm: what Asterisk sends is all
    heard, and ours goes out at our pace."""
    line, heard, sent, seconds = Leg(), 0, 0, 300

    def count(frame: object) -> None:
        nonlocal heard
        heard += 1

    line.leg.received.subscribe(count)
    line.leg.receive(UUID_MESSAGE, line.now)
    for tick in range(seconds * 50):
        line.now = 100.0 + tick * 0.02
        while sent * 0.02 * (1 + drift) <= tick * 0.02:
            line.leg.receive(HEADER_16_KHZ + bytes(640), line.now)
            sent += 1
        line.leg.tick(line.now)
    assert heard == sent
    assert abs(len(line.sent) - seconds * 50) <= 2
