"""The leg of a provider's stream as a call sees it."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import DtmfDetector, ulaw_decode
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.media.frame import FRAME_BYTES, Audio
from rapida_media.providers.base import ProviderSpec
from rapida_media.providers.stream import (
    BUS,
    PCMU,
    AudioReceived,
    Paused,
    Started,
    Stopped,
    StreamEvent,
    StreamMessage,
)


class Protocol:
    """Bytes are audio of the bus; "go" starts, "wait" and "on" pause."""

    receives = BUS
    sends = PCMU
    chunk_ms = 20

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        if isinstance(message, bytes):
            return [AudioReceived(message)]
        words = {"go": Started(), "wait": Paused(True), "on": Paused(False), "end": Stopped("x")}
        return [words[message]]

    def media(self, payload: bytes) -> StreamMessage:
        return payload

    def clear(self) -> StreamMessage | None:
        return None

    def mark(self, name: str) -> StreamMessage | None:
        return None

    def goodbye(self) -> StreamMessage | None:
        return "bye"


class Far:
    """Outbox and handler of a leg, with the time it lives in."""

    def __init__(self) -> None:
        self.sent: list[StreamMessage] = []
        self.told: list[Started | Stopped] = []
        self.protocol = Protocol()
        self.leg = StreamLeg(ProviderSpec(name="x", audio="", digits=""), self.protocol, self, self)
        self.now = 50.0

    def send(self, message: StreamMessage, *, audio: bool = False) -> None:
        self.sent.append(message)

    def drop_audio(self) -> None:
        self.sent = [each for each in self.sent if isinstance(each, str)]

    def stream_started(self, event: Started) -> None:
        self.told.append(event)

    def stream_stopped(self, event: Stopped) -> None:
        self.told.append(event)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.005)):
            self.now += 0.005
            self.leg.tick(self.now)

    def say(self, *messages: StreamMessage) -> None:
        for message in messages:
            self.leg.receive(message, self.now)


def test_nothing_is_sent_before_the_stream_has_started() -> None:
    far = Far()
    far.leg.write(bytes(FRAME_BYTES * 5))
    far.run(0.5)
    assert far.sent == []
    far.say("go")
    far.run(0.5)
    assert len(far.sent) == 5
    assert far.told == [Started()]


def test_what_is_sent_has_the_providers_format() -> None:
    far = Far()
    far.say("go")
    far.leg.write(bytes(FRAME_BYTES))
    far.run(0.1)
    assert far.sent == [b"\xff" * 160]
    far.protocol.sends = BUS
    far.leg.write(bytes(FRAME_BYTES))
    far.run(0.1)
    assert far.sent[1:] == [bytes(FRAME_BYTES)]


def test_keys_are_tones_that_a_detector_hears() -> None:
    far = Far()
    far.say("go")
    assert far.leg.takes_digits
    far.leg.send_digits("15#")
    far.run(1.0)
    detector = DtmfDetector(8000)
    heard = []
    for payload in far.sent:
        assert isinstance(payload, bytes)
        heard += [digit for digit, _, _ in detector.push(ulaw_decode(payload))]
    assert "".join(heard) == "15#"
    with pytest.raises(LocalProtocolError, match="not a DTMF digit"):
        far.leg.send_digits("1x")


def test_a_pause_is_kept_and_ended() -> None:
    far = Far()
    far.say("go", "wait")
    far.leg.write(bytes(FRAME_BYTES * 3))
    far.run(0.2)
    assert far.sent == []
    far.say("on")
    far.run(0.2)
    assert len(far.sent) == 3


def test_statistics_count_both_directions() -> None:
    far = Far()
    far.say("go", bytes(FRAME_BYTES), bytes(FRAME_BYTES))
    far.leg.write(bytes(FRAME_BYTES * 3))
    far.run(0.2)
    stats = far.leg.stats()
    assert (stats["packets_received"], stats["packets_sent"]) == (2, 3)
    assert stats["codec"] == "s16le 16000 Hz"
    assert far.leg.first_media_at == 50.0


def test_the_sent_bus_hears_what_the_far_end_heard() -> None:
    far = Far()
    heard: list[Audio] = []
    stop = far.leg.sent.subscribe(heard.append)
    far.say("go")
    far.run(0.1)
    far.leg.write(bytes(FRAME_BYTES * 3))
    far.run(0.3)
    assert [frame.pts // 320 for frame in heard] == [5, 6, 7]
    stop()
    far.leg.write(bytes(FRAME_BYTES))
    far.run(0.1)
    assert len(heard) == 3
    far.leg.say_goodbye()
    assert far.sent[-1] == "bye"
