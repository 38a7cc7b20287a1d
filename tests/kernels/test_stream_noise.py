"""What a stream sends in pauses where comfort noise was agreed: RFC 3389 and nothing else."""

from __future__ import annotations

from itertools import pairwise

import av
import numpy as np
import pytest
from rtp_peer import FRAME, HOST, Peer, configure, make_stream

from rapida_media.kernels import ComfortNoise, MediaStream, RtpPacket, parse_rtp

NOISE = 13
HANGOVER, REPEAT = 10, 25  # ticks
RATE_HZ = 16000


def sender(**changes: object) -> Peer:
    peer = Peer(make_stream())
    configure(peer.stream, **{"send_noise": NOISE, **changes})
    peer.stream.start(peer.now)
    return peer


def tick(peer: Peer, ticks: int) -> list[RtpPacket | None]:
    """What each tick sends; None: nothing."""
    sent = []
    for _ in range(ticks):
        peer.now = peer.stream.next_send_time()
        packets = [parse_rtp(data) for data, _ in peer.stream.datagrams_to_send(peer.now)]
        assert len(packets) < 2
        sent.append(packets[0] if packets else None)
    return sent


def tone(ticks: int, level: float = 8000) -> bytes:
    at = np.arange(ticks * FRAME)
    return (level * np.sin(2 * np.pi * 440 * at / RATE_HZ)).astype("<i2").tobytes()


def background(ticks: int, rms: float, seed: int = 1) -> bytes:
    """Noise with more bass than treble, as of a room."""
    white = np.random.default_rng(seed).normal(0, 1, ticks * FRAME + 40)
    coloured = np.convolve(white, 0.8 ** np.arange(40), "valid")[: ticks * FRAME]
    return (coloured * rms / coloured.std()).astype("<i2").tobytes()


def types(sent: list[RtpPacket | None]) -> list[int | None]:
    return [None if packet is None else packet.payload_type for packet in sent]


def noises(sent: list[RtpPacket | None]) -> list[RtpPacket]:
    return [packet for packet in sent if packet is not None and packet.payload_type == NOISE]


def test_a_pause_is_told_after_200_ms_and_again_every_half_second() -> None:
    peer = sender()
    peer.stream.write(tone(3))
    sent = tick(peer, 3 + HANGOVER + 2 * REPEAT + 1)
    told = [n for n, kind in enumerate(types(sent)) if kind == NOISE]
    first = 3 + HANGOVER
    assert types(sent[:first]) == [0] * first
    assert told == [first, first + REPEAT, first + 2 * REPEAT]
    assert [packet for packet in sent[first + 1 : first + REPEAT] if packet is not None] == []


def test_sequence_goes_on_the_timestamp_tells_the_place_and_speech_has_the_marker() -> None:
    peer = sender()
    begin = 2**32 - 320
    peer.stream.write(tone(1))
    pause = tick(peer, 1 + HANGOVER + 8)
    peer.stream.write(tone(2))
    spoken = tick(peer, 2)
    [noise] = noises(pause)
    first, second = spoken
    assert first is not None
    assert second is not None
    assert noise.timestamp == (begin + (1 + HANGOVER) * 160) % 2**32
    assert (noise.sequence_number, noise.marker) == ((65534 + 1 + HANGOVER) % 65536, False)
    assert first.sequence_number == noise.sequence_number + 1
    assert first.timestamp == (begin + (1 + HANGOVER + 8) * 160) % 2**32
    assert (first.marker, first.payload_type, second.marker) == (True, 0, False)


def test_without_an_agreement_every_tick_goes_out_as_before() -> None:
    peer = sender(send_noise=None)
    peer.stream.write(tone(1))
    assert types(tick(peer, 60)) == [0] * 60


def test_a_break_of_less_than_200_ms_goes_out_unbroken() -> None:
    peer = sender()
    for _ in range(5):
        peer.stream.write(tone(1))
        assert types(tick(peer, 1 + HANGOVER)) == [0] * (1 + HANGOVER)


def test_nothing_ever_said_is_an_idle_line() -> None:
    [noise, *_] = noises(tick(sender(), 40))
    assert noise.payload[0] == 75
    assert set(noise.payload[1:]) == {127}  # white


@pytest.mark.parametrize(
    ("encoding", "payload_type", "rate_hz"),
    [("PCMU", 0, 8000), ("PCMA", 8, 8000), ("G722", 9, 8000), ("L16/16000", 96, 16000)],
)
def test_the_background_that_was_written_is_described(
    encoding: str, payload_type: int, rate_hz: int
) -> None:
    peer = sender(send_payload_type=payload_type, send_encoding=encoding)
    peer.stream.write(tone(20) + background(200, 60))
    sent = tick(peer, 220)
    assert types(sent[:20]) == [payload_type] * 20
    last = noises(sent)[-1]
    assert len(last.payload) == 11
    heard = background(200, 60)
    if rate_hz == 8000:  # half the band has most of the sound
        assert -last.payload[0] == pytest.approx(20 * np.log10(60 / 32768), abs=3)
    else:
        assert -last.payload[0] == pytest.approx(20 * np.log10(60 / 32768), abs=2)
        x = np.frombuffer(heard, "<i2").astype(float)
        k1 = -(x[1:] @ x[:-1]) / (x @ x)
        assert (last.payload[1] - 127) * 258 / 32768 == pytest.approx(k1, abs=0.06)


