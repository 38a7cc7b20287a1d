"""Calls that an earlier run of the engine left open at telephony providers: hung up at the start.

Without that their people listen to silence, and somebody pays for it, until the provider gives up.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from rapida_media.call.records import CallRecord
from rapida_media.errors import ProviderError
from rapida_media.net.provider_lines import Lines, Refused
from rapida_media.providers.base import CallInfo
from rapida_media.providers.trace import redact

log = logging.getLogger(__name__)

# Providers answer 429 to more at once; what cannot be said within the time is given up.
AT_ONCE = 10
PATIENCE_S = 60.0


async def hang_up_left_open(records: Sequence[CallRecord], lines: Lines) -> None:
    """Task root. records: with the provider's id of each call. Never raises."""
    log.warning("%d calls were left open at their providers: hanging up there", len(records))
    turn = asyncio.Semaphore(AT_ONCE)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*(_hang_up(record, lines, turn) for record in records))
    except TimeoutError:
        log.warning("not all of them could be hung up within %.0f s", PATIENCE_S)


async def _hang_up(record: CallRecord, lines: Lines, turn: asyncio.Semaphore) -> None:
    known = {"call_id": record.id}
    async with turn:
        try:
            telephony = lines.telephony(record.provider, record.credential)
            await telephony.hang_up(_seen(record))
        except (ProviderError, Refused) as error:
            log.warning("hanging up failed: %s", redact(str(error)), extra=known)
        except Exception:
            log.exception("hanging up failed", extra=known)
        else:
            log.info("hung up at %s", record.provider, extra=known)


def _seen(record: CallRecord) -> CallInfo:
    return CallInfo(
        provider_call_id=record.provider_call_id or "",
        caller=record.caller,
        called=record.called,
        context_id=record.context_id or "",
    )
