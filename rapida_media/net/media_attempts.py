"""The media streams that were opened for one call, of which one carries it.

Mostly that is one. A provider whose first handshake came to nothing may try once more (its spec
says ``second_handshake``), and the context, which opens one stream and no more, is used by then:

    A second upgrade is taken within 20 s of the first, once, while no stream has started. Neither
    socket can harm the other: the first to say ``start`` has the call, and the other is closed.
    From the second that counts only if it names the call as the provider's webhook, or its answer
    to the order, did.

So whoever learns the URL alone gets a silent socket and cannot take, stop or use up the call; a
third upgrade, one after the start and one of an unknown call find the context used, as ever.
Used by ``ProviderCall`` only.
"""

from __future__ import annotations

from typing import Protocol
from weakref import proxy

from rapida_media.call.call import Call
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.net.streamer import Streamer
from rapida_media.providers.stream import Started, Stopped

SECOND_HANDSHAKE_S = 20.0
# How long an upgrade that was taken may take until its socket is there.
UPGRADE_S = 5.0
# Ends of a first stream, before its start, that a second handshake may follow.
_CAME_TO_NOTHING = ("media_closed", "media_lost", "media_not_started")


class AttemptOwner(Protocol):
    """Who hears what each stream says."""

    def attempt_started(self, attempt: Attempt, event: Started) -> None: ...
    def attempt_stopped(self, attempt: Attempt, event: Stopped) -> None: ...


class Attempt:
    """One socket, its leg and the call on it. owner: hears of its start and stop.

    is_second: it may be the one that was opened for a context that was used already.
    """

    leg: StreamLeg
    streamer: Streamer
    call: Call

    def __init__(self, owner: AttemptOwner, is_second: bool) -> None:
        self.is_second = is_second
        self._owner = proxy(owner)  # which holds us

    def stream_started(self, event: Started) -> None:
        self._owner.attempt_started(self, event)

    def stream_stopped(self, event: Stopped) -> None:
        self._owner.attempt_stopped(self, event)


class Attempts:
    """Those in flight. allowed: the provider may come a second time.

    current: that which has the call, else the newest; also when it is over.  claimed_again: a
    second handshake was taken.
    """

    def __init__(self, allowed: bool) -> None:
        self._allowed = allowed
        self._claimed_at: float | None = None
        self.claimed_again = False
        self._in_flight: list[Attempt] = []
        self.current: Attempt | None = None
        self.has_started = False

    # -- claims, before the upgrade ------------------------------------------------------------

    def claim(self, now: float) -> None:
        """The context was claimed here."""
        self._claimed_at = now

    @property
    def is_claimed(self) -> bool:
        """Whether the context was claimed here."""
        return self._claimed_at is not None

    def claim_again(self, now: float) -> bool:
        """Take a second handshake; False where there is no room for one."""
        if not self.is_open(now):
            return False
        self.claimed_again = True
        return True

    def is_open(self, now: float) -> bool:
        """Whether a second handshake would be taken."""
        return (
            self._allowed
            and self._claimed_at is not None
            and not self.claimed_again
            and not self.has_started
            and now - self._claimed_at <= SECOND_HANDSHAKE_S
        )

    # -- streams -------------------------------------------------------------------------------

    def opened(self, attempt: Attempt) -> None:
        self._in_flight.append(attempt)
        if not self.has_started:
            self.current = attempt

    def started(self, attempt: Attempt) -> None:
        """This one has the call."""
        self.has_started = True
        self.current = attempt
        for other in self._in_flight:
            if other is not attempt:
                other.streamer.close("gone")

    def over(self, attempt: Attempt, reason: str, now: float) -> bool:
        """One is over; tells whether the call's media is, too."""
        self._in_flight.remove(attempt)
        if self.has_started:
            return attempt is self.current
        if self._in_flight:
            self.current = self._in_flight[-1]
            return False
        return reason not in _CAME_TO_NOTHING or not self.is_open(now)

    def close(self, reason: str) -> None:
        for attempt in self._in_flight:
            attempt.streamer.close(reason)

    def is_given_up(self, now: float) -> bool:
        """Whether the first came to nothing, and no other came in time."""
        if self.current is None or self.has_started or self._in_flight:
            return False
        assert self._claimed_at is not None, "what was opened was claimed before"
        waits_s = SECOND_HANDSHAKE_S + (UPGRADE_S if self.claimed_again else 0.0)
        return now - self._claimed_at > waits_s
