"""A SIP user agent without sockets: bytes, intents and ``now`` in; events, bytes, deadlines out.

The network shell calls ``receive_datagram`` for every datagram or framed stream message, then
drains ``next_event`` and ``datagrams_to_send`` and arms one timer with ``next_timeout``. Inside:
parse, and match to a transaction (``transaction_layer``) or a session (``request_receiver``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.address import Address, Datagram, Path
from rapida_media.sip.client_auth import ClientAuth
from rapida_media.sip.dialog import request_uri
from rapida_media.sip.headers import NameAddr
from rapida_media.sip.message import Response, parse_message
from rapida_media.sip.options_ping import OptionsPing
from rapida_media.sip.outgoing import MAX_FORWARDS
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.registration import STOPPED, Registration
from rapida_media.sip.request_receiver import RequestReceiver
from rapida_media.sip.uri import parse_uri
from rapida_media.sip.user_agent import (
    Admission,
    EndpointConfig,
    Headers,
    UserAgent,
)

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.digest import Credentials
    from rapida_media.sip.events import AnyEvent
    from rapida_media.sip.hops import Hop
    from rapida_media.sip.invite_session import InviteSession
    from rapida_media.stats import Counters

# RFC 5626 section 3.5.1: a double CRLF asks, a single one answers. Over UDP many send them, too.
KEEP_ALIVES = frozenset({b"\r\n\r\n", b"\r\n"})

__all__ = ["Address", "Admission", "Datagram", "EndpointConfig", "SipEndpoint"]


class SipEndpoint:
    """Takes and makes calls. Every method takes ``now`` in monotonic seconds."""

    def __init__(self, config: EndpointConfig, ids: IdSource, counters: Counters) -> None:
        self._agent = UserAgent(config, ids, counters)
        self._layer = self._agent.layer
        self._receiver = RequestReceiver(self._agent)
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
            self._receiver.receive(message, Path(source, local), now)

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
        max_forwards: int = MAX_FORWARDS,
    ) -> OutgoingSession:
        """Call ``target`` by way of ``destination``, without the header fields a URI may ask for.

        body: the SDP offer. headers: more of them, as written. credentials: what answers a
        challenge to the INVITE or to any later request of the call. others: where the INVITE goes
        next when its destination fails (503, no answer, no connection); those that failed lately
        come last. max_forwards: how many elements may pass it on.
        Raises LocalProtocolError without an offer, for a URI or a value that cannot be written,
        or when max_sessions is reached.
        """
        if not body:
            raise LocalProtocolError("expected an SDP offer in body")
        try:
            target = request_uri(target)
            parse_uri(from_uri)
        except RemoteProtocolError as error:
            raise LocalProtocolError(f"target or from_uri: {error}") from error
        if len(self._agent.sessions) >= self._agent.config.max_sessions:
            raise LocalProtocolError("max_sessions reached")
        from_ = str(NameAddr(from_display or "", from_uri, {}))
        destination, *others = self._agent.in_order((destination, *others), now)
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
            max_forwards=max_forwards,
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
        going_on = [each for each in self._registrations if each.state != STOPPED]
        self._registrations = [*going_on, registration]
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
        """Tell that a connection is gone: what was registered over it is registered anew, what
        waits for an answer is sent again, and what we answer goes where the peer listens."""
        for session in self._agent.sessions.values():
            session.connection_lost(peer)
        self._layer.connection_lost(peer, now)
        for registration in self._registrations:
            registration.connection_lost(peer, now)

    def uses_connection(self, peer: Address) -> bool:
        """Tell whether a call or a registration relies on the connection to ``peer``."""
        return any(each.talks_to(peer) for each in self._agent.sessions.values()) or any(
            each.destination == peer and each.state != STOPPED for each in self._registrations
        )

    def transport_failed(self, destination: Address, now: float) -> None:
        """Tell that nothing can be sent to ``destination``: what waits for it fails with 503."""
        self._agent.transport_failed(destination, now)

    def undelivered(self, quoted: bytes, now: float) -> None:
        """Tell that a message did not arrive: the request of which this is the beginning fails with
        503 (sections 17.1.4 and 18.4)."""
        self._layer.undelivered(quoted, now)

    def hop_resolved(self, hop: Hop, addresses: Sequence[Address]) -> None:
        """Tell what the name of a ``HopNamed`` stands for."""
        self._agent.hops.resolved(hop, addresses)

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

    def _receive_response(self, response: Response, now: float) -> None:
        try:
            response.validate()
        except RemoteProtocolError:
            self._agent.counters.add("malformed_responses")
            return
        self._layer.receive_response(response, now)
