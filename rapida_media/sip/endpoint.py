"""A SIP user agent without sockets: bytes, intents and ``now`` in; events, bytes, deadlines out.

The network shell calls ``receive_datagram`` for every datagram or framed stream message, then
drains ``next_event`` and ``datagrams_to_send`` and arms one timer with ``next_timeout``. Inside:
parse, match to a transaction (``transaction_layer``), match to a session, or treat as a new
request in the order of RFC 3261 section 8.2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.address import Address, Datagram, Path
from rapida_media.sip.builder import build_response
from rapida_media.sip.client_auth import ClientAuth
from rapida_media.sip.events import IncomingInvite
from rapida_media.sip.headers import NameAddr
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import CONFIRMED
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.sip.options_ping import OptionsPing
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.refer import Replaces, replaces_of
from rapida_media.sip.registration import Registration
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
from rapida_media.sip.uri import parse_uri
from rapida_media.sip.user_agent import (
    ACCEPT,
    ALLOW,
    IGNORED,
    SUPPORTED,
    Admission,
    EndpointConfig,
    Headers,
    UserAgent,
)

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.digest import Credentials
    from rapida_media.sip.events import AnyEvent
    from rapida_media.sip.invite_session import InviteSession
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.stats import Counters

# RFC 5626 section 3.5.1: a double CRLF asks, a single one answers. Over UDP many send them, too.
KEEP_ALIVES = frozenset({b"\r\n\r\n", b"\r\n"})

__all__ = ["Address", "Admission", "Datagram", "EndpointConfig", "SipEndpoint"]


class SipEndpoint:
    """Takes and makes calls. Every method takes ``now`` in monotonic seconds."""

    def __init__(self, config: EndpointConfig, ids: IdSource, counters: Counters) -> None:
        self._agent = UserAgent(config, ids, counters)
        self._layer = self._agent.layer
        self._secret = ids.token().encode()
        self._registrations: list[Registration] = []

    # The five verbs.

    def receive_datagram(
        self, data: bytes, source: Address, local: Address | None, now: float
    ) -> None:
        """Take one message. Never raises: what cannot be answered is counted and dropped.

        local: our listener it arrived at; answers leave from there.
        """
        if data in KEEP_ALIVES:
            self._agent.counters.add("keep_alives")
            return
        try:
            message = parse_message(data)
        except RemoteProtocolError:
            self._agent.counters.add("unparsable_messages")
            return
        if isinstance(message, Response):
            self._receive_response(message, now)
        else:
            self._receive_request(message, Path(source, local), now)

    def next_timeout(self) -> float | None:
        """Give when ``handle_timeout`` is to be called next, None while no timer runs."""
        return self._agent.timers.next_deadline()

    def handle_timeout(self, now: float) -> None:
        self._agent.timers.fire(now)

    def next_event(self) -> AnyEvent | None:
        events = self._agent.events
        return events.popleft() if events else None

    def datagrams_to_send(self) -> list[Datagram]:
        """Hand over everything waiting to be sent, in order."""
        outbox = self._agent.outbox
        waiting = outbox.copy()
        outbox.clear()
        return waiting

    # Intents.

    def invite(
        self,
        *,
        target: str,
        destination: Address,
        from_uri: str,
        body: bytes,
        now: float,
        from_display: str | None = None,
        headers: Headers = (),
        credentials: Credentials | None = None,
        others: Sequence[Address] = (),
    ) -> OutgoingSession:
        """Call ``target`` by way of ``destination``.

        body: the SDP offer. headers: more of them, as written. credentials: what answers a
        challenge to the INVITE or to any later request of the call. others: where the INVITE goes
        next when its destination fails (503, no answer, no connection).
        Raises LocalProtocolError without an offer, for a URI or a value that cannot be written,
        or when max_sessions is reached.
        """
        if not body:
            raise LocalProtocolError("expected an SDP offer in body")
        try:
            parse_uri(target)
            parse_uri(from_uri)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"target or from_uri: {error}") from error
        if len(self._agent.sessions) >= self._agent.config.max_sessions:
            raise LocalProtocolError("max_sessions reached")
        from_ = str(NameAddr(from_display or "", from_uri, {}))
        return OutgoingSession(
            self._agent,
            target=target,
            path=Path(destination, None),
            from_=from_,
            body=body,
            headers=headers,
            now=now,
            auth=ClientAuth(credentials, self._agent.ids) if credentials else None,
            others=others,
        )

    def register(
        self,
        *,
        registrar: str,
        address_of_record: str,
        contact_user: str,
        destinations: Sequence[Address],
        expires: int,
        now: float,
        credentials: Credentials | None = None,
    ) -> Registration:
        """Register ``contact_user`` here for an address of record; see ``Registration``."""
        registration = Registration(
            self._agent,
            registrar=registrar,
            address_of_record=address_of_record,
            contact_user=contact_user,
            destinations=destinations,
            auth=ClientAuth(credentials, self._agent.ids) if credentials else None,
            expires=expires,
            now=now,
        )
        self._registrations.append(registration)
        return registration

    def ping(
        self,
        *,
        target: str,
        from_uri: str,
        destinations: Sequence[Address],
        interval_seconds: float,
        now: float,
    ) -> OptionsPing:
        """Ask ``target`` for signs of life until told to stop; see ``OptionsPing``."""
        return OptionsPing(
            self._agent,
            target=target,
            from_uri=from_uri,
            destinations=destinations,
            interval_seconds=interval_seconds,
            now=now,
        )

    def connection_lost(self, peer: Address, now: float) -> None:
        """Tell that a connection is gone: what was registered over it is registered anew."""
        for registration in self._registrations:
            registration.connection_lost(peer, now)

    def transport_failed(self, destination: Address, now: float) -> None:
        """Tell that nothing can be sent to ``destination``: what waits for it fails with 503."""
        self._layer.transport_failed(destination, now)

    # What is alive.

    @property
    def sessions(self) -> Mapping[str, InviteSession]:
        """Give the live sessions by their id."""
        return MappingProxyType(self._agent.sessions)

    @property
    def transaction_count(self) -> int:
        return len(self._layer)

    @property
    def timer_count(self) -> int:
        return len(self._agent.timers)

    # Responses and requests.

    def _receive_response(self, response: Response, now: float) -> None:
        try:
            response.validate()
        except RemoteProtocolError:
            self._agent.counters.add("malformed_responses")
            return
        self._layer.receive_response(response, now)

    def _receive_request(self, request: Request, path: Path, now: float) -> None:
        try:
            request.validate()
        except RemoteProtocolError as error:
            self._agent.counters.add("malformed_requests")
            self._refuse_statelessly(request, path, error.status or 400, str(error))
            return
        key = server_key(request, request.method)
        if self._layer.receive_request(key, request, now):
            return
        if request.method == "ACK":
            self._receive_ack(request, now)
        elif self._overloaded(request):
            self._agent.counters.add("overload_refusals")
            self._refuse_statelessly(request, path, 503, headers=(self._retry_after(),))
        elif request.method == "CANCEL":
            self._receive_cancel(self._layer.open_server(key, request, path), request, now)
        elif request.to.tag is not None:
            transaction = self._layer.open_server(key, request, path)
            self._act(self._receive_in_dialog, transaction, request, now)
        elif (refused := self._guarded(request, path.remote, now)) is not None:
            if refused != IGNORED:
                self._refuse_statelessly(request, path, refused[0], headers=refused[1])
        else:
            self._receive_new(key, request, path, now)

    def _guarded(self, request: Request, source: Address, now: float) -> Refusal | None:
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
        """Run a handler; a header field found malformed where it is used still gets its 400."""
        try:
            handler(transaction, request, now)
        except RemoteProtocolError as error:
            self._agent.counters.add("malformed_requests")
            self._agent.respond(transaction, request, 400, now, reason=str(error))

    def _overloaded(self, request: Request) -> bool:
        """Whether there is no room for another transaction; a BYE that makes room is let in."""
        if len(self._layer) < self._agent.config.max_transactions:
            return False
        return request.method != "BYE" or request.to.tag not in self._agent.sessions

    def _receive_ack(self, ack: Request, now: float) -> None:
        """Give the ACK of a 2xx to its session. An ACK is never answered (section 17)."""
        session = self._agent.sessions.get(ack.to.tag or "")
        if session is not None and session.dialog_of(ack) is not None:
            session.receive_ack(ack, now)
        else:
            self._agent.counters.add("stray_acks")

    def _receive_cancel(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        """Answer a CANCEL at once; what it cancels is answered by its session (section 9.2)."""
        invite = self._layer.invite_of(cancel)
        if invite is None:
            self._agent.respond(transaction, cancel, 481, now)
            return
        user = invite.user
        # "the To tag of the response to the CANCEL and the To tag in the response to the original
        # request SHOULD be the same"
        tag = user.id if user is not None else None
        self._agent.respond(transaction, cancel, 200, now, to_tag=tag)
        if user is not None and not invite.answered:
            user.receive_cancel(invite, cancel, now)

    def _receive_in_dialog(
        self, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        session = self._agent.sessions.get(request.to.tag or "")
        dialog = session.dialog_of(request) if session is not None else None
        if session is None or dialog is None:
            self._agent.respond(transaction, request, 481, now)
            return
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
        offer = b""
        if refused is None and request.method == "INVITE":
            offer = offer_of(request)  # may find it malformed, so before there is a session
            refused = self._admit(request, transaction.source)
        if refused is not None:
            self._agent.respond(transaction, request, refused[0], now, headers=refused[1])
        elif request.method == "OPTIONS":
            self._answer_options(transaction, request, now)
        else:
            self._take_call(transaction, request, offer, now)

    def _take_call(
        self, transaction: ServerTransaction, request: Request, offer: bytes, now: float
    ) -> None:
        wanted = replaces_of(request)
        replaced = None if wanted is None else self._session_to_replace(wanted)
        if isinstance(replaced, int):
            self._agent.respond(transaction, request, replaced, now)
            return
        session = IncomingSession(self._agent, transaction, request, now)
        self._agent.events.append(IncomingInvite(session, request, offer, replaced))

    def _session_to_replace(self, replaces: Replaces) -> InviteSession | int:
        """Find the call an INVITE wants to replace, or give the status that refuses it: "If no
        match is found, the UAS rejects the INVITE and returns a 481"; a confirmed dialog that was
        to be replaced "early-only" gives 486 (RFC 3891 section 3)."""
        session = self._agent.sessions.get(replaces.to_tag)
        dialog = session.dialog if session is not None else None
        if session is None or dialog is None or session.state != CONFIRMED:
            return 481
        if (dialog.call_id, dialog.remote_tag) != (replaces.call_id, replaces.from_tag):
            return 481
        return 486 if replaces.early_only else session

    def _admit(self, request: Request, source: Address) -> Refusal | None:
        config = self._agent.config
        if len(self._agent.sessions) >= config.max_sessions:
            self._agent.counters.add("overload_refusals")
            return 503, (self._retry_after(),)
        return config.admission(request, source) if config.admission is not None else None

    def _answer_options(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Tell what we can do: "Allow, Accept, Accept-Encoding, Accept-Language, and Supported
        header fields SHOULD be present" (section 11.2)."""
        contact = self._agent.contact(transaction.source.transport)
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
