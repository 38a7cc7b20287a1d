"""The fused payload paths equal G.711 and the resampler one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media import kernels
from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import PayloadDecoder, PayloadEncoder, Resampler

LAWS = pytest.mark.parametrize("law", ["PCMU", "PCMA"])
DECODE = {"PCMU": kernels.ulaw_decode, "PCMA": kernels.alaw_decode}
ENCODE = {"PCMU": kernels.ulaw_encode, "PCMA": kernels.alaw_encode}


@LAWS
@given(payloads=st.lists(st.binary(max_size=700), max_size=5))
def test_decoding_is_companding_then_upsampling(law: str, payloads: list[bytes]) -> None:
    decoder, resampler = PayloadDecoder(law), Resampler(8000, 16000)
    for payload in payloads:
        assert decoder.decode(payload) == resampler.push(DECODE[law](payload))


@LAWS
@given(blocks=st.lists(st.binary(max_size=2800).map(lambda b: b[: len(b) & ~3]), max_size=5))
def test_encoding_is_downsampling_then_companding(law: str, blocks: list[bytes]) -> None:
    encoder, resampler = PayloadEncoder(law), Resampler(16000, 8000)
    for block in blocks:
        assert encoder.encode(block) == ENCODE[law](resampler.push(block))


@given(payloads=st.lists(st.binary(max_size=700), max_size=5))
def test_g722_is_sixteen_kilohertz_already(payloads: list[bytes]) -> None:
    decoder, alone = PayloadDecoder("G722"), kernels.G722Decoder()
    encoder, coder = PayloadEncoder("G722"), kernels.G722Encoder()
    for payload in payloads:
        pcm = decoder.decode(payload)
        assert pcm == alone.decode(payload)
        assert len(pcm) == 4 * len(payload)
        assert encoder.encode(pcm) == coder.encode(pcm)


def test_l16_is_big_endian_on_the_wire() -> None:
    assert PayloadDecoder("L16/16000").decode(b"\x12\x34\xff\xfe\x01") == b"\x34\x12\xfe\xff"
    assert PayloadEncoder("L16/16000").encode(b"\x34\x12\xfe\xff") == b"\x12\x34\xff\xfe"


@pytest.mark.parametrize("name", ["G729", "pcmu", "", None])
def test_an_unknown_encoding_is_refused(name: str) -> None:
    for kind in (PayloadDecoder, PayloadEncoder):
        with pytest.raises(LocalProtocolError):
            kind(name)


def test_half_a_pair_of_samples_is_refused() -> None:
    with pytest.raises(LocalProtocolError):
        PayloadEncoder("PCMU").encode(b"ab")
