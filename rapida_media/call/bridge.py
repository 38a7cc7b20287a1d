"""Two calls whose far ends talk to each other, until one hangs up or the agent parts them.

Each direction is a ``_Way``. Where both legs speak the same codec over RTP, payloads pass through
as they are; otherwise, and from the moment the far end changes its codec, frames pass over the bus.
Keys go by their meaning, hold is passed on. Pure: driven by the two calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.media.frame import DIGIT, FRAME_MS, Audio

if TYPE_CHECKING:
    from rapida_media.call.call import Call

# What waits on the way never becomes more than this: a fast clock, a burst, an announcement.
LIMIT_MS = 100
# What waits longer than a frame is caught up with in pauses: below this level nobody misses it.
PAUSE_DBOV = -60


class _Way:
    """One direction. What an agent writes to the sink meanwhile is heard in place of the source."""

    def __init__(self, source: Call, sink: Call) -> None:
        self._source = source
        self._sink = sink
        self._relaying = False
        self._disconnect: Callable[[], None] = _nothing
        leg, other = source.leg, sink.leg
        if isinstance(leg, RtpLeg) and isinstance(other, RtpLeg):
            self._relaying = leg.relay_to(other, self._relay_lost)
        if self._relaying:
            assert isinstance(leg, RtpLeg), "only RTP passes through"
            self._disconnect = leg.stop_relay
        else:
            self._disconnect = leg.received.subscribe(self._pass)

    @property
    def relaying(self) -> bool:
        return self._relaying

    def _relay_lost(self) -> None:
        """The far end sends another codec than the other one takes."""
        self._disconnect()
        self._relaying = False
        self._disconnect = self._source.leg.received.subscribe(self._pass)

    def _pass(self, frame: Audio) -> None:
        leg = self._sink.leg
        queued = leg.queued_ms
        if frame.flags & DIGIT or queued >= LIMIT_MS:
            return  # keys go by their meaning
        if queued <= FRAME_MS or frame.level_dbov > PAUSE_DBOV:
            leg.write(frame.pcm)

    def digit(self, digit: str) -> None:
        """Press a key that the source pressed, unless it passed with the packets."""
        if not (self._relaying and self._sink.leg.takes_digits):
            self._sink.press(digit)

    def close(self) -> None:
        self._disconnect()
        self._disconnect = _nothing


class Bridge:
    """over: hears once which of the calls ended, or None when they were parted.

    listen: their agents go on getting ``Audio``.
    """

    def __init__(
        self, one: Call, other: Call, over: Callable[[Call | None], None], *, listen: bool = False
    ) -> None:
        self._over: Callable[[Call | None], None] | None = over
        self._calls = (one, other)
        self._ways = {id(one): _Way(one, other), id(other): _Way(other, one)}
        self._on_hold: set[Call] = set()  # for the far end of the other one
        for call in self._calls:
            call.joined(self, listen=listen)
            if call.held:
                self.held(call, True)

    @property
    def passes_through(self) -> bool:
        """Whether payloads pass in both directions without being decoded."""
        return all(way.relaying for way in self._ways.values())

    def digit(self, source: Call, digit: str) -> None:
        self._ways[id(source)].digit(digit)

    def held(self, source: Call, held: bool) -> None:
        """The far end of one call holds it, or took it back: so is the other one.

        Before the answer nobody holds: early media that goes one way is an announcement.
        """
        other = self.other(source)
        if source.answered and other.answered and other.ended is None:
            (self._on_hold.add if held else self._on_hold.discard)(other)
            other.pass_hold(held)

    def other(self, call: Call) -> Call:
        one, other = self._calls
        return other if call is one else one

    def take_back(self) -> None:
        """Take back from hold whom only the other one held: they have parted."""
        while self._on_hold:
            self._on_hold.pop().pass_hold(False)

    def close(self, ended: Call | None = None) -> None:
        """Part the calls. Doing it again changes nothing."""
        over, self._over = self._over, None
        if over is None:
            return
        for way in self._ways.values():
            way.close()
        for call in self._calls:
            call.parted()
        over(ended)


def _nothing() -> None:
    """Nothing is connected any more."""
