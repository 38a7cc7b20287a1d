"""The media messages, both ways, byte for byte where that matters."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from recorded_twilio import CALL, CONNECTED, DTMF, MARK, START, STOP, STREAM, media, text

from rapida_media.kernels import Tone, level_dbov
from rapida_media.media.frame import FRAME_BYTES
from rapida_media.providers.stream import (
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Started,
    Stopped,
    StreamEvent,
)
from rapida_media.providers.twilio.stream import TwilioStream


def started() -> TwilioStream:
    stream = TwilioStream()
    assert list(stream.receive(text(CONNECTED))) == []
    assert list(stream.receive(text(START))) == [
        Started(CALL, STREAM, {"contextId": "42", "token": "opaque-one-time-token"})
    ]
    return stream


def one(stream: TwilioStream, message: str | bytes) -> StreamEvent:
    (event,) = stream.receive(message)
    return event


def test_every_message_of_twilios_is_understood() -> None:
    stream = started()
    audio = one(stream, text(media()))
    assert isinstance(audio, AudioReceived)
    assert (len(audio.payload), audio.sequence, audio.timestamp_ms) == (FRAME_BYTES, 1, 5)
    assert one(stream, text(DTMF)) == DigitReceived("1")
    assert one(stream, text(MARK)) == MarkReached("utt-7")
    assert one(stream, text(STOP)) == Stopped("stop")


def test_what_is_sent_has_exactly_the_members_twilio_takes() -> None:
    stream = started()
    assert stream.clear() == f'{{"event":"clear","streamSid":"{STREAM}"}}'
    assert stream.mark("m1") == (
        f'{{"event":"mark","streamSid":"{STREAM}","mark":{{"name":"m1"}}}}'
    )
    silence = base64.b64encode(b"\xff" * 160).decode()
    assert stream.media(bytes(FRAME_BYTES)) == (
        f'{{"event":"media","streamSid":"{STREAM}","media":{{"payload":"{silence}"}}}}'
    )
    assert stream.goodbye() is None


def test_a_tone_that_comes_back_is_as_loud_as_it_was() -> None:
    stream, tone, heard = started(), Tone(1000.0, dbov=-16.0), b""
    for chunk in range(1, 51):
        said = json.loads(stream.media(tone.read(320)))
        payload = base64.b64decode(said["media"]["payload"])
        assert len(payload) == 160
        event = one(stream, text(media(payload, chunk)))
        assert isinstance(event, AudioReceived)
        heard += event.payload
    assert level_dbov(heard[3200:]) == pytest.approx(-16.0, abs=0.1)


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "null", "[]", "1", '{"event":7}', '{"event":null}', "{}", b"\x00\x01",
        text(CONNECTED).encode(),
        text(media())[:-3],
        text({**media(), "media": {"payload": "not base64!"}}),
        text({**media(), "media": {}}),
        text({**media(), "media": "loud"}),
        text({**media(), "streamSid": "MZ2"}),
        text({**MARK, "streamSid": "MZ2"}),
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
    assert isinstance(one(TwilioStream(), text(message)), Malformed)


@pytest.mark.parametrize(
    "start",
    [
        {}, {"streamSid": 7}, {"streamSid": ""},
        {"streamSid": STREAM, "mediaFormat": {"encoding": "audio/l16", "sampleRate": 8000}},
        {"streamSid": STREAM, "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 16000}},
    ],
)  # fmt: skip
def test_a_start_that_starts_nothing_is_malformed(start: dict[str, Any]) -> None:
    assert isinstance(one(TwilioStream(), text({"event": "start", "start": start})), Malformed)


def test_unknown_events_and_members_and_our_own_track_give_nothing() -> None:
    stream = started()
    assert list(stream.receive('{"event":"weather","sun":true}')) == []
    assert list(stream.receive(text(media(track="outbound")))) == []
    assert one(stream, text({**MARK, "more": {"of": "it"}})) == MarkReached("utt-7")


def test_numbers_may_be_numbers() -> None:
    event = one(
        started(), text({**media(), "media": {**media()["media"], "chunk": 4, "timestamp": 65}})
    )
    assert isinstance(event, AudioReceived)
    assert (event.sequence, event.timestamp_ms) == (4, 65)
