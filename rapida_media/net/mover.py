"""Moves a call to another session while its agent and its media stay: three reasons.

    redirected      3xx to our INVITE: the next contact is called (RFC 3261 section 8.1.3.4)
    referred        the far end's REFER is followed: the call there replaces this one (RFC 3515)
    replaced        an INVITE with Replaces takes this call's place (RFC 3891)

Each ``SipCall`` has one, which also hears the events of all sessions but the present one.
"""

from __future__ import annotations

from typing import Protocol
from weakref import proxy

from rapida_media.call.negotiation import Negotiation
from rapida_media.errors import NegotiationError, RemoteProtocolError
from rapida_media.sip import events
from rapida_media.sip.builder import REASONS
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import (
    ACCEPTED,
    CALLING,
    CONFIRMED,
    RINGING,
    TERMINATED,
    InviteSession,
)
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.refer import Replaces

# How many places a call is redirected to before we say that there is no end to it.
MOST_REDIRECTS = 5
# How long the far end that had its call moved may take to hang up before we do.
PARTING_S = 2.0
FORBIDDEN, NOT_FOUND, UNSUPPORTED_URI_SCHEME = 403, 404, 416
NOT_ACCEPTABLE_HERE, DECLINE = 488, 603

Session = IncomingSession | OutgoingSession


class MovingCall(Protocol):
    """What moves."""

    session: Session
    sessions: set[InviteSession]
    negotiation: Negotiation

    def uri_of(self, target: str) -> str | None: ...
    def forbids(self, target: str) -> bool: ...
    def place(
        self, target: str, replaces: Replaces | None = None, referred_by: str | None = None
    ) -> None: ...
    def redirect_to(self, target: str) -> None: ...
    def adopt(self, session: Session, negotiation: Negotiation, party: str | None) -> None: ...
    def established(self, now: float) -> None: ...
    def forget(self, session: Session) -> None: ...
    def over(self, event: events.Event) -> None: ...
    def act_later(self, seconds: float, session: Session) -> None: ...


