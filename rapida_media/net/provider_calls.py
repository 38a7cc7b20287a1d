"""All calls over telephony providers: from their webhooks, orders and media streams.

What the HTTP interface was asked comes in as data; ``Refused`` says what to answer instead. Order
everywhere: known, verified, admitted, and only then does anything happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

from rapida_media import clock
from rapida_media.call.contexts import (
    LIFETIME_S,
    CallContext,
    ContextRefused,
    ContextStore,
    ContextsUnavailable,
    ContextUnknown,
    ContextUsed,
)
from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.config import Assistant, Credential
from rapida_media.errors import ProviderError
from rapida_media.net.elsewhere import Elsewhere
from rapida_media.net.http_client import AiohttpClient
from rapida_media.net.provider_book import ProviderBook
from rapida_media.net.provider_call import ProviderCall
from rapida_media.net.provider_contexts import refused, seen_of, unavailable, websocket_url
from rapida_media.net.provider_lines import Line, Lines, Refused
from rapida_media.net.provider_making import ProviderMaking
from rapida_media.net.provider_orders import ProviderOrders
from rapida_media.net.shell import Shell
from rapida_media.providers import base
from rapida_media.providers.base import ProviderSpec, StatusInfo
from rapida_media.providers.http import Reply, WebhookRequest
from rapida_media.providers.registry import check_credentials, providers
from rapida_media.providers.trace import ProviderTraces
from rapida_media.stats import Counters

T = TypeVar("T")

# How long ``stop`` waits for providers to be told that calls are over.
STOP_S = 3.0
UPGRADE = Reply(101)
GONE = 410


class ProviderCalls:
    """public_url: where providers reach us, set before the first request.

    credentials: the accounts there, by name. idle: set while there is no call.
    """

    public_url = ""

    def __init__(
        self,
        shell: Shell,
        credentials: Mapping[str, Credential],
        contexts: ContextStore,
        counters: Counters,
    ) -> None:
        self._errands = shell.errands
        self.http = AiohttpClient()
        self.specs = providers()
        check_credentials(credentials.values(), self.specs)
        self._lines = Lines(self.specs, credentials, shell.assistants, self.http)
        self._contexts = contexts
        self._turnstile = shell.turnstile
        self._journal = shell.journal
        self._counters = counters
        self._book = ProviderBook()
        self.idle = self._book.idle
        self.traces = ProviderTraces()
        self._elsewhere = Elsewhere(self._book, contexts, shell.errands)
        self._making = ProviderMaking(shell, self._book, self.traces, contexts, self._elsewhere)
        self._orders = ProviderOrders(shell.journal, shell.errands)

    def use(self, credentials: Mapping[str, Credential]) -> None:
        """Take other accounts, which were checked, and assistants for the calls to come."""
        self._lines.use(credentials)

    def __len__(self) -> int:
        return len(self._book)

    @property
    def being_made(self) -> int:
        """How many calls were let in that nobody else knows of yet."""
        return self._book.being_made

    def of(self, call_id: str) -> ProviderCall | None:
        return self._book.of(call_id)

    # -- webhooks ------------------------------------------------------------------------------

    async def incoming(self, provider: str, assistant: str, request: WebhookRequest) -> Reply:
        """Take a call that a provider announces. Announced again, it is answered the same."""
        line = self._lines.line(provider, assistant)
        line.verify(request)
        seen = _understood(lambda: line.telephony.receive_call(request))
        if seen.context_id:
            return self._ordered(line, seen, request)
        known = self._book.named(line.spec, line.account, seen.provider_call_id)
        if known is not None and known.call is None:
            return _traced(known, request, self._document(line, known.seen))
        if self._turnstile.enter() is not None:
            return line.telephony.refuse_call("busy")
        call = await self._making.make(line, seen, "inbound", line.assistant.parameters)
        self._journal.changed(call.info.id, CallState.RINGING, raw=seen.raw)
        return _traced(call, request, self._document(line, call.seen))

    def _ordered(self, line: Line, seen: base.CallInfo, request: WebhookRequest) -> Reply:
        """Give the document of an order whose call asks for it by the webhook of a flow.

        A context that another machine has in the shared store is not known here, and as good.
        """
        call = self._book.of_context(seen.context_id)
        is_over = self._book.over(seen.context_id) is not None
        if is_over or (call is not None and call.spec is not line.spec):
            return line.telephony.refuse_call("rejected")
        if call is not None and seen.provider_call_id:
            call.learn(replace(call.seen, provider_call_id=seen.provider_call_id, state=None))
        reply = self._document(line, seen)
        return reply if call is None else _traced(call, request, reply)

    async def answer(self, provider: str, context_id: str, request: WebhookRequest) -> Reply:
        """Give the document of an ordered call that was picked up; of any engine's."""
        if not self._book.knows(context_id):
            line, context = await self._waiting(provider, context_id)
            line.verify(request)
            return self._document(line, seen_of(context))
        line, call = self._known(provider, context_id, request)
        if call is None:
            raise Refused(GONE, "the call is over")
        call.learn(_understood(lambda: line.telephony.receive_call(request)))
        return _traced(call, request, self._document(line, call.seen))

    async def status(self, provider: str, context_id: str, request: WebhookRequest) -> Reply:
        """Take news of one call. News of a call that is over change nothing."""
        if not self._book.knows(context_id):
            return await self._status_elsewhere(provider, context_id, request)
        line, call = self._known(provider, context_id, request)
        reply = Reply(line.spec.news_status)
        if call is not None:
            _traced(call, request, reply)
            news = _understood(lambda: line.telephony.status_callback(request, call.seen))
            if news is not None:
                call.hear(news)
        return reply

    async def _status_elsewhere(
        self, provider: str, context_id: str, request: WebhookRequest
    ) -> Reply:
        """Hand news to the engine whose call waits; those of a call that does not change nothing
        here."""
        try:
            line, context = await self._waiting(provider, context_id)
        except Refused as refused:
            if refused.status != GONE:
                raise
            return Reply(self._lines.spec(provider).news_status)
        line.verify(request)
        seen = seen_of(context)
        news = _understood(lambda: line.telephony.status_callback(request, seen))
        if news is not None:
            with self._store():
                await self._elsewhere.tell(context_id, news)
        return Reply(line.spec.news_status)

    async def catch_all(self, provider: str, assistant: str, request: WebhookRequest) -> Reply:
        """Take news that name the call by the provider's id."""
        line = self._lines.line(provider, assistant)
        line.verify(request)
        news = _understood(lambda: line.telephony.catch_all_status_callback(request))
        reply = Reply(line.spec.news_status)
        if news is None:
            return reply
        call = self._book.named(line.spec, line.account, news.provider_call_id)
        if call is not None:
            _traced(call, request, reply)
            call.hear(news)
        return reply

    def told(self, spec: ProviderSpec, account: str, news: StatusInfo) -> None:
        """Take news that came over an account's feed: those of strange calls, or late, change
        nothing."""
        call = self._book.of_context(news.context_id) or self._book.named(
            spec, account, news.provider_call_id
        )
        if call is not None and call.spec is spec and call.line.account == account:
            call.hear(news)

    def placed_by(self, spec: ProviderSpec, credential: str) -> list[ProviderCall]:
        """Give the living calls that the provider has placed for an account."""
        return self._book.placed_by(spec, credential)

    # -- media ---------------------------------------------------------------------------------

    async def claim(self, provider: str, context_id: str, request: WebhookRequest) -> ProviderCall:
        """Find the call of a media stream, before its upgrade is answered.

        Works once; where the provider may come a second time, ``media_attempts`` has the rule.
        """
        spec = self._lines.spec(provider)
        call = self._book.of_context(context_id)
        over = self._book.over(context_id)
        if over is not None:
            over.verify(request)
            raise Refused(GONE, "the call is over")
        if call is None:
            line, context = await self._waiting(provider, context_id)
        else:
            line = call.line
        if line.spec is not spec:
            raise Refused(404, "no such context waits")
        # Whoever knows the id without being the provider must not use it up.
        line.verify(request)
        if call is not None and call.attempts.claim_again(clock.monotonic()):
            _traced(call, request)
            return call
        with self._store():
            await self._take(context_id, call)
        if call is None:
            call = self._making.make_again(line, context)
        call.attempts.claim(clock.monotonic())
        _traced(call, request)
        await self._journal.kept()
        return call

    async def claim_own(self, context_id: str) -> ProviderCall | None:
        """Find the call of a media stream that we open ourselves; None where it wants none."""
        call = self._book.of_context(context_id)
        if call is None:
            return None
        try:
            await self._take(context_id, call)
        except (ContextsUnavailable, ContextRefused):
            return None
        call.attempts.claim(clock.monotonic())
        return call

    async def _waiting(self, provider: str, context_id: str) -> tuple[Line, CallContext]:
        """Find what another machine made: its context has all that is needed here."""
        spec = self._lines.spec(provider)
        with self._store():
            context = await self._contexts.look(context_id, clock.monotonic())
        line = self._lines.line(context.provider, context.assistant or "")
        if line.spec is not spec:
            raise Refused(404, "no such context waits")
        return line, context

    @contextmanager
    def _store(self) -> Iterator[None]:
        """Refuse what the store of contexts refuses, or cannot do for now."""
        try:
            yield
        except ContextsUnavailable as error:
            raise unavailable(error) from None
        except ContextRefused as error:
            self._counters.add("contexts_refused")
            raise refused(error) from None

    async def _take(self, context_id: str, call: ProviderCall | None) -> None:
        """Claim a context, that of a call of ours also where the store has lost it, as a Redis does
        that starts anew: nobody else can claim it then. Raises as the store does."""
        if call is None:
            await self._contexts.claim(context_id, clock.monotonic())
            return
        call.claims += 1
        try:
            await self._contexts.claim(context_id, clock.monotonic())
        except ContextUnknown as error:
            if call.attempts.is_claimed:
                raise ContextUsed(str(error)) from None
        finally:
            call.claims -= 1

    # -- orders --------------------------------------------------------------------------------

    def credential_of(self, provider: str, assistant: Assistant) -> str | None:
        """Name the account an assistant calls out with."""
        credential = self._lines.credential(self._lines.spec(provider), assistant)
        return None if credential is None else credential.name

    async def place(
        self,
        provider: str,
        assistant: Assistant,
        *,
        to: str,
        from_: str,
        parameters: Mapping[str, object],
        call_id: str,
        idempotency_key: str | None = None,
        ring_seconds: int = 60,
    ) -> CallRecord:
        """Order a call. Returns once it is recorded; what the provider says follows as events.

        Refused when the assistant has no account there or the provider cannot call out.
        """
        line = self._lines.line(provider, assistant.name)
        if not line.spec.outbound:
            raise Refused(409, f"the provider {provider} places no calls")
        seen = base.CallInfo(caller=from_, called=to)
        call = await self._making.make(
            line, seen, "outbound", parameters, call_id=call_id, idempotency_key=idempotency_key
        )
        self._orders.place(
            line, call, self._context_url(line.spec, call.seen.context_id), ring_seconds
        )
        return self._journal.live[call.info.id]

    def hang_up_left_open(self, records: Sequence[CallRecord]) -> None:
        """End calls of an earlier run at their providers; returns at once."""
        if records:
            self._orders.hang_up_left_open(records, self._lines)

    # -- the life of the registry --------------------------------------------------------------

    def look_over(self, now: float, media_timeout: float, max_call_seconds: float) -> None:
        """End calls whose media never came or stopped, or that last too long."""
        for call in self._book:
            call.look_over(now, media_timeout, max_call_seconds, LIFETIME_S)
        self._elsewhere.look(now)

    async def stop(self) -> None:
        """End the calls that are left, tell their providers, and close the client."""
        for call in self._book:
            call.hang_up("engine_stopping")
        await self._errands.finish(STOP_S)
        await self.http.close()

    # -- finding -------------------------------------------------------------------------------

    def _known(
        self, provider: str, context_id: str, request: WebhookRequest
    ) -> tuple[Line, ProviderCall | None]:
        """Find a context by its id, living or over, and verify the request about it."""
        spec = self._lines.spec(provider)
        call = self._book.of_context(context_id)
        line = self._book.over(context_id) if call is None else call.line
        if line is None or line.spec is not spec:
            raise Refused(404, "there is no such context")
        line.verify(request)
        return line, call

    # -- documents -----------------------------------------------------------------------------

    def _document(self, line: Line, seen: base.CallInfo) -> Reply:
        url = self._context_url(line.spec, seen.context_id)
        return line.telephony.inbound_call(seen, websocket_url(url), f"{url}/event")

    def _context_url(self, spec: ProviderSpec, context_id: str) -> str:
        return f"{self.public_url}/v1/talk/{spec.name}/ctx/{context_id}"


def _traced(call: ProviderCall, request: WebhookRequest, reply: Reply = UPGRADE) -> Reply:
    """Keep a request of the provider for the ladder of its call, and the answer it gets."""
    now = clock.monotonic()
    call.trace.add(request, now, sent=False)
    call.trace.add(reply, now, sent=True)
    return reply


def _understood(read: Callable[[], T]) -> T:
    try:
        return read()
    except ProviderError as error:
        raise Refused(400, str(error)) from None
