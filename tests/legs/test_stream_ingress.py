"""A provider's audio on its way to the bus: order, cut, gaps and bursts."""

from __future__ import annotations

import random

import pytest

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import Audio, ulaw_encode
from rapida_media.legs.stream_audio import from_bus, to_bus
from rapida_media.legs.stream_ingress import StreamIngress
from rapida_media.media.frame import FRAME_BYTES, FRAME_SAMPLES, TALKSPURT_START
from rapida_media.providers.stream import BUS, PCMU, AudioFormat, AudioReceived
from rapida_media.stats import Counters


class Ear:
    def __init__(self) -> None:
        self.counters = Counters()
        self.frames: list[Audio] = []
        self.ingress = StreamIngress(self.frames.append, self.counters)

    def hear(self, message: AudioReceived, now: float = 0.0, source: AudioFormat = BUS) -> None:
        self.ingress.push(message, source, now)

    @property
    def pcm(self) -> bytes:
        return b"".join(frame.pcm for frame in self.frames)


def frame(number: int) -> bytes:
    return bytes([number % 250 + 1, 1]) * FRAME_SAMPLES


def test_audio_of_any_size_becomes_whole_frames() -> None:
    ear = Ear()
    said = b"".join(frame(number) for number in range(50))
    rng = random.Random(3)
    at = 0
    while at < len(said):
        length = rng.randrange(1, 2000)
        ear.hear(AudioReceived(said[at : at + length]))
        at += length
    assert ear.pcm == said
    assert [each.pts for each in ear.frames] == [number * FRAME_SAMPLES for number in range(50)]


def test_messages_out_of_order_are_put_in_order() -> None:
    ear = Ear()
    for number in (1, 3, 2, 5, 6, 4, 7):
        ear.hear(AudioReceived(frame(number), sequence=number))
    assert ear.pcm == b"".join(frame(number) for number in range(1, 8))
    assert ear.counters["audio_out_of_order"] == 3


def test_a_repeated_message_is_heard_once() -> None:
    ear = Ear()
    for number in (1, 2, 2, 1, 3):
        ear.hear(AudioReceived(frame(number), sequence=number))
    assert ear.pcm == frame(1) + frame(2) + frame(3)
    assert ear.counters["audio_repeated"] == 2


def test_a_message_that_never_comes_is_not_waited_for_long() -> None:
    ear = Ear()
    for number in (1, 2, 4, 5, 6, 7, 8, 9):
        ear.hear(AudioReceived(frame(number), sequence=number))
    assert ear.pcm == b"".join(frame(number) for number in (1, 2, 4, 5, 6, 7, 8, 9))
    assert ear.counters["audio_missing"] == 1


def test_lost_time_keeps_its_length() -> None:
    ear = Ear()
    for timestamp_ms in (0, 20, 40, 200, 220):
        ear.hear(AudioReceived(frame(timestamp_ms), timestamp_ms=timestamp_ms))
    assert [each.pts * 20 // FRAME_SAMPLES for each in ear.frames] == [0, 20, 40, 200, 220]
    assert [each.flags & TALKSPURT_START for each in ear.frames] == [
        TALKSPURT_START, 0, 0, TALKSPURT_START, 0,
    ]  # fmt: skip
    assert ear.counters["audio_gaps"] == 1


def test_time_stamps_that_wobble_make_no_gap() -> None:
    ear = Ear()
    for index, wobble in enumerate((5, 0, 11, 3, 9, 0, 12)):
        ear.hear(AudioReceived(frame(index), timestamp_ms=index * 20 + wobble))
    assert [each.pts for each in ear.frames] == [index * FRAME_SAMPLES for index in range(7)]


def test_a_message_of_a_hundred_milliseconds_is_heard_at_once() -> None:
    ear = Ear()
    for index in range(20):
        ear.hear(AudioReceived(frame(1) * 5), index * 0.1)
        assert len(ear.frames) == 5 * (index + 1)


def test_a_burst_after_a_stall_catches_up() -> None:
    ear = Ear()
    ear.hear(AudioReceived(frame(1) * 100), 10.0)
    assert len(ear.frames) == 50
    for tick in range(1, 81):
        ear.ingress.tick(10 + tick * 0.005)
    assert 74 <= len(ear.frames) <= 75
    for tick in range(81, 201):
        ear.ingress.tick(10 + tick * 0.005)
    assert len(ear.frames) == 100
    assert ear.counters["audio_dropped_ahead_of_time"] == 0


def test_twice_real_time_is_bounded_and_counted() -> None:
    ear = Ear()
    for index in range(1000):
        ear.hear(AudioReceived(frame(1) * 2), index * 0.02)
    assert len(ear.frames) <= 1.25 * 1000 + 51
    dropped = ear.counters["audio_dropped_ahead_of_time"]
    assert dropped >= 2000 - 1301 - 100
    assert len(ear.frames) + dropped <= 2000


def test_mu_law_is_decoded_to_the_rate_of_the_bus() -> None:
    ear = Ear()
    for _ in range(10):
        ear.hear(AudioReceived(ulaw_encode(frame(20)[: 2 * 160])), source=PCMU)
    assert len(ear.frames) == 10
    assert ear.frames[5].pcm != bytes(FRAME_BYTES)


def test_silence_is_flagged() -> None:
    ear = Ear()
    ear.hear(AudioReceived(bytes(FRAME_BYTES)))
    assert ear.frames[0].silence


def test_the_format_may_change_with_a_message() -> None:
    ear = Ear()
    ear.hear(AudioReceived(bytes(320)), source=AudioFormat("s16le", 8000))
    ear.hear(AudioReceived(bytes(960)), source=AudioFormat("s16le", 24000))
    ear.hear(AudioReceived(bytes(640)), source=BUS)
    assert len(ear.frames) == 3


@pytest.mark.parametrize("rate_hz", [8000, 16000, 24000])
def test_linear_audio_of_every_rate_goes_to_the_bus_and_back(rate_hz: int) -> None:
    audio = AudioFormat("s16le", rate_hz)
    there, back = from_bus(audio), to_bus(audio)
    assert len(back(there(bytes(FRAME_BYTES)))) == FRAME_BYTES


@pytest.mark.parametrize("audio", [AudioFormat("opus", 48000), AudioFormat("PCMU", 16000)])
def test_a_format_without_a_converter_is_a_fault_of_the_provider_folder(audio: AudioFormat) -> None:
    with pytest.raises(LocalProtocolError, match="no converter"):
        to_bus(audio)
