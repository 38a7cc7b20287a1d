"""The calls that the agent of one call dialled: placed, waited for, and ended with that call.

Each call has one, whatever brought it; the engine's ``Dialling`` finds the way to a target.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from rapida_media.agents.events import Ringing
from rapida_media.call.second_leg import DialOrder, OnRinging
from rapida_media.errors import ConfigError, DialError, LocalProtocolError, RapidaError
from rapida_media.sip.builder import REASONS

if TYPE_CHECKING:
    from rapida_media.call.call import Call, CallInfo
    from rapida_media.net.sip_call import SipCall

log = logging.getLogger(__name__)

NOT_FOUND, REQUEST_TIMEOUT, REQUEST_TERMINATED = 404, 408, 487
NOT_ACCEPTABLE, UNAVAILABLE = 488, 503


class Owner(Protocol):
    """The call whose agent dials. codec: what it sends, None where that is no codec of RTP.

    info: who it is.
    """

    finished: asyncio.Future[None]

    @property
    def codec(self) -> str | None: ...
    @property
    def info(self) -> CallInfo: ...


Place = Callable[[Owner, DialOrder], Awaitable["SipCall"]]


class SecondLegs:
    """place: sends the INVITE."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._legs: set[SipCall] = set()

    async def dial(self, owner: Owner, order: DialOrder, ringing: OnRinging) -> Call:
        """Call somebody and wait for the answer; DialError tells why there was none.

        owner: whose agent dials, the call that has these legs.
        """
        leg = await self._send(owner, order)
        leg.on_ringing = lambda status, early: ringing(leg.call, Ringing(order.uri, status, early))
        try:
            async with asyncio.timeout(order.timeout_s):
                answered = await leg.call.settled()
        except TimeoutError:
            leg.hang_up("no_answer")
            raise _error(REQUEST_TIMEOUT) from None
        except BaseException:  # the agent does not wait any longer
            leg.hang_up("canceled")
            raise
        finally:
            leg.on_ringing = None
        if not answered:
            raise _refusal(leg.call)
        return leg.call

    async def _send(self, owner: Owner, order: DialOrder) -> SipCall:
        try:
            leg = await self._place(owner, order)
        except DialError as error:
            log.warning("%s", error, extra={"call_id": owner.info.id})
            raise
        except ConfigError as error:
            raise DialError(NOT_FOUND, str(error)) from error
        except LocalProtocolError:
            raise
        except RapidaError as error:
            raise DialError(UNAVAILABLE, str(error)) from error
        if owner.finished.done():
            leg.hang_up("canceled")
            raise _error(REQUEST_TERMINATED)
        self._legs.add(leg)
        leg.finished.add_done_callback(lambda _: self._legs.discard(leg))
        leg.on_hand_over = lambda: self._legs.discard(leg)
        return leg

    def end(self, cause: str | None) -> None:
        """The call is over, and with it those that its agent dialled."""
        for leg in list(self._legs):
            leg.hang_up("first_call_ended", cause)


def _refusal(call: Call) -> DialError:
    ended = call.ended
    assert ended is not None, "it is settled, and not by an answer"
    # An answer that cannot be used has no status of its own: what would have refused the offer.
    status = ended.code or (NOT_ACCEPTABLE if ended.failure_class == "media" else UNAVAILABLE)
    reason = REASONS.get(status, ended.reason)
    return DialError(status, reason, ended.retry_after_s, ended.cause)


def _error(status: int) -> DialError:
    return DialError(status, REASONS[status])
