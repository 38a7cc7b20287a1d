"""The audio of media messages: formats, state, vector variants, our own mistakes."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_message_spec import (
    FORMATS,
    TEMPLATE,
    DecoderSpec,
    EncoderSpec,
    media_of,
    message,
    noise,
)

from rapida_media.kernels import MediaMessageDecoder, MediaMessageEncoder
from rapida_media.kernels import _media_message as kernel


@pytest.fixture(params=kernel.variants())
def variant(request):
    kernel._force_variant(request.param)
    yield request.param
    kernel._force_variant(None)


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("audio", FORMATS, ids=str)
@pytest.mark.parametrize("to_hz", [8000, 16000, 24000])
def test_decoding_is_the_composition_of_the_kernels_whatever_the_sizes(audio, to_hz):
    decoder, spec = MediaMessageDecoder(*audio, to_hz=to_hz), DecoderSpec(*audio, to_hz)
    for seed, octets in enumerate([160, 0, 2, 320, 958, 960, 962, 1918, 4800, 640]):
        text = message(noise(octets, seed))
        assert media_of(decoder.decode(text)) == spec.decode(text), octets


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("audio", FORMATS, ids=str)
@pytest.mark.parametrize("from_hz", [8000, 16000, 24000])
def test_encoding_is_the_composition_of_the_kernels_whatever_the_sizes(audio, from_hz):
    encoder = MediaMessageEncoder(TEMPLATE, *audio, from_hz=from_hz)
    spec = EncoderSpec(TEMPLATE, *audio, from_hz)
    for seed, samples in enumerate([320, 0, 1, 161, 479, 480, 481, 960, 2401, 7, 320]):
        pcm = noise(2 * samples, seed)
        assert encoder.encode(pcm) == spec.encode(pcm), samples


@given(st.lists(st.binary(max_size=400), max_size=8), st.sampled_from(FORMATS))
def test_the_pcm_does_not_depend_on_how_the_stream_was_cut_into_messages(pieces, audio):
    pieces = [piece[: len(piece) & ~1] for piece in pieces]
    cut, whole = MediaMessageDecoder(*audio), MediaMessageDecoder(*audio)
    joined = b"".join(cut.decode(message(piece)).pcm for piece in pieces)
    assert joined == whole.decode(message(b"".join(pieces))).pcm


@given(st.lists(st.binary(max_size=1500), max_size=6), st.sampled_from(FORMATS))
def test_what_is_sent_does_not_depend_on_how_the_pcm_was_cut(pieces, audio):
    pieces = [piece[: len(piece) & ~1] for piece in pieces]
    cut, whole = (MediaMessageEncoder(TEMPLATE, *audio, from_hz=16000) for _ in "ab")
    payloads = [json.loads(cut.encode(piece))["media"]["payload"] for piece in pieces]
    expected = json.loads(whole.encode(b"".join(pieces)))["media"]["payload"]
    assert b"".join(map(base64.b64decode, payloads)) == base64.b64decode(expected)


def test_two_streams_do_not_share_state_and_a_reset_one_is_new():
    first, second = MediaMessageDecoder(), MediaMessageDecoder()
    fresh = [media_of(first.decode(message(noise(160, seed)))) for seed in range(3)]
    assert fresh == [media_of(second.decode(message(noise(160, seed)))) for seed in range(3)]
    first.reset()
    assert media_of(first.decode(message(noise(160, 0)))) == fresh[0]
    encoder = MediaMessageEncoder(TEMPLATE)
    sent = encoder.encode(noise(640))
    assert encoder.encode(noise(640)) != sent
    encoder.reset()
    assert encoder.encode(noise(640)) == sent


@pytest.mark.parametrize(("encoding", "rate_hz", "to_hz"), [("PCMU", 8000, 16000)])
def test_a_round_trip_keeps_20_ms_messages_at_20_ms(encoding, rate_hz, to_hz):
    encoder = MediaMessageEncoder(TEMPLATE, encoding, rate_hz, from_hz=24000)
    decoder = MediaMessageDecoder(encoding, rate_hz, to_hz=to_hz)
    for seed in range(20):
        assert len(decoder.decode(encoder.encode(noise(960, seed))).pcm) == 640


# ---- our own mistakes ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("opus",), "encoding"),
        (("PCMU", 16000), "G.711 at 8000 Hz"),
        (("L16LE", 11025), "no conversion from 11025 to 16000"),
        (("L16LE", 0), "no conversion"),
    ],
)
def test_a_format_that_does_not_exist_is_refused_with_its_name(arguments, words):
    with pytest.raises(ValueError, match=words):
        MediaMessageDecoder(*arguments)
    with pytest.raises(ValueError, match=words.replace("11025 to 16000", "16000 to 11025")):
        MediaMessageEncoder(TEMPLATE, *arguments)


@pytest.mark.parametrize(
    "template", [{}, {"media": {}}, {"media": None}, {"media": {"payload": "AAAA"}}, None]
)
def test_a_template_without_a_place_for_the_payload_is_refused(template):
    with pytest.raises(ValueError, match="payload"):
        MediaMessageEncoder(template)


def test_a_template_is_escaped_and_may_contain_anything():
    template = {"media": {"a": '"1"', "payload": "", "payload2": "1"}, "streamSid": 'é"\\1'}
    spec = EncoderSpec(template)
    assert MediaMessageEncoder(template).encode(noise(640)) == spec.encode(noise(640))


def test_half_a_sample_to_encode_is_refused_and_changes_nothing():
    encoder, other = MediaMessageEncoder(TEMPLATE), MediaMessageEncoder(TEMPLATE)
    with pytest.raises(ValueError, match="whole 16-bit samples"):
        encoder.encode(b"abc")
    assert encoder.encode(noise(640)) == other.encode(noise(640))
