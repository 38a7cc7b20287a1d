"""A platform whose clock is not ours, for as long as that matters, in virtual time."""

from __future__ import annotations

from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.media.frame import Audio
from rapida_media.providers.base import ProviderSpec
from rapida_media.providers.stream import Started, Stopped, StreamMessage
from rapida_media.testing.line import PlatformLine

TICK_S = 0.01


class EchoedLine:
    """A leg that echoes, joined to a line of a simulated platform."""

    def __init__(self, spec: ProviderSpec, line: PlatformLine) -> None:
        assert spec.stream is not None
        self.leg = StreamLeg(spec, spec.stream(), self, self)
        self.leg.received.subscribe(self._echo)
        self.line = line
        self.now = 100.0
        self._sent: list[StreamMessage] = []
        self._second = b"\x20" * 32_000
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
                self.line.speak(self._second)
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
    def missed_ms(self) -> float:
        """What the caller did not hear while there was always something to hear."""
        heard = len(self.line.linear(bytes(self.line.heard))) // 2
        return (heard - self.line.played) * 1000 / self.line.audio.rate_hz


def check_the_delay_does_not_grow(line: EchoedLine) -> None:
    """Let six minutes pass: at 1000 ppm they drift as far as thirty do at 200."""
    line.run(5.0)
    begins_ms, missed_ms = _longest_delay_ms(line), line.missed_ms
    worst_ms = 0.0
    for _ in range(36):
        line.run(10.0)
        worst_ms = max(worst_ms, _longest_delay_ms(line))
    print(f"delay: {begins_ms:.0f} ms at first, {worst_ms:.0f} ms at worst")
    assert worst_ms <= begins_ms + 40
    assert line.missed_ms - missed_ms <= 20, "at most one frame's length in all"
    assert not line.line.warnings


def _longest_delay_ms(line: EchoedLine) -> float:
    """Look for as long as the longest chunk lasts: it falls while one is played."""
    delays_ms = []
    for _ in range(round(0.2 / TICK_S)):
        line.run(TICK_S)
        delays_ms.append(line.delay_ms)
    return max(delays_ms)
