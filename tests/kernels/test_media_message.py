"""Media messages against the providers' examples, the composed public kernels and hostile text."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from media_message_spec import (
    FORMATS,
    SEQUENCE_NUMBERS,
    STREAM_IDS,
    TEMPLATE,
    DecoderSpec,
    Media,
    media_of,
    message,
    noise,
)

from rapida_media.kernels import MediaMessage, MediaMessageDecoder, MediaMessageEncoder

SILENCE = base64.b64encode(b"\xff" * 160).decode()  # mu-law, 20 ms
TWILIO = (
    '{"event":"media","sequenceNumber":"3","streamSid":"MZ00000000000000000000000000000001",\n'
    ' "media":{"track":"inbound","chunk":"1","timestamp":"5","payload":"PAYLOAD"}}'
).replace("PAYLOAD", SILENCE)
EXOTEL = (
    '{"event":"media","sequence_number":"3","stream_sid":"stream-0001",\n'
    ' "media":{"chunk":"2","timestamp":"200","payload":"PAYLOAD"}}'
).replace("PAYLOAD", base64.b64encode(bytes(1600)).decode())
PLIVO = (
    '{"event":"media","sequenceNumber":42,"streamId":"87654321-4321-4321-4321-cba987654321",\n'
    ' "media":{"track":"inbound","timestamp":"1705312200000","chunk":41,"payload":"PAYLOAD"},'
    '"extra_headers":"ctx=42"}'
).replace("PAYLOAD", SILENCE)
TELNYX = (
    '{"event":"media","sequence_number":"4","stream_id":"32de0dea-53cb-4b21-89a4-9e1819c043bc",\n'
    ' "media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"PAYLOAD"}}'
).replace("PAYLOAD", base64.b64encode(b"\xd5" * 160).decode())


def dropped(decoder: MediaMessageDecoder) -> dict[str, int]:
    """The counters that are not zero."""
    return {name: count for name, count in decoder.statistics().items() if count}


# ---- the providers' own examples ----


def test_a_twilio_message_becomes_20_ms_of_16_khz_with_its_fields():
    decoder = MediaMessageDecoder()
    assert media_of(decoder.decode(TWILIO)) == Media(
        pcm=bytes(640),
        stream_id="MZ00000000000000000000000000000001",
        track="inbound",
        sequence_number=3,
        timestamp=5,
        chunk=1,
    )
    assert dropped(decoder) == {"media": 1}


@pytest.mark.parametrize(
    ("text", "encoding", "expected"),
    [
        (EXOTEL, "L16LE", Media(bytes(3200), "stream-0001", None, 3, 200, 2)),
        (
            PLIVO,
            "PCMU",
            Media(
                bytes(640),
                "87654321-4321-4321-4321-cba987654321",
                "inbound",
                42,
                1705312200000,
                41,
            ),
        ),
    ],
    ids=["exotel", "plivo"],
)
def test_the_other_providers_spellings_are_read_without_the_json_module(text, encoding, expected):
    decoder = MediaMessageDecoder(encoding)
    assert media_of(decoder.decode(text)) == expected
    assert dropped(decoder) == {"media": 1}


def test_telnyx_a_law_has_no_zero_and_its_silence_is_plus_8():
    decoder = MediaMessageDecoder("PCMA")
    decoder.decode(TELNYX)
    assert media_of(decoder.decode(TELNYX)) == Media(
        b"\x08\x00" * 320, "32de0dea-53cb-4b21-89a4-9e1819c043bc", "inbound", 4, 5, 2
    )
    assert dropped(decoder) == {"media": 2}


@pytest.mark.parametrize(
    "text",
    [
        '{"event":"connected","protocol":"Call","version":"1.0.0"}',
        '{"event":"start","sequenceNumber":"1","start":{"tracks":["inbound"],"mediaFormat":'
        '{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}',
        '{"event":"dtmf","dtmf":{"track":"inbound_track","digit":"1"}}',
        '{"event":"mark","streamSid":"MZ1","mark":{"name":"utt-7"}}',
        '{"event":"media2","media":{"payload":""}}',
        '{"event":["media"]}',
        "{}",
    ],
)
def test_any_other_object_comes_back_as_a_dict(text):
    decoder = MediaMessageDecoder()
    assert decoder.decode(text) == json.loads(text)
    assert decoder.decode(text.encode()) == json.loads(text)
    assert dropped(decoder) == {"other": 2}


def test_the_message_to_twilio_has_its_members_in_order_and_no_spaces():
    encoder = MediaMessageEncoder(TEMPLATE)
    assert encoder.encode(bytes(640)) == (
        '{"event":"media","streamSid":"MZ00000000000000000000000000000001",'
        f'"media":{{"payload":"{SILENCE}"}}}}'
    )


def test_the_message_to_plivo_names_its_format():
    media = {"contentType": "audio/x-mulaw", "sampleRate": 8000, "payload": ""}
    encoder = MediaMessageEncoder({"event": "playAudio", "media": media})
    assert json.loads(encoder.encode(bytes(640))) == {
        "event": "playAudio",
        "media": {**media, "payload": SILENCE},
    }


# ---- what is dropped, and how it is counted ----


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        (TWILIO[:-1], "bad_json"),
        (TWILIO + "}", "bad_json"),
        (TWILIO + "\x00", "bad_json"),
        ("\ufeff" + TWILIO, "bad_json"),
        (TWILIO.replace('"chunk":"1"', '"chunk":01'), "bad_json"),
        (TWILIO.replace('"inbound"', '"in\nbound"'), "bad_json"),
        (TWILIO.replace('"inbound"', '"in\\xbound"'), "bad_json"),
        (TWILIO.replace(',"chunk"', ',,"chunk"'), "bad_json"),
        (TWILIO.replace('"}}', '",}}'), "bad_json"),
        ('{"event":"media","x":' + "[" * 100000 + "]" * 100000 + "}", "bad_json"),
        ('{"event":"media","x":' + "9" * 5000 + ',"media":{"payload":""}}', "bad_json"),
        ("[]", "bad_message"),
        ('"media"', "bad_message"),
        ('{"event":"media"}', "bad_message"),
        ('{"event":"media","media":[]}', "bad_message"),
        ('{"event":"media","media":{}}', "bad_message"),
        ('{"event":"media","media":{"payload":null}}', "bad_message"),
        ('{"event":"media","media":{"payload":7}}', "bad_message"),
        (TWILIO.replace("w==", "w="), "bad_payload"),
        (TWILIO.replace("w==", "w== "), "bad_payload"),
        (TWILIO.replace("//", "/-"), "bad_payload"),
        (TWILIO.replace("w==", "é=="), "bad_payload"),
        (TWILIO.replace("w==", "\\n=="), "bad_payload"),
    ],
)
def test_a_hostile_message_is_dropped_counted_and_leaves_the_audio_alone(text, why):
    decoder, undisturbed = MediaMessageDecoder(), MediaMessageDecoder()
    loud = message(noise(160))
    assert media_of(decoder.decode(loud)) == media_of(undisturbed.decode(loud))
    assert decoder.decode(text) is None
    assert dropped(decoder) == {"media": 1, why: 1}
    assert media_of(decoder.decode(loud)) == media_of(undisturbed.decode(loud))


@pytest.mark.parametrize("octets", [161, 1281, 5001])
def test_half_a_sample_of_linear_pcm_is_a_bad_payload(octets):
    decoder = MediaMessageDecoder("L16LE")
    assert decoder.decode(message(bytes(octets))) is None
    assert dropped(decoder) == {"bad_payload": 1}


@pytest.mark.parametrize("at", [0, 1279, 1280, 1281, 2559, 2560, 6000, 6663, 6664])
def test_a_fault_anywhere_in_a_long_payload_leaves_the_audio_alone(at):
    decoder, undisturbed = MediaMessageDecoder(), MediaMessageDecoder()
    payload = bytearray(base64.b64encode(noise(4999)))
    payload[at] = ord("=")
    broken = json.dumps({"event": "media", "media": {"payload": payload.decode()}})
    assert decoder.decode(broken) is None
    assert dropped(decoder) == {"bad_payload": 1}
    loud = message(noise(160))
    assert media_of(decoder.decode(loud)) == media_of(undisturbed.decode(loud))


def test_a_message_beyond_the_limit_is_dropped_unread():
    decoder = MediaMessageDecoder(limit_length=len(TWILIO) - 1)
    assert decoder.decode(TWILIO) is None
    assert decoder.decode("é" * len(TWILIO)) is None
    assert dropped(decoder) == {"too_long": 2}
    assert isinstance(decoder.decode(TWILIO[:-1].replace("\n", "") + "}"), MediaMessage)


def test_text_and_octets_of_any_type_are_read_alike():
    class Text(str):
        pass

    results = [
        media_of(MediaMessageDecoder().decode(given))
        for given in (TWILIO, Text(TWILIO), TWILIO.encode(), bytearray(TWILIO.encode()))
    ]
    assert results == [results[0]] * 4


@pytest.mark.parametrize("wrong", [None, 3, ["{}"]])
def test_what_is_neither_text_nor_octets_is_a_type_error(wrong):
    decoder = MediaMessageDecoder()
    with pytest.raises(TypeError):
        decoder.decode(wrong)
    assert dropped(decoder) == {}


# ---- the unusual but legal, which the json module reads ----


@pytest.mark.parametrize(
    "text",
    [
        TWILIO.replace('"event"', '"\\u0065vent"'),
        TWILIO.replace("w==", "w\\u003d="),
        TWILIO.replace("////", "\\/\\/\\/\\/", 1),
        TWILIO.replace('"media",', '"start","event":"media",'),
        TWILIO.replace('"inbound"', '"entrée"'),
        TWILIO.replace('"inbound"', "7"),
        TWILIO.replace('"3"', '"three"'),
        TWILIO.replace('"3"', "-3"),
        TWILIO.replace('"3"', "1e3"),
        TWILIO.replace('"3"', "1" * 19),
        TWILIO.replace('"3"', '"٣"'),
        TWILIO.replace('"3"', "NaN"),
        TWILIO.replace('"streamSid"', '"stream_id":"b","streamSid"'),
        TWILIO.replace('{"track"', '{"deep":' + "[" * 70 + "]" * 70 + ',"track"'),
    ],
)
def test_an_unusual_message_gives_what_the_json_module_gives(text):
    decoder, spec = MediaMessageDecoder(), DecoderSpec()
    expected = spec.decode(text)
    assert isinstance(expected, Media)
    assert media_of(decoder.decode(text)) == expected
    assert dropped(decoder) == {"media": 1, "parsed": 1}


@pytest.mark.parametrize(
    "text",
    [
        TWILIO.replace('{"track"', '{"a":[1,-0.5e+7,{"b":[],"c":{}},"\\ud800\\n"],"track"'),
        TWILIO.replace(",", " ,\t").replace(":", "\r\n: ") + "  ",
        TWILIO.replace('"event":"media",', "").replace('"}}', '"},"event":"media"}'),
        TWILIO.replace('"3"', "0"),
        TWILIO.replace('"3"', '"000000000000000003"'),
        TWILIO.replace('{"track"', '{"deep":' + "[" * 64 + "]" * 64 + ',"track"'),
    ],
)
def test_the_usual_variety_needs_no_json_module(text):
    decoder, spec = MediaMessageDecoder(), DecoderSpec()
    assert media_of(decoder.decode(text)) == spec.decode(text)
    assert dropped(decoder) == {"media": 1}


# ---- any text: the same as json, base64 and the kernels one after the other ----

VALUES = st.one_of(
    st.integers(-5, 10**20).map(str),
    st.sampled_from(
        ["-0", "1.5e-7", "true", "null", "NaN", "[]", "{}", '[{"a":[1,{}]},"\\ud800"]']
    ),
    st.sampled_from(["media", "inbound", "5", "007", "١", "1" * 18, "1" * 19, "AAAA", "AA=="]).map(
        json.dumps
    ),
    st.text(max_size=5).map(json.dumps),
    st.binary(max_size=30).map(lambda data: json.dumps(base64.b64encode(data).decode())),
)
MEDIA_NAMES = st.sampled_from(["track", "chunk", "timestamp", "payload", "payload", "x"])
NAMES = st.sampled_from(
    ["event", "media", "x", "événement", *STREAM_IDS, *SEQUENCE_NUMBERS],
)
MARKS = st.sampled_from([",:", " , : ", ",\n\t:\r"])


def objects(names, values):
    """JSON text of an object that may have a member twice, with white space."""

    def written(members, marks, plain):
        comma, colon = marks[: marks.index(":")], marks[marks.index(":") :]
        texts = (json.dumps(name, ensure_ascii=plain) + colon + value for name, value in members)
        return "{" + comma.join(texts) + "}"

    return st.builds(written, st.lists(st.tuples(names, values), max_size=6), MARKS, st.booleans())


MEDIA_OBJECTS = objects(MEDIA_NAMES, VALUES)
MESSAGES = st.one_of(
    objects(NAMES, MEDIA_OBJECTS | st.just('"media"') | VALUES),
    MEDIA_OBJECTS.map(lambda media: '{"event":"media","media":' + media + "}"),
)
FRAGMENTS = st.sampled_from([*'{}[]:,"\\\n\x00é019-+.eE=/u', '"event":"media"', "null", "\\u00"])


@st.composite
def mutations(draw):
    """A message of a provider with a few places cut, replaced or doubled."""
    text = draw(st.sampled_from([TWILIO, PLIVO.replace(SILENCE, "AAAA"), EXOTEL]) | MESSAGES)
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = begin + draw(st.integers(0, 3))
        text = text[:begin] + draw(FRAGMENTS | st.just(text[begin:end] * 2)) + text[end:]
    return text


@settings(max_examples=400)
@given(st.lists(MESSAGES | mutations(), max_size=3), st.sampled_from(FORMATS))
@example([TWILIO, PLIVO, TELNYX], ("PCMU", 8000))
def test_any_text_gives_what_json_base64_and_the_kernels_give(texts, audio):
    decoder, from_octets, spec = (
        MediaMessageDecoder(*audio),
        MediaMessageDecoder(*audio),
        DecoderSpec(*audio),
    )
    for text in texts:
        expected = spec.decode(text)
        assert repr(media_of(decoder.decode(text))) == repr(expected)
        assert repr(media_of(from_octets.decode(text.encode()))) == repr(expected)
    counted = decoder.statistics()
    del counted["parsed"]
    assert counted == spec.counted


@settings(max_examples=300)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-16")))
def test_any_octets_are_read_as_json_loads_reads_them(octets):
    decoder, spec = MediaMessageDecoder(), DecoderSpec()
    assert media_of(decoder.decode(octets)) == spec.decode(octets)


def test_a_field_that_was_absent_is_none():
    decoded = MediaMessageDecoder().decode('{"event":"media","media":{"payload":""}}')
    assert media_of(decoded) == Media(b"", None, None, None, None, None)
