"""chan_websocket's events and commands, in both forms, byte for byte."""

from __future__ import annotations

import pytest
from recorded_asterisk import CONNECTION, MEDIA_START, PLAIN_MEDIA_START, event

from rapida_media.providers.asterisk.chan_websocket import (
    COMMAND_BYTES,
    FORMATS,
    ChanWebsocketStream,
)
from rapida_media.providers.stream import (
    AudioFormat,
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Paused,
    Started,
    Stopped,
    StreamEvent,
)


def started(start: str = MEDIA_START) -> ChanWebsocketStream:
    stream = ChanWebsocketStream()
    assert list(stream.receive(start)) == [Started(stream_id=CONNECTION)]
    return stream


def one(stream: ChanWebsocketStream, message: str | bytes) -> StreamEvent:
    (event,) = stream.receive(message)
    return event


@pytest.mark.parametrize(
    ("start", "digit", "mark", "off", "on"),
    [
        (
            MEDIA_START,
            event("DTMF_END", digit="5"),
            event("MEDIA_MARK_PROCESSED", correlation_id="utt-7"),
            event("MEDIA_XOFF"),
            event("MEDIA_XON"),
        ),
        (
            PLAIN_MEDIA_START,
            "DTMF_END digit:5 channel_id:pbx1-1234.5",
            "MEDIA_MARK_PROCESSED utt-7",
            "MEDIA_XOFF",
            "MEDIA_XON",
        ),
    ],
)
def test_every_event_is_understood_in_both_forms(
    start: str, digit: str, mark: str, off: str, on: str
) -> None:
    stream = started(start)
    assert one(stream, bytes(640)) == AudioReceived(bytes(640))
    assert one(stream, digit) == DigitReceived("5")
    assert one(stream, mark) == MarkReached("utt-7")
    assert one(stream, off) == Paused(True)
    assert one(stream, on) == Paused(False)


def test_the_start_of_older_versions_lacks_some_words() -> None:
    stream = started(
        f"MEDIA_START connection_id:{CONNECTION} channel:WebSocket/media1-00000001 "
        "format:ulaw optimal_frame_size:160"
    )
    assert stream.receives == stream.sends == AudioFormat("PCMU", 8000)


@pytest.mark.parametrize(
    "message",
    [
        "QUEUE_DRAINED",
        "MEDIA_BUFFERING_COMPLETED 61ea9311",
        "STATUS channel_id:pbx1-1234.5 queue_length:12 xon_level:800 xoff_level:900 "
        "queue_full:false bulk_media:false media_paused:false",
        "ERROR channel_id:pbx1-1234.5 error_text:MARK_MEDIA not supported in passthrough mode",
        event("QUEUE_DRAINED"),
        event("STATUS", queue_length=12, queue_full=False),
        event("ERROR", error_text="MARK_MEDIA not supported in passthrough mode"),
        event("SOMETHING_NEW", more={"of": "it"}),
        b"",
    ],
)
def test_what_is_no_news_gives_nothing(message: str | bytes) -> None:
    assert list(started().receive(message)) == []


def test_commands_are_written_as_the_events_came() -> None:
    stream = started()
    assert stream.clear() == '{"command":"FLUSH_MEDIA"}'
    assert stream.mark("utt-7") == '{"command":"MARK_MEDIA","correlation_id":"utt-7"}'
    assert stream.goodbye() == '{"command":"HANGUP"}'
    stream = started(PLAIN_MEDIA_START)
    assert stream.clear() == "FLUSH_MEDIA"
    assert stream.mark("utt-7") == "MARK_MEDIA utt-7"
    assert stream.goodbye() == "HANGUP"


def test_no_command_of_the_engine_is_too_long_for_asterisk() -> None:
    """The engine's longest names are of a clock mark after years, in samples."""
    for start in (MEDIA_START, PLAIN_MEDIA_START):
        assert len(started(start).mark("clock" + "9" * 16)) <= COMMAND_BYTES


@pytest.mark.parametrize(("name", "audio"), FORMATS.items())
def test_the_audio_is_what_asterisk_says(name: str, audio: AudioFormat) -> None:
    frame = audio.rate_hz // 50 * (1 if audio.encoding in ("PCMU", "PCMA") else 2)
    stream = started(MEDIA_START.replace('"slin16"', f'"{name}"').replace("640", str(frame)))
    assert stream.receives == stream.sends == audio
    assert stream.media(bytes(frame)) == bytes(frame)


def test_what_fills_no_frame_waits_for_the_next() -> None:
    stream, sent = started(), b""
    said = bytes(range(256)) * 10
    for at in range(0, len(said), 300):
        message = stream.media(said[at : at + 300])
        assert len(message) % 640 == 0
        sent += message
    assert sent == said[: len(sent)]
    assert len(said) - len(sent) < 640
    stream.clear()
    assert stream.media(bytes(640)) == bytes(640), "what was cut off is not said later"


@pytest.mark.parametrize("name", ["opus", "g729", "", None, 7])
def test_a_codec_there_is_no_converter_for_ends_the_stream(name: object) -> None:
    start = event("MEDIA_START", connection_id=CONNECTION, format=name, optimal_frame_size=0)
    malformed, stopped = ChanWebsocketStream().receive(start)
    assert isinstance(malformed, Malformed)
    assert isinstance(stopped, Stopped)
    assert "slin16" in stopped.reason
    assert not stopped.ended


def test_a_queue_that_was_flushed_takes_audio_again() -> None:
    stream = started()
    stream.receive(event("MEDIA_XOFF"))
    stream.clear()
    assert list(stream.receive(bytes(640))) == [Paused(False), AudioReceived(bytes(640))]
    assert list(stream.receive(bytes(640))) == [AudioReceived(bytes(640))]


def test_audio_before_the_start_is_dropped() -> None:
    stream = ChanWebsocketStream()
    assert list(stream.receive(bytes(640))) == []
    assert list(stream.receive(MEDIA_START)) == [Started(stream_id=CONNECTION)]


@pytest.mark.parametrize(
    "message",
    [
        "", " ", "{", "{}", '{"event":7}', "[]", "null", "media start", "Media a:b", "[" * 9999,
        event("DTMF_END"), event("DTMF_END", digit="55"), event("DTMF_END", digit=5),
        "DTMF_END digit:", "MEDIA_MARK_PROCESSED", event("MEDIA_MARK_PROCESSED"),
        event("MEDIA_MARK_PROCESSED", correlation_id=7), MEDIA_START, PLAIN_MEDIA_START,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_malformed(message: str) -> None:
    assert isinstance(one(started(), message), Malformed)


@pytest.mark.parametrize("message", ["MEDIA_XOFF", event("DTMF_END", digit="5")])
def test_nothing_counts_before_the_start(message: str) -> None:
    assert isinstance(one(ChanWebsocketStream(), message), Malformed)
