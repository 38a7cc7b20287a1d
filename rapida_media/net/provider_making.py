"""How a call over a telephony provider comes to be: its context, its trace and its record. At its
end it is let go of here, too.

Owned by ``ProviderCalls``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from rapida_media import clock
from rapida_media.call.call import CallInfo
from rapida_media.call.contexts import CallContext, ContextStore, ContextsUnavailable
from rapida_media.call.records import record_of
from rapida_media.net.elsewhere import Elsewhere
from rapida_media.net.logs import redact
from rapida_media.net.provider_book import ProviderBook
from rapida_media.net.provider_call import ProviderCall
from rapida_media.net.provider_contexts import info_of, seen_of, unavailable
from rapida_media.net.provider_lines import Line
from rapida_media.net.shell import Shell
from rapida_media.providers import base
from rapida_media.providers.trace import ProviderTraces

log = logging.getLogger(__name__)


class ProviderMaking:
    """book, traces: where each call is found from then on. elsewhere: hears of those over."""

    def __init__(
        self,
        shell: Shell,
        book: ProviderBook,
        traces: ProviderTraces,
        contexts: ContextStore,
        elsewhere: Elsewhere,
    ) -> None:
        self._shell = shell
        self._book = book
        self._traces = traces
        self._contexts = contexts
        self._elsewhere = elsewhere

    async def make(
        self,
        line: Line,
        seen: base.CallInfo,
        direction: str,
        parameters: Mapping[str, object],
        *,
        call_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> ProviderCall:
        """Make a call that was let in, and the context its media will name. It counts at once.

        Refused while the store is away.
        """
        context = CallContext(
            id=self._shell.ids.token(),
            call_id=call_id or self._shell.ids.token(),
            provider=line.spec.name,
            direction=direction,
            caller=seen.caller,
            called=seen.called,
            assistant=line.assistant.name,
            credential=line.account,
            provider_call_id=seen.provider_call_id or None,
            parameters={**parameters, **seen.parameters},
            facts=seen.facts,
        )
        with self._book.making():
            try:
                await self._contexts.put(context, clock.monotonic())
            except ContextsUnavailable as error:
                raise unavailable(error) from None
            seen = replace(seen, context_id=context.id)
            return self._enter(line, info_of(context), seen, idempotency_key)

    def make_again(self, line: Line, context: CallContext) -> ProviderCall:
        """Make a call of which another machine made the context."""
        return self._enter(line, info_of(context), seen_of(context))

    def _enter(
        self,
        line: Line,
        info: CallInfo,
        seen: base.CallInfo,
        idempotency_key: str | None = None,
    ) -> ProviderCall:
        trace = self._traces.open(info.id, line.spec.name)
        call = ProviderCall(self._shell, self._let_go, line=line, info=info, seen=seen, trace=trace)
        self._book.add(call)
        log.info(
            "%s call %s → %s over %s",
            *(info.direction, redact(info.caller), redact(info.called), line.spec.name),
            extra={"call_id": info.id},
        )
        self._shell.journal.created(
            record_of(
                info,
                clock.wall(),
                credential=line.account,
                context_id=seen.context_id,
                provider_call_id=seen.provider_call_id or None,
                idempotency_key=idempotency_key,
            )
        )
        return call

    def _let_go(self, call: ProviderCall) -> None:
        """The call is over; called by the call itself, once."""
        self._book.end(call)
        self._elsewhere.take_back(call)
        self._shell.agents.outlives(call.agent_task)
