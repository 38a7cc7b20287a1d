"""Orders at telephony providers: each is a task that tells the call what the provider said of it.

Owned by ``ProviderCalls``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace

from rapida_media.call.endings import order_refused
from rapida_media.call.journal import Journal
from rapida_media.call.records import CallRecord
from rapida_media.errors import ProviderError
from rapida_media.net.errands import Errands
from rapida_media.net.http_client import ASKING_FOR
from rapida_media.net.left_open import hang_up_left_open
from rapida_media.net.provider_call import ProviderCall
from rapida_media.net.provider_contexts import websocket_url
from rapida_media.net.provider_lines import Line, Lines
from rapida_media.providers.base import CallOrder
from rapida_media.providers.trace import redact

log = logging.getLogger(__name__)


class ProviderOrders:
    """journal: of the calls; nothing is ordered before its record is kept. errands: takes the
    orders."""

    def __init__(self, journal: Journal, errands: Errands) -> None:
        self._journal = journal
        self._errands = errands

    def place(self, line: Line, call: ProviderCall, context_url: str, ring_seconds: int) -> None:
        """Order a call; returns at once. context_url: what its URLs here begin with."""
        call.being_placed = True
        self._errands.start(self._order(line, call, context_url, ring_seconds))

    def hang_up_left_open(self, records: Sequence[CallRecord], lines: Lines) -> None:
        """End calls of an earlier run at their providers; returns at once."""
        self._errands.start(hang_up_left_open(records, lines))

    async def _order(
        self, line: Line, call: ProviderCall, context_url: str, ring_seconds: int
    ) -> None:
        """Task root of one order."""
        order = CallOrder(
            to=call.info.called,
            from_=call.info.caller,
            context_id=call.seen.context_id,
            media_url=websocket_url(context_url),
            event_url=f"{context_url}/event",
            answer_url=f"{context_url}/answer",
            parameters={name: _text(value) for name, value in call.info.parameters.items()},
            ring_seconds=ring_seconds,
        )
        ASKING_FOR.set(call.trace)
        await self._journal.kept()
        try:
            seen = await line.telephony.outbound_call(order)
        except ProviderError as error:
            log.warning("the order failed: %s", redact(str(error)), extra={"call_id": call.info.id})
            ending = order_refused(error.code, status=error.status, retryable=error.retryable)
            call.not_placed(ending, str(error), error.retry_after_s)
        except Exception:
            log.exception("the order failed", extra={"call_id": call.info.id})
            call.not_placed(order_refused(None, retryable=False), None)
        else:
            call.placed(replace(seen, state=seen.state or "initiated"))


def _text(parameter: object) -> str:
    """Write a parameter as providers carry them: texts as they are, all else as JSON."""
    return parameter if isinstance(parameter, str) else json.dumps(parameter, default=str)
