"""Takes what the SIP endpoint tells to whom it concerns: a call, a trunk, the resolver.

Owned by the engine. What has a host name in it waits until that is looked up (``MediaNames``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rapida_media import clock
from rapida_media.net.calls import Calls
from rapida_media.net.incoming import Incoming
from rapida_media.net.media_names import MediaNames
from rapida_media.net.resolver import Resolver
from rapida_media.net.trunks import Trunks
from rapida_media.sip import events
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.hops import Hop

# Names of hops that are looked up at once: more are not.
LOOK_UPS_MAX = 64


class SipEvents:
    """endpoint: set once the engine listens. drain: sends what a late event led to."""

    endpoint: SipEndpoint

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        drain: Callable[[float], None],
        *,
        trunks: Trunks,
        incoming: Incoming,
        calls: Calls,
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._drain = drain
        self._trunks = trunks
        self._incoming = incoming
        self._calls = calls
        self._media_names = MediaNames(loop, resolver, self._handle_late)
        self._look_ups: set[asyncio.Task[None]] = set()

    @property
    def waiting_calls(self) -> int:
        """How many calls were let in whose offers wait for the addresses of host names."""
        return self._media_names.waiting_calls

    def cancel(self) -> None:
        """Look nothing up any more."""
        self._media_names.cancel()
        for task in self._look_ups:
            task.cancel()

    def handle(self, event: events.AnyEvent, now: float) -> None:
        """Take one event further, at once or when its names are known."""
        if isinstance(event, events.HopNamed):
            self._look_up(event.hop)
        elif isinstance(event, events.InviteRefused):
            self._incoming.note_refused(event, now)
        elif not isinstance(event, events.Event):
            self._trunks.handle(event)
        elif not self._media_names.hold(event):
            self._deliver(event, now)

    def _handle_late(self, event: events.Event) -> None:
        """An event whose host names had to be looked up."""
        now = clock.monotonic()
        self._deliver(event, now)
        self._drain(now)

    def _deliver(self, event: events.Event, now: float) -> None:
        if isinstance(event, events.IncomingInvite):
            self._incoming.take(event, now)
        elif (call := self._calls.of(event.session)) is not None:
            call.handle(event, now)

    def _look_up(self, hop: Hop) -> None:
        if len(self._look_ups) < LOOK_UPS_MAX:
            task = self._loop.create_task(self._find(hop))
            self._look_ups.add(task)
            task.add_done_callback(self._look_ups.discard)

    async def _find(self, hop: Hop) -> None:
        self.endpoint.hop_resolved(hop, await self._resolver.resolve(*hop))
