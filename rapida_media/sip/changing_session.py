"""A call whose session can be changed: re-INVITE (RFC 3261 section 14) and UPDATE (RFC 3311).

Between ``InviteSession`` and its two roles: ``reinvite`` and the answers to the peer's offers for
the call layer, the peer's requests for the endpoint. An offer may also come in a PRACK (RFC 3262
section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.builder import REASONS
from rapida_media.sip.dialog import contact_target
from rapida_media.sip.events import (
    OfferDue,
    OfferReceived,
    ReinviteAnswered,
    ReinviteCanceled,
    ReinviteFailed,
    ReinviteReceived,
    UpdateAnswered,
    UpdateFailed,
)
from rapida_media.sip.invite_session import CONFIRMED, InviteSession
from rapida_media.sip.offer_state import ASKED, OFFERED, STABLE, after
from rapida_media.sip.request_checks import body_refusal, offer_of, retry_after

if TYPE_CHECKING:
    from rapida_media.sip.client_transaction import ClientTransaction
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.timers import Timer
    from rapida_media.sip.user_agent import Headers, UserAgent

# How long a Retry-After may put an offer of ours off, and how often in a row that may happen.
LONGEST_WAIT_S = 32
MOST_REFUSALS = 8


class ChangingSession(InviteSession):
    """An INVITE dialog usage with re-INVITE and UPDATE."""

    __slots__ = ("_again", "_asked", "_refusals", "_reinvite", "_update")

    def __init__(self, agent: UserAgent, call_id: str, local_tag: str) -> None:
        super().__init__(agent, call_id, local_tag)
        self._reinvite: ClientTransaction | None = None  # ours, without its answer
        # Ours likewise, and whether it carries an offer.
        self._update: tuple[ClientTransaction, bool] | None = None
        self._again: Timer | None = None  # the wait after a refused offer
        self._refusals = 0  # of that kind, in a row
        # An unanswered offer of the peer's outside INVITE.
        self._asked: tuple[ServerTransaction, Request] | None = None

    # Verbs.

    @property
    def can_offer(self) -> bool:
        """Whether ``reinvite`` may be called now."""
        under_way = self._reinvite or self._update or self._pending or self._accepted
        return self.state == CONFIRMED and not under_way and self._offer == STABLE

    def reinvite(self, body: bytes, now: float, headers: Headers = ()) -> None:
        """Offer to change the session; ReinviteAnswered or ReinviteFailed will tell.

        Raises LocalProtocolError without an offer, and unless the call is confirmed and no other
        INVITE is under way in either direction (section 14.1).
        """
        if not body:
            raise LocalProtocolError("expected an SDP offer in body")
        if self.state != CONFIRMED:
            raise LocalProtocolError(f"reinvite in state {self.state}")
        if not self.can_offer:
            raise LocalProtocolError("another INVITE or offer is in progress in this dialog")
        self._reinvite = self._send(
            "INVITE", self._on_reinvite_response, now, (*headers, *self._offer_headers(body)), body
        )
        self._offer = OFFERED
        self._stop_waiting()
        limit = now + self._agent.config.ring_seconds
        self._timer = self._agent.timers.start(limit, self, "reinvite_limit")

    def update(self, now: float, body: bytes = b"", headers: Headers = ()) -> None:
        """Send an UPDATE, with an offer in body or without one; UpdateAnswered or UpdateFailed
        will tell.

        Raises LocalProtocolError unless the call is confirmed and no UPDATE of ours, nor, with an
        offer, any other offer waits (RFC 3311 section 5.1).
        """
        if self.state != CONFIRMED:
            raise LocalProtocolError(f"update in state {self.state}")
        if self._update or (body and (self._reinvite or self._pending or self._offer != STABLE)):
            raise LocalProtocolError("another UPDATE or offer is in progress in this dialog")
        transaction = self._send(
            "UPDATE", self._on_update_response, now, (*headers, *self._offer_headers(body)), body
        )
        self._update = (transaction, bool(body))
        self._offer = after(self._offer, "send", body)
        if body:
            self._stop_waiting()

    def answer_reinvite(self, body: bytes, now: float, headers: Headers = ()) -> None:
        """Accept the peer's re-INVITE with a 200. Raises LocalProtocolError when none waits."""
        if self.state != CONFIRMED or self._pending is None:
            raise LocalProtocolError("no re-INVITE to answer")
        self._accept(body, headers, False, now)

    def reject_reinvite(
        self, status: int, now: float, headers: Headers = (), reason: str | None = None
    ) -> None:
        """Refuse the peer's re-INVITE; the session goes on as it was (section 14.2).

        Raises LocalProtocolError when none waits or status is no failure.
        """
        if self.state != CONFIRMED or self._pending is None:
            raise LocalProtocolError("no re-INVITE to reject")
        self._refuse_pending(status, now, headers, reason)
        self._offer = STABLE

    def answer_offer(self, body: bytes, now: float) -> None:
        """Answer the offer of ``OfferReceived``. Raises LocalProtocolError when none waits."""
        transaction, request = self._asked_for("answer")
        self._asked = None
        self._offer = STABLE
        self._refresh_target(request)
        fields = self._offer_headers(body, transaction.source.transport)
        self._agent.respond(transaction, request, 200, now, headers=fields, body=body)
        self._offer_settled(now)

    def reject_offer(self, status: int, now: float) -> None:
        """Refuse the offer of ``OfferReceived``; the session goes on as it was.

        Raises LocalProtocolError when none waits or status is no failure.
        """
        transaction, request = self._asked_for("reject")
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"refuse with {status}: expected 300 to 699")
        self._asked = None
        self._offer = STABLE
        self._agent.respond(transaction, request, status, now)
        self._offer_settled(now)

    def _offer_settled(self, now: float) -> None:
        """Go on with what waited for the answer: nothing, in a confirmed dialog."""

    def _asked_for(self, verb: str) -> tuple[ServerTransaction, Request]:
        if self._asked is None:
            raise LocalProtocolError(f"no offer to {verb}")
        return self._asked

    # Input from the endpoint.

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """Take the CANCEL of an unanswered re-INVITE (section 9.2)."""
        assert self._pending is not None, "an unanswered INVITE is pending"
        self._refuse_pending(487, now)
        self._offer = STABLE
        self._agent.events.append(ReinviteCanceled(self))

    def handle_timer(self, event: str, now: float) -> None:
        """Offer again, or give up on a re-INVITE that got nothing but provisional responses."""
        if event == "offer_again":
            self._again = None
            self._agent.events.append(OfferDue(self))
            return
        self._timer = None
        self._hang_up("refused", 408, now)

    def _receive_reinvite(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        respond = self._agent.respond
        contact_target(request)  # a malformed one is refused before anything else is done
        refusal = body_refusal(request)
        if self._reinvite is not None:
            respond(transaction, request, 491, now)
        elif self._pending or self._accepted or self._asked or self.state != CONFIRMED:
            # "a UAS that receives a second INVITE before it sends the final response to a first
            # INVITE with a lower CSeq … MUST return a 500 … and MUST include a Retry-After header
            # field with a randomly chosen value of between 0 and 10 seconds" (section 14.2).
            self._ask_to_wait(transaction, request, now)
        elif refusal is not None:
            respond(transaction, request, refusal[0], now, headers=refusal[1])
        else:
            transaction.user = self
            self._pending = (transaction, request)
            self._offer = after(self._offer, "receive", offer_of(request))
            respond(transaction, request, 100, now)
            self._agent.events.append(ReinviteReceived(self, offer_of(request)))

    def _receive_update(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Take an UPDATE: an offer, or a mere refresh of target and session timer."""
        contact_target(request)
        refusal = body_refusal(request)
        if refusal is not None:
            self._agent.respond(transaction, request, refusal[0], now, headers=refusal[1])
        elif self._asked is not None:
            # "before it has generated a final response to a previous UPDATE … MUST return a 500
            # response … and MUST include a Retry-After header field" (RFC 3311 section 5.2)
            self._ask_to_wait(transaction, request, now)
        elif offer_of(request):
            self._take_offer(transaction, request, now)
        else:
            self._refresh_target(request)
            fields = self._offer_headers(b"", transaction.source.transport)
            self._agent.respond(transaction, request, 200, now, headers=fields)

    def _refresh_target(self, request: Request) -> None:
        """Take the Contact of an UPDATE: "UPDATE is a target refresh request" (section 5.1)."""
        dialog = self.dialog_of(request)
        if dialog is not None and request.method == "UPDATE":
            dialog.refresh_target(request)

    def _take_offer(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Take an offer outside INVITE, unless one of either side still waits: "the UAS MUST
        reject the UPDATE request with a 491" for ours, with 500 for theirs (RFC 3311 5.2)."""
        if self._offer == OFFERED:
            self._agent.respond(transaction, request, 491, now)
        elif self._offer != STABLE:
            self._ask_to_wait(transaction, request, now)
        else:
            self._asked = (transaction, request)
            self._offer = ASKED
            self._agent.events.append(OfferReceived(self, offer_of(request)))

    def _ask_to_wait(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        wait = ("Retry-After", str(self._agent.ids.number(16) % 11))
        self._agent.respond(transaction, request, 500, now, headers=(wait,))

    handlers: ClassVar = {
        **InviteSession.handlers,
        "INVITE": _receive_reinvite,
        "UPDATE": _receive_update,
    }

    # Answers to ours.

    def _terminate(self, now: float) -> None:
        super()._terminate(now)
        if self._reinvite is not None:
            self._reinvite.limit(now)
        if self._asked is not None:
            self._agent.respond(*self._asked, 487, now)
        self._reinvite = self._update = self._asked = None
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        self._agent.timers.cancel(self._again)
        self._again = None

    def _offers_again(self, status: int, response: Response | None, now: float) -> bool:
        """Tell whether a refused offer may be made again, and wait for that.

        A 491: "If the UAC is the owner of the Call-ID of the dialog ID …, T has a randomly chosen
        value between 2.1 and 4 seconds in units of 10 ms", otherwise "between 0 and 2 seconds in
        units of 10 ms" (section 14.1). A 500 says by Retry-After when its own INVITE will be done.
        """
        draw = self._agent.ids.number(16)
        if status == 491:
            wait = 2.1 + draw % 191 / 100 if self.direction == "outgoing" else draw % 201 / 100
        elif status == 500 and response is not None and response.has("Retry-After"):
            wait = float(min(retry_after(response) or 0, LONGEST_WAIT_S))
        else:
            return False
        self._refusals += 1
        if self._refusals > MOST_REFUSALS:
            return False
        self._again = self._agent.timers.start(now + wait, self, "offer_again")
        return True

    def _on_reinvite_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        if 100 <= status < 200:
            return
        if status < 300:
            assert response is not None, "only failures come without a response"
            self._acknowledge_reinvite(transaction, response)
        if self._reinvite is not transaction:
            return
        self._reinvite = None
        self._offer = STABLE
        self._agent.timers.cancel(self._timer)
        self._timer = None
        if status < 300:
            self._refusals = 0
            self._agent.events.append(ReinviteAnswered(self, offer_of(response)))
        elif status in (408, 481):
            # "If the response … is a 481 … or a 408 (Request Timeout), the UAC SHOULD terminate
            # the dialog", also "if no response at all is received" (section 12.2.1.2).
            self._hang_up("refused", status, now)
        else:
            reason = response.reason if response is not None else REASONS[status]
            again = self._offers_again(status, response, now)
            self._agent.events.append(ReinviteFailed(self, status, reason, again))

    def _on_update_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        if status < 200 or self._update is None or self._update[0] is not transaction:
            return
        offered = self._update[1]
        if offered:
            self._offer = STABLE
        self._update = None
        if status in (408, 481):
            self._hang_up("refused", status, now)
        elif status >= 300 or response is None:
            reason = response.reason if response is not None else REASONS[status]
            again = offered and self._offers_again(status, response, now)
            self._agent.events.append(UpdateFailed(self, status, reason, again))
        else:
            self._follow(response)
            self._agent.events.append(UpdateAnswered(self, offer_of(response)))

    def _follow(self, response: Response) -> None:
        """Take the Contact of a 2xx as the new remote target, unless it cannot be used."""
        assert self.dialog is not None
        try:
            self.dialog.refresh_target(response)
        except RemoteProtocolError:
            self._agent.counters.add("bad_contacts")

    def _acknowledge_reinvite(self, transaction: ClientTransaction, response: Response) -> None:
        assert self.dialog is not None
        datagram = transaction.acks.get(response.to.tag)
        if datagram is not None:
            self._agent.outbox.append(datagram)
            return
        self._follow(response)
        self._agent.acknowledge(transaction, self.dialog, response.cseq.number, response.to.tag)
