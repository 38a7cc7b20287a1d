"""What a SIP endpoint does with a request: to its transaction, to its session, or a new one.

The order is that of RFC 3261 section 8.2: authentication (the guard), the method, the header
fields, the content, extensions, and only then a call. Owned by ``SipEndpoint``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.address import Address, Datagram, Path
from rapida_media.sip.builder import build_response
from rapida_media.sip.events import IncomingInvite, InviteRefused
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.refer import Replaces, replaces_of
from rapida_media.sip.request_checks import (
    ALLOW_OUTSIDE,
    OUTSIDE_DIALOG,
    Refusal,
    extension_refusal,
    method_refusal,
    offer_of,
    refusal,
)
from rapida_media.sip.session_timer import interval_refusal
from rapida_media.sip.transaction_layer import merge_key, response_address, server_key
from rapida_media.sip.user_agent import ACCEPT, ALLOW, IGNORED, SUPPORTED, Headers, UserAgent

if TYPE_CHECKING:
    from rapida_media.sip.dialog import Dialog
    from rapida_media.sip.invite_session import InviteSession
    from rapida_media.sip.message import Request
    from rapida_media.sip.server_transaction import ServerTransaction

INTERVAL_TOO_SMALL = 422


class RequestReceiver:
    """Takes the requests of one endpoint."""

    def __init__(self, agent: UserAgent) -> None:
        self._agent = agent
        self._layer = agent.layer
        self._secret = agent.ids.token().encode()

    def receive(self, request: Request, path: Path, now: float) -> None:
        """Treat one request, from its validation on."""
        try:
            request.validate()
        except RemoteProtocolError as error:
            self._agent.counters.add("malformed_requests")
            if self._guarded(None, path.remote, now) != IGNORED:
                self._refuse_statelessly(request, path, error.status or 400, str(error))
                self._tell_refused(request, path.remote, error.status or 400, str(error))
            return
        key = server_key(request, request.method)
        if self._layer.receive_request(key, request, now):
            return
        if request.method == "ACK":
            self._receive_ack(request, now)
        elif self._overloaded(request):
            self._agent.counters.add("overload_refusals")
            self._refuse_statelessly(request, path, 503, headers=(self._retry_after(),))
        elif request.method == "CANCEL" and (invite := self._layer.invite_of(request)) is not None:
            transaction = self._layer.open_server(key, request, path)
            self._receive_cancel(transaction, invite, request, now)
        elif request.method != "CANCEL" and (session := self._session_of(request)) is not None:
            transaction = self._layer.open_server(key, request, path)
            self._act(partial(self._receive_in_dialog, *session), transaction, request, now)
        elif (refused := self._guarded(request, path.remote, now)) is not None:
            if refused != IGNORED:
                self._refuse_statelessly(request, path, refused[0], headers=refused[1])
        elif request.method == "CANCEL" or request.to.tag is not None:
            # Anybody can send it, so nothing is kept of it: an INVITE's 481 would be repeated.
            self._refuse_statelessly(request, path, 481)
        else:
            self._receive_new(key, request, path, now)

    def _session_of(self, request: Request) -> tuple[InviteSession, Dialog] | None:
        """Find the session and its dialog that a request is for."""
        session = self._agent.sessions.get(request.to.tag or "")
        dialog = session.dialog_of(request) if session is not None else None
        return None if session is None or dialog is None else (session, dialog)

    def _guarded(self, request: Request | None, source: Address, now: float) -> Refusal | None:
        """Ask the guard before anything is kept: requests are processed "starting with
        authentication, then inspecting the method, the header fields, and so on" (section 8.2)."""
        guard = self._agent.config.guard
        return None if guard is None else guard(request, source, now)

    def _act(
        self,
        handler: Callable[[ServerTransaction, Request, float], None],
        transaction: ServerTransaction,
        request: Request,
        now: float,
    ) -> None:
        """Run a handler; a header field found malformed where it is used still gets its answer."""
        try:
            handler(transaction, request, now)
        except RemoteProtocolError as error:
            self._agent.counters.add("malformed_requests")
            status = error.status or 400
            self._agent.respond(transaction, request, status, now, reason=str(error))
            if request.to.tag is None:
                self._tell_refused(request, transaction.source, status, str(error))

    def _tell_refused(self, request: Request, source: Address, status: int, why: str) -> None:
        """Have it known that a call came to nothing; 422 is how its interval is agreed on."""
        if request.method == "INVITE" and status != INTERVAL_TOO_SMALL:
            self._agent.events.append(InviteRefused(request, source, status, why))

    def _overloaded(self, request: Request) -> bool:
        """Whether there is no room for another transaction; a BYE that makes room is let in."""
        if len(self._layer) < self._agent.config.max_transactions:
            return False
        return request.method != "BYE" or request.to.tag not in self._agent.sessions

    def _receive_ack(self, ack: Request, now: float) -> None:
        """Give the ACK of a 2xx to its session. An ACK is never answered (section 17)."""
        found = self._session_of(ack)
        if found is not None:
            found[0].receive_ack(ack, now)
        else:
            self._agent.counters.add("stray_acks")

    def _receive_cancel(
        self, transaction: ServerTransaction, invite: ServerTransaction, cancel: Request, now: float
    ) -> None:
        """Answer a CANCEL at once; what it cancels is answered by its session (section 9.2)."""
        user = invite.user
        # "the To tag of the response to the CANCEL and the To tag in the response to the original
        # request SHOULD be the same"
        tag = user.id if user is not None else None
        self._agent.respond(transaction, cancel, 200, now, to_tag=tag)
        if user is not None and not invite.answered:
            user.receive_cancel(invite, cancel, now)

    def _receive_in_dialog(
        self,
        session: InviteSession,
        dialog: Dialog,
        transaction: ServerTransaction,
        request: Request,
        now: float,
    ) -> None:
        refused = method_refusal(request) or extension_refusal(request)
        if refused is not None:
            self._agent.respond(transaction, request, refused[0], now, headers=refused[1])
        else:
            session.receive_request(dialog, transaction, request, now)

    def _receive_new(self, key: str, request: Request, path: Path, now: float) -> None:
        """Treat a request from outside any dialog."""
        merge = merge_key(request)
        if self._layer.merged(merge):
            transaction = self._layer.open_server(key, request, path)
            self._agent.respond(transaction, request, 482, now)
        else:
            transaction = self._layer.open_server(key, request, path, merge)
            self._act(self._serve, transaction, request, now)

    def _serve(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        refused = refusal(request)
        if refused is None and request.method not in OUTSIDE_DIALOG:
            # A text or an errand for nobody in particular, or a BYE for no dialog of ours.
            alone = request.method in ("MESSAGE", "REFER")
            refused = (405, (ALLOW_OUTSIDE,)) if alone else (481, ())
        if refused is None and request.method == "INVITE":
            refused = interval_refusal(request, self._agent.config.min_session_expires)
        offer, replaced = b"", None
        if refused is None and request.method == "INVITE":
            offer = offer_of(request)  # may find it malformed, so before there is a session
            wanted = replaces_of(request)
            replaced = None if wanted is None else self._session_to_replace(wanted)
        if isinstance(replaced, int):
            refused = replaced, ()
        if refused is not None:
            why = ", ".join(f"{name}: {value}" for name, value in refused[1])
            self._tell_refused(request, transaction.source, refused[0], why)
        else:
            # Also of OPTIONS: "The response code chosen MUST be the same that would have been
            # chosen had the request been an INVITE" (section 11.2).
            refused = self._admit(request, transaction.source, anew=replaced is None)
        if refused is not None:
            self._agent.respond(transaction, request, refused[0], now, headers=refused[1])
        elif request.method == "OPTIONS":
            self._answer_options(transaction, request, now)
        else:
            assert not isinstance(replaced, int), "refused above"
            session = IncomingSession(self._agent, transaction, request, now)
            self._agent.events.append(IncomingInvite(session, request, offer, replaced))

    def _session_to_replace(self, replaces: Replaces) -> InviteSession | int:
        """Find the call an INVITE wants to replace, or give the status that refuses it: "If no
        match is found, the UAS rejects the INVITE and returns a 481" (RFC 3891 section 3)."""
        session = self._agent.sessions.get(replaces.to_tag)
        if session is None:
            return 481
        return session.refuses_to_be_replaced(replaces) or session

    def _admit(self, request: Request, source: Address, *, anew: bool) -> Refusal | None:
        """Ask whether there is room. anew: it is no call that takes the place of an admitted one,
        which makes room."""
        config = self._agent.config
        if len(self._agent.sessions) >= config.max_sessions:
            if request.method == "INVITE":
                self._agent.counters.add("overload_refusals")
            return 503, (self._retry_after(),)
        if config.admission is None or not anew:
            return None
        return config.admission(request, source)

    def _answer_options(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Tell what we can do: "Allow, Accept, Accept-Encoding, Accept-Language, and Supported
        header fields SHOULD be present" (section 11.2)."""
        contact = self._agent.contact(transaction.came_by, uri=request.uri_text)
        self._agent.respond(
            transaction,
            request,
            200,
            now,
            headers=(
                contact,
                ALLOW,
                ACCEPT,
                ("Accept-Encoding", "identity"),
                ("Accept-Language", "en"),
                SUPPORTED,
            ),
        )

    def _retry_after(self) -> tuple[str, str]:
        return "Retry-After", str(self._agent.config.retry_after_seconds)

    def _refuse_statelessly(
        self,
        request: Request,
        path: Path,
        status: int,
        reason: str | None = None,
        *,
        headers: Headers = (),
    ) -> None:
        """Answer without a transaction, as section 8.2.7 allows: a retransmission gets the same
        answer, To tag included, because that is computed from the request."""
        if request.method == "ACK":
            return
        try:
            destination = response_address(request.top_via, path.remote)
        except RemoteProtocolError:
            destination = path.remote  # nothing better is known
        text = b"".join(request.raw_header_lines("Call-ID") + request.raw_header_lines("CSeq"))
        tag = blake2b(text, key=self._secret, digest_size=8).hexdigest()
        response = build_response(
            request,
            status,
            reason,
            to_tag=tag,
            headers=(*headers, self._agent.server_header),
            received=(path.remote.host, path.remote.port),
        )
        self._agent.outbox.append(Datagram(response.raw, destination, path.local))
