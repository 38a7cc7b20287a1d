"""Which calls over providers there are, by each name they are asked for.

A call that is over is remembered by its context for a while: providers still call back about it.
Owned by ``ProviderCalls``.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

from rapida_media.net.provider_call import ProviderCall
from rapida_media.net.provider_lines import Line
from rapida_media.providers.base import ProviderSpec

# Calls that are over and may still be called back about.
REMEMBERED = 10_000


class ProviderBook:
    """Living calls by id and by context, and the lines of those that are over.

    idle: set while none lives or is being made.  being_made: calls that were let in and whose
    contexts are being stored.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, ProviderCall] = {}
        self._by_context: dict[str, ProviderCall] = {}
        self._over: OrderedDict[str, Line] = OrderedDict()  # by context
        self.being_made = 0
        self.idle = asyncio.Event()
        self.idle.set()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[ProviderCall]:
        """Give the living calls; some may end meanwhile."""
        return iter(tuple(self._by_id.values()))

    def add(self, call: ProviderCall) -> None:
        self._by_id[call.info.id] = call
        self._by_context[call.seen.context_id] = call
        self.idle.clear()

    def end(self, call: ProviderCall) -> None:
        """Let go of a call, and remember its context."""
        context_id = call.seen.context_id
        self._by_id.pop(call.info.id, None)
        self._by_context.pop(context_id, None)
        self._over[context_id] = call.line
        if len(self._over) > REMEMBERED:
            self._over.popitem(last=False)
        self._look_whether_idle()

    @contextmanager
    def making(self) -> Iterator[None]:
        """Count a call from its admission until it is added or comes to nothing."""
        self.being_made += 1
        self.idle.clear()
        try:
            yield
        finally:
            self.being_made -= 1
            self._look_whether_idle()

    def _look_whether_idle(self) -> None:
        if not self._by_id and not self.being_made:
            self.idle.set()

    def of(self, call_id: str) -> ProviderCall | None:
        return self._by_id.get(call_id)

    def of_context(self, context_id: str) -> ProviderCall | None:
        return self._by_context.get(context_id)

    def knows(self, context_id: str) -> bool:
        """Whether the call of a context is or was here."""
        return context_id in self._by_context or context_id in self._over

    def over(self, context_id: str) -> Line | None:
        """Give what a call went over that is no more; None of a living or unknown one."""
        return self._over.get(context_id)

    def named(
        self, spec: ProviderSpec, account: str | None, provider_call_id: str
    ) -> ProviderCall | None:
        """Find a living call by the provider's own id, among those of an account: an id is unique
        there, and nobody else's to tell of."""
        if not provider_call_id:
            return None
        return next(
            (
                call
                for call in self._by_id.values()
                if call.spec is spec
                and call.line.account == account
                and call.seen.provider_call_id == provider_call_id
            ),
            None,
        )

    def placed_by(self, spec: ProviderSpec, credential: str) -> list[ProviderCall]:
        """Give the living calls that the provider has placed for an account."""
        return [
            call
            for call in self._by_id.values()
            if call.spec is spec
            and call.info.direction == "outbound"
            and call.seen.provider_call_id
            and call.line.account == credential
        ]
