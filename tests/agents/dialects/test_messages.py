"""What each dialect says and understands, against the vendors' own messages."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import numpy as np
import pytest

from rapida_media.agents.dialects import make_dialect
from rapida_media.agents.dialects.base import (
    Clear,
    Dialect,
    HangUp,
    Malformed,
    Mark,
    Opening,
    Play,
    Press,
    Transfer,
)
from rapida_media.config import BotConfig
from rapida_media.kernels import ulaw_decode, ulaw_encode
from rapida_media.providers.exotel.stream import ExotelStream
from rapida_media.providers.stream import (
    AudioReceived,
    DigitReceived,
    MarkReached,
    Started,
    Stopped,
    StreamProtocol,
)
from rapida_media.providers.twilio.stream import TwilioStream
from rapida_media.providers.vonage.stream import VonageStream

CALL, STREAM = "c" * 32, "5" * 32
OPENING = Opening(
    call_id=CALL,
    stream_id=STREAM,
    account="AC00000000000000000000000000000001",
    caller="+14155550100",
    called="+15005550006",
    assistant="support",
    parameters={"contextId": "42", "gold": True, "tries": 3},
)
FRAME = (np.sin(np.arange(320) * 0.2) * 8000).astype("<i2").tobytes()
MZ, CA = f"MZ{STREAM}", f"CA{CALL}"


def dialect(name: str, opening: Opening = OPENING, **options: Any) -> Dialect:
    return make_dialect(BotConfig(dialect=name, **options), opening)


def said(messages: list[str | bytes]) -> list[Any]:
    return [json.loads(each) for each in messages]


def orders(made: Dialect, message: object) -> list[object]:
    return list(made.receive(message if isinstance(message, bytes) else json.dumps(message)))


# -- Twilio ------------------------------------------------------------------------------------


def test_twilio_begins_with_connected_and_start() -> None:
    assert said(dialect("twilio").begin()) == [
        {"event": "connected", "protocol": "Call", "version": "1.0.0"},
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": MZ,
            "start": {
                "streamSid": MZ,
                "accountSid": "AC00000000000000000000000000000001",
                "callSid": CA,
                "tracks": ["inbound"],
                "customParameters": {"contextId": "42", "gold": "true", "tries": "3"},
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            },
        },
    ]


def test_twilio_counts_messages_and_chunks_and_ends_with_stop() -> None:
    made = dialect("twilio")
    made.begin()
    first, key, second = made.audio(FRAME), made.digit("5", 100), made.audio(FRAME)
    mark, stop = made.marked("utt-7", True), made.end("bye")
    told = said([first, key, second, mark, stop])  # type: ignore[list-item]
    assert [each["sequenceNumber"] for each in told] == ["2", "3", "4", "5", "6"]
    payloads = [told[at]["media"].pop("payload") for at in (0, 2)]
    assert [len(base64.b64decode(each)) for each in payloads] == [160, 160]
    assert told[0]["media"] == {"track": "inbound", "chunk": "1", "timestamp": "0"}
    assert told[2]["media"] == {"track": "inbound", "chunk": "2", "timestamp": "20"}
    assert told[1]["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert told[3]["mark"] == {"name": "utt-7"}
    assert told[4]["stop"] == {"accountSid": OPENING.account, "callSid": CA}
    assert {each["streamSid"] for each in told} == {MZ}


def test_a_call_that_came_over_twilio_keeps_its_sid() -> None:
    opening = Opening(CALL, STREAM, vendor_call_id="CA" + "7" * 32)
    start = said(dialect("twilio", opening).begin())[1]["start"]
    assert start["callSid"] == "CA" + "7" * 32
    assert start["accountSid"] == "AC" + "0" * 32


def test_twilio_obeys_media_mark_and_clear() -> None:
    made = dialect("twilio")
    payload = base64.b64encode(ulaw_encode(FRAME[:320])).decode()
    (play,) = orders(made, {"event": "media", "streamSid": MZ, "media": {"payload": payload}})
    assert isinstance(play, Play)
    assert len(play.pcm) == 640
    mark = {"event": "mark", "streamSid": MZ, "mark": {"name": "utt-7"}}
    assert orders(made, mark) == [Mark("utt-7")]
    assert orders(made, {"event": "clear", "streamSid": MZ}) == [Clear()]


@pytest.mark.parametrize(
    "message",
    [
        b"\x00\x01",
        {"event": "clear"},
        {"event": "clear", "stream_sid": MZ},
        {"event": "media", "streamSid": "MZ1", "media": {"payload": "////"}},
        {"event": "media", "streamSid": MZ, "media": {"payload": "no base64"}},
        {"event": "mark", "streamSid": MZ, "mark": {}},
        {"event": "mark", "streamSid": MZ, "mark": "utt"},
        {"event": "hangup", "streamSid": MZ},
        ["event"],
        7,
    ],
)
def test_twilio_ignores_what_twilio_warns_of(message: object) -> None:
    (order,) = orders(dialect("twilio"), message)
    assert isinstance(order, Malformed)


def test_our_own_reader_of_twilio_understands_our_twilio() -> None:
    made, reader = dialect("twilio"), TwilioStream()
    events: list[object] = []
    key, mark, stop = made.digit("#", 80), made.marked("m", True), made.end("bye")
    for message in (*made.begin(), made.audio(FRAME), key, mark, stop):
        assert message is not None
        events += reader.receive(message)
    started, audio, *rest = events
    assert isinstance(started, Started)
    assert (started.provider_call_id, started.stream_id) == (CA, MZ)
    assert isinstance(audio, AudioReceived)
    assert audio.timestamp_ms == 0
    assert rest == [DigitReceived("#"), MarkReached("m"), Stopped("stop")]
    (play,) = made.receive(reader.media(FRAME))
    assert isinstance(play, Play)
    assert list(made.receive(reader.mark("x"))) == [Mark("x")]
    assert list(made.receive(reader.clear())) == [Clear()]


@pytest.mark.parametrize(
    ("name", "reader"), [("vonage", VonageStream()), ("exotel", ExotelStream())]
)
def test_our_own_readers_understand_our_other_dialects(name: str, reader: StreamProtocol) -> None:
    made = dialect(name)
    events: list[object] = []
    mark: Any = {"mark": "m"} if name == "vonage" else "m"
    for message in (
        *made.begin(),
        made.audio(FRAME * (made.chunk_ms // 20)),
        made.digit("#", 80),
        made.marked(mark, True),
        made.end("bye"),
    ):
        if message is not None:
            events += reader.receive(message)
    kinds = [type(event) for event in events]
    assert kinds[:3] == [Started, AudioReceived, DigitReceived]
    assert Malformed not in kinds
    for said_by_reader, kind in ((reader.clear(), Clear), (reader.media(FRAME), Play)):
        assert said_by_reader is not None
        (order,) = made.receive(said_by_reader)
        assert isinstance(order, kind)


# -- Vonage ------------------------------------------------------------------------------------


def test_vonage_begins_with_its_headers_flattened() -> None:
    opening = Opening(CALL, STREAM, parameters={"contextId": "42", "event": "mine", "n": 1})
    assert said(dialect("vonage", opening).begin()) == [
        {
            "event": "websocket:connected",
            "content-type": "audio/l16;rate=16000",
            "contextId": "42",
            "n": 1,
        }
    ]


@pytest.mark.parametrize(("rate_hz", "octets"), [(8000, 320), (16000, 640), (24000, 960)])
def test_vonage_audio_is_binary_and_exactly_20_ms(rate_hz: int, octets: int) -> None:
    made = dialect("vonage", sample_rate=rate_hz)
    assert said(made.begin())[0]["content-type"] == f"audio/l16;rate={rate_hz}"
    frame = made.audio(FRAME)
    assert isinstance(frame, bytes)
    assert len(frame) == octets
    (play,) = made.receive(frame)
    assert isinstance(play, Play)
    assert len(play.pcm) == 640


def test_vonage_tells_keys_notifications_and_clearing_and_closes_without_a_word() -> None:
    made = dialect("vonage")
    told = [made.digit("5", 260), made.marked({"mark": "utt-7"}, True), made.cleared(120)]
    assert said(told) == [  # type: ignore[arg-type]
        {"event": "websocket:dtmf", "digit": "5", "duration": 260},
        {"event": "websocket:notify", "payload": {"mark": "utt-7"}},
        {"event": "websocket:cleared"},
    ]
    assert made.end("bye") is None
    assert not made.returns_cleared_marks


def test_vonage_obeys_clear_and_notify_and_half_samples_wait() -> None:
    made = dialect("vonage")
    assert orders(made, {"action": "clear"}) == [Clear()]
    notify = {"action": "notify", "payload": {"mark": 1}}
    assert orders(made, notify) == [Mark({"mark": 1})]
    assert orders(made, b"\x01") == [Play(b"")]
    assert orders(made, b"\x02\x03\x04") == [Play(b"\x01\x02\x03\x04")]
    for nonsense in ({"action": "notify"}, {"action": "notify", "payload": "x"}, [], {"event": 1}):
        (order,) = orders(made, nonsense)
        assert isinstance(order, Malformed)


# -- Exotel ------------------------------------------------------------------------------------


def test_exotel_begins_with_connected_and_start() -> None:
    opening = Opening(
        CALL,
        STREAM,
        account="acct1",
        caller="09876543210",
        called="08047000000",
        query={"sample-rate": "16000", "ctx": "42"},
    )
    assert said(dialect("exotel", opening).begin()) == [
        {"event": "connected"},
        {
            "event": "start",
            "sequence_number": "1",
            "stream_sid": STREAM,
            "start": {
                "stream_sid": STREAM,
                "call_sid": CALL,
                "account_sid": "acct1",
                "from": "09876543210",
                "to": "08047000000",
                "custom_parameters": {"ctx": "42"},
                "media_format": {
                    "encoding": "base64",
                    "sample_rate": "16000",
                    "bit_rate": "256kbps",
                },
            },
        },
    ]


@pytest.mark.parametrize(("rate_hz", "bytes_per_ms"), [(8000, 16), (16000, 32), (24000, 48)])
def test_exotel_audio_is_linear_pcm_of_100_ms(rate_hz: int, bytes_per_ms: int) -> None:
    made = dialect("exotel", sample_rate=rate_hz)
    made.begin()
    assert made.chunk_ms == 100
    first, second = said([made.audio(FRAME * 5), made.audio(FRAME * 5)])
    assert len(base64.b64decode(first["media"].pop("payload"))) == bytes_per_ms * 100
    assert first["media"] == {"chunk": "1", "timestamp": "0"}
    assert (second["media"]["chunk"], second["media"]["timestamp"]) == ("2", "100")
    assert [first["sequence_number"], second["sequence_number"]] == ["2", "3"]


def test_exotel_tells_keys_and_marks_and_stops_with_a_reason() -> None:
    made = dialect("exotel")
    told = said([made.digit("5", 100), made.marked("utt-7", True), made.end("bye")])  # type: ignore[list-item]
    assert [each["stream_sid"] for each in told] == [STREAM] * 3
    assert told[0]["dtmf"] == {"digit": "5", "duration": "100"}
    assert told[1]["mark"] == {"name": "utt-7"}
    assert told[2]["stop"] == {
        "call_sid": CALL,
        "account_sid": OPENING.account,
        "reason": "callended",
    }


def test_exotel_obeys_either_spelling_of_the_stream_id() -> None:
    made = dialect("exotel")
    payload = base64.b64encode(FRAME[:320]).decode()
    for ids in ({"stream_sid": STREAM}, {"streamSid": STREAM}, {}):
        (play,) = orders(made, {"event": "media", **ids, "media": {"payload": payload}})
        assert isinstance(play, Play)
        assert len(play.pcm) == 640
    assert orders(made, {"event": "clear", "stream_sid": STREAM}) == [Clear()]
    assert orders(made, {"event": "mark", "mark": {"name": "m"}}) == [Mark("m")]
    for nonsense in (b"\x00", {"event": "mark"}, {"event": "x"}, 5):
        (order,) = orders(made, nonsense)
        assert isinstance(order, Malformed)


# -- l16 ---------------------------------------------------------------------------------------


def test_l16_obeys_every_event_and_says_what_is_wrong_with_others() -> None:
    made = dialect("l16")
    for message, order in (
        ({"event": "clear"}, Clear()),
        ({"event": "mark", "name": "m"}, Mark("m")),
        ({"event": "dtmf", "digits": "12#A"}, Press("12#A")),
        ({"event": "transfer", "target": "sip:a@b"}, Transfer("sip:a@b")),
        ({"event": "hangup"}, HangUp("bot_hangup")),
        ({"event": "hangup", "reason": "done"}, HangUp("done")),
    ):
        assert orders(made, message) == [order]
    for message, wrong in (
        ({"event": "dtmf", "digits": "12x"}, "expected 1 to 64 digits"),
        ({"event": "mark", "name": ""}, "expected a name"),
        ({"event": "mark", "name": "n" * 257}, "expected a name"),
        ({"event": "transfer"}, "expected a target"),
        ({"event": "hangup", "reason": "line\nbreak"}, "expected a reason"),
        ({"event": "play"}, "expected an event of"),
        ([], "expected a JSON object"),
    ):
        (order,) = orders(made, message)
        assert isinstance(order, Malformed)
        assert wrong in order.detail


@pytest.mark.parametrize("name", ["twilio", "vonage", "exotel", "l16"])
def test_audio_survives_the_dialect(name: str) -> None:
    """What the dialect sends and would be sent back is the same sound, a little later."""
    made = dialect(name, chunk_ms=20) if name == "exotel" else dialect(name)
    time = np.arange(16000) / 16000
    sound = (6000 * np.sin(2 * np.pi * 500 * time) + 3000 * np.sin(2 * np.pi * 1700 * time)).astype(
        "<i2"
    )
    back = b""
    for at in range(0, len(sound), 320):
        message = made.audio(sound[at : at + 320].tobytes())
        if isinstance(message, str):
            members = json.loads(message)
            echoed = {"event": "media", "streamSid": MZ, "media": members["media"]}
            (play,) = made.receive(json.dumps(echoed))
        else:
            (play,) = made.receive(message)
        assert isinstance(play, Play)
        back += play.pcm
    heard = np.frombuffer(back, "<i2").astype(float)
    scores = [np.corrcoef(sound[1000:14000], heard[1000 + d : 14000 + d])[0, 1] for d in range(200)]
    assert max(scores) > 0.998


def test_nothing_a_bot_sends_raises() -> None:
    odd = [
        "",
        "null",
        "[" * 5000,
        '{"event":' * 300,
        "{}",
        '{"event":{}}',
        "\ud800",
        "x" * 2_000_000,
    ]
    octets = [b"", b"\x00", b"\xff" * 999, struct.pack("<320h", *range(320))]
    for name in ("twilio", "vonage", "exotel", "l16"):
        made = dialect(name)
        for message in (*odd, *octets):
            for order in made.receive(message):
                assert isinstance(order, Malformed | Play)


def test_g711_is_the_standard_one() -> None:
    made = dialect("twilio")
    made.begin()
    members = json.loads(made.audio(bytes(640)))
    assert ulaw_decode(base64.b64decode(members["media"]["payload"])) == bytes(320)
