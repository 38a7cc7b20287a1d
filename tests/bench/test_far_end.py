"""The measuring instrument itself: what the far ends count, against echoes of known faults.

The echo is this file's own, packet in, packet out, so every figure has a known right answer. It
runs in real time because the far ends do: a window is half a second.
"""

from __future__ import annotations

import select
import shutil
import socket
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from bench.load.caller import read_media, read_message
from bench.load.far_end import FarEnd
from bench.load.level import refusal

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="the far ends need cc")

CALLS = 4
WINDOW_S = 0.5
Fault = Callable[[int, bytes], list[tuple[int, bytes]]]  # packet of call i → what goes to whom


def expand_ulaw(payload: bytes) -> np.ndarray:
    """ITU-T G.711 table 2, from its formula."""
    bits = ~np.frombuffer(payload, np.uint8)
    magnitude = ((((bits & 15).astype(int) << 1) + 33 << ((bits >> 4) & 7)) - 33) * 4
    return np.where(bits & 0x80, -magnitude, magnitude).astype(np.int32)


CODES = expand_ulaw(bytes(range(256)))
RISING = np.argsort(CODES, kind="stable").astype(np.uint8)
BETWEEN = (CODES[RISING][1:] + CODES[RISING][:-1]) / 2


def compress_ulaw(pcm: np.ndarray) -> bytes:
    return RISING[np.searchsorted(BETWEEN, pcm)].tobytes()


@dataclass
class TelephoneFilter:
    """Passes up to 3.4 kHz and delays by 19.5 samples: half a sample is the hardest place."""

    history: dict[int, np.ndarray] = field(default_factory=dict)

    def __call__(self, call: int, packet: bytes) -> list[tuple[int, bytes]]:
        taps = np.arange(40) - 19.5
        kernel = np.sinc(taps * 0.87) * 0.87 * np.hamming(40)
        line = np.append(self.history.get(call, np.zeros(39)), expand_ulaw(packet[12:]))
        self.history[call] = line[-39:]
        return [(call, packet[:12] + compress_ulaw(np.convolve(line, kernel, "valid")))]


@pytest.fixture
def peers() -> Iterator[list[socket.socket]]:
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(CALLS)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    yield sockets
    for one in sockets:
        one.close()


def echo(far_end: FarEnd, peers: list[socket.socket], seconds: float, fault: Fault) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        for ready in select.select(peers, [], [], left)[0]:
            packet = ready.recv(2048)
            for call, answer in fault(peers.index(ready), packet):
                peers[call].sendto(answer, ("127.0.0.1", far_end.ports[call]))


def measure(peers: list[socket.socket], fault: Fault) -> dict[str, Any]:
    with FarEnd(CALLS, "127.0.0.1", None) as far_end:
        for index, peer in enumerate(peers):
            far_end.call(index, "127.0.0.1", peer.getsockname()[1], 0)
        far_end.start()
        echo(far_end, peers, 0.2, fault)
        far_end.open_window()
        echo(far_end, peers, WINDOW_S, fault)
        far_end.close_window()
        echo(far_end, peers, 0.2, fault)
        return far_end.report()


def packet_number(packet: bytes) -> int:
    return int(struct.unpack("!H", packet[2:4])[0])


def test_every_packet_of_an_exact_echo_is_found_at_once(peers: list[socket.socket]) -> None:
    figures = measure(peers, lambda call, packet: [(call, packet)])

    assert figures["sent"] == pytest.approx(CALLS * WINDOW_S * 50, abs=2 * CALLS)
    assert figures["echoed"] == figures["sent"] == figures["round_trip_us"]["count"]
    assert figures["foreign"] == figures["duplicate"] == figures["silent_calls"] == 0
    assert 0 < figures["round_trip_us"]["p50"] < 10_000
    assert figures["gap_us"]["p50"] == pytest.approx(20_000, abs=2_000)


def test_a_filters_delay_is_part_of_the_round_trip(peers: list[socket.socket]) -> None:
    figures = measure(peers, TelephoneFilter())

    assert figures["echoed"] == figures["sent"]
    # 19.5 samples are 2.44 ms; the reader finds the nearer whole sample.
    assert 2_300 < figures["round_trip_us"]["p50"] < 12_000


