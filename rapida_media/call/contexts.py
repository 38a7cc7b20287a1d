"""Call contexts: the one-time ticket by which a provider's media finds its call.

A webhook or an order makes one; the media stream that arrives claims it, before its WebSocket is
accepted. Who has the id has the call, so an id is unguessable, works once and not for long.
Several machines share a store; this one keeps them in the process.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from rapida_media.errors import RapidaError

LIFETIME_S = 300.0
# Contexts that wait at once, and as many that are remembered: five minutes at 100 calls a second.
LIMIT = 30_000
# Of one context: what a provider tells before the media come.
NEWS_LIMIT = 100


class ContextRefused(RapidaError):  # noqa: N818 — an outcome, not a fault
    """A context cannot be claimed: it is unknown, used or expired."""


class ContextUnknown(ContextRefused):
    """There was never such a context, or too long ago."""


class ContextUsed(ContextRefused):
    """Somebody else claimed it."""


class ContextExpired(ContextRefused):
    """Nobody claimed it in time."""


class ContextsUnavailable(RapidaError):  # noqa: N818 — a state of the store
    """The store is away or full: try again later."""


@dataclass(frozen=True, slots=True)
class CallContext:
    """What the media stream has to know of its call. All of it can be written as JSON.

    id: from ``IdSource.token``, 128 bits that nobody guesses; the stream's only proof.
    facts: what the provider's folder wants to see again, such as a regional host.
    """

    id: str
    call_id: str
    provider: str
    direction: str
    caller: str
    called: str
    assistant: str | None = None
    credential: str | None = None
    provider_call_id: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)


class ContextStore(Protocol):
    """Where contexts wait. now: monotonic seconds; a store with a clock of its own uses that."""

    async def put(self, context: CallContext, now: float) -> None:
        """Keep a context for five minutes. ContextsUnavailable when that is not possible."""
        ...

    async def look(self, context_id: str, now: float) -> CallContext:
        """Give a context and leave it there, for who has to check something before the claim.

        Raises as ``claim`` does.
        """
        ...

    async def claim(self, context_id: str, now: float) -> CallContext:
        """Give a context to the first who asks and to nobody else.

        Raises ContextUnknown, ContextUsed, ContextExpired or ContextsUnavailable.
        """
        ...

    async def claimed(self, context_ids: Collection[str], now: float) -> Collection[str]:
        """Tell which of these were claimed, by whomever. ContextsUnavailable."""
        ...

    async def tell(self, context_id: str, news: str, now: float) -> None:
        """Leave news for who made a context; a hundred of each at most. ContextsUnavailable."""
        ...

    async def told(self, context_ids: Collection[str], now: float) -> Sequence[tuple[str, str]]:
        """Take the news of these contexts, each with its context, in order. ContextsUnavailable."""
        ...

    async def close(self) -> None: ...


class MemoryContexts:
    """``ContextStore`` for one process.

    All live equally long, so that the first to expire is the first that was put.
    """

    def __init__(self, limit: int = LIMIT, lifetime_s: float = LIFETIME_S) -> None:
        self._limit = limit
        self._lifetime_s = lifetime_s
        self._waiting: OrderedDict[str, tuple[CallContext, float]] = OrderedDict()
        self._gone: OrderedDict[str, type[ContextRefused]] = OrderedDict()
        self._news: defaultdict[str, list[str]] = defaultdict(list)

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, context: CallContext, now: float) -> None:
        self._expire(now)
        if len(self._waiting) >= self._limit:
            raise ContextsUnavailable(f"{self._limit} calls wait for their media already")
        self._waiting[context.id] = (context, now + self._lifetime_s)

    async def look(self, context_id: str, now: float) -> CallContext:
        self._expire(now)
        if (waiting := self._waiting.get(context_id)) is None:
            raise self._gone.get(context_id, ContextUnknown)("no such context waits")
        return waiting[0]

    async def claim(self, context_id: str, now: float) -> CallContext:
        context = await self.look(context_id, now)
        del self._waiting[context_id]
        self._remember(context_id, ContextUsed)
        return context

    async def claimed(self, context_ids: Collection[str], now: float) -> Collection[str]:
        return [each for each in context_ids if self._gone.get(each) is ContextUsed]

    async def tell(self, context_id: str, news: str, now: float) -> None:
        if context_id in self._waiting and len(self._news[context_id]) < NEWS_LIMIT:
            self._news[context_id].append(news)

    async def told(self, context_ids: Collection[str], now: float) -> Sequence[tuple[str, str]]:
        return [(each, news) for each in context_ids for news in self._news.pop(each, ())]

    async def close(self) -> None:
        self._waiting.clear()

    def _expire(self, now: float) -> None:
        while self._waiting:
            context_id, (_, expires_at) = next(iter(self._waiting.items()))
            if now < expires_at:
                return
            del self._waiting[context_id]
            self._remember(context_id, ContextExpired)

    def _remember(self, context_id: str, why: type[ContextRefused]) -> None:
        self._news.pop(context_id, None)
        self._gone[context_id] = why
        if len(self._gone) > self._limit:
            self._gone.popitem(last=False)
