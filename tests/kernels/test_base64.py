"""Base64 against RFC 4648, the standard library and every vector variant."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from media_message_spec import BASE64

from rapida_media.kernels import _base64, base64_decode, base64_encode

# RFC 4648 section 10.
RFC_VECTORS = [
    (b"", b""),
    (b"f", b"Zg=="),
    (b"fo", b"Zm8="),
    (b"foo", b"Zm9v"),
    (b"foob", b"Zm9vYg=="),
    (b"fooba", b"Zm9vYmE="),
    (b"foobar", b"Zm9vYmFy"),
]
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@pytest.fixture(autouse=True, params=_base64.variants())
def variant(request):
    _base64._force_variant(request.param)
    yield
    _base64._force_variant(None)


def decoded(text: bytes) -> bytes | None:
    try:
        return base64_decode(text)
    except ValueError:
        return None


@pytest.mark.parametrize(("octets", "text"), RFC_VECTORS)
def test_the_vectors_of_the_rfc(octets, text):
    assert base64_encode(octets) == text
    assert base64_decode(text) == octets


@given(st.binary(max_size=700))
def test_encoding_equals_the_standard_library_and_decoding_inverts_it(octets):
    text = base64_encode(octets)
    assert text == base64.b64encode(octets)
    assert base64_decode(text) == octets


def test_every_length_goes_there_and_back():
    for length in range(300):
        octets = bytes((7 * i + length) & 255 for i in range(length))
        assert base64_encode(octets) == base64.b64encode(octets)
        assert base64_decode(base64_encode(octets)) == octets


@pytest.mark.parametrize("position", [0, 1, 15, 16, 31, 32, 63, 64, 100, 127, 128, 212, 214, 215])
def test_a_character_is_accepted_exactly_when_it_is_in_the_alphabet(position):
    text = bytearray(base64.b64encode(bytes(range(162))))
    for character in range(256):
        text[position] = character
        allowed = character in ALPHABET or (position == 215 and character == ord("="))
        assert (decoded(bytes(text)) is not None) == allowed, character


@given(st.text(alphabet="Az09+/=-_ \n\x00", max_size=12), st.integers(0, 40))
def test_a_text_is_decoded_exactly_when_the_grammar_has_it(tail, groups):
    text = "QUJD" * groups + tail
    expected = base64.b64decode(text) if BASE64.fullmatch(text) else None
    assert decoded(text.encode()) == expected


@pytest.mark.parametrize(
    "text",
    [b"=", b"====", b"A===", b"AA=", b"AA=A", b"A=AA", b"AAAA=", b"AAAA====", b"AA==AAAA", b"AAA"],
)
def test_misplaced_padding_is_refused(text):
    assert decoded(text) is None


def test_pad_bits_are_ignored():
    """RFC 4648 section 3.5: "decoders MAY choose to reject"; we do as the standard library."""
    assert base64_decode(b"Zh==") == base64_decode(b"Zg==") == b"f"


def test_any_buffer_is_taken():
    assert base64_decode(memoryview(b"xxZm9v")[2:]) == b"foo"
    assert base64_encode(bytearray(b"foo")) == b"Zm9v"


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="expected one of scalar"):
        _base64._force_variant("mmx")
