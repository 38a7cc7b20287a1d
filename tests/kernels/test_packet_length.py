"""Packets longer and shorter than a tick: ptime 10, 40 and 60."""

from __future__ import annotations

import pytest

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import MediaStream, RtpPacket, Tone, parse_rtp

REMOTE = ("192.0.2.1", 4000)


def stream(packet_ms: int, encoding: str = "PCMU", **more: object) -> MediaStream:
    made = MediaStream(ssrc=7, sequence_number=65_530, timestamp=2**32 - 800)
    made.configure(
        receive={0: encoding}, send_payload_type=0, send_encoding=encoding, send_event=101,
        receive_events=(101,), remote=REMOTE, packet_ms=packet_ms, **more,
    )  # fmt: skip
    made.start(0.0)
    return made


def sent(source: MediaStream, seconds: float, start: float = 0.0) -> list[tuple[float, RtpPacket]]:
    """Let ticks pass; give (when, packet)."""
    packets = []
    for tick in range(round(seconds * 50)):
        now = start + tick / 50
        for data, _ in source.datagrams_to_send(now):
            packet = parse_rtp(data)
            assert packet is not None
            packets.append((now, packet))
    return packets


def payloads(packets: list[tuple[float, RtpPacket]], payload_type: int = 0) -> bytes:
    return b"".join(p.payload for _, p in packets if p.payload_type == payload_type)


def in_sequence(packets: list[tuple[float, RtpPacket]]) -> bool:
    numbers = [p.sequence_number for _, p in packets]
    return numbers == [(numbers[0] + n) % 65_536 for n in range(len(numbers))]


@pytest.mark.parametrize("encoding", ["PCMU", "PCMA", "G722", "L16/16000"])
@pytest.mark.parametrize("packet_ms", [10, 20, 40, 60])
def test_the_same_audio_goes_in_packets_of_the_wished_length(encoding: str, packet_ms: int) -> None:
    usual, wished = stream(20, encoding), stream(packet_ms, encoding)
    for each in (usual, wished):
        each.write(Tone(440).read(16_000))
    expected, packets = sent(usual, 1.2), sent(wished, 1.2)
    assert payloads(packets) == payloads(expected)
    assert in_sequence(packets)
    length = 40 if (encoding, packet_ms) == ("L16/16000", 60) else packet_ms  # as Ethernet has it
    units = length * (16 if encoding == "L16/16000" else 8)
    stamps = [p.timestamp for _, p in packets]
    assert stamps == [(stamps[0] + n * units) % 2**32 for n in range(len(stamps))]
    assert len({len(p.payload) for _, p in packets}) == 1
    assert [p.marker for _, p in packets] == [True] + [False] * (len(packets) - 1)
    assert wished.statistics()["packets_sent"] == len(packets)
    assert wished.statistics()["octets_sent"] == len(payloads(packets))


def test_the_end_of_speech_is_not_kept_back_until_the_next() -> None:
    source = stream(60, silence="suppress")
    source.write(Tone(440).read(320 * 4))
    packets = sent(source, 0.5)
    assert sum(len(p.payload) for _, p in packets) >= 160 * 4
    assert packets[-1][0] <= 0.16
    source.write(Tone(440).read(320 * 3))
    later = sent(source, 0.5, start=0.5)
    assert later[0][1].marker
    assert in_sequence(packets + later)


def test_digits_between_audio_keep_their_order_and_their_numbers() -> None:
    source = stream(40)
    source.write(Tone(440).read(320 * 5))
    source.send_digits("5")
    source.write(Tone(440).read(320 * 5))
    packets = sent(source, 1.0)
    assert in_sequence(packets)
    kinds = [p.payload_type for _, p in packets]
    first, last = kinds.index(101), len(kinds) - kinds[::-1].index(101)
    assert 0 in kinds[:first]
    assert 0 in kinds[last:]
    assert payloads(packets[:first]) == payloads(sent(_spoken(5), 0.1))


def _spoken(frames: int) -> MediaStream:
    source = stream(20)
    source.write(Tone(440).read(320 * frames))
    return source


def test_what_another_stream_hears_is_whole_at_every_length() -> None:
    for packet_ms in (10, 20, 40, 60):
        source, target = stream(packet_ms), stream(20)
        source.write(Tone(440).read(16_000))
        for tick in range(50):
            for data, _ in source.datagrams_to_send(tick / 50):
                target.receive_datagram(data, REMOTE, tick / 50)
        figures = target.statistics()
        assert figures["packets_lost"] == figures["bad_payload"] == figures["duplicate"] == 0
        frames = 0
        while (frame := target.next_frame()) is not None:
            assert not frame.concealed
            frames += 1
        assert frames >= 45


@pytest.mark.parametrize("before", [10, 20, 40, 60])
@pytest.mark.parametrize("after", [10, 20, 40])
def test_a_new_length_in_mid_call_loses_nothing(before: int, after: int) -> None:
    source = stream(before)
    source.write(Tone(440).read(16_000))
    packets = sent(source, 0.1)
    source.configure(
        receive={0: "PCMU"},
        send_payload_type=0,
        send_encoding="PCMU",
        remote=REMOTE,
        packet_ms=after,
    )
    packets += sent(source, 0.9, start=0.1)
    assert in_sequence(packets)
    audio = payloads(packets)
    assert len(audio) >= 49 * 160  # the last may wait for one more
    assert audio == payloads(sent(_spoken(50), 1.0))[: len(audio)]


@pytest.mark.parametrize("packet_ms", [0, 5, 30, 80, -20])
def test_other_lengths_are_refused(packet_ms: int) -> None:
    with pytest.raises(LocalProtocolError):
        stream(packet_ms)
