"""The pipe protocol, and what a recogniser gets through it over the trace models."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rapida_media.kernels import ulaw_decode, ulaw_encode
from rapida_media.testing.jitter import COUNT, PACKET, PIECE, TICK, Call, Pipe, make_call
from rapida_media.testing.traces import MODELS, make_trace, read_trace

SPEECH = bytes(range(1, 256)) * 64


def records(call: Call, tick_ms: int = 10) -> bytes:
    """All packets and ticks of a call in order, and the end."""
    made, tick_us = [], call.packets[0].arrival_us
    for packet in call.packets:
        while tick_us < packet.arrival_us:
            made.append(b"G" + TICK.pack(tick_us))
            tick_us += tick_ms * 1000
        arrival_us, sequence, timestamp, ssrc, payload_type, marker, payload = packet
        fields = (arrival_us, sequence, timestamp, ssrc, payload_type, marker, len(payload))
        made.append(b"P" + PACKET.pack(*fields) + payload)
    return b"".join(made) + b"Q"


def answers(policy: str, asked: bytes, tick_ms: int = 10) -> bytes:
    sink = io.BytesIO()
    Pipe(policy, tick_ms, io.BytesIO(asked), sink).run()
    return sink.getvalue()


def pieces(answer: bytes) -> Iterator[list[tuple[int, int, bytes]]]:
    source = io.BytesIO(answer)
    while head := source.read(COUNT.size):
        answered = []
        for _ in range(COUNT.unpack(head)[0]):
            position, real, samples = PIECE.unpack(source.read(PIECE.size))
            answered.append((position, real, source.read(2 * samples)))
        yield answered


@pytest.mark.parametrize("tick_ms", [10, 20])
def test_each_tick_of_a_listener_is_answered_with_its_samples(tick_ms: int) -> None:
    asked = records(make_call(make_trace("wifi", 1, 5), SPEECH), tick_ms)
    ticks = (len(answers("adaptive", asked, tick_ms))) / (tick_ms * 16)
    assert ticks == pytest.approx(5000 / tick_ms, rel=0.03)
    assert ticks == int(ticks)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_recogniser_gets_every_packet_once_in_its_place_without_holes(name: str) -> None:
    call = make_call(make_trace(name, 3, 20), SPEECH)
    line = ulaw_decode(ulaw_encode(call.pcm))[call.first_sample * 2 :]
    end, real = 0, 0
    answered = pieces(answers("immediate", records(call)))
    for position, is_real, pcm in itertools.chain.from_iterable(answered):
        assert position == end
        end = position + len(pcm) // 2
        if is_real:
            real += 1
            # The first 2 ms behind a concealed piece are faded in.
            assert pcm[40:] == line[position * 2 + 40 : end * 2]
    delivered = len({packet.timestamp for packet in call.packets})
    assert real >= delivered * 0.997 - 1


def test_where_packets_keep_their_order_nothing_waits() -> None:
    call = make_call(make_trace("loss2", 2, 60), SPEECH)
    held = pieces(answers("immediate", records(call)))
    waits = sum(len([piece for piece in answer if piece[1]]) > 1 for answer in held)
    assert waits <= 3  # the first holes are waited for, to see who comes


def test_the_command_line_speaks_the_protocol() -> None:
    asked = records(make_call(make_trace("lan", 1, 1), SPEECH))
    command = [sys.executable, "-m", "rapida_media.testing.jitter", "--policy", "fixed:40"]
    ran = subprocess.run(command, input=asked, capture_output=True, check=True, timeout=60)
    assert ran.stdout == answers("fixed:40", asked)
    refused = subprocess.run([*command[:-1], "none"], check=False, capture_output=True, timeout=60)
    assert refused.returncode == 2
    assert b"expected immediate, adaptive or fixed" in refused.stderr


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_repeats_itself_and_delivers_what_it_says(name: str) -> None:
    trace = make_trace(name, 7, 20, vary=0.3)
    assert trace == make_trace(name, 7, 20, vary=0.3)
    assert trace.arrivals != make_trace(name, 8, 20, vary=0.3).arrivals
    assert all(at > trace.sent_ms[number] for at, number in trace.arrivals)
    share = len({number for _, number in trace.arrivals}) / len(trace.sent_ms)
    assert (0.85 if name == "loss6" else 0.93) < share <= 1


def test_a_measured_trace_is_read() -> None:
    head = "# name=x ptime_ms=20 drift_ppm=-3\nsend_ms,arrive_ms\n"
    text = head + "0.0,9.0\n20.0,lost\n40.0,49.5\n40.0,60\n"
    trace = read_trace(text)
    assert (trace.name, trace.ptime_ms, trace.drift_ppm) == ("x", 20, -3)
    assert list(trace.sent_ms) == [0, 20, 40]
    assert list(trace.arrivals) == [(9, 0), (49.5, 2), (60, 2)]
    assert trace.least_delay_ms == 9


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (b"X", "expected a record of 'P', 'G' or 'Q', got b'X'"),
        (b"G1234", "expected 8 bytes of a 'G' record, got 4"),
        (b"P" + bytes(7), f"expected {PACKET.size} bytes of a 'P' record, got 7"),
        (b"P" + PACKET.pack(0, 1, 2, 3, -1, 0, 0), "payload_type: expected 0 to 127, got -1"),
        (b"P" + PACKET.pack(0, 1, 2, 3, 0, 0, -5), "length: expected 0 to 65507, got -5"),
        (b"P" + PACKET.pack(0, 1, 2, 3, 0, 0, 5) + b"ab", "expected 5 bytes of payload, got 2"),
    ],
)
def test_a_record_that_cannot_be_read_is_told_of_in_one_sentence(asked: bytes, why: str) -> None:
    command = [sys.executable, "-m", "rapida_media.testing.jitter"]
    done = subprocess.run(command, input=asked, capture_output=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr.decode() == f"python -m rapida_media.testing.jitter: {why}\n"
