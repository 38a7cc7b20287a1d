"""Calls that another engine may carry: those that went there, and those that must not go any more.

Engines that share a store of contexts share the provider's requests, too: the webhook comes to one
and the media to another, which makes the call again. The first would wait for the media until it
gives up, and then end the call at the provider, where it goes on. So it asks the store about the
contexts of calls that wait, and for news of theirs that came to others. And it takes those back
whose calls are over before their media came: nobody is to carry what an operator has canceled.
Owned by ``ProviderCalls``.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from rapida_media import clock
from rapida_media.call.contexts import ContextRefused, ContextStore, ContextsUnavailable
from rapida_media.net.errands import Errands
from rapida_media.net.provider_book import ProviderBook
from rapida_media.net.provider_call import ProviderCall
from rapida_media.providers.base import StatusInfo


class Elsewhere:
    """book: the calls here. contexts: shared with other engines, or not. errands: takes what the
    store is asked."""

    def __init__(self, book: ProviderBook, contexts: ContextStore, errands: Errands) -> None:
        self._book = book
        self._contexts = contexts
        self._errands = errands
        self._asking = False

    def look(self, now: float) -> None:
        """Ask about the calls that wait for their media, if that was answered the last time."""
        waiting = [call.seen.context_id for call in self._book if call.waits]
        if waiting and not self._asking:
            self._asking = True
            self._errands.start(self._ask(waiting, now))

    def take_back(self, call: ProviderCall) -> None:
        """A call is over: have nobody claim its context who has not."""
        if not call.attempts.is_claimed:
            self._errands.start(self._claim(call.seen.context_id))

    async def _ask(self, waiting: Sequence[str], now: float) -> None:
        """Task root of one question."""
        try:
            told = await self._contexts.told(waiting, now)
            claimed = await self._contexts.claimed(waiting, now)
        except ContextsUnavailable:
            return
        finally:
            self._asking = False
        for context_id, text in told:
            if (call := self._book.of_context(context_id)) is not None:
                call.hear(StatusInfo(**json.loads(text)))
        for context_id in claimed:
            call = self._book.of_context(context_id)
            if call is not None and call.waits:
                call.goes_on_elsewhere()

    async def tell(self, context_id: str, news: StatusInfo) -> None:
        """Leave news of a call for the engine that made it. ContextsUnavailable."""
        await self._contexts.tell(context_id, json.dumps(asdict(news)), clock.monotonic())

    async def _claim(self, context_id: str) -> None:
        """Task root: use a context up."""
        with contextlib.suppress(ContextsUnavailable, ContextRefused):
            await self._contexts.claim(context_id, clock.monotonic())
