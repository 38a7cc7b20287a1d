"""Opus: other decoders and encoders, FEC, DTX, what is no Opus, and what is lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opus_peers import LibOpus, browser_encode, ffmpeg_decode, require_av
from speech_match import match

from rapida_media.errors import LocalProtocolError

require_av()
from rapida_media.media.opus import OpusDecoder, OpusEncoder  # noqa: E402, needs PyAV

SILENCE = bytes(640)
LBRR_FLAG = 0x40  # RFC 6716 section 4.2.3: after the one voice activity flag of a 20 ms mono packet
CELT_TOC = 16 << 3
SPEECH_PAYLOAD = OpusEncoder(fec=False).encode(b"\x00\x10\x00\xf0" * 160)


def encode(frames: list[bytes], **settings_) -> list[bytes]:
    encoder = OpusEncoder(**settings_)
    return [encoder.encode(frame) for frame in frames]


def decode(payloads: list[bytes]) -> bytes:
    decoder = OpusDecoder()
    return b"".join(decoder.decode(payload) for payload in payloads)


def with_copy(payloads: list[bytes]) -> int:
    return sum(1 for payload in payloads if payload[0] < CELT_TOC and payload[1] & LBRR_FLAG)


def level(pcm: bytes) -> float:
    return float(np.std(np.frombuffer(pcm, "<i2").astype(float)))


def noise(seconds: float, rms: float) -> list[bytes]:
    samples = np.random.default_rng(1).normal(0, rms, (round(50 * seconds), 320))
    return [frame.round().astype("<i2").tobytes() for frame in samples]


# Against others.


@pytest.mark.parametrize("settings_", [{}, {"fec": False}, {"bitrate": 16000}, {"dtx": True}])
def test_ffmpegs_own_decoder_hears_the_same_speech(speech_frames, settings_):
    payloads = encode(speech_frames, **settings_)
    sent, ours, theirs = b"".join(speech_frames), decode(payloads), ffmpeg_decode(payloads)
    assert match(sent, theirs).snr_db > 10
    assert match(sent, ours).snr_db == pytest.approx(match(sent, theirs).snr_db, abs=0.5)


@pytest.mark.parametrize("application", ["audio", "voip"])
@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60, 120])
def test_stereo_packets_of_other_lengths_at_48_khz_are_heard(speech_frames, frame_ms, application):
    sent, decoder = b"".join(speech_frames), OpusDecoder()
    heard = []
    for payload in browser_encode(sent, frame_ms, application):
        heard.append(decoder.decode(payload))
        assert len(heard[-1]) == 32 * frame_ms
    assert match(sent, b"".join(heard)).snr_db > 10
    assert len(decoder.conceal()) == 32 * frame_ms
    assert (decoder.malformed, decoder.concealed) == (0, 1)


def test_the_shortest_packets_are_heard(speech_frames):
    sent = b"".join(speech_frames[:100])
    heard = decode(browser_encode(sent, 2.5, "lowdelay"))
    assert len(heard) == len(sent)
    assert match(sent, heard).snr_db > 10


# Bit rate and settings.


@pytest.mark.parametrize("bitrate", [12000, 24000, 40000])
def test_speech_takes_no_more_than_its_bit_rate(speech_frames, bitrate):
    payloads = encode(speech_frames, bitrate=bitrate)
    per_second = 8 * sum(map(len, payloads)) * 50 / len(payloads)
    assert bitrate / 2 < per_second < bitrate


@pytest.mark.parametrize(
    ("settings_", "sentence"),
    [
        ({"bitrate": 5999}, "opus: expected 6000 to 256000 bit/s, got 5999"),
        ({"bitrate": 256001}, "opus: expected 6000 to 256000 bit/s, got 256001"),
        (
            {"bitrate": 64000, "dtx": True},
            "opus: expected 6000 to 48000 bit/s with DTX, got 64000",
        ),
        ({"expected_loss_percent": 101}, "opus: expected 0 to 100 percent of loss, got 101"),
        ({"complexity": -1}, "opus: expected 0 to 10 of complexity, got -1"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings_, sentence):
    with pytest.raises(LocalProtocolError) as caught:
        OpusEncoder(**settings_)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("settings_", [{"bitrate": 6000}, {"bitrate": 256000}, {"complexity": 0}])
def test_a_setting_at_its_limit_is_taken(speech_frames, settings_):
    sent = speech_frames[:100]
    assert match(b"".join(sent), decode(encode(sent, **settings_))).correlation > 0.7


@pytest.mark.parametrize("octets", [0, 2, 638, 639, 641, 642, 1280])
def test_another_length_than_20_ms_is_refused_and_changes_nothing(speech_frames, octets):
    encoder, untouched = OpusEncoder(), OpusEncoder()
    for frame in speech_frames[:20]:
        with pytest.raises(LocalProtocolError, match=f"frame of 640 bytes, got {octets}$"):
            encoder.encode(bytes(octets))
        assert encoder.encode(frame) == untouched.encode(frame)


@given(st.lists(st.binary(min_size=640, max_size=640), min_size=1, max_size=8), st.booleans())
@settings(deadline=None, max_examples=30)
def test_any_sound_makes_one_payload_a_frame_that_lasts_20_ms(frames, dtx):
    encoder, decoder = OpusEncoder(dtx=dtx), OpusDecoder()
    for frame in frames:
        payload = encoder.encode(frame)
        assert 1 <= len(payload) <= 1275
        assert len(decoder.decode(payload)) == 640
    assert decoder.malformed == 0


# FEC.


def test_fec_puts_a_copy_into_the_packets_of_a_voice_and_costs_octets(speech_frames):
    off, idle, protected = (
        encode(speech_frames, bitrate=32000, fec=fec, expected_loss_percent=percent)
        for fec, percent in ((False, 20), (True, 0), (True, 20))
    )
    assert with_copy(off) == with_copy(idle) == 0
    assert with_copy(protected) > len(protected) / 2
    assert sum(map(len, protected)) > sum(map(len, off))
    assert sum(map(len, protected)) > 1.1 * sum(map(len, idle))


@pytest.mark.parametrize("settings_", [{"expected_loss_percent": 0}, {"bitrate": 12000}])
def test_no_copies_are_sent_without_expected_loss_or_room(speech_frames, settings_):
    assert with_copy(encode(speech_frames, **settings_)) == 0


def test_libopus_at_the_other_end_recovers_lost_frames_from_the_copies(speech_frames):
    peer, payloads = LibOpus(), encode(speech_frames)
    lost = set(range(5, len(payloads) - 1, 7))
    whole = peer.decode(payloads, set(), use_fec=False)
    concealed, recovered = (peer.decode(payloads, lost, use_fec) for use_fec in (False, True))
    assert match(whole, recovered).snr_db > match(whole, concealed).snr_db + 6


# DTX.


def test_dtx_sends_speech_unchanged_and_one_frame_of_silence_in_400_ms(speech_frames):
    frames = speech_frames + [SILENCE] * 500
    # 6 is the complexity that DTX falls back to.
    thinned, full = encode(frames, dtx=True), encode(frames, complexity=6)
    heads = [payload[:1] for payload in full]
    assert all(
        sent in (whole, head) for sent, whole, head in zip(thinned, full, heads, strict=True)
    )
    spoken = [whole for whole in full[: len(speech_frames)] if whole[1] & 0x80]
    assert [sent for sent in thinned if len(sent) > 1 and sent[1] & 0x80][: len(spoken)] == spoken
    tail = [len(payload) for payload in thinned[-400:]]
    refreshed = [place for place, octets in enumerate(tail) if octets > 1]
    assert len(refreshed) == 20
    assert set(np.diff(refreshed)) == {20}
    assert sum(tail) < 0.2 * sum(len(payload) for payload in full[-400:])


@pytest.mark.parametrize("bitrate", [8000, 24000, 48000])
@pytest.mark.parametrize("fec", [True, False])
def test_dtx_leaves_out_the_noise_of_a_line_and_the_other_end_hears_it_nevertheless(fec, bitrate):
    frames = noise(6, rms=20)
    full = encode(frames, fec=fec, bitrate=bitrate)
    thinned = encode(frames, dtx=True, fec=fec, bitrate=bitrate)
    assert sum(map(len, thinned[150:])) < 0.2 * sum(map(len, full[150:]))
    heard = decode(thinned)
    assert len(heard) == 640 * len(frames)
    assert 7 < level(heard[150 * 640 :]) < 25


def test_speech_after_a_long_pause_comes_back_at_once(speech_frames):
    pause = [SILENCE] * 150
    payloads = encode(speech_frames + pause + speech_frames, dtx=True)
    heard = decode(payloads)[-640 * len(speech_frames) :]
    assert match(b"".join(speech_frames), heard).snr_db > 10


def test_the_pauses_within_words_are_sent(speech_frames):
    talk = (speech_frames[30:40] + [SILENCE] * 9) * 6
    assert all(len(payload) > 1 for payload in encode(talk, dtx=True))


# What is no Opus, and what is lost.

MALFORMED = {  # RFC 6716 section 3.4
    "R1: no octet": b"",
    "R2: a frame longer than 1275": b"\x48" + bytes(1276),
    "R3: two equal frames of an odd length": b"\x49" + bytes(3),
    "R4: two frames without a length": b"\x4a",
    "R4: a first frame longer than the packet": b"\x4a\x08\x00",
    "R5: no frames": b"\x4b\x00",
    "R5: 140 ms": b"\x4b\x07" + bytes(7),
    "R6: frames of unequal length": b"\x4b\x02" + bytes(3),
    "R6: more padding than packet": b"\x4b\x42\xff\xff",
    "R7: lengths beyond the packet": b"\x4b\x82\x0a\x00",
    "nothing after the first octet": b"\x4b",
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_opus_packet_is_concealed_and_counted(speech_frames, payload):
    payloads = encode(speech_frames)
    decoder, untroubled = OpusDecoder(), OpusDecoder()
    for one in payloads[:40]:
        assert decoder.decode(one) == untroubled.decode(one)
    assert decoder.decode(payload) == untroubled.conceal()
    assert (decoder.malformed, decoder.concealed) == (1, 1)
    for one in payloads[41:]:
        assert decoder.decode(one) == untroubled.decode(one)
    assert (decoder.malformed, decoder.concealed) == (1, 1)


@pytest.mark.parametrize("payload", [b"", b"\x4b\x00"])
def test_a_stream_that_begins_with_rubbish_begins_with_20_ms_of_silence(speech_frames, payload):
    decoder = OpusDecoder()
    assert decoder.decode(payload) == SILENCE
    heard = [decoder.decode(one) for one in encode(speech_frames)]
    assert match(b"".join(speech_frames), b"".join(heard)).snr_db > 10


@given(st.lists(st.binary(max_size=100), max_size=10))
@settings(deadline=None, max_examples=100)
def test_any_octets_become_up_to_120_ms_and_leave_a_decoder_that_works(payloads):
    decoder = OpusDecoder()
    for payload in payloads:
        samples, rest = divmod(len(decoder.decode(payload)), 2)
        assert rest == 0
        assert samples % 40 == 0
        assert 40 <= samples <= 1920
    before = decoder.malformed
    assert len(decoder.decode(SPEECH_PAYLOAD)) == 640
    assert decoder.malformed == before


def test_a_truncated_payload_is_heard_as_damage_for_opus_has_no_checksum(speech_frames):
    payloads = encode(speech_frames)
    decoder = OpusDecoder()
    heard = [
        decoder.decode(payload if number % 50 else payload[: len(payload) // 2])
        for number, payload in enumerate(payloads)
    ]
    assert {len(pcm) for pcm in heard} == {640}
    assert decoder.malformed == 0
    assert match(b"".join(speech_frames), b"".join(heard)).correlation > 0.8


def test_concealment_goes_on_with_the_sound_and_fades_it_out(speech_frames):
    decoder = OpusDecoder()
    spoken = [level(decoder.decode(payload)) for payload in encode(speech_frames)[:40]]
    filled = [level(decoder.conceal()) for _ in range(20)]
    assert spoken[-1] > 500
    assert filled[0] > spoken[-1] / 4
    assert filled[-1] < spoken[-1] / 100
    assert decoder.concealed == 20


def test_concealing_single_losses_keeps_speech_better_than_silence_would(speech_frames):
    sent, payloads = b"".join(speech_frames), encode(speech_frames)
    decoder = OpusDecoder()
    heard, gaps = [], []
    for number, payload in enumerate(payloads):
        lost = number % 7 == 5
        heard.append(decoder.conceal() if lost else decoder.decode(payload))
        gaps.append(SILENCE if lost else heard[-1])
    assert match(sent, b"".join(heard)).snr_db > match(sent, b"".join(gaps)).snr_db
