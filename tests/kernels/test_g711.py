"""G.711 against golden hashes, the Recommendation's tables and itself."""

from __future__ import annotations

import struct
from array import array
from hashlib import sha256

import g711_golden as golden
import g711_spec as spec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.kernels import (
    alaw_decode,
    alaw_decode_into,
    alaw_encode,
    alaw_encode_into,
    alaw_to_ulaw,
    ulaw_decode,
    ulaw_decode_into,
    ulaw_encode,
    ulaw_encode_into,
    ulaw_to_alaw,
)
from rapida_media.kernels._g711 import _force_variant, variants

EVERY_OCTET = bytes(range(256))
EVERY_SAMPLE = struct.pack("<65536h", *range(-32768, 32768))


@pytest.fixture(params=variants())
def variant(request):
    _force_variant(request.param)
    yield request.param
    _force_variant(None)


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def test_the_inputs_are_those_of_the_golden_values():
    assert digest(EVERY_SAMPLE) == golden.EVERY_SAMPLE


def test_every_octet_and_sample_matches_the_golden_values(variant):
    assert digest(ulaw_decode(EVERY_OCTET)) == golden.ULAW_DECODE
    assert digest(alaw_decode(EVERY_OCTET)) == golden.ALAW_DECODE
    assert digest(ulaw_encode(EVERY_SAMPLE)) == golden.ULAW_ENCODE
    assert digest(alaw_encode(EVERY_SAMPLE)) == golden.ALAW_ENCODE


@pytest.mark.parametrize(
    ("kernel", "specified"), [(ulaw_decode, spec.ulaw_decode), (alaw_decode, spec.alaw_decode)]
)
def test_decoders_give_the_output_values_of_the_recommendation(kernel, specified):
    assert struct.unpack("<256h", kernel(EVERY_OCTET)) == tuple(map(specified, range(256)))


@pytest.mark.parametrize(
    ("kernel", "specified"), [(ulaw_encode, spec.ulaw_encode), (alaw_encode, spec.alaw_encode)]
)
def test_encoders_use_the_decision_values_of_the_recommendation(kernel, specified):
    assert kernel(EVERY_SAMPLE) == bytes(map(specified, range(-32768, 32768)))


@pytest.mark.parametrize(
    ("encode", "sample", "code"),
    [
        (ulaw_encode, -32768, 0x00),
        (ulaw_encode, -5, 0x7E),
        (ulaw_encode, -4, 0x7F),
        (ulaw_encode, 0, 0xFF),
        (ulaw_encode, 4, 0xFE),
        (ulaw_encode, 32767, 0x80),
        (alaw_encode, -32768, 0x2A),
        (alaw_encode, -16, 0x55),
        (alaw_encode, 0, 0xD5),
        (alaw_encode, 16, 0xD4),
        (alaw_encode, 32767, 0xAA),
    ],
)
def test_known_samples_have_known_codes(encode, sample, code):
    assert encode(struct.pack("<h", sample)) == bytes([code])


def test_decoding_and_encoding_again_keeps_the_code_except_for_negative_zero():
    negative_zero = EVERY_OCTET.replace(b"\x7f", b"\xff")
    assert ulaw_encode(ulaw_decode(EVERY_OCTET)) == negative_zero
    assert alaw_encode(alaw_decode(EVERY_OCTET)) == EVERY_OCTET


@given(st.binary(max_size=700), st.integers(0, 3))
def test_a_decoder_treats_every_octet_alike_at_any_length_and_alignment(data, skip):
    view = memoryview(data)[skip:]
    for decode in (ulaw_decode, alaw_decode):
        assert decode(view) == decode(bytes(view)) == b"".join(decode(bytes([c])) for c in view)


@given(st.binary(max_size=1400), st.integers(0, 3))
def test_an_encoder_treats_every_sample_alike_at_any_length_and_alignment(data, skip):
    view = memoryview(data)[skip:]
    view = view[: len(view) & ~1]
    pcm = bytes(view)
    for encode in (ulaw_encode, alaw_encode):
        singly = b"".join(encode(pcm[i : i + 2]) for i in range(0, len(pcm), 2))
        assert encode(view) == encode(pcm) == singly


