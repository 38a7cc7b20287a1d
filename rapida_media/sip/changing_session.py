"""A call whose session can be changed: re-INVITE (RFC 3261 section 14) and UPDATE (RFC 3311).

Between ``InviteSession`` and its two roles: ``reinvite`` and the answers to the peer's offers for
the call layer, the peer's requests for the endpoint. An offer may also come in a PRACK (RFC 3262
section 5). Each of these requests refreshes the session timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.allow import Allow, allow_of
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
from rapida_media.sip.glare import OfferWait
from rapida_media.sip.invite_session import CONFIRMED, InviteSession
from rapida_media.sip.offer_state import ASKED, OFFERED, STABLE, after
from rapida_media.sip.request_checks import Refusal, body_refusal, offer_of
from rapida_media.sip.session_timer import SessionTimer, interval_refusal

if TYPE_CHECKING:
    from rapida_media.sip.client_transaction import ClientTransaction
    from rapida_media.sip.message import Message, Request, Response
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.user_agent import Headers, UserAgent

EXPIRED = (("Reason", 'SIP;cause=408;text="Session expired"'),)


class Change(NamedTuple):
    """A request of ours under way. told: the user asked for it and hears what became of it."""

    transaction: ClientTransaction
    body: bytes
    headers: Headers
    told: bool = True


class ChangingSession(InviteSession):
    """An INVITE dialog usage with re-INVITE and UPDATE."""

    __slots__ = (
        "_asked",
        "_peer_allow",
        "_reinvite",
        "_session_timer",
        "_update",
        "_wait",
    )

    def __init__(self, agent: UserAgent, call_id: str, local_tag: str) -> None:
        super().__init__(agent, call_id, local_tag)
        self._reinvite: Change | None = None
        self._update: Change | None = None
        self._session_timer = SessionTimer(self, agent.timers, agent.config)
        self._peer_allow = Allow()
        self._wait = OfferWait(self, agent)
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
        fields = (*headers, *self._session_timer.request_fields(), *self._offer_headers(body))
        transaction = self._send("INVITE", self._on_reinvite_response, now, fields, body)
        self._reinvite = Change(transaction, body, headers)
        self._offer = OFFERED
        self._wait.stop()
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
        self._send_update(body, headers, True, now)

    def _send_update(self, body: bytes, headers: Headers, told: bool, now: float) -> None:
        fields = (*headers, *self._session_timer.request_fields(), *self._offer_headers(body))
        transaction = self._send("UPDATE", self._on_update_response, now, fields, body)
        self._update = Change(transaction, body, headers, told)
        self._offer = after(self._offer, "send", body)
        if body:
            self._wait.stop()

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
        fields = self._offer_headers(body, (transaction, request))
        if request.method == "UPDATE":
            fields = (*fields, *self._session_timer.accept(request, now))
        self._agent.respond(transaction, request, 200, now, headers=fields, body=body)
        self._offer_settled(now)

    def reject_offer(self, status: int, now: float, headers: Headers = ()) -> None:
        """Refuse the offer of ``OfferReceived``; the session goes on as it was.

        Raises LocalProtocolError when none waits or status is no failure.
        """
        transaction, request = self._asked_for("reject")
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"refuse with {status}: expected 300 to 699")
        self._asked = None
        self._offer = STABLE
        self._agent.respond(transaction, request, status, now, headers=headers)
        self._offer_settled(now)

    def _offer_settled(self, now: float) -> None:
        """Go on with what waited for the answer: nothing, in a confirmed dialog."""

    def _asked_for(self, verb: str) -> tuple[ServerTransaction, Request]:
        if self._asked is None:
            raise LocalProtocolError(f"no offer to {verb}")
        return self._asked

    # Input from the endpoint.

    def receive_cancel(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        """Take the CANCEL of an unanswered re-INVITE (section 9.2)."""
        assert self._pending is not None, "an unanswered INVITE is pending"
        self._refuse_pending(487, now)
        self._offer = STABLE
        self._agent.events.append(ReinviteCanceled(self))

    def handle_timer(self, event: str, now: float) -> None:
        """Give up on a re-INVITE that got nothing but provisional responses."""
        self._timer = None
        self._hang_up("refused", 408, now)

    def _receive_reinvite(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        respond = self._agent.respond
        refusal = self._change_refusal(request)
        if self._reinvite is not None or (self._update is not None and self._update.body):
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
        refusal = self._change_refusal(request)
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
            fields = self._offer_headers(b"", (transaction, request))
            fields = (*fields, *self._session_timer.accept(request, now))
            self._agent.respond(transaction, request, 200, now, headers=fields)

    def _change_refusal(self, request: Request) -> Refusal | None:
        """Look at all that could be wrong with a re-INVITE or UPDATE before acting on it."""
        contact_target(request)
        self._note_allow(request)
        least = self._agent.config.min_session_expires
        return body_refusal(request) or interval_refusal(request, least)

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
        elif self._offer != STABLE or self._asked is not None:
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
        self._session_timer.stop()
        if self._reinvite is not None:
            self._reinvite.transaction.limit(now)
        if self._asked is not None:
            self._agent.respond(*self._asked, 487, now)
        self._reinvite = self._update = self._asked = None
        self._wait.stop()

    def offer_again(self, now: float) -> None:
        self._agent.events.append(OfferDue(self))

    def _on_reinvite_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        if 100 <= status < 200:
            return
        if status < 300:
            assert response is not None, "only failures come without a response"
            self._acknowledge_reinvite(transaction, response)
        change = self._reinvite
        if change is None or change.transaction is not transaction:
            return
        self._reinvite = None
        self._offer = STABLE
        self._agent.timers.cancel(self._timer)
        self._timer = None
        if status < 300:
            self._wait.refusals = 0
            self._refreshed(response, now)
            self._agent.events.append(ReinviteAnswered(self, offer_of(response)))
        elif status in (408, 481):
            # "If the response … is a 481 … or a 408 (Request Timeout), the UAC SHOULD terminate
            # the dialog", also "if no response at all is received" (section 12.2.1.2).
            self._hang_up("refused", status, now)
        elif self._interval_raised(status, response) and self.can_offer:
            self.reinvite(change.body, now, change.headers)
        else:
            reason = response.reason if response is not None else REASONS[status]
            again = self._wait.start(status, response, now)
            self._agent.events.append(ReinviteFailed(self, status, reason, again))

    def _on_update_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        change = self._update
        if status < 200 or change is None or change.transaction is not transaction:
            return
        self._update = None
        if change.body:
            self._offer = STABLE
        if status in (408, 481):
            self._hang_up("refused", status, now)
        elif self._interval_raised(status, response):
            self._send_update(change.body, change.headers, change.told, now)
        elif status >= 300 or response is None:
            self._update_refused(change, status, response, now)
        else:
            self._wait.refusals = 0
            self._follow(response)
            self._refreshed(response, now)
            if change.told:
                self._agent.events.append(UpdateAnswered(self, offer_of(response)))

    def _update_refused(
        self, change: Change, status: int, response: Response | None, now: float
    ) -> None:
        if change.told:
            reason = response.reason if response is not None else REASONS[status]
            again = bool(change.body) and self._wait.start(status, response, now)
            self._agent.events.append(UpdateFailed(self, status, reason, again))
        elif status in (405, 501):  # it does not know UPDATE after all
            self._peer_allow = self._peer_allow.without("UPDATE")
            self.refresh_session(now)

    # The session timer.

    def refresh_session(self, now: float) -> None:
        """Refresh by UPDATE where the peer takes that, else by re-INVITE, which needs an offer.

        Anything of ours that is under way refreshes as well; what fails is tried again.
        """
        if self.state != CONFIRMED or self._update or self._reinvite:
            return
        if self._peer_allow.names("UPDATE"):
            self._send_update(b"", (), False, now)
        elif self.can_offer:
            self._agent.events.append(OfferDue(self))

    def session_expired(self, now: float) -> None:
        """Nobody refreshed the session in time: "it SHOULD send a BYE" (section 10)."""
        if self.state == CONFIRMED:
            self._hang_up("session_expired", None, now, EXPIRED)

    def _refreshed(self, response: Response | None, now: float) -> None:
        assert response is not None, "only failures come without a response"
        self._note_allow(response)
        self._session_timer.answered(response, now)

    def _interval_raised(self, status: int, response: Response | None) -> bool:
        """Take the Min-SE of a 422: the request is then to be sent again (section 7.3)."""
        if status != 422 or response is None or not self._wait.count():
            return False
        return self._session_timer.raise_least(response)

    def _note_allow(self, message: Message) -> None:
        self._peer_allow = allow_of(message, self._peer_allow)

    def peer_takes(self, method: str) -> bool:
        """Whether a request of ours may be understood: the peer did not say otherwise."""
        return not self._peer_allow.forbids(method)

    def _accept(self, body: bytes, headers: Headers, initial: bool, now: float) -> None:
        assert self._pending is not None
        fields = self._session_timer.accept(self._pending[1], now)
        super()._accept(body, (*headers, *fields), initial, now)

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
