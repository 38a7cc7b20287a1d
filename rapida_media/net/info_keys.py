"""Presses keys by INFO where the far end takes no telephone-event: one after the other, paced."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from rapida_media import clock
from rapida_media.sip.dtmf_info import RELAY, USUAL_MS, format_key_press
from rapida_media.sip.invite_session import CONFIRMED, InviteSession

# From one key to the next, once the far end took it: the press itself and a gap.
PACE_S = (USUAL_MS + 50) / 1000
# Method not allowed, unsupported media type, bad info package, not implemented.
NEVER = frozenset({405, 415, 469, 501})


class InfoKeys:
    """The keys of one call that wait to be sent.

    drain: sends what the session produced. refused: the far end said that it takes none.
    """

    def __init__(
        self,
        session: InviteSession,
        loop: asyncio.AbstractEventLoop,
        drain: Callable[[float], None],
    ) -> None:
        self._session = session
        self._loop = loop
        self._drain = drain
        # Bodies to send, and who hears the outcome once those before are sent.
        self._waiting: deque[bytes | Callable[[bool], None]] = deque()
        self._under_way = False
        self.refused = False

    def press(self, keys: str, done: Callable[[bool], None]) -> None:
        """Send keys behind those that wait. LocalProtocolError for what is no key."""
        self._waiting.extend([format_key_press(key) for key in keys])
        self._waiting.append(done)
        if not self._under_way:
            self._next()

    def answered(self, status: int, now: float) -> None:
        """The far end answered an INFO: go on, or drop what waits with it."""
        if 200 <= status < 300:
            self._loop.call_later(PACE_S, self._next)
            return
        self._under_way = False
        self.refused = status in NEVER
        waiting, self._waiting = self._waiting, deque()
        for each in waiting:
            if not isinstance(each, bytes):
                each(False)

    def _next(self) -> None:
        self._under_way = False
        while self._waiting:
            if self._session.state != CONFIRMED:
                self.answered(481, clock.monotonic())
                return
            each = self._waiting.popleft()
            if isinstance(each, bytes):
                self._under_way = True
                now = clock.monotonic()
                self._session.info(RELAY, each, now)
                self._drain(now)
                return
            each(True)