@pytest.mark.parametrize("length", [*range(1, 140), 8192, 16383, 16384, 100_001])
def test_every_length_is_converted_to_its_end_and_not_beyond(variant, length):
    octets = (EVERY_OCTET[::-1] * 400)[:length]
    samples = ulaw_decode(EVERY_OCTET[::-1]) * 400
    room = bytearray(b"?" * (2 * length + 2))
    assert ulaw_decode_into(octets, room) == 2 * length
    assert room == samples[: 2 * length] + b"??"
    room = bytearray(b"?" * (length + 2))
    assert alaw_encode_into(alaw_decode(octets), room) == length
    assert room == octets + b"??"


def test_translation_from_law_to_law_is_decoding_and_encoding(variant):
    assert digest(ulaw_to_alaw(EVERY_OCTET)) == golden.ULAW_TO_ALAW
    assert digest(alaw_to_ulaw(EVERY_OCTET)) == golden.ALAW_TO_ULAW
    long = EVERY_OCTET * 5 + b"\x80"
    assert ulaw_to_alaw(long) == alaw_encode(ulaw_decode(long))
    assert alaw_to_ulaw(long) == ulaw_encode(alaw_decode(long))
    assert ulaw_to_alaw(b"") == b""


@pytest.mark.parametrize(
    ("into", "kernel"),
    [
        (ulaw_encode_into, ulaw_encode),
        (alaw_encode_into, alaw_encode),
        (ulaw_decode_into, ulaw_decode),
        (alaw_decode_into, alaw_decode),
    ],
)
def test_a_buffer_gets_what_would_be_returned_or_stays_untouched(into, kernel):
    wanted = kernel(EVERY_OCTET)
    room = array("h", bytes(2 * len(wanted)))
    assert into(EVERY_OCTET, room) == len(wanted)
    assert room.tobytes() == wanted + bytes(len(wanted))
    small = bytearray(len(wanted) - 1)
    with pytest.raises(ValueError, match=f"expected room for {len(wanted)} octets"):
        into(EVERY_OCTET, small)
    assert not any(small)
    with pytest.raises(BufferError):
        into(EVERY_OCTET, bytes(1000))


def test_decoding_to_an_odd_address_is_refused():
    with pytest.raises(ValueError, match="expected 16-bit samples at an even address"):
        ulaw_decode_into(b"abc", memoryview(bytearray(100))[1:])


@pytest.mark.parametrize("encode", [ulaw_encode, alaw_encode])
def test_half_a_sample_is_refused(encode):
    with pytest.raises(ValueError, match="expected whole 16-bit samples, got 3 octets"):
        encode(b"abc")


@pytest.mark.parametrize("kernel", [ulaw_encode, alaw_encode, ulaw_decode, alaw_decode])
def test_any_buffer_is_accepted_and_nothing_else(kernel):
    samples = array("h", [1, -2, 3000])
    assert kernel(samples) == kernel(samples.tobytes()) == kernel(bytearray(samples.tobytes()))
    assert kernel(b"") == b""
    with pytest.raises(TypeError):
        kernel("text")


@pytest.mark.parametrize("kind", ["<f4", "<f8", "<i4", ">i2", "<u2", "<c8"])
def test_pcm_in_a_buffer_of_anything_but_octets_or_int16_is_refused(kind):
    """Its octets would be heard as noise."""
    samples = np.zeros(40, kind)
    for encode in (ulaw_encode, alaw_encode):
        with pytest.raises(TypeError, match="expected PCM as octets or int16, got a buffer of"):
            encode(samples)
    for into in (ulaw_decode_into, ulaw_encode_into):
        with pytest.raises(TypeError, match="expected room for octets or int16, got a buffer of"):
            into(b"\0\0", samples)
    assert not samples.any()


@pytest.mark.parametrize("kind", ["<i2", "u1", "i1"])
def test_pcm_in_a_buffer_of_octets_or_int16_is_taken(kind):
    samples = np.frombuffer(EVERY_SAMPLE, kind)
    assert ulaw_encode(samples) == ulaw_encode(EVERY_SAMPLE)
    assert ulaw_encode(samples.reshape(2, -1)) == ulaw_encode(EVERY_SAMPLE)
    room = np.zeros(1000, "<i2")
    assert ulaw_decode_into(EVERY_OCTET, room) == 512
    assert room.tobytes() == ulaw_decode(EVERY_OCTET) + bytes(1488)


def test_every_second_sample_of_an_array_is_taken_as_it_reads():
    samples = np.frombuffer(EVERY_SAMPLE, "<i2")
    assert alaw_encode(samples[::2]) == alaw_encode(EVERY_SAMPLE)[::2]
