"""Calls to us: who may call, which assistant takes it, and what the INVITE is answered at once.

The engine hands every ``IncomingInvite`` in; RFC 3261 section 13.3.
"""

from __future__ import annotations

import logging

from rapida_media.call.call import CallInfo
from rapida_media.call.gate import Gate
from rapida_media.call.headers import CallHeaders
from rapida_media.call.identity import called_of, caller_of, is_private
from rapida_media.call.negotiation import refusal
from rapida_media.config import Assistant
from rapida_media.errors import NegotiationError, RemoteProtocolError
from rapida_media.ids import IdSource
from rapida_media.net.assistants import Assistants
from rapida_media.net.calls import Calls
from rapida_media.net.sip_call import SipCall
from rapida_media.sdp.offer_answer import OfferAnswer
from rapida_media.sip import events
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import InviteSession
from rapida_media.sip.outgoing import MAX_FORWARDS
from rapida_media.sip.uri import unescape
from rapida_media.stats import Counters

log = logging.getLogger(__name__)

# What of a peer's option tags the log shows.
WHY_MAX = 200
# How long one refusal in the log stands for all others with its status.
TELL_AGAIN_S = 60.0
# When a port pair may be free again, as where there are too many calls.
PORTS_AGAIN_S = 5


class Incoming:
    """gate: knows whose call it is. assistants: who takes it. counters: hear of what is refused."""

    def __init__(
        self,
        calls: Calls,
        gate: Gate,
        ids: IdSource,
        assistants: Assistants,
        counters: Counters,
    ) -> None:
        self._calls = calls
        self._counters = counters
        self._told: dict[int, float] = {}  # statuses, and until when the log says no more of them
        self._gate = gate
        self._ids = ids
        self._assistants = assistants

    def take(self, event: events.IncomingInvite, now: float) -> None:
        """Put a new call on its assistant's agent, or refuse it."""
        session = event.session
        if event.replaces is not None:
            self._replace(session, event.replaces, event.body, now)
            return
        call = self._make(event, now)
        if call is None:
            return
        self._calls.add(session, call)
        try:
            call.take(event.body)
        except (NegotiationError, RemoteProtocolError) as error:
            log.info("offer refused: %s", error, extra={"call_id": call.call.id})
            call.refuse_offer(*refusal(error))

    def note_refused(self, event: events.InviteRefused, now: float) -> None:
        """Leave a trace of a trunk's call that the endpoint refused before it was one: the first
        in the log, all of them in a counter."""
        if not self._gate.is_of_trunk(event.request, event.source):
            return
        self._counters.add(f"refused_{event.status}")
        if self._told.get(event.status, now) > now:
            return
        self._told[event.status] = now + TELL_AGAIN_S
        why = event.why[:WHY_MAX]
        log.info("INVITE from %s refused: %d %s", event.source.host, event.status, why)

    def _replace(
        self, session: IncomingSession, replaced: InviteSession, offer: bytes, now: float
    ) -> None:
        """Move a call to the session that takes its place."""
        call = self._calls.of(replaced)
        if call is None or call.session is not replaced:
            session.reject(481, now)
            return
        try:
            call.take_over(session, offer, OfferAnswer(self._ids))
        except (NegotiationError, RemoteProtocolError) as error:
            status, headers = refusal(error)
            session.reject(status, now, headers)
        else:
            self._calls.move(session, call)

    def _make(self, event: events.IncomingInvite, now: float) -> SipCall | None:
        session, request = event.session, event.request
        assert session.dialog is not None, "an incoming session begins with its dialog"
        trunk = self._gate.trunk_of(request)
        caller, called = request.from_.uri_text, request.uri_text
        user = unescape(request.uri.user or "")
        if trunk is not None:
            caller = caller_of(request, trunk)
            user = called_of(request, trunk) or ""
            called = user or called
        assistant = self._assistants.route(user)
        if assistant is None:
            session.reject(404, now)
            return None
        hops = request.max_forwards
        call = self._calls.make(
            CallInfo(
                id=self._ids.token(),
                provider="sip",
                direction="inbound",
                caller=caller,
                called=called,
                assistant=assistant.name or None,
                trunk=trunk.name if trunk is not None else None,
                parameters=assistant.parameters,
                headers=CallHeaders(request),
                max_forwards=MAX_FORWARDS if hops is None else hops,
                private=is_private(request),
            ),
            self._assistants.agent(assistant),
            address=self._calls.address_for(session.dialog.flow, event.body),
            codecs=trunk.codecs if trunk is not None else None,
            srtp=trunk.srtp if trunk is not None else "off",
            early_agent=starts_early(assistant),
            follow_transfers=assistant.follow_transfers,
            jitter=assistant.jitter,
        )
        if call is None:
            self._counters.add("refused_no_ports")
            session.reject(503, now, [("Retry-After", str(PORTS_AGAIN_S))])
        return call


def starts_early(assistant: Assistant) -> bool:
    """Whether the agent is there before the answer: a bridge is, unless it has to greet."""
    bridges = assistant.agent.startswith("bridge:") and assistant.greeting is None
    return assistant.answer == "agent" or bridges
