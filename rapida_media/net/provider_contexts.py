"""The context of a provider's call, by which its media finds it.

What a call is made of again, where its media goes, and how somebody is refused whom the store does
not know.
"""

from __future__ import annotations

from rapida_media.call.call import CallInfo
from rapida_media.call.contexts import (
    CallContext,
    ContextExpired,
    ContextRefused,
    ContextsUnavailable,
    ContextUsed,
)
from rapida_media.net.provider_lines import Refused
from rapida_media.providers import base

UNAVAILABLE_RETRY_S = 5


def info_of(context: CallContext) -> CallInfo:
    return CallInfo(
        id=context.call_id,
        provider=context.provider,
        direction=context.direction,
        caller=context.caller,
        called=context.called,
        assistant=context.assistant,
        parameters=context.parameters,
        provider_call_id=context.provider_call_id or "",
        context_id=context.id,
    )


def seen_of(context: CallContext) -> base.CallInfo:
    return base.CallInfo(
        provider_call_id=context.provider_call_id or "",
        caller=context.caller,
        called=context.called,
        context_id=context.id,
        facts=context.facts,
    )


def websocket_url(url: str) -> str:
    """http → ws, https → wss."""
    return f"ws{url.removeprefix('http')}"


def unavailable(error: ContextsUnavailable) -> Refused:
    """Ask whoever needs the store to come again."""
    return Refused(503, str(error), retry_after_s=UNAVAILABLE_RETRY_S)


def refused(error: ContextRefused) -> Refused:
    """Turn media away that no call waits for."""
    if isinstance(error, ContextUsed):
        return Refused(410, str(error))
    return Refused(403 if isinstance(error, ContextExpired) else 404, str(error))