def test_a_shift_by_any_number_of_samples_is_followed(peers: list[socket.socket]) -> None:
    tails = dict.fromkeys(range(CALLS), b"\xff" * 77)

    def shift(call: int, packet: bytes) -> list[tuple[int, bytes]]:
        line = tails[call] + packet[12:]
        tails[call] = line[160:]
        return [(call, packet[:12] + line[:160])]

    figures = measure(peers, shift)

    assert figures["echoed"] == figures["sent"]
    assert 9_600 < figures["round_trip_us"]["p50"] < 19_000  # 77 samples are 9.6 ms


def test_packets_that_are_lost_do_not_count_as_echoed(peers: list[socket.socket]) -> None:
    figures = measure(
        peers, lambda call, packet: [(call, packet)] if packet_number(packet) % 2 else []
    )

    assert figures["echoed"] / figures["sent"] == pytest.approx(0.5, abs=0.05)
    assert figures["gap_us"]["p50"] == pytest.approx(40_000, abs=5_000)


def test_silence_in_good_rhythm_is_no_echo(peers: list[socket.socket]) -> None:
    figures = measure(peers, lambda call, packet: [(call, packet[:12] + b"\xff" * 160)])

    assert figures["echoed"] == 0
    assert figures["silent_calls"] == CALLS
    assert figures["received"] > 0


def test_audio_at_half_its_level_is_no_echo(peers: list[socket.socket]) -> None:
    def fade(call: int, packet: bytes) -> list[tuple[int, bytes]]:
        return [(call, packet[:12] + compress_ulaw(expand_ulaw(packet[12:]) / 2))]

    assert measure(peers, fade)["echoed"] == 0


def test_audio_of_another_call_is_counted_as_foreign(peers: list[socket.socket]) -> None:
    figures = measure(peers, lambda call, packet: [((call + 1) % CALLS, packet)])

    assert figures["echoed"] == 0
    assert figures["foreign"] > 0.9 * figures["sent"]


def test_audio_that_returns_twice_counts_once(peers: list[socket.socket]) -> None:
    def stutter(call: int, packet: bytes) -> list[tuple[int, bytes]]:
        """The same 20 ms again on a time line of its own, 40 ms a packet."""
        number = packet_number(packet)
        header = struct.pack("!BBHII", 0x80, 0, number, number * 320, 7)
        return [(call, header + packet[12:] * 2)]

    figures = measure(peers, stutter)

    assert figures["echoed"] == figures["sent"]
    assert figures["duplicate"] > 0.9 * figures["sent"]


def test_a_stream_that_stopped_is_one_long_gap(peers: list[socket.socket]) -> None:
    began = time.monotonic()

    def stop(call: int, packet: bytes) -> list[tuple[int, bytes]]:
        return [(call, packet)] if time.monotonic() - began < 0.4 else []

    figures = measure(peers, stop)

    assert figures["gap_us"]["over"] == CALLS
    assert figures["gap_us"]["max"] > 200_000


def test_a_level_is_refused_when_the_generator_was_at_fault() -> None:
    good = {"lateness_us": {"p999": 4_999}, "socket_drops": 0, "unsent": 0}
    assert refusal(good) == ""
    assert "sent late (p99.9 5.1 ms)" in refusal({**good, "lateness_us": {"p999": 5_100}})
    assert "overflowed (3 packets)" in refusal({**good, "socket_drops": 3})
    assert "could not send 2 packets" in refusal({**good, "unsent": 2})


def test_the_answers_media_is_read_from_the_first_audio_line() -> None:
    sdp = "v=0\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"
    assert read_media(sdp) == ("192.0.2.1", 4000)
    assert read_media(sdp + "c=IN IP4 192.0.2.9\r\n") == ("192.0.2.9", 4000)
    assert read_media(sdp.replace("AVP 0", "AVP 8 101")) is None
    assert read_media(sdp.replace("4000", "0")) is None
    assert read_media("") is None


def test_compact_and_folded_headers_are_read() -> None:
    start, headers, body = read_message(
        b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a\r\nRecord-Route: <sip:p1>\r\nRecord-Route: <sip:p2>"
        b"\r\nt: <sip:b>\r\n ;tag=1\r\ni: x\r\n\r\nbody"
    )
    assert (start, body) == ("SIP/2.0 200 OK", "body")
    assert headers == {
        "via": ["SIP/2.0/UDP a"],
        "record-route": ["<sip:p1>", "<sip:p2>"],
        "to": ["<sip:b> ;tag=1"],
        "call-id": ["x"],
    }
