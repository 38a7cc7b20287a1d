"""The leg of every provider that streams media: a ``StreamProtocol`` joined to the bus.

The shell owns the socket: it hands in messages (``receive``), calls ``tick`` on the shared ticker
and carries what goes to the ``Outbox``. Converting, order, pacing and the play clock are here,
once for all providers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from rapida_media.errors import LocalProtocolError
from rapida_media.legs.base import Stats
from rapida_media.legs.far_clock import FarClock
from rapida_media.legs.stream_ingress import StreamIngress
from rapida_media.legs.stream_playout import StreamPlayout
from rapida_media.legs.stream_sender import Outbox, StreamSender
from rapida_media.media.bus import Bus
from rapida_media.media.tones import PAIR_OF, DtmfGenerator
from rapida_media.providers.base import ProviderSpec
from rapida_media.providers.stream import (
    AudioReceived,
    DigitReceived,
    Malformed,
    MarkReached,
    Paused,
    Started,
    Stopped,
    StreamMessage,
    StreamProtocol,
)
from rapida_media.stats import Counters


class StreamHandler(Protocol):
    """Who hears what the stream says of the call itself."""

    def stream_started(self, event: Started) -> None: ...
    def stream_stopped(self, event: Stopped) -> None: ...


class StreamLeg:
    """A ``Leg`` over one media stream of one provider."""

    _on_digit: Callable[[str, int], None]

    def __init__(
        self,
        spec: ProviderSpec,
        protocol: StreamProtocol,
        outbox: Outbox,
        handler: StreamHandler,
    ) -> None:
        self.received, self.sent = Bus(), Bus()
        self.counters = Counters()
        self.first_media_at: float | None = None
        self.heard_at = 0.0
        self.packets_received = 0
        self._protocol = protocol
        self._sender = StreamSender(protocol, outbox, self.counters)
        self._handler = handler
        self._now = 0.0
        self._ingress = StreamIngress(self.received.publish, self.counters)
        self._playout = StreamPlayout(
            self._sender,
            self.sent,
            lead_ms=spec.lead_ms,
            chunk_ms=lambda: protocol.chunk_ms,
            continuous=spec.continuous,
        )
        self._clock = FarClock() if spec.continuous else None
        self.disconnect()

    def connect(self, digit: Callable[[str, int], None], mark: Callable[[int, bool], None]) -> None:
        self._on_digit = digit
        self._playout.reached = mark

    def disconnect(self) -> None:
        self._on_digit = _ignore_digit
        self._playout.reached = _ignore_mark

    # -- for the shell -------------------------------------------------------------------------

    def receive(self, message: StreamMessage, now: float) -> None:
        """Follow one message of the provider. Bad ones are counted."""
        self._now = now
        self.counters.add("messages_received")
        for event in self._protocol.receive(message):
            match event:
                case AudioReceived():
                    self._hear(event, now)
                case DigitReceived(digit=digit, duration_ms=duration_ms):
                    self._on_digit(digit, duration_ms)
                case MarkReached(name=name):
                    self._playout.mark_reached(name, now)
                case Paused(paused=paused):
                    self._playout.paused = paused
                case Malformed():
                    self.counters.add("messages_malformed")
                case Started():
                    self._playout.start(now)
                    self._handler.stream_started(event)
                case Stopped():
                    self._handler.stream_stopped(event)

    def _hear(self, event: AudioReceived, now: float) -> None:
        if self.first_media_at is None:
            self.first_media_at = now
        self.heard_at = now
        self.packets_received += 1
        if self._clock is not None:
            self._follow(self._clock, self._protocol.receives.seconds(event.payload), now)
        self._ingress.push(event, self._protocol.receives, now)

    def _follow(self, clock: FarClock, heard_s: float, now: float) -> None:
        """Send as fast as the far end does, so that neither runs away from the other."""
        before = clock.drift_s
        clock.heard(heard_s, now)
        if clock.drift_s != before:
            self._playout.shift(clock.drift_s - before)

    def tick(self, now: float) -> None:
        """Let time pass: several times in 20 ms, from the shared ticker."""
        self._now = now
        self._ingress.tick(now)
        self._playout.tick(now)

    def say_goodbye(self) -> None:
        """Send what ends the call over the stream, where the provider has such a thing."""
        self._sender.send_goodbye()

    # -- Leg -----------------------------------------------------------------------------------

    @property
    def elapsed_samples(self) -> int:
        return self._playout.elapsed_samples

    def write(self, pcm: bytes) -> int:
        return self._playout.write(pcm)

    def clear(self) -> int:
        return self._playout.clear()

    def mark(self, mark_id: int) -> None:
        self._playout.mark(mark_id)

    @property
    def takes_digits(self) -> bool:
        """Always: as tones in the audio, since the streams carry no keys this way."""
        return True

    def send_digits(self, digits: str) -> None:
        if strange := set(digits) - set(PAIR_OF):
            raise LocalProtocolError(f"not a DTMF digit: {''.join(sorted(strange))!r}")
        self._playout.write(DtmfGenerator().render(digits))

    @property
    def queued_ms(self) -> int:
        return self._playout.queued_ms

    def stats(self) -> Stats:
        playout = self._playout
        return {
            "codec": str(self._protocol.receives),
            "packets_received": self.packets_received,
            "packets_sent": self.counters["audio_sent"],
            "lead_ms": round(playout.lead_s * 1000),
            "dropped_samples": playout.dropped_samples,
            "marks_unconfirmed": playout.unconfirmed,
            "marks_unknown": playout.unknown_marks,
            **self.counters.snapshot(),
        }


def _ignore_digit(digit: str, duration_ms: int) -> None:
    """Nobody is connected."""


def _ignore_mark(mark_id: int, played: bool) -> None:
    """Nobody is connected."""
