"""One call: what both roles of an INVITE session share once there is a dialog.

The endpoint hands in requests of the dialog; the call layer uses the verbs. ``IncomingSession``
and ``OutgoingSession`` add how the two roles get there. RFC 3261 sections 12.2, 13, 14 and 15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.events import (
    Confirmed,
    InfoAnswered,
    InfoReceived,
    MessageReceived,
    ReinviteConfirmed,
    Terminated,
)
from rapida_media.sip.offer_state import NEW, STABLE, after
from rapida_media.sip.request_checks import INFO_CONTENT, MESSAGE_CONTENT, cause_of, offer_of
from rapida_media.sip.until_acknowledged import AcceptedInvite
from rapida_media.sip.user_agent import ACCEPT, ALLOW, SDP_CONTENT, SUPPORTED, Headers, UserAgent

if TYPE_CHECKING:
    from rapida_media.sip.address import Address
    from rapida_media.sip.client_transaction import ClientTransaction, Outcome
    from rapida_media.sip.dialog import Dialog
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.refer import Replaces
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.sip.timers import Timer

# (session, transaction, request, now)
Handler = Callable[[Any, "ServerTransaction", "Request", float], None]

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
        "_offer",
        "_pending",
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
        self._bye_headers: Headers | None = None  # a BYE that waits for the ACK
        self._offer = NEW  # whose offer waits for its answer
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

    def info(self, content_type: str, body: bytes, now: float, headers: Headers = ()) -> None:
        """Send an INFO (RFC 6086); ``InfoAnswered`` tells what became of it.

        Raises LocalProtocolError unless the call is confirmed.
        """
        if self.state != CONFIRMED:
            raise LocalProtocolError(f"info in state {self.state}")
        fields = (*headers, ("Content-Type", content_type))
        self._send("INFO", self._on_info_response, now, fields, body)

    # Input from the endpoint.

    def dialog_of(self, request: Request) -> Dialog | None:
        """Give the dialog that a request with our tag belongs to, if it does (section 12)."""
        dialog = self.dialog
        if request.call_id != self.call_id or dialog is None:
            return None
        return dialog if request.from_.tag == dialog.remote_tag else None

    def refuses_to_be_replaced(self, replaces: Replaces) -> int:
        """Give the status that refuses an INVITE in place of this call, 0 where it may be.

        481: it is another call, or one that rings here; 603: it is over; 486: it is answered, and
        "early-only" was to be replaced (RFC 3891 section 3).
        """
        dialog = self.dialog
        if dialog is None or self.call_id != replaces.call_id:
            return 481
        if dialog.remote_tag != replaces.from_tag or self.state in (CALLING, RINGING, ACCEPTED):
            return 481
        if self.state == TERMINATED:
            return 603
        return 486 if replaces.early_only else 0

    def receive_request(
        self, dialog: Dialog, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        """Act on a request within a dialog of this session, other than ACK and CANCEL."""
        if not dialog.check_order(request):
            self._agent.counters.add("out_of_order_requests")
            self._agent.respond(transaction, request, 500, now, reason="CSeq Out of Order")
            return
        dialog.follow(transaction.came_by)
        if request.method == "BYE":
            self._agent.respond(transaction, request, 200, now)
            self._receive_bye(request, now)
        elif self.state == TERMINATED:  # our BYE is on its way
            self._agent.respond(transaction, request, 481, now)
        else:
            self.handlers[request.method](self, transaction, request, now)

    def connection_lost(self, peer: Address) -> None:
        """Take note that the connection to ``peer`` is gone."""
        if self.dialog is not None:
            self.dialog.connection_lost(peer)

    def talks_to(self, peer: Address) -> bool:
        """Tell whether this call's requests come from ``peer``."""
        return self.dialog is not None and self.dialog.flow.remote == peer

    def receive_ack(self, ack: Request, now: float) -> None:
        """Take the ACK of our 2xx; any other is late or lost its way and is counted."""
        accepted = self._accepted
        if accepted is None or ack.cseq.number != accepted.cseq:
            self._agent.counters.add("stray_acks")
            return
        accepted.stop()
        self._accepted = None
        self._offer = STABLE
        if not accepted.initial:
            self._agent.events.append(ReinviteConfirmed(self, offer_of(ack)))
            return
        self.state = CONFIRMED
        self._agent.events.append(Confirmed(self, offer_of(ack)))
        if self._bye_headers is not None:
            self._hang_up("local_bye", None, now, self._bye_headers)

    def _ack_timed_out(self, now: float) -> None:
        """Nobody acknowledged our 2xx in 64*T1: "this is accomplished with a BYE"."""
        self._accepted = None
        self._hang_up("ack_timeout", None, now)

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
        self._accepted = self._pending = self._bye_headers = None

    def _on_bye_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        """Whatever the answer is, the call is over: "it MUST consider the session terminated"."""
        if status >= 200:
            self._agent.sessions.pop(self.id, None)

    def _on_info_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        if status >= 200 and self.state != TERMINATED:
            self._agent.events.append(InfoAnswered(self, status))

    # Requests of the peer.

    def _receive_bye(self, request: Request, now: float) -> None:
        if self.state == TERMINATED:
            return
        if self._pending is not None:
            # "The UAS MUST still respond to any pending requests received for that dialog. It is
            # RECOMMENDED that a 487 (Request Terminated) response be generated" (section 15.1.2).
            self._refuse_pending(487, now)
        self._terminate(now)
        self._agent.events.append(Terminated(self, "bye", cause=cause_of(request)))

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

    def _receive_message(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        """Take a text: "the UAS MUST return a 415 … if it does not support the media type" (RFC
        3428 section 7), and 200 once it was handed to the user."""
        content = request.content_type
        if content is None or content.name != MESSAGE_CONTENT or request.encoded:
            accept = ("Accept", MESSAGE_CONTENT)
            self._agent.respond(transaction, request, 415, now, headers=(accept,))
        else:
            self._agent.respond(transaction, request, 200, now)
            text = request.body.decode("utf-8", "replace")
            self._agent.events.append(MessageReceived(self, text))

    def _receive_options(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        self._agent.respond(transaction, request, 200, now, headers=(ALLOW, ACCEPT, SUPPORTED))

    def _receive_prack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Refuse a PRACK: "If the PRACK request does not match any unacknowledged reliable
        provisional response, the UAS MUST respond … with a 481" (RFC 3262 section 3)."""
        self._agent.respond(transaction, request, 481, now)

    # What each method of ALLOW does within the dialog.
    handlers: ClassVar[Mapping[str, Handler]] = {
        "INFO": _receive_info,
        "MESSAGE": _receive_message,
        "OPTIONS": _receive_options,
        "PRACK": _receive_prack,
    }

    # Answers of ours to an INVITE.

    def _accept(self, body: bytes, headers: Headers, initial: bool, now: float) -> None:
        """Send the 200 to the pending INVITE and keep repeating it until the ACK."""
        assert self._pending is not None
        assert self.dialog is not None
        transaction, request = self._pending
        self._offer = after(self._offer, "send", body)
        data = self._agent.respond(
            transaction,
            request,
            200,
            now,
            to_tag=self.id,
            body=body,
            headers=(*headers, *self._offer_headers(body, (transaction, request))),
        )
        self._pending = None
        if not initial:
            self.dialog.refresh_target(request)
        self._accepted = AcceptedInvite(
            transaction,
            data,
            cseq=request.cseq.number,
            initial=initial,
            around=self._agent.layer.around,
            now=now,
            timed_out=self._ack_timed_out,
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

    def _offer_headers(
        self, body: bytes, answered: tuple[ServerTransaction, Request] | None = None
    ) -> Headers:
        """Give what goes with an offer or an answer, in a request of ours or in a response."""
        if answered is not None:
            path, uri = answered[0].came_by, answered[1].uri_text
        else:
            assert self.dialog is not None
            path, uri = self.dialog.next_hop(), self.dialog.remote_target
        contact = self._agent.contact(path, uri=uri)
        fields = (contact, ALLOW, SUPPORTED)
        return (*fields, SDP_CONTENT) if body else fields
