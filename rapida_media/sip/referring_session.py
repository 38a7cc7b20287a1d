"""A call that can be transferred: REFER both ways, with the NOTIFYs that tell how it went.

Between ``ChangingSession`` and its two roles. A REFER of ours is followed by ReferAccepted and
ReferProgress until ReferDone; one of the peer's is ReferReceived, then ``accept_refer`` and
``notify_refer``, or ``reject_refer``. One in each direction at a time. RFC 3515.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.builder import REASONS
from rapida_media.sip.changing_session import ChangingSession
from rapida_media.sip.events import ReferAccepted, ReferDone, ReferProgress, ReferReceived
from rapida_media.sip.headers import parse_name_addr
from rapida_media.sip.invite_session import CONFIRMED
from rapida_media.sip.refer import (
    EVENT,
    SIPFRAG,
    ReferTo,
    Replaces,
    format_sipfrag,
    parse_sipfrag,
    refer_to_of,
    referred_by_of,
)
from rapida_media.sip.uri import parse_uri
from rapida_media.sip.user_agent import Headers, UserAgent

if TYPE_CHECKING:
    from rapida_media.sip.client_transaction import ClientTransaction
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.timers import Timer

NOT_TOLD = 408  # what a transfer is called that nobody told the outcome of


class Referral(NamedTuple):
    """A REFER of the peer's. event: what its NOTIFYs call it; answered: it was accepted."""

    transaction: ServerTransaction
    request: Request
    event: str
    answered: bool = False


