"""A platform whose clock is not ours, for as long as that matters, in virtual time."""

from __future__ import annotations

import pytest
from recorded_twilio import ACCOUNT, CALL, STREAM

from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.media.frame import Audio
from rapida_media.providers.stream import Started, Stopped, StreamMessage
from rapida_media.providers.twilio import SPEC
from rapida_media.providers.twilio.stream import TwilioStream
from rapida_media.testing.twilio import StreamLine

TICK_S = 0.01


class EchoedLine:
    """A leg that echoes, joined to the simulated platform."""

    def __init__(self, ppm: float) -> None:
        self.leg = StreamLeg(SPEC, TwilioStream(), self, self)
        self.leg.received.subscribe(self._echo)
        self.line = StreamLine(ACCOUNT, CALL, STREAM, {}, ppm=ppm)
        self.now = 100.0
        self._sent: list[StreamMessage] = []
        for message in self.line.begin(self.now):
            self.leg.receive(message, self.now)

    def _echo(self, frame: Audio) -> None:
        self.leg.write(frame.pcm)

    def send(self, message: StreamMessage, *, audio: bool = False) -> None:
        self._sent.append(message)

    def drop_audio(self) -> None:
        """Nothing waits here."""

    def stream_started(self, event: Started) -> None:
        """Nobody waits for it."""

    def stream_stopped(self, event: Stopped) -> None:
        """Nobody waits for it."""

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            if not self.line.microphone:
                self.line.microphone += b"\x20" * 8000
            for message in self.line.tick(self.now):
                self.leg.receive(message, self.now)
            self.leg.tick(self.now)
            sent, self._sent = self._sent, []
            for each in sent:
                for answer in self.line.receive(each, self.now):
                    self.leg.receive(answer, self.now)

    @property
    def delay_ms(self) -> float:
        return self.leg.queued_ms + self.line.queued_ms

    @property
    def missed_samples(self) -> int:
        """What the caller did not hear while there was always something to hear."""
        return len(self.line.heard) - self.line.played


# Six minutes at 1000 ppm drift as far as thirty at 200.
@pytest.mark.parametrize("ppm", [1000.0, -1000.0])
def test_the_delay_does_not_grow_with_a_clock_that_is_off(ppm: float) -> None:
    line = EchoedLine(ppm)
    line.run(5.0)
    begins_ms, missed = line.delay_ms, line.missed_samples
    worst_ms = 0.0
    for _ in range(36):
        line.run(10.0)
        worst_ms = max(worst_ms, line.delay_ms)
    assert worst_ms <= begins_ms + 40
    assert line.missed_samples - missed <= 160, "at most one frame's length in all"
    assert line.leg.stats()["lead_ms"] in range(61)
    assert not line.line.warnings