class Mover:
    """follows: whether the far end may send this call elsewhere by REFER."""

    def __init__(self, call: MovingCall, *, follows: bool) -> None:
        self._call = proxy(call)  # which holds us
        self._follows = follows
        self._referred: str | None = None  # whom we are calling because of a REFER
        self._replaces: Replaces | None = None  # what that one said besides
        self._referred_by: str | None = None
        self._next: tuple[OutgoingSession, Negotiation] | None = None
        self._ended: events.Event | None = None  # how the present session ended meanwhile
        self._contacts: list[str] = []
        self._redirected: set[str] = set()

    # -- redirected ------------------------------------------------------------------------------

    def redirected(self, event: events.Failed) -> bool:
        """Call the next contact, if the refusal named any or one before did."""
        self._ended = event
        return self._goes_elsewhere(event)

    def _goes_elsewhere(self, event: events.Failed) -> bool:
        if event.status >= 600:
            return False
        named = [uri for each in event.contacts if (uri := self._call.uri_of(each)) is not None]
        new = [each for each in named if each not in self._redirected]
        self._contacts = [*new, *self._contacts]
        self._contacts = [each for each in self._contacts if not self._call.forbids(each)]
        return self._try_next_contact()

    def _try_next_contact(self) -> bool:
        if not self._contacts or len(self._redirected) >= MOST_REDIRECTS:
            return False
        target = self._contacts.pop(0)
        self._redirected.add(target)
        if self._referred is None:
            self._call.redirect_to(target)
        else:
            self._call.place(target, self._replaces, self._referred_by)
        return True

    # -- referred --------------------------------------------------------------------------------

    def referred(self, event: events.ReferReceived, now: float) -> None:
        """Follow the far end's REFER where that is allowed: the order comes from outside and may
        cost money."""
        session = self._call.session
        if not self._follows or self._referred is not None:
            session.reject_refer(DECLINE, now)
            return
        target = self._call.uri_of(event.target)
        if target is None:  # a number, and no trunk to call it by
            session.reject_refer(UNSUPPORTED_URI_SCHEME, now)
            return
        if self._call.forbids(target):
            session.reject_refer(FORBIDDEN, now)
            return
        session.accept_refer(now)
        self._referred = target
        self._replaces, self._referred_by = event.replaces, event.referred_by
        self._contacts, self._redirected = [], set()
        self._call.place(target, event.replaces, event.referred_by)

    def ended(self, event: events.Event) -> bool:
        """Note that the present session ended; True while another is on its way to replace it."""
        if self._referred is None:
            return False
        self._ended = event
        return True

    # -- the next session ------------------------------------------------------------------------

    def placed(self, session: OutgoingSession, negotiation: Negotiation) -> None:
        """The INVITE of the next session is on its way."""
        if self._referred is None:
            self._ended = None
            self._call.adopt(session, negotiation, None)
        else:
            self._next = (session, negotiation)

    def not_placed(self, status: int, now: float) -> None:
        """The target cannot be called."""
        if self._referred is None:
            assert self._ended is not None, "a redirect follows a failure"
            if not self._try_next_contact():
                self._call.over(self._ended)
        elif not self._try_next_contact():
            self._next_failed(status, REASONS[status], now)

    def handle(self, event: events.Event, now: float) -> None:
        """Follow the next session, and the sessions left behind until they are over."""
        if self._next is None or event.session is not self._next[0]:
            if isinstance(event, events.Terminated | events.Failed):
                self._forget(event)
            return
        match event:
            case events.Ringing(status=status):
                self._tell(status, REASONS.get(status, "Session Progress"), now)
            case events.Answered(body=body):
                self._next_answered(body, now)
            case events.Failed(status=status, reason=reason):
                self._forget(event)
                self._next = None
                if not self._goes_elsewhere(event):
                    self._next_failed(status, reason, now)

    def _forget(self, event: events.Event) -> None:
        session = event.session
        assert isinstance(session, IncomingSession | OutgoingSession)
        self._call.forget(session)

    def _next_answered(self, body: bytes, now: float) -> None:
        assert self._next is not None
        session, negotiation = self._next
        negotiation.session = session
        try:
            negotiation.receive_answer(body)
        except (NegotiationError, RemoteProtocolError):
            session.bye(now)
            self._next_failed(NOT_ACCEPTABLE_HERE, REASONS[NOT_ACCEPTABLE_HERE], now)
            return
        self._tell(200, REASONS[200], now)
        old, party = self._call.session, self._referred
        self._next = self._referred = self._ended = None
        self._call.adopt(session, negotiation, party)
        self._call.established(now)
        if old.state == TERMINATED:
            self._call.forget(old)
        else:
            # "the Transferor … terminates the dialog" (RFC 5589 section 6.1), most of the time.
            self._call.act_later(PARTING_S, old)

    def _next_failed(self, status: int, reason: str, now: float) -> None:
        self._tell(status, reason, now)
        self._next = self._referred = None
        if self._ended is not None:
            self._call.over(self._ended)

    def _tell(self, status: int, reason: str, now: float) -> None:
        if self._call.session.telling:
            self._call.session.notify_refer(status, reason, now)

    # -- replaced --------------------------------------------------------------------------------

    def replaced(
        self, session: IncomingSession, negotiation: Negotiation, offer: bytes, now: float
    ) -> None:
        """Let an incoming session take this call's place.

        Raises NegotiationError or RemoteProtocolError when its offer cannot be answered.
        """
        negotiation.session = session
        negotiation.take(offer)
        session.accept(negotiation.description, now)
        old = self._call.session
        assert session.dialog is not None, "an incoming session begins with its dialog"
        self._call.adopt(session, negotiation, session.dialog.remote_target)
        leave(old, now)

    def abandon(self, now: float) -> None:
        """The call is over: so is the session on its way, and those that were being left."""
        self._next = self._referred = None
        for session in self._call.sessions:
            if session is not self._call.session:
                leave(session, now)


def leave(session: InviteSession, now: float) -> None:
    """Hang a session up that the call does not need any more."""
    if session.state in (ACCEPTED, CONFIRMED):
        session.bye(now)
    elif isinstance(session, OutgoingSession) and session.state in (CALLING, RINGING):
        session.cancel(now)