def test_a_change_of_the_background_is_told_sooner() -> None:
    peer = sender()
    peer.stream.write(background(190, 60) + background(150, 20, 2))
    sent = tick(peer, 340)
    told = [n for n, kind in enumerate(types(sent)) if kind == NOISE]
    levels = [packet.payload[0] for packet in noises(sent)]
    steps = [after - before for before, after in pairwise(told)]
    assert min(steps) < REPEAT
    assert min(steps) >= 5
    assert levels[-1] == pytest.approx(levels[len(levels) // 2 - 2] + 9.5, abs=3)
    assert all(kind != 0 for kind in types(sent)[120:])


def test_a_background_that_grows_louder_is_heard_until_it_has_become_the_background() -> None:
    peer = sender()
    peer.stream.write(background(200, 20) + background(250, 60, 2))
    sent = tick(peer, 450)
    assert types(sent[200:250]) == [0] * 50
    assert 0 not in types(sent[350:])
    before, after = noises(sent[:200])[-1], noises(sent)[-1]
    assert after.payload[0] == pytest.approx(before.payload[0] - 9.5, abs=3)


def test_steady_sound_that_is_meant_to_be_heard_is_no_pause() -> None:
    peer = sender()
    peer.stream.write(tone(300, level=200))  # -47 dBov
    assert types(tick(peer, 300)) == [0] * 300


def test_all_that_is_written_counts_as_played() -> None:
    peer = sender()
    peer.stream.write(tone(5) + bytes(2 * FRAME * 40) + tone(5))
    peer.stream.mark(7)
    sent = tick(peer, 50)
    figures = peer.stream.statistics()
    assert (figures["played_ms"], peer.stream.next_mark()) == (1000, (7, True))
    assert figures["comfort_noise_sent"] == len(noises(sent)) == 2
    assert figures["packets_sent"] == len([packet for packet in sent if packet is not None])


def test_a_digit_in_a_pause_goes_out_and_the_pause_goes_on() -> None:
    peer = sender()
    tick(peer, 1 + HANGOVER)
    peer.stream.send_digits("5", 100, 20)
    sent = tick(peer, 60)
    assert 101 in types(sent)
    assert 0 not in types(sent)
    assert NOISE in types(sent)


def test_holding_sends_no_noise() -> None:
    peer = sender()
    tick(peer, 20)
    configure(peer.stream, send_noise=NOISE, sending=False)
    assert types(tick(peer, 60)) == [None] * 60


def test_a_new_offer_without_noise_ends_it() -> None:
    peer = sender()
    tick(peer, 20)
    configure(peer.stream)
    sent = tick(peer, 5)
    assert types(sent) == [0] * 5
    assert sent[0] is not None
    assert sent[0].marker


def test_long_packets_and_noise_keep_their_order() -> None:
    peer = sender(packet_ms=40)
    peer.stream.write(tone(3))
    packets = []
    for _ in range(60):
        peer.now = peer.stream.next_send_time()
        packets += [parse_rtp(data) for data, _ in peer.stream.datagrams_to_send(peer.now)]
    numbers = [(packet.sequence_number - 65534) % 65536 for packet in packets]
    assert numbers == list(range(len(packets)))
    stamps = [(packet.timestamp - (2**32 - 320)) % 2**32 for packet in packets]
    assert stamps == sorted(stamps)
    assert {packet.payload_type for packet in packets} == {0, NOISE}


def test_noise_under_a_dynamic_number_is_heard_as_noise() -> None:
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1, jitter="adaptive", framed=False)
    configure(stream, receive_noise=(105,), remote=HOST)
    peer = Peer(stream)
    peer.deliver(peer.packet(), peer.packet(), peer.raw(b"\x32", payload_type=105))
    assert stream.statistics()["unknown_payload_type"] == 0
    heard = b"".join(stream.pull(peer.now + 0.1 + n / 50, 20) for n in range(40))
    assert np.frombuffer(heard, "<i2")[-RATE_HZ // 10 :].std() == pytest.approx(104, rel=0.25)


def test_ffmpeg_makes_the_background_of_our_packets() -> None:
    peer = sender()
    peer.stream.write(background(200, 60))
    [*_, last] = noises(tick(peer, 200))
    decoder = av.CodecContext.create("comfortnoise", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"  # type: ignore[attr-defined]
    made = [
        frame.to_ndarray()[0]
        for _ in range(25)
        for frame in decoder.decode(av.Packet(last.payload))
    ]
    theirs = np.concatenate(made)[2000:].astype(float)
    ours = ComfortNoise()
    ours.receive(last.payload)
    mine = np.frombuffer(ours.read(len(theirs)), "<i2").astype(float)

    def bass(x: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(x)) ** 2
        return float(power[: len(power) // 4].sum() / power.sum())

    white = 0.25
    assert bass(theirs) == pytest.approx(bass(mine), abs=0.08)
    assert bass(theirs) > 1.5 * white