class ReferringSession(ChangingSession):
    """An INVITE dialog usage with the implicit subscriptions of REFER beside it."""

    __slots__ = ("_refer", "_refer_timer", "_referral", "_referrals")

    def __init__(self, agent: UserAgent, call_id: str, local_tag: str) -> None:
        super().__init__(agent, call_id, local_tag)
        self._refer: ClientTransaction | None = None  # ours, until its outcome is known
        self._refer_timer: Timer | None = None
        self._referral: Referral | None = None
        self._referrals = 0

    # Ours.

    def refer(self, target: str, now: float, replaces: Replaces | None = None) -> None:
        """Ask the peer to call ``target``, taking over the call that ``replaces`` names there.

        Raises LocalProtocolError unless the call is confirmed and no other REFER of ours is under
        way, and for a target that is no SIP URI.
        """
        if self.state != CONFIRMED or self._refer is not None:
            raise LocalProtocolError(f"refer in state {self.state}, or while another is under way")
        try:
            if parse_uri(target).headers:
                raise LocalProtocolError("target: expected a URI without headers")
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"target: {error}") from error
        assert self.dialog is not None, "confirmed"
        referrer = parse_name_addr(self.dialog.local, "From").uri_text
        fields = (
            self._agent.contact(self.dialog.next_hop(), uri=self.dialog.remote_target),
            ("Refer-To", str(ReferTo(target, replaces))),
            ("Referred-By", f"<{referrer}>"),
        )
        self._refer = self._send("REFER", self._on_refer_response, now, fields)

    @property
    def replaces(self) -> Replaces:
        """Give what names this dialog to the peer, for another REFER or INVITE (RFC 3891).

        Raises LocalProtocolError unless the call is confirmed.
        """
        dialog = self.dialog
        if self.state != CONFIRMED or dialog is None:
            raise LocalProtocolError(f"replaces in state {self.state}")
        return Replaces(self.call_id, dialog.remote_tag or "", dialog.local_tag)

    def _on_refer_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        if status < 200 or self._refer is not transaction:
            return
        if status >= 300:
            reason = response.reason if response is not None else REASONS[status]
            self._refer_ended(status, reason)
            return
        config = self._agent.config
        limit = now + config.ring_seconds + config.timers.give_up
        self._refer_timer = self._agent.timers.start(limit, self, "refer_limit")
        self._agent.events.append(ReferAccepted(self))

    def _receive_notify(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Follow the subscription of our REFER; there is no other."""
        event, _, _ = (request.header("Event") or "").partition(";")
        if event.strip().lower() != EVENT:
            fields = (("Allow-Events", EVENT),)
            self._agent.respond(transaction, request, 489, now, headers=fields)
        elif self._refer is None:
            self._agent.respond(transaction, request, 481, now)
        else:
            self._agent.respond(transaction, request, 200, now)
            state, _, _ = (request.header("Subscription-State") or "").partition(";")
            self._refer_notified(parse_sipfrag(request), state.strip().lower() == "terminated")

    def _refer_notified(self, outcome: tuple[int, str] | None, terminated: bool) -> None:
        if outcome is not None and outcome[0] >= 200:
            self._refer_ended(*outcome)
        elif terminated:
            self._refer_ended(NOT_TOLD, "No outcome")
        elif outcome is not None:
            self._agent.events.append(ReferProgress(self, *outcome))

    def _refer_ended(self, status: int, reason: str) -> None:
        self._refer = None
        self._agent.timers.cancel(self._refer_timer)
        self._refer_timer = None
        self._agent.events.append(ReferDone(self, status, reason))

    def handle_timer(self, event: str, now: float) -> None:
        if event == "refer_limit":
            self._refer_ended(NOT_TOLD, "No outcome")
        else:
            super().handle_timer(event, now)

    # Theirs.

    def _receive_refer(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        if self.state != CONFIRMED or self._referral is not None:
            self._ask_to_wait(transaction, request, now)
            return
        target, replaces = refer_to_of(request)
        # "The first REFER … MAY contain an id … all others MUST" (section 2.4.6): few expect one.
        event = f"{EVENT};id={request.cseq.number}" if self._referrals else EVENT
        self._referrals += 1
        self._referral = Referral(transaction, request, event)
        by = referred_by_of(request)
        self._agent.events.append(ReferReceived(self, target, replaces, by))

    def accept_refer(self, now: float) -> None:
        """Accept the peer's REFER; ``notify_refer`` then tells how it goes.

        Raises LocalProtocolError when none waits.
        """
        referral = self._undecided("accept_refer")
        transaction, request, _, _ = referral
        contact = self._agent.contact(transaction.came_by, uri=request.uri_text)
        self._agent.respond(transaction, request, 202, now, headers=(contact,))
        self._referral = referral._replace(answered=True)
        # "a NOTIFY … MUST be sent immediately" once accepted (section 2.4.4).
        self.notify_refer(100, REASONS[100], now)

    def reject_refer(self, status: int, now: float, headers: Headers = ()) -> None:
        """Refuse the peer's REFER. Raises LocalProtocolError when none waits or status is none."""
        transaction, request, _, _ = self._undecided("reject_refer")
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"refuse with {status}: expected 300 to 699")
        self._referral = None
        self._agent.respond(transaction, request, status, now, headers=headers)

    def notify_refer(self, status: int, reason: str, now: float) -> None:
        """Tell the peer what became of the call it wanted; a final status ends the telling.

        Raises LocalProtocolError when no accepted REFER is under way.
        """
        referral = self._referral
        if self.state != CONFIRMED or referral is None or not referral.answered:
            raise LocalProtocolError("no accepted REFER to tell about")
        active = f"active;expires={round(self._agent.config.ring_seconds)}"
        state = active if status < 200 else "terminated;reason=noresource"
        assert self.dialog is not None, "confirmed"
        fields = (
            self._agent.contact(self.dialog.next_hop(), uri=self.dialog.remote_target),
            ("Event", referral.event),
            ("Subscription-State", state),
            SIPFRAG,
        )
        self._send("NOTIFY", _ignore, now, fields, format_sipfrag(status, reason))
        if status >= 200:
            self._referral = None

    @property
    def telling(self) -> bool:
        """Whether ``notify_refer`` may be called."""
        return self.state == CONFIRMED and self._referral is not None and self._referral.answered

    def _undecided(self, verb: str) -> Referral:
        if self._referral is None or self._referral.answered:
            raise LocalProtocolError(f"{verb} without a REFER that waits")
        return self._referral

    handlers: ClassVar = {
        **ChangingSession.handlers,
        "REFER": _receive_refer,
        "NOTIFY": _receive_notify,
    }

    def _terminate(self, now: float) -> None:
        super()._terminate(now)
        self._agent.timers.cancel(self._refer_timer)
        self._refer = self._refer_timer = None
        if self._referral is not None and not self._referral.answered:
            self._agent.respond(*self._referral[:2], 487, now)
        self._referral = None


def _ignore(
    transaction: ClientTransaction, status: int, response: Response | None, now: float
) -> None:
    """Nothing depends on whether the peer still wants to know."""
