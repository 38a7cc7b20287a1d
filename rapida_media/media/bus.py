"""The media frame bus: a leg publishes 16 kHz frames, subscribers are called at once, in order.

Publishing is a synchronous call and queues nothing; a consumer that may be slow owns a ``Ring``.
A subscriber that asks for another rate gets frames converted once for all that asked for it.
"""

from __future__ import annotations

from collections.abc import Callable

from rapida_media.kernels import Resampler
from rapida_media.media.frame import RATE_HZ, Audio

Consumer = Callable[[Audio], None]


class _ConvertedFeed:
    """Converts the bus to one other rate and hands it to everyone who asked for that rate."""

    __slots__ = ("_rate_hz", "_resampler", "consumers")

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler = Resampler(RATE_HZ, rate_hz)
        self.consumers: tuple[Consumer, ...] = ()

    def __call__(self, frame: Audio) -> None:
        pts = frame.pts * self._rate_hz // RATE_HZ
        converted = Audio(pts, frame.flags, self._resampler.push(frame.pcm))
        for consumer in self.consumers:
            consumer(converted)


class Bus:
    """One direction of one call's audio.

    wanted: called with True when the first subscriber comes and with False when the last one
    has gone, for a publisher whose frames cost something to make.
    """

    __slots__ = ("_consumers", "_converted", "_wanted")

    def __init__(self, wanted: Callable[[bool], None] | None = None) -> None:
        self._consumers: tuple[Consumer, ...] = ()
        self._converted: dict[int, _ConvertedFeed] = {}
        self._wanted = wanted

    @property
    def observed(self) -> bool:
        """Whether anybody is subscribed."""
        return bool(self._consumers)

    def publish(self, frame: Audio) -> None:
        """Hand one 16 kHz frame to every subscriber, in order of subscription."""
        for consumer in self._consumers:
            consumer(frame)

    def subscribe(self, consumer: Consumer, rate_hz: int = RATE_HZ) -> Callable[[], None]:
        """Have ``consumer`` called with each frame at ``rate_hz``; returns what unsubscribes it."""
        if rate_hz == RATE_HZ:
            self._add(consumer)
            return lambda: self._remove(consumer)
        feed = self._converted.get(rate_hz)
        if feed is None:
            feed = self._converted[rate_hz] = _ConvertedFeed(rate_hz)
            self._add(feed)
        feed.consumers += (consumer,)
        return lambda: self._remove_converted(rate_hz, consumer)

    def _add(self, consumer: Consumer) -> None:
        self._consumers += (consumer,)
        if self._wanted is not None and len(self._consumers) == 1:
            self._wanted(True)

    def _remove(self, consumer: Consumer) -> None:
        self._consumers = tuple(each for each in self._consumers if each is not consumer)
        if self._wanted is not None and not self._consumers:
            self._wanted(False)

    def _remove_converted(self, rate_hz: int, consumer: Consumer) -> None:
        feed = self._converted[rate_hz]
        feed.consumers = tuple(each for each in feed.consumers if each is not consumer)
        if not feed.consumers:
            del self._converted[rate_hz]
            self._remove(feed)
