"""Looks up the host names in the session descriptions of peers before anybody acts on them.

The engine shows every event of a session to ``MediaNames.hold``. One whose body names hosts waits
for their addresses, and so does what follows it in the same session; everything else passes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from rapida_media.errors import LocalProtocolError
from rapida_media.net.resolver import Resolver
from rapida_media.sdp.names import HostName, host_names, with_addresses
from rapida_media.sip.events import Event, IncomingInvite
from rapida_media.sip.invite_session import TERMINATED, InviteSession

log = logging.getLogger(__name__)

# How long a caller may wait for its name; then its media line is unusable, and an offer refused.
LOOK_UP_S = 3.0
# Sessions that may wait at once, and events of each: more are not looked up.
SESSIONS_MAX = 256
EVENTS_MAX = 32


class MediaNames:
    """deliver: called with each event that waited, in order, once its names are known. A name that
    is not found stays in the body, which then has no usable media line."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        resolver: Resolver,
        deliver: Callable[[Event], None],
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._deliver = deliver
        self._waiting: dict[InviteSession, list[Event]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting_calls(self) -> int:
        """How many new calls wait, of which nobody else knows yet."""
        return sum(
            isinstance(events[0], IncomingInvite) and session.state != TERMINATED
            for session, events in self._waiting.items()
            if events
        )

    def hold(self, event: Event) -> bool:
        """Whether the event waits; it is delivered later, then."""
        waiting = self._waiting.get(event.session)
        if waiting is not None:
            # A peer that says more than this while it waits says nothing of use.
            if len(waiting) < EVENTS_MAX:
                waiting.append(event)
            return True
        if not host_names(getattr(event, "body", b"")) or len(self._waiting) >= SESSIONS_MAX:
            return False
        self._waiting[event.session] = [event]
        task = self._loop.create_task(self._look_up(event.session))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _look_up(self, session: InviteSession) -> None:
        """Task of one session: deliver its events in order, each when its names are known."""
        waiting = self._waiting[session]
        try:
            while waiting:
                event = await self._resolved(waiting[0])
                del waiting[0]
                if isinstance(event, IncomingInvite) and session.state == TERMINATED:
                    return  # taken back meanwhile: nobody has heard of it
                try:
                    self._deliver(event)
                except LocalProtocolError as error:
                    log.info("the session went on while a host name was looked up: %s", error)
        finally:
            del self._waiting[session]

    async def _resolved(self, event: Event) -> Event:
        body: bytes = getattr(event, "body", b"")
        addresses: dict[HostName, str] = {}
        try:
            async with asyncio.timeout(LOOK_UP_S):
                for name in host_names(body):
                    found = await self._resolver.addresses(name.host)
                    usable = [each for each in found if (":" in each) == name.ipv6]
                    if usable:
                        addresses[name] = usable[0]
        except TimeoutError:
            log.info("host names in a session description were not found in time")
        if not addresses:
            return event
        return cast(Event, replace(cast(Any, event), body=with_addresses(body, addresses)))
