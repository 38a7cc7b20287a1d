"""The media messages, both ways, and what the audio turns out to be."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from typing import Any

import pytest
from recorded_exotel import (
    CALL,
    CONNECTED,
    DTMF,
    MARK,
    START,
    STOP,
    STREAM,
    as_numbers,
    media,
    start_of,
    text,
)

from rapida_media.kernels import Resampler, Tone, level_dbov, ulaw_decode, ulaw_encode
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.media.frame import FRAME_BYTES
from rapida_media.providers.exotel import SPEC
from rapida_media.providers.exotel.meter import Wire, WireMeter
from rapida_media.providers.exotel.stream import ExotelStream
from rapida_media.providers.stream import (
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Started,
    Stopped,
    StreamEvent,
    StreamMessage,
)

ULAW = Wire("PCMU", 8000)
LINEAR_8, LINEAR_16, LINEAR_24 = (Wire("L16LE", rate) for rate in (8000, 16000, 24000))


def started(start: dict[str, Any] = START) -> ExotelStream:
    stream = ExotelStream()
    assert list(stream.receive(text(CONNECTED))) == []
    assert list(stream.receive(text(start))) == [Started(CALL, STREAM, {"ctx": "42"})]
    return stream


def one(stream: ExotelStream, message: StreamMessage) -> StreamEvent:
    (event,) = stream.receive(message)
    return event


def pcm_of(stream: ExotelStream, message: dict[str, Any]) -> bytes:
    event = one(stream, text(message))
    assert isinstance(event, AudioReceived)
    return event.payload


@pytest.mark.parametrize("written", [lambda message: message, as_numbers])
def test_every_message_of_exotels_is_understood_with_counters_of_both_types(written: Any) -> None:
    stream = ExotelStream()
    assert list(stream.receive(text(written(CONNECTED)))) == []
    (start,) = stream.receive(text(written(START)))
    assert isinstance(start, Started)
    assert (start.provider_call_id, start.stream_id) == (CALL, STREAM)
    audio = one(stream, text(written(media(chunk=3))))
    assert isinstance(audio, AudioReceived)
    assert (len(audio.payload), audio.sequence, audio.timestamp_ms) == (3200, None, 200)
    assert one(stream, text(written(MARK))) == MarkReached("utt-7")
    assert one(stream, text(written(STOP))) == Stopped("callended")
    assert one(stream, text({**DTMF, "dtmf": {"digit": "5", "duration": "100"}})) == DigitReceived(
        "5", 100
    )
    assert one(stream, text({**DTMF, "dtmf": {"digit": "#", "duration": 80}})) == DigitReceived(
        "#", 80
    )


def test_both_spellings_of_the_keys_are_understood() -> None:
    stream = ExotelStream()
    start = {
        "event": "start", "streamSid": STREAM, "sequenceNumber": 1,
        "start": {
            "streamSid": STREAM, "callSid": CALL, "customParameters": {"ctx": "42"},
            "mediaFormat": {"encoding": "raw/slin", "sampleRate": 16000},
        },
    }  # fmt: skip
    assert one(stream, text(start)) == Started(CALL, STREAM, {"ctx": "42"})
    assert stream.wire == LINEAR_16
    said = {"event": "mark", "streamSid": STREAM, "mark": {"name": "a"}}
    assert one(stream, text(said)) == MarkReached("a")
    audio = {**media(), "streamSid": STREAM, "leg_sid": "leg-1"}
    del audio["stream_sid"]
    assert len(pcm_of(stream, audio)) == 3200


@pytest.mark.parametrize(
    ("media_format", "wire"),
    [
        ({}, LINEAR_8),
        ({"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"}, LINEAR_8),
        ({"encoding": "raw", "sample_rate": 8000, "bit_rate": "16"}, LINEAR_8),
        ({"encoding": "audio/x-raw", "sample_rate": "16kHz"}, LINEAR_16),
        ({"encoding": "raw/slin", "sample_rate": "24000"}, LINEAR_24),
        ({"encoding": "audio/L16;rate=16000"}, LINEAR_16),
        ({"encoding": "base64", "sample_rate": "44100"}, LINEAR_8),
        ({"encoding": "base64", "sample_rate": None}, LINEAR_8),
        ({"encoding": "audio/x-mulaw;rate=8000"}, ULAW),
        ({"encoding": "ULAW", "sample_rate": "16000"}, ULAW),
        ({"encoding": "PCMU"}, ULAW),
        ({"encoding": "g711"}, ULAW),
        ({"encoding": ["odd"], "sample_rate": {}}, LINEAR_8),
    ],
)
def test_the_start_says_what_is_on_the_line(media_format: dict[str, Any], wire: Wire) -> None:
    stream = ExotelStream()
    assert len(list(stream.receive(text(start_of(**media_format))))) == 1
    assert stream.wire == wire


# -- what is measured ------------------------------------------------------------------------------


def encoded(pcm: bytes, wire: Wire) -> bytes:
    """Bus audio as the platform would send it."""
    if wire.rate_hz != 16000:
        pcm = Resampler(16000, wire.rate_hz).push(pcm)
    return ulaw_encode(pcm) if wire.encoding == "PCMU" else pcm


@pytest.mark.parametrize("is_", [ULAW, LINEAR_8, LINEAR_16, LINEAR_24], ids=str)
@pytest.mark.parametrize("says", [LINEAR_8, LINEAR_16, LINEAR_24], ids=str)
def test_a_format_that_start_does_not_say_is_measured_and_followed(
    says: Wire, is_: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    stream = started(start_of(encoding="base64", sample_rate=says.rate_hz))
    sent = encoded(Tone(1000.0, dbov=-16.0).read(16000 * 2), is_)
    step = 100 * is_.octets_per_ms
    heard = b"".join(
        pcm_of(stream, media(sent[at : at + step], at // step + 1))
        for at in range(0, len(sent), step)
    )
    assert stream.wire == is_
    assert len(caplog.messages) == (says != is_)
    late = heard[-32000:]
    assert level_dbov(late) == pytest.approx(-16.0, abs=0.2)
    turns = sum((a ^ b) < 0 for a, b in pairwise(memoryview(late).cast("h")))
    assert turns == pytest.approx(2000, abs=4), "a kilohertz for a second"
    assert stream.chunk_ms == (100 if is_.rate_hz > 8000 else 200)
    answer = json.loads(stream.media(bytes(FRAME_BYTES * 10)))["media"]["payload"]
    assert len(base64.b64decode(answer)) == 200 * is_.octets_per_ms


def test_pauses_bursts_and_clocks_that_jump_do_not_change_what_is_heard() -> None:
    for stamps in (
        [0, 100, 300, 400, 500],  # a pause
        [0, 0, 0, 0, 0],
        [500, 100, 600, 100, 600],
        [0, 10_000, 20_000, 30_000],
    ):
        stream = started()
        for number, at in enumerate(stamps, start=1):
            pcm_of(stream, media(chunk=number, timestamp=at))
        assert stream.wire == LINEAR_16


def test_stamps_coarser_than_messages_are_understood() -> None:
    meter = WireMeter()
    found = [meter.push(640, 100 * (number // 5)) for number in range(25)]
    assert [each for each in found if each is not None] == [LINEAR_16]


def test_a_measurement_that_finds_nothing_is_given_up() -> None:
    meter = WireMeter()
    assert [meter.push(1100, 100 * number) for number in range(40)] == [None] * 40
    assert [meter.push(800, 4000 + 100 * number) for number in range(9)] == [None] * 9


# -- to Exotel -------------------------------------------------------------------------------------


def test_what_is_sent_has_the_least_members_and_the_documented_key() -> None:
    stream = started()
    assert stream.clear() == f'{{"event":"clear","stream_sid":"{STREAM}"}}'
    assert stream.mark("m1") == (
        f'{{"event":"mark","stream_sid":"{STREAM}","mark":{{"name":"m1"}}}}'
    )
    silence = base64.b64encode(bytes(FRAME_BYTES)).decode()
    assert stream.media(bytes(FRAME_BYTES)) == (
        f'{{"event":"media","stream_sid":"{STREAM}","media":{{"payload":"{silence}"}}}}'
    )
    assert stream.goodbye() is None


def test_the_payloads_of_the_vectors_are_written() -> None:
    """``media_payloads``: 20 ms of silence at 8 kHz is 428 characters, a chunk 3200 octets."""
    stream = started(start_of(sample_rate="8000"))
    payload = json.loads(stream.media(bytes(FRAME_BYTES)))["media"]["payload"]
    assert payload == base64.b64encode(bytes(320)).decode()
    assert len(payload) == 428
    assert stream.chunk_ms * LINEAR_8.octets_per_ms == 3200


class Sent:
    """An outbox that keeps how many octets each message held."""

    def __init__(self, start: dict[str, Any]) -> None:
        self.octets: list[int] = []
        self.leg = StreamLeg(SPEC, ExotelStream(), self, self)
        self.leg.receive(text(start), 100.0)

    def send(self, message: StreamMessage, *, audio: bool = False) -> None:
        if audio:
            payload = json.loads(message)["media"]["payload"]
            self.octets.append(len(base64.b64decode(payload)))

    def drop_audio(self) -> None:
        """Nothing waits here."""

    def stream_started(self, event: Started) -> None:
        """Nobody waits for it."""

    def stream_stopped(self, event: Stopped) -> None:
        """Nobody waits for it."""


@pytest.mark.parametrize(
    ("start", "samples", "expected"),
    [
        # 5000 octets at 8 kHz: a chunk, and 1800 that are padded.
        (start_of(sample_rate="8000"), 5000, [3200, 1920]),
        (start_of(sample_rate="16000"), 2500, [3200, 1920]),
        (start_of(sample_rate="24000"), 1600 * 2 + 1, [4800, 4800, 960]),
        (start_of(encoding="mulaw"), 3200 + 320, [1600, 320]),
    ],
)
def test_messages_are_aligned_and_hold_what_exotel_wants(
    start: dict[str, Any], samples: int, expected: list[int]
) -> None:
    sent = Sent(start)
    sent.leg.write(bytes(2 * samples))
    for tick in range(60):
        sent.leg.tick(100.0 + tick * 0.01)
    assert sent.octets == expected
    assert all(octets % 320 == 0 for octets in sent.octets)


def test_no_more_than_half_a_second_waits_at_exotel() -> None:
    sent = Sent(START)
    sent.leg.write(bytes(32000 * 20))
    sent.leg.tick(100.0)
    assert sum(sent.octets) == 16000
    for tick in range(1, 101):
        sent.leg.tick(100.0 + tick * 0.01)
    assert sum(sent.octets) <= 16000 + 32000


# -- what is wrong ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "null", "[]", "1", '{"event":7}', '{"event":null}', "{}", b"\x00\x01",
        text(CONNECTED).encode(),
        text(media())[:-3],
        text({**media(), "media": {"payload": "not base64!"}}),
        text({**media(), "media": {"payload": base64.b64encode(b"odd").decode()}}),
        text({**media(), "media": {}}),
        text({**media(), "media": "loud"}),
        text({**media(), "stream_sid": "other"}),
        text({**MARK, "stream_sid": "other"}),
        text({**MARK, "mark": {"name": 7}}),
        text({**MARK, "mark": None}),
        text({**DTMF, "dtmf": {"digit": "12"}}),
        text({**DTMF, "dtmf": {"digit": ["1"]}}),
        text(START),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(message: str | bytes) -> None:
    assert isinstance(one(started(), message), Malformed)


@pytest.mark.parametrize("message", [media(), DTMF, MARK, STOP])
def test_nothing_counts_before_the_start(message: dict[str, Any]) -> None:
    assert isinstance(one(ExotelStream(), text(message)), Malformed)


@pytest.mark.parametrize("start", [{}, {"stream_sid": 7}, {"stream_sid": ""}])
def test_a_start_that_starts_nothing_is_malformed(start: dict[str, Any]) -> None:
    assert isinstance(one(ExotelStream(), text({"event": "start", "start": start})), Malformed)


def test_unknown_events_and_members_give_nothing() -> None:
    stream = started()
    assert list(stream.receive('{"event":"weather","sun":true}')) == []
    assert list(stream.receive(f'{{"event":"clear","stream_sid":"{STREAM}"}}')) == []
    assert one(stream, text({**MARK, "leg_sid": "leg-1"})) == MarkReached("utt-7")
    nameless = {**media(), "more": 1}
    del nameless["stream_sid"]
    assert len(pcm_of(stream, nameless)) == 3200


def test_mu_law_comes_back_as_loud_as_it_was() -> None:
    stream = started(start_of(encoding="audio/x-mulaw"))
    tone = Tone(1000.0, dbov=-16.0)
    heard = b""
    for chunk in range(1, 11):
        payload = base64.b64decode(json.loads(stream.media(tone.read(1600)))["media"]["payload"])
        assert len(payload) == 960, "half a chunk of silence keeps it aligned"
        assert level_dbov(ulaw_decode(payload[:800])[800:]) == pytest.approx(-16.0, abs=0.3)
        heard += pcm_of(stream, media(payload, chunk, 120 * chunk))
    assert len(heard) == 10 * 960 * 4
