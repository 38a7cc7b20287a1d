"""One call: what both roles of an INVITE session share once there is a dialog.

The endpoint hands in requests of the dialog; the call layer uses the verbs. ``IncomingSession``
and ``OutgoingSession`` add how the two roles get there. RFC 3261 sections 12.2, 13, 14 and 15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.accepted_invite import AcceptedInvite
from rapida_media.sip.address import Path
from rapida_media.sip.builder import REASONS
from rapida_media.sip.events import (
    Confirmed,
    InfoReceived,
    ReinviteAnswered,
    ReinviteCanceled,
    ReinviteConfirmed,
    ReinviteFailed,
    ReinviteReceived,
    Terminated,
)
from rapida_media.sip.request_checks import INFO_CONTENT, body_refusal, offer_of
from rapida_media.sip.user_agent import ACCEPT, ALLOW, SDP_CONTENT, Headers, UserAgent

if TYPE_CHECKING:
    from rapida_media.sip.client_transaction import ClientTransaction, Outcome
    from rapida_media.sip.dialog import Dialog
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.timers import Timer

CALLING, RINGING, ACCEPTED, CONFIRMED, TERMINATED = (
    "calling",
    "ringing",
    "accepted",
    "confirmed",
    "terminated",
)


class InviteSession:
    """An INVITE dialog usage.

    id: our tag, unique among sessions and unguessable.
    state: calling → ringing → (incoming: accepted →) confirmed → terminated.
    """

    __slots__ = (
        "__weakref__",  # users may keep things by session
        "_accepted",
        "_agent",
        "_bye_headers",
        "_pending",
        "_reinvite",
        "_timer",
        "call_id",
        "dialog",
        "id",
        "state",
    )

    direction = ""

    def __init__(self, agent: UserAgent, call_id: str, local_tag: str) -> None:
        self.id = local_tag
        self.call_id = call_id
        self.state = CALLING
        self.dialog: Dialog | None = None
        self._agent = agent
        self._timer: Timer | None = None  # the ringing limit
        self._pending: tuple[ServerTransaction, Request] | None = None  # an unanswered INVITE
        self._accepted: AcceptedInvite | None = None  # our 2xx without its ACK
        self._reinvite: ClientTransaction | None = None  # our re-INVITE without its answer
        self._bye_headers: Headers | None = None  # a BYE that waits for the ACK
        agent.sessions[self.id] = self

    # Verbs.

    def bye(self, now: float, headers: Headers = ()) -> None:
        """Hang up an answered call.

        Before the ACK of our 200 the BYE waits for it: "the callee's UA MUST NOT send a BYE on a
        confirmed dialog until it has received an ACK for its 2xx response or until the server
        transaction times out" (section 15). ``Terminated`` tells when it was sent.
        Raises LocalProtocolError when the call is not answered or already over.
        """
        if self.state == ACCEPTED:
            self._bye_headers = headers
        elif self.state == CONFIRMED:
            self._hang_up("local_bye", None, now, headers)
        else:
            raise LocalProtocolError(f"bye in state {self.state}")

    def reinvite(self, body: bytes, now: float, headers: Headers = ()) -> None:
        """Offer to change the session; ReinviteAnswered or ReinviteFailed will tell.

        Raises LocalProtocolError without an offer, and unless the call is confirmed and no other
        INVITE is under way in either direction (section 14.1).
        """
        if not body:
            raise LocalProtocolError("expected an SDP offer in body")
        if self.state != CONFIRMED:
            raise LocalProtocolError(f"reinvite in state {self.state}")
        if self._reinvite or self._pending or self._accepted:
            raise LocalProtocolError("another INVITE is in progress in this dialog")
        self._reinvite = self._send(
            "INVITE", self._on_reinvite_response, now, (*headers, *self._offer_headers(body)), body
        )
        limit = now + self._agent.config.ring_seconds
        self._timer = self._agent.timers.start(limit, self, "reinvite_limit")

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

    # Input from the endpoint.

    def owns(self, request: Request) -> bool:
        """Tell whether a request that carries our tag belongs to this dialog (section 12)."""
        dialog = self.dialog
        return (
            dialog is not None
            and request.call_id == dialog.call_id
            and request.from_.tag == dialog.remote_tag
        )

    def receive_request(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Act on a request within the dialog, other than ACK and CANCEL."""
        assert self.dialog is not None, "owns() was asked first"
        if not self.dialog.check_order(request):
            self._agent.counters.add("out_of_order_requests")
            self._agent.respond(transaction, request, 500, now, reason="CSeq Out of Order")
            return
        self.dialog.follow(Path(transaction.source, transaction.path.local))
        if request.method == "BYE":
            self._agent.respond(transaction, request, 200, now)
            self._receive_bye(now)
        elif self.state == TERMINATED:  # our BYE is on its way
            self._agent.respond(transaction, request, 481, now)
        elif request.method == "INVITE":
            self._receive_reinvite(transaction, request, now)
        elif request.method == "INFO":
            self._receive_info(transaction, request, now)
        else:
            self._agent.respond(transaction, request, 200, now, headers=(ALLOW, ACCEPT))

    def receive_ack(self, ack: Request, now: float) -> None:
        """Take the ACK of our 2xx; any other is late or lost its way and is counted."""
        accepted = self._accepted
        if accepted is None or ack.cseq.number != accepted.cseq:
            self._agent.counters.add("stray_acks")
            return
        accepted.stop()
        self._accepted = None
        if not accepted.initial:
            self._agent.events.append(ReinviteConfirmed(self, offer_of(ack)))
            return
        self.state = CONFIRMED
        self._agent.events.append(Confirmed(self, offer_of(ack)))
        if self._bye_headers is not None:
            self._hang_up("local_bye", None, now, self._bye_headers)

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """Take the CANCEL of an unanswered re-INVITE (section 9.2)."""
        assert self._pending is not None, "an unanswered INVITE is pending"
        self._refuse_pending(487, now)
        self._agent.events.append(ReinviteCanceled(self))

    def ack_timed_out(self, now: float) -> None:
        """Nobody acknowledged our 2xx in 64*T1: "this is accomplished with a BYE"."""
        self._accepted = None
        self._hang_up("ack_timeout", None, now)

    def handle_timer(self, event: str, now: float) -> None:
        """Give up on a re-INVITE that got nothing but provisional responses."""
        self._timer = None
        self._hang_up("refused", 408, now)

    # How a session ends.

    def _hang_up(self, reason: str, code: int | None, now: float, headers: Headers = ()) -> None:
        if self._pending is not None:
            # The peer's re-INVITE: a transaction that nobody answers would wait forever.
            self._refuse_pending(487, now)
        self._terminate(now)
        # A BYE that crosses ours still finds the session and gets its 200.
        self._agent.sessions[self.id] = self
        self._send("BYE", self._on_bye_response, now, headers)
        self._agent.events.append(Terminated(self, reason, code))

    def _terminate(self, now: float) -> None:
        """Leave every register and stop every timer; the dialog stays for what is in flight."""
        self.state = TERMINATED
        self._agent.sessions.pop(self.id, None)
        self._agent.timers.cancel(self._timer)
        self._timer = None
        if self._accepted is not None:
            self._accepted.stop()
        if self._reinvite is not None:
            self._reinvite.limit(now)
        self._accepted = self._pending = self._reinvite = self._bye_headers = None

    def _on_bye_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        """Whatever the answer is, the call is over: "it MUST consider the session terminated"."""
        if status >= 200:
            self._agent.sessions.pop(self.id, None)

    # Requests of the peer.

    def _receive_bye(self, now: float) -> None:
        if self.state == TERMINATED:
            return
        if self._pending is not None:
            # "The UAS MUST still respond to any pending requests received for that dialog. It is
            # RECOMMENDED that a 487 (Request Terminated) response be generated" (section 15.1.2).
            self._refuse_pending(487, now)
        self._terminate(now)
        self._agent.events.append(Terminated(self, "bye"))

    def _receive_reinvite(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        respond = self._agent.respond
        refusal = body_refusal(request)
        if self._reinvite is not None:
            respond(transaction, request, 491, now)
        elif self._pending or self._accepted or self.state != CONFIRMED:
            # "a UAS that receives a second INVITE before it sends the final response to a first
            # INVITE with a lower CSeq … MUST return a 500 … and MUST include a Retry-After header
            # field with a randomly chosen value of between 0 and 10 seconds" (section 14.2).
            wait = ("Retry-After", str(self._agent.ids.number(16) % 11))
            respond(transaction, request, 500, now, headers=(wait,))
        elif refusal is not None:
            respond(transaction, request, refusal[0], now, headers=refusal[1])
        else:
            transaction.user = self
            self._pending = (transaction, request)
            respond(transaction, request, 100, now)
            self._agent.events.append(ReinviteReceived(self, offer_of(request)))

    def _receive_info(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Answer an INFO: "MUST respond with a 200 (OK)" (RFC 6086 section 4.2.2) unless it is of
        a package or a type we do not know."""
        content = "" if request.content_type is None else request.content_type.name
        if request.has("Info-Package"):
            self._agent.respond(transaction, request, 469, now, headers=(("Recv-Info", ""),))
        elif request.body and content not in INFO_CONTENT:
            accept = ("Accept", ", ".join(INFO_CONTENT))
            self._agent.respond(transaction, request, 415, now, headers=(accept,))
        else:
            self._agent.respond(transaction, request, 200, now)
            self._agent.events.append(InfoReceived(self, content, request.body))

    # Answers of ours to an INVITE.

    def _accept(self, body: bytes, headers: Headers, initial: bool, now: float) -> None:
        """Send the 200 to the pending INVITE and keep repeating it until the ACK."""
        assert self._pending is not None
        assert self.dialog is not None
        transaction, request = self._pending
        data = self._agent.respond(
            transaction,
            request,
            200,
            now,
            to_tag=self.id,
            body=body,
            headers=(*headers, *self._offer_headers(body, transaction.source.transport)),
        )
        self._pending = None
        if not initial:
            self.dialog.refresh_target(request)
        self._accepted = AcceptedInvite(
            self,
            transaction,
            data,
            cseq=request.cseq.number,
            initial=initial,
            around=self._agent.layer.around,
            now=now,
        )

    def _refuse_pending(
        self, status: int, now: float, headers: Headers = (), reason: str | None = None
    ) -> None:
        assert self._pending is not None
        if not 300 <= status <= 699:
            raise LocalProtocolError(f"refuse with {status}: expected 300 to 699")
        transaction, request = self._pending
        self._agent.respond(
            transaction, request, status, now, reason=reason, to_tag=self.id, headers=headers
        )
        transaction.user = None
        self._pending = None

    # Requests of ours.

    def _send(
        self,
        method: str,
        on_response: Outcome,
        now: float,
        headers: Headers = (),
        body: bytes = b"",
    ) -> ClientTransaction:
        assert self.dialog is not None, "only a session with a dialog sends within it"
        return self._agent.send_within(
            self.dialog, method, on_response, now, headers=headers, body=body
        )

    def _offer_headers(self, body: bytes, transport: str | None = None) -> Headers:
        if transport is None:
            assert self.dialog is not None
            transport = self.dialog.next_hop().remote.transport
        contact = self._agent.contact(transport)
        return (contact, ALLOW, SDP_CONTENT) if body else (contact, ALLOW)

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
        self._agent.timers.cancel(self._timer)
        self._timer = None
        if status < 300:
            self._agent.events.append(ReinviteAnswered(self, offer_of(response)))
        elif status in (408, 481):
            # "If the response … is a 481 … or a 408 (Request Timeout), the UAC SHOULD terminate
            # the dialog", also "if no response at all is received" (section 12.2.1.2).
            self._hang_up("refused", status, now)
        else:
            reason = response.reason if response is not None else REASONS[status]
            self._agent.events.append(ReinviteFailed(self, status, reason))

    def _acknowledge_reinvite(self, transaction: ClientTransaction, response: Response) -> None:
        assert self.dialog is not None
        datagram = transaction.acks.get(response.to.tag)
        if datagram is not None:
            self._agent.outbox.append(datagram)
            return
        try:
            self.dialog.refresh_target(response)
        except RemoteProtocolError:
            self._agent.counters.add("bad_contacts")
        self._agent.acknowledge(transaction, self.dialog, response.cseq.number, response.to.tag)
