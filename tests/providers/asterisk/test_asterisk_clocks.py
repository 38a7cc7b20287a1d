"""An Asterisk whose clock is not ours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from providers.echoed_line import EchoedLine, check_the_delay_does_not_grow

from rapida_media.providers.asterisk import AUDIOSOCKET, SPEC
from rapida_media.providers.asterisk.audiosocket import AudioSocketStream
from rapida_media.providers.stream import AudioFormat
from rapida_media.testing.asterisk import AudioSocketLine, WebsocketLine


@pytest.mark.parametrize("ppm", [1000.0, -1000.0])
def test_the_delay_does_not_grow_with_a_clock_that_is_off(ppm: float) -> None:
    line = _websocket(ppm)
    check_the_delay_does_not_grow(line)
    assert line.leg.stats()["lead_ms"] in range(61)


@pytest.mark.parametrize("ppm", [900.0, -900.0])
@pytest.mark.parametrize("way", ["AudioSocket", "WebSocket"])
def test_an_echo_keeps_its_delay_for_as_long_as_six_hours_drift(way: str, ppm: float) -> None:
    """20 minutes at 900 ppm drift as far as 6 hours at 50, which is what crystals are off: 1.1 s,
    that an echo without a pause would be late, or would miss in holes of 20 ms."""
    line = _audiosocket(ppm) if way == "AudioSocket" else _websocket(ppm)
    line.run(10.0)
    delay_ms, sent, heard = _measure(line)
    line.run(20 * 60.0)
    later_ms, sent_later, heard_later = _measure(line)
    assert abs(later_ms - delay_ms) <= 20
    assert abs((sent_later - sent) - (heard_later - heard)) <= 2
    assert not line.line.warnings


def _audiosocket(ppm: float) -> EchoedLine:
    spec = replace(AUDIOSOCKET, stream=partial(AudioSocketStream, 8000))
    return EchoedLine(spec, AudioSocketLine(bytes(16), AudioFormat("s16le", 8000), ppm=ppm))


def _websocket(ppm: float) -> EchoedLine:
    return EchoedLine(SPEC, WebsocketLine("slin16", ppm=ppm))


def _measure(line: EchoedLine) -> tuple[float, int, int]:
    stats = line.leg.stats()
    return line.delay_ms, int(stats["packets_sent"]), int(stats["packets_received"])
