"""The agent ``bridge:sip:user@host``: whoever calls is connected with one SIP URI (B2BUA).

It starts before the answer: the caller hears the callee's ring-back or early media, is answered
when the callee answers, refused as the callee refuses, with its Reason and Retry-After, and takes
the callee back by giving up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rapida_media.errors import DialError
from rapida_media.sip.uri import user_of

if TYPE_CHECKING:
    from rapida_media.call.call import Call

# As long as a proxy waits for an answer (RFC 3261 section 16.6, Timer C).
RING_S = 180.0
# What a refusal of the callee's side is to our caller, where it does not mean the same there:
# a challenge is for us to answer, and "a proxy which receives a 503 (Service Unavailable) response
# SHOULD NOT forward it upstream" but "generate a 500" (RFC 3261 section 16.7). What has to say more
# in a header field (405 Allow, 415 Accept, 420 Unsupported, 421 Require, 422 Min-SE, 423
# Min-Expires, 494 Security-Server) is about our request, not about the caller's.
_STATUS = {401: 403, 407: 403, 408: 480, 415: 488, 487: 480}
_STATUS |= dict.fromkeys((405, 420, 421, 422, 423, 494, 503), 500)


def bridge(uri: str) -> Callable[[Call], Awaitable[None]]:
    """Connect every caller with ``uri``."""

    async def agent(call: Call) -> None:
        try:
            other = await call.dial(
                uri, timeout=RING_S, caller_id=_user(call.caller), ring_back=True
            )
        except DialError as error:
            await _refuse(call, error)
        else:
            await call.talk(other)

    return agent


async def _refuse(call: Call, error: DialError) -> None:
    if call.ended is not None:
        return
    if call.answered:
        await call.hang_up("bridge_failed", cause=error.cause)
        return
    status = _STATUS.get(error.status, error.status) if error.status >= 400 else 480
    # When to come back is said of what was refused, and not of another refusal of ours.
    retry_after_s = error.retry_after_s if status == error.status else None
    await call.reject(status, cause=error.cause, retry_after_s=retry_after_s)


def _user(caller: str) -> str | None:
    """Give the number or user that calls: over a trunk it is no URI."""
    return user_of(caller) if ":" in caller else caller
