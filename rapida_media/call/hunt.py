"""A transfer by a second leg of ours: the targets are called one after the other, the first that
answers is connected, and when nobody does the call is back with its agent.

``Call.transfer`` with ``mode="bridge"``, and the agent ``bridge:``, come here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rapida_media.call.second_leg import DialOrder
from rapida_media.call.transfer import Attempt, TransferOutcome
from rapida_media.errors import DialError, LocalProtocolError

if TYPE_CHECKING:
    from rapida_media.call.call import Call


async def hunt(call: Call, targets: Sequence[str], order: DialOrder) -> TransferOutcome:
    """Connect a call with the first target that answers; returns when they have parted.

    order: what each target is called with. The caller hears ring-back or their early media.
    """
    if not targets:
        raise LocalProtocolError("expected somebody to transfer to")
    tried: list[Attempt] = []
    failed = TransferOutcome(480, "Temporarily Unavailable")
    for uri in targets:
        try:
            other = await call.place(replace(order, uri=uri), ring_back=True)
        except DialError as error:
            tried.append(Attempt(uri, error.status))
            failed = TransferOutcome(error.status, error.reason)
            if call.ended is not None:
                break
        else:
            tried.append(Attempt(uri, 200))
            call.transferred(uri)
            await call.talk(other)
            return TransferOutcome(200, "OK", uri, tuple(tried))
    return replace(failed, tried=tuple(tried))
