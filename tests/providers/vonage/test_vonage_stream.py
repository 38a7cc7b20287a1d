"""The messages of the WebSocket, both ways, byte for byte where that matters."""

from __future__ import annotations

import json
from typing import Any

import pytest
from recorded_vonage import CLEARED, CONNECTED, DTMF, NOTIFY, text

from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.media.frame import FRAME_BYTES
from rapida_media.providers.stream import (
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Started,
    StreamEvent,
)
from rapida_media.providers.vonage import SPEC
from rapida_media.providers.vonage.stream import EARLY_FRAMES, VonageStream

FRAME = bytes(range(256)) * 2 + bytes(128)
HANDED = {"contextId": "42", "token": "opaque-one-time-token"}


def started() -> VonageStream:
    stream = VonageStream()
    assert list(stream.receive(text(CONNECTED))) == [Started(parameters=HANDED)]
    return stream


def one(stream: VonageStream, message: str | bytes) -> StreamEvent:
    (event,) = stream.receive(message)
    return event


def test_every_message_of_vonages_is_understood() -> None:
    stream = started()
    assert one(stream, FRAME) == AudioReceived(FRAME)
    assert one(stream, text(DTMF)) == DigitReceived("5", 260)
    assert one(stream, text(NOTIFY)) == MarkReached("utt-7")
    assert list(stream.receive(text(CLEARED))) == []


def test_what_is_sent_is_what_vonage_takes() -> None:
    stream = started()
    assert stream.media(FRAME) is FRAME
    assert stream.clear() == '{"action":"clear"}'
    assert stream.mark("m1") == '{"action":"notify","payload":{"mark":"m1"}}'
    assert stream.goodbye() is None


@pytest.mark.parametrize(
    ("said", "event"),
    [
        ({**DTMF, "duration": None}, DigitReceived("5")),
        ({**DTMF, "duration": "long"}, DigitReceived("5")),
        ({**DTMF, "duration": -1}, DigitReceived("5")),
        ({"event": "websocket:dtmf", "digit": "#"}, DigitReceived("#")),
        ({"event": "websocket:dtmf", "dtmf": {"digit": "*", "duration": 100}},
         DigitReceived("*", 100)),
    ],
)  # fmt: skip
def test_keys_come_in_several_shapes(said: dict[str, Any], event: StreamEvent) -> None:
    assert one(started(), text(said)) == event


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "null", "[]", "1", '{"event":7}', "{}", "[" * 10_000, b"", b"\x00", FRAME[:-1],
        text({**DTMF, "digit": "12"}), text({**DTMF, "digit": 5}), text({**DTMF, "digit": ["1"]}),
        text({"event": "websocket:notify"}), text({**NOTIFY, "payload": ["mark"]}),
        text({**NOTIFY, "payload": {"mark": 7}}), text(CONNECTED),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(message: str | bytes) -> None:
    assert isinstance(one(started(), message), Malformed)


@pytest.mark.parametrize("said", [DTMF, NOTIFY])
def test_nothing_counts_before_the_start(said: dict[str, Any]) -> None:
    assert isinstance(one(VonageStream(), text(said)), Malformed)


def test_audio_that_overtakes_the_start_is_kept_for_a_second() -> None:
    stream = VonageStream()
    frames = [bytes([number]) * FRAME_BYTES for number in range(EARLY_FRAMES + 10)]
    for frame in frames:
        assert list(stream.receive(frame)) == []
    first, *audio = stream.receive(text(CONNECTED))
    assert first == Started(parameters=HANDED)
    assert audio == [AudioReceived(frame) for frame in frames[10:]]


@pytest.mark.parametrize("audio", ["audio/l16;rate=8000", "audio/l16;rate=24000", "opus", 16000])
def test_another_rate_than_we_asked_for_starts_nothing(audio: object) -> None:
    stream = VonageStream()
    assert isinstance(one(stream, text({**CONNECTED, "content-type": audio})), Malformed)
    assert isinstance(one(stream, text({**CONNECTED, "content-type": None})), Malformed)
    spaced = text({**CONNECTED, "content-type": "audio/L16; rate=16000"})
    assert isinstance(one(stream, spaced), Started)


def test_unknown_events_and_members_give_nothing() -> None:
    stream = started()
    assert list(stream.receive('{"event":"websocket:weather","sun":true}')) == []
    assert one(stream, text({**NOTIFY, "more": {"of": "it"}})) == MarkReached("utt-7")


class Outbox:
    """Takes what a leg sends."""

    def __init__(self) -> None:
        self.sent: list[str | bytes] = []

    def send(self, message: str | bytes, *, audio: bool = False) -> None:
        self.sent.append(message)

    def drop_audio(self) -> None:
        """Nothing waits here."""

    def stream_started(self, event: object) -> None:
        """Nobody waits for it."""

    stream_stopped = stream_started


@pytest.mark.parametrize("sizes", [[1], [320, 1], [639, 2, 5000], [641] * 7, [44_100]])
def test_whatever_is_written_leaves_in_frames_of_exactly_20_ms(sizes: list[int]) -> None:
    outbox = Outbox()
    leg = StreamLeg(SPEC, VonageStream(), outbox, outbox)
    leg.receive(text(CONNECTED), 100.0)
    written = b"".join(bytes([1 + number % 255]) * 2 * size for number, size in enumerate(sizes))
    at = 0
    for size in sizes:
        leg.write(written[at : at + 2 * size])
        at += 2 * size
    for step in range(1, 700):
        leg.tick(100.0 + step * 0.005)
    assert {len(frame) for frame in outbox.sent} == {FRAME_BYTES}
    sent = b"".join(frame for frame in outbox.sent if isinstance(frame, bytes))
    assert sent == written.ljust(-(-len(written) // FRAME_BYTES) * FRAME_BYTES, b"\0")


def test_a_notify_that_comes_late_is_ignored() -> None:
    outbox = Outbox()
    leg = StreamLeg(SPEC, VonageStream(), outbox, outbox)
    told: list[tuple[int, bool]] = []
    leg.connect(lambda digit, ms: None, lambda mark, played: told.append((mark, played)))
    leg.receive(text(CONNECTED), 100.0)
    leg.write(bytes(2 * 16_000 // 5))
    leg.mark(7)
    leg.tick(100.05)
    (asked,) = (each for each in outbox.sent if isinstance(each, str))
    assert leg.clear() == 0
    assert outbox.sent[-1] == '{"action":"clear"}'
    assert told == [(7, False)]
    late = {"event": "websocket:notify", "payload": json.loads(asked)["payload"]}
    leg.receive(text(late), 100.1)
    leg.receive(text(CLEARED), 100.1)
    assert told == [(7, False)]
    assert leg.stats()["marks_unknown"] == 1
