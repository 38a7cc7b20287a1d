"""The names that requests within dialogs go to: in the route set, or the remote target.

A request goes the way the peer's own come, which needs no name. Where that fails, the name stands
for other addresses (RFC 3263 section 4), which only the shell can find: it is asked for them
(``HopNamed``) when a request goes there, and answers long before the request has failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rapida_media.sip.events import HopNamed

if TYPE_CHECKING:
    from rapida_media.sip.address import Address
    from rapida_media.sip.events import AnyEvent

# How long an answer is good for, and how many are kept.
KNOWN_S = 300.0
HOPS_MAX = 1000


class Hop(NamedTuple):
    """What a URI says about where to go. transport: None where its records choose."""

    host: str
    port: int | None
    transport: str | None


class Hops:
    """events: where the shell is asked."""

    def __init__(self, events: deque[AnyEvent]) -> None:
        self._events = events
        self._asked: dict[Hop, float] = {}  # when, the longest ago first
        self._found: dict[Hop, tuple[Address, ...]] = {}

    def ask(self, hop: Hop, now: float) -> None:
        """Have a name looked up, unless that was done lately."""
        if self._asked.get(hop, now - KNOWN_S) > now - KNOWN_S:
            return
        self._asked.pop(hop, None)
        self._asked[hop] = now
        if len(self._asked) > HOPS_MAX:
            oldest = next(iter(self._asked))
            del self._asked[oldest]
            self._found.pop(oldest, None)
        self._events.append(HopNamed(hop))

    def resolved(self, hop: Hop, addresses: Sequence[Address]) -> None:
        """Take what a name stands for; nothing where it was not found now, and what was known of
        it stays."""
        if addresses and hop in self._asked:
            self._found[hop] = tuple(addresses)

    def of(self, hop: Hop) -> tuple[Address, ...]:
        return self._found.get(hop, ())
