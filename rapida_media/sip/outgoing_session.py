"""A call of ours: from the INVITE to its final response (RFC 3261 sections 9.1 and 13.2).

The CANCEL race: a CANCEL may only follow a provisional response, so ``cancel`` before that is
remembered until one comes; and a 200 may cross it, in which case the call was answered after
all and is ended with ACK and BYE. Forked INVITEs can be answered more than once: the first
answer is the call, each other one gets ACK and BYE.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip import outgoing
from rapida_media.sip.back_off import retry_after
from rapida_media.sip.builder import REASONS
from rapida_media.sip.dialog import Dialog
from rapida_media.sip.early_dialog import MAX_EARLY_DIALOGS, EarlyDialog
from rapida_media.sip.events import Answered, Failed, Ringing
from rapida_media.sip.headers import NameAddr
from rapida_media.sip.invite_session import CALLING, CONFIRMED, RINGING
from rapida_media.sip.offer_state import OFFERED, STABLE
from rapida_media.sip.outgoing import OutgoingRequest
from rapida_media.sip.referring_session import ReferringSession
from rapida_media.sip.reliable_provisional import RAck, rseq_of
from rapida_media.sip.request_checks import cause_of, offer_of
from rapida_media.sip.user_agent import ACCEPT, ALLOW, SDP_CONTENT, SUPPORTED, Headers, UserAgent

if TYPE_CHECKING:
    from rapida_media.sip.address import Address, Path
    from rapida_media.sip.client_auth import ClientAuth
    from rapida_media.sip.client_transaction import ClientTransaction
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.refer import Replaces


# A proxy to send the same request through, which we do not, and services told of in the body
# (sections 21.3.4 and 21.3.5).
NOBODY_TO_CALL = frozenset({305, 380})


class Plan(NamedTuple):
    """What an INVITE is made of, kept until it is answered."""

    request: OutgoingRequest
    headers: Headers
    body: bytes


class OutgoingSession(ReferringSession):
    """The caller's side of a call."""

    __slots__ = ("_cancel_headers", "_cancel_sent", "_canceling", "_early", "_invite", "_plan")

    direction = "outgoing"

    def __init__(
        self,
        agent: UserAgent,
        *,
        target: str,
        path: Path,
        from_: str,
        body: bytes,
        headers: Headers,
        now: float,
        auth: ClientAuth | None = None,
        others: Sequence[Address] = (),
        max_forwards: int = outgoing.MAX_FORWARDS,
    ) -> None:
        """Send the INVITE. Raises LocalProtocolError when a value cannot be written."""
        local_tag = agent.ids.token()
        request = OutgoingRequest(
            "INVITE",
            target,
            agent.sent_by(path),
            agent.branch(),
            (),
            f"{from_};tag={local_tag}",
            f"<{target}>",
            agent.ids.token(),
            agent.first_cseq(),
            auth,
            max_forwards=max_forwards,
        )
        super().__init__(agent, request.call_id, local_tag)
        self._canceling = False
        self._cancel_headers: Headers = ()
        self._cancel_sent = False
        self._offer = OFFERED
        self._early: dict[str | None, EarlyDialog] = {}  # by the callee's tag
        self._plan: Plan | None = Plan(request, headers, body)
        self._invite: ClientTransaction | None = None
        try:
            self._send_invite(self._plan, path, others, now)
        except LocalProtocolError:
            self._terminate(now)
            raise
        limit = now + agent.config.ring_seconds
        self._timer = agent.timers.start(limit, self, "ringing")

    def _send_invite(self, plan: Plan, path: Path, others: Sequence[Address], now: float) -> None:
        agent = self._agent
        fields = (
            agent.contact(path, uri=plan.request.uri),
            ALLOW,
            ACCEPT,
            SUPPORTED,
            agent.user_agent_header,
            *self._session_timer.request_fields(),
            SDP_CONTENT,
            *plan.headers,
        )
        data = plan.request.pack(fields, plan.body)
        self._invite = agent.send_request(
            plan.request, data, path, self._on_response, now, others=others
        )

    def _send_again(self, path: Path, cseq: int, now: float) -> None:
        """Send the INVITE with what its refusal taught us, where that came from: "the same
        Call-ID, To, and From of the previous request, but the CSeq … one higher" (8.1.3.5)."""
        assert self._plan is not None, "it is kept until the call is answered"
        request = self._plan.request._replace(
            sent_by=self._agent.sent_by(path),
            branch=self._agent.branch(),
            cseq=cseq,
        )
        self._early.clear()
        self._send_invite(self._plan._replace(request=request), path, (), now)

    def cancel(self, now: float, headers: Headers = ()) -> None:
        """Take the call back; ``Failed`` with status 487 tells when it is over.

        headers: more of them for the CANCEL, a Reason for example.

        Raises LocalProtocolError after a final response.
        """
        if self.state not in (CALLING, RINGING):
            raise LocalProtocolError(f"cancel in state {self.state}")
        if not self._canceling:
            assert self._invite is not None, "kept until the final response"
            self._canceling = True
            self._cancel_headers = headers
            self._invite.second = None
            if self._invite.state == "proceeding":
                self._send_cancel(now)

    def handle_timer(self, event: str, now: float) -> None:
        if event == "ringing":
            self._timer = None
            self.cancel(now)
        elif event == "cancel_limit":
            assert self._invite is not None, "the timer stops with the INVITE"
            self._invite.step("abandon", None, now)
            self._fail(487, None, now)
        else:
            super().handle_timer(event, now)

    def _send_cancel(self, now: float) -> None:
        """Send the CANCEL the way the INVITE went, and wait 64*T1 for the INVITE's answer."""
        invite = self._invite
        assert invite is not None
        assert invite.request is not None
        self._cancel_sent = True
        request = outgoing.cancel(invite.request)
        self._agent.layer.send_request(
            request,
            request.pack((*self._cancel_headers, self._agent.user_agent_header)),
            invite.path,
            _ignore,
            now,
        )
        self._agent.timers.cancel(self._timer)
        limit = now + self._agent.config.timers.give_up
        self._timer = self._agent.timers.start(limit, self, "cancel_limit")

    def _on_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        if not self._canceling and self._interval_raised(status, response):
            assert response is not None, "a 422 is a response"
            self._send_again(transaction.path, response.cseq.number + 1, now)
        elif response is None or status >= 300:
            self._fail(status, response, now)
        elif status >= 200:
            self._receive_answer(transaction, response, now)
        else:
            self._receive_provisional(status, response, now)

    def _receive_provisional(self, status: int, response: Response, now: float) -> None:
        if self._canceling:
            if not self._cancel_sent:
                self._send_cancel(now)
        elif status > 100:
            self._receive_ringing(status, response, now)

    def _receive_ringing(self, status: int, response: Response, now: float) -> None:
        """Acknowledge a provisional response that wants it, in its order, and tell of it."""
        early = self._early_dialog(response)
        rseq = rseq_of(response)
        body = offer_of(response)
        if rseq is not None:
            if early is None or not early.is_next(rseq):
                self._agent.counters.add("repeated_provisionals")
                return
            rack = ("RAck", str(RAck(rseq, response.cseq.number, "INVITE")))
            self._agent.send_within(early.dialog, "PRACK", _ignore, now, headers=(rack,))
            if body and not early.answer:
                early.answer = body
                self._offer = STABLE
            else:
                body = b""
        self.state = RINGING
        self._agent.events.append(Ringing(self, status, body))

    def _early_dialog(self, response: Response) -> EarlyDialog | None:
        """Give the early dialog of a provisional response, None where it makes none."""
        tag = response.to.tag
        early = self._early.get(tag)
        invite = self._invite
        if early is not None or tag is None or len(self._early) >= MAX_EARLY_DIALOGS:
            return early
        assert invite is not None
        assert invite.request is not None
        try:
            dialog = Dialog.of_response(invite.request, self.id, response, invite.path)
        except RemoteProtocolError:
            self._agent.counters.add("bad_contacts")
            return None
        self._early[tag] = EarlyDialog(dialog)
        return self._early[tag]

    def dialog_of(self, request: Request) -> Dialog | None:
        early = self._early.get(request.from_.tag)
        if early is not None and request.call_id == self.call_id:
            return early.dialog
        return super().dialog_of(request)

    def refuses_to_be_replaced(self, replaces: Replaces) -> int:
        """Let a call that rings be picked up elsewhere: of the early dialogs those of our own calls
        may be replaced (RFC 3891 section 3)."""
        if self.state == RINGING and not self._canceling and self.call_id == replaces.call_id:
            return 0 if replaces.from_tag in self._early else 481
        return super().refuses_to_be_replaced(replaces)

    def _receive_bye(self, request: Request, now: float) -> None:
        """End an answered call; a callee that sends BYE before owes a final response instead."""
        if self.state not in (CALLING, RINGING):
            super()._receive_bye(request, now)

    def _receive_answer(
        self, transaction: ClientTransaction, response: Response, now: float
    ) -> None:
        """Acknowledge a 2xx: the first is the call, a repeated one gets its ACK again."""
        tag = response.to.tag
        datagram = transaction.acks.get(tag)
        if datagram is not None:
            self._agent.outbox.append(datagram)
            return
        early = self._early.get(tag)
        try:
            dialog = self._confirmed_dialog(early, transaction, response)
        except RemoteProtocolError:
            self._agent.counters.add("bad_answers")
            if self.state in (CALLING, RINGING):
                self._fail(502, None, now)
            return
        self._agent.acknowledge(transaction, dialog, response.cseq.number, tag)
        if self.state not in (CALLING, RINGING):
            self._agent.counters.add("forked_answers")
            self._agent.send_within(dialog, "BYE", _ignore, now)
        elif self._canceling:
            self._agent.send_within(dialog, "BYE", _ignore, now)
            self._fail(487, None, now)
        else:
            self._answer(dialog, (early and early.answer) or offer_of(response))
            self._refreshed(response, now)

    def _confirmed_dialog(
        self, early: EarlyDialog | None, transaction: ClientTransaction, response: Response
    ) -> Dialog:
        if early is None:
            assert transaction.request is not None
            return Dialog.of_response(transaction.request, self.id, response, transaction.path)
        early.dialog.confirm(response)
        return early.dialog

    def _answer(self, dialog: Dialog, body: bytes) -> None:
        self.dialog = dialog
        self._early.clear()
        self._offer = STABLE
        self.state = CONFIRMED
        self._invite = self._plan = None
        self._agent.timers.cancel(self._timer)
        self._timer = None
        self._agent.events.append(Answered(self, body))

    def _fail(self, status: int, response: Response | None, now: float) -> None:
        """End an unanswered call; a cancelled one always ends with 487."""
        self._invite = self._plan = None
        self._early.clear()
        self._terminate(now)
        reason, wait, cause = REASONS.get(status, ""), None, None
        if response is not None:
            reason, wait, cause = response.reason, retry_after(response), cause_of(response)
        elif self._canceling:
            status, reason = 487, REASONS[487]
        contacts = _contacts(response) if response is not None else ()
        heard = response is not None
        self._agent.events.append(Failed(self, status, reason, wait, cause, contacts, heard))


def _contacts(response: Response) -> tuple[str, ...]:
    """Give where a redirection points to, ordered by "the q parameter value" (8.1.3.4)."""
    if not 300 <= response.status < 400 or response.status in NOBODY_TO_CALL:
        return ()
    try:
        contacts = response.contacts
    except RemoteProtocolError:
        return ()
    return tuple(each.uri_text for each in sorted(contacts, key=_quality, reverse=True))


def _quality(contact: NameAddr) -> float:
    try:
        return float(contact.params.get("q") or 1.0)
    except ValueError:
        return 0.0


def _ignore(
    transaction: ClientTransaction, status: int, response: Response | None, now: float
) -> None:
    """Nothing depends on what is answered to a CANCEL, or to the BYE of an unwanted fork."""
