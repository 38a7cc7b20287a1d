"""G.722: the same codes and samples as independent codecs; chunking; what it does to a signal."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from g722_golden import CODES_SHA256, SAMPLES_SHA256
from g722_material import code_streams, noise, overloads, signals, sine
from g722_peers import FFmpeg, Peer, SpanDSP
from hypothesis import given, settings
from hypothesis import strategies as st

from rapida_media.kernels import G722Decoder, G722Encoder

SIGNALS = {**signals(), **overloads()}
ENCODED = {name: G722Encoder().encode(pcm) for name, pcm in SIGNALS.items()}
STREAMS = {**ENCODED, **code_streams()}


def pcm_of(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2").astype(int)


@pytest.fixture(params=[FFmpeg, SpanDSP])
def peer(request: pytest.FixtureRequest) -> Peer:
    return request.param()


@pytest.mark.parametrize("name", SIGNALS)
def test_codes_are_those_that_independent_encoders_made(name):
    assert sha256(ENCODED[name]).hexdigest() == CODES_SHA256[name]


@pytest.mark.parametrize("name", STREAMS)
def test_samples_are_those_that_an_independent_decoder_made(name):
    decoded = G722Decoder().decode(STREAMS[name])
    assert sha256(decoded).hexdigest() == SAMPLES_SHA256[name]


@pytest.mark.parametrize("name", SIGNALS)
def test_a_live_peer_encodes_to_the_same_codes(peer, name):
    assert peer.encode(SIGNALS[name]) == ENCODED[name]


def unwrapped(theirs: np.ndarray, ours: np.ndarray, peer: Peer) -> np.ndarray:
    """Where the receive filter overshoots 16 bits we clip, as a converter must and FFmpeg does;
    spandsp wraps around there, which turns a peak into its opposite."""
    clipped = (np.abs(ours + 0.5) > 32767) & peer.wraps_overload
    return np.where(clipped, ours, theirs)


@pytest.mark.parametrize("name", STREAMS)
def test_a_live_peer_decodes_to_the_same_samples(peer, name):
    ours, theirs = pcm_of(G722Decoder().decode(STREAMS[name])), pcm_of(peer.decode(STREAMS[name]))
    assert np.array_equal(ours, unwrapped(theirs, ours, peer))
    assert np.array_equal(ours, theirs) or name not in signals()


@pytest.mark.parametrize("seed", range(20))
def test_a_live_peer_agrees_on_codes_at_random(peer, seed):
    codes = noise(seed, 0, 1000)
    ours, theirs = pcm_of(G722Decoder().decode(codes)), pcm_of(peer.decode(codes))
    assert np.array_equal(ours, unwrapped(theirs, ours, peer))


CUTS = st.lists(st.integers(0, 400), max_size=12)


@given(CUTS)
@settings(max_examples=50)
def test_codes_do_not_depend_on_where_the_pcm_was_cut(cuts):
    pcm, encoder, codes, at = SIGNALS["noise"], G722Encoder(), b"", 0
    for cut in cuts:
        codes += encoder.encode(pcm[at : at + 4 * cut])
        at += 4 * cut
    assert codes + encoder.encode(pcm[at:]) == ENCODED["noise"]


@given(CUTS)
@settings(max_examples=50)
def test_samples_do_not_depend_on_where_the_codes_were_cut(cuts):
    codes, decoder, pcm, at = ENCODED["full noise"], G722Decoder(), b"", 0
    for cut in cuts:
        pcm += decoder.decode(codes[at : at + cut])
        at += cut
    assert pcm + decoder.decode(codes[at:]) == G722Decoder().decode(codes)


@given(st.binary(max_size=2000))
@settings(max_examples=100)
def test_any_octets_decode_to_two_samples_each_and_leave_a_decoder_that_recovers(octets):
    decoder = G722Decoder()
    assert len(decoder.decode(octets)) == 4 * len(octets)
    tone = G722Encoder().encode(sine(1000, 10000, 16000))
    heard = pcm_of(decoder.decode(tone))[8000:]
    assert 0.9 < np.std(heard) / (10000 / np.sqrt(2)) < 1.1


@given(st.lists(st.integers(-32768, 32767), max_size=600))
@settings(max_examples=100)
def test_no_encoder_output_has_the_codes_that_are_never_sent(samples):
    pcm = np.array(samples[: len(samples) // 2 * 2], "<i2").tobytes()
    codes = G722Encoder().encode(pcm)
    assert len(codes) == len(pcm) // 4
    assert all(code & 0x3C for code in codes)


def test_an_odd_number_of_samples_and_half_a_sample_are_refused_and_change_nothing():
    encoder = G722Encoder()
    with pytest.raises(ValueError, match="expected an even number of samples, got 3"):
        encoder.encode(b"\x01\x7f" * 3)
    with pytest.raises(ValueError, match="expected whole 16-bit samples, got 3 octets"):
        encoder.encode(b"\x01\x7f\x01")
    assert encoder.encode(b"") == b""
    assert encoder.encode(SIGNALS["noise"]) == ENCODED["noise"]
    assert G722Decoder().decode(b"") == b""


def test_a_reset_codec_is_a_new_one():
    encoder, decoder = G722Encoder(), G722Decoder()
    encoder.encode(SIGNALS["full noise"])
    decoder.decode(STREAMS["random"])
    encoder.reset()
    decoder.reset()
    assert encoder.encode(SIGNALS["noise"]) == ENCODED["noise"]
    assert decoder.decode(ENCODED["noise"]) == G722Decoder().decode(ENCODED["noise"])


def test_any_buffer_is_taken_at_any_alignment():
    pcm, codes = SIGNALS["noise"], ENCODED["noise"]
    assert G722Encoder().encode(memoryview(b"\0" + pcm)[1:]) == codes
    assert G722Decoder().decode(bytearray(codes)) == G722Decoder().decode(codes)


def test_the_way_through_both_is_22_samples_late_and_keeps_the_level():
    pcm = pcm_of(SIGNALS["speech"])
    heard = pcm_of(G722Decoder().decode(ENCODED["speech"]))
    by_delay = {lag: float(np.dot(pcm[: len(pcm) - lag], heard[lag:])) for lag in range(60)}
    assert max(by_delay, key=by_delay.__getitem__) == 22
    error = heard[22:] - pcm[:-22]
    assert 10 * np.log10(np.mean(pcm[:-22] ** 2.0) / np.mean(error**2.0)) > 20


@pytest.mark.parametrize(("hz", "decibels"), [(300, 30), (1000, 30), (3000, 28), (6000, 14)])
def test_a_tone_keeps_its_signal_to_noise_ratio(hz, decibels):
    pcm = pcm_of(sine(hz, 10000, 16000))
    heard = pcm_of(G722Decoder().decode(G722Encoder().encode(sine(hz, 10000, 16000))))
    error = (heard[22:] - pcm[:-22])[2000:]
    assert 10 * np.log10(np.mean(pcm**2.0) / np.mean(error**2.0)) > decibels
