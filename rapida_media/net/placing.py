"""Calls that a call in progress asks for: their target is resolved, then invited.

Owned by the engine; redirects and followed REFERs come here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rapida_media import clock
from rapida_media.call.identity import ANONYMOUS
from rapida_media.errors import RapidaError
from rapida_media.net.mover import NOT_FOUND
from rapida_media.net.trunks import Outbound
from rapida_media.sip.uri import user_of

if TYPE_CHECKING:
    from rapida_media.net.sip_call import SipCall
    from rapida_media.sip.user_agent import Headers


FindWay = Callable[[str, None, str | None, bool], Awaitable[Outbound]]
Invite = Callable[["SipCall", Outbound, "Headers"], None]


class Placing:
    """find_way: how a SIP URI is called. invite: sends the INVITE. RapidaError when that is not
    possible."""

    def __init__(self, loop: asyncio.AbstractEventLoop, find_way: FindWay, invite: Invite) -> None:
        self._loop = loop
        self._find_way = find_way
        self._invite = invite
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, call: SipCall, uri: str, headers: Headers) -> None:
        task = self._loop.create_task(self._place(call, uri, headers))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _place(self, call: SipCall, uri: str, headers: Headers) -> None:
        try:
            caller = call.local_uri
            way = await self._find_way(uri, None, _number(caller), caller == ANONYMOUS)
            if not call.finished.done():
                self._invite(call, way, headers)
        except RapidaError:
            if not call.finished.done():
                call.not_placed(NOT_FOUND, clock.monotonic())


def _number(uri: str) -> str | None:
    """Give the telephone number of a URI of ours, which a trunk may be shown."""
    user = user_of(uri) or ""
    return user if user.removeprefix("+").isdigit() else None
