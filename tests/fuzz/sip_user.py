"""What a user does with the endpoint under test, in the right state for it or not.

``verb`` is of the script. What is out of place raises LocalProtocolError, which changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rapida_media.sip.address import Address
from rapida_media.sip.digest import Credentials
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.options_ping import OptionsPing
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.refer import Replaces
from rapida_media.sip.registration import Registration
from rapida_media.testing.sip import OFFER

Session = IncomingSession | OutgoingSession
Upkeep = Registration | OptionsPing
PASSWORD = Credentials("bob", "secret")
CAROL = "sip:carol@192.0.2.4"


def act(session: Session, verb: int, now: float) -> None:
    """Do something that every call needs."""
    if verb == 0:
        session.bye(now)
    elif verb == 1:
        session.reinvite(OFFER, now)
    elif verb == 2:
        session.answer_reinvite(OFFER, now)
    elif verb == 3:
        session.reject_reinvite(488, now)
    elif isinstance(session, OutgoingSession):
        session.cancel(now)
    elif verb < 6:
        session.ring(now)
    elif verb < 13:
        session.accept(OFFER, now)
    else:
        session.reject(486, now)


Verb = Callable[[Session, bytes, float], object]
# (session, an offer or nothing, now)
VERBS: tuple[Verb, ...] = (
    lambda session, body, now: session.update(now, body),
    lambda session, body, now: session.answer_offer(OFFER, now),
    lambda session, body, now: session.reject_offer(488, now),
    lambda session, body, now: session.answer_reinvite(body, now),
    lambda session, body, now: session.refer(CAROL, now, session.replaces if body else None),
    lambda session, body, now: session.accept_refer(now),
    lambda session, body, now: session.reject_refer(603, now),
    lambda session, body, now: session.notify_refer(200 if body else 180, "Whatever", now),
    lambda session, body, now: session.info("application/dtmf-relay", b"Signal=1", now),
    lambda session, body, now: session.reinvite(OFFER, now),
    lambda session, body, now: session.refuses_to_be_replaced(
        Replaces(session.call_id, session.id, "a", early_only=bool(body))
    ),
)
INCOMING: tuple[Callable[[IncomingSession, bytes, float], None], ...] = (
    lambda session, body, now: session.ring(now, body),
    lambda session, body, now: session.accept(body, now),
    lambda session, body, now: session.reject(302, now, [("Contact", f"<{CAROL}>")]),
)


def act_further(session: Session, verb: int, body: bytes, now: float) -> None:
    """Do something that an extension is for. body: an offer, or nothing."""
    if verb < len(VERBS):
        VERBS[verb](session, body, now)
    elif isinstance(session, IncomingSession):
        INCOMING[verb % len(INCOMING)](session, body, now)
    else:
        session.cancel(now, [("Reason", "SIP;cause=200")])


def hang_up(session: Session, now: float) -> None:
    """End a call in whatever state it is."""
    if session.state in ("accepted", "confirmed"):
        session.bye(now)
    elif session.state in ("calling", "ringing"):
        if isinstance(session, OutgoingSession):
            session.cancel(now)
        else:
            session.reject(486, now)


def keep_up(endpoint: SipEndpoint, what: int, servers: Sequence[Address], now: float) -> Upkeep:
    """Ask for signs of life, or register."""
    if what & 1:
        return endpoint.ping(
            target="sip:192.0.2.9",
            from_uri="sip:bob@192.0.2.9",
            destinations=servers,
            interval_seconds=60,
            now=now,
        )
    return endpoint.register(
        registrar="sip:192.0.2.9",
        address_of_record="sip:bob@192.0.2.9",
        contact_user="bob",
        destinations=servers,
        expires=300,
        now=now,
        credentials=PASSWORD,
    )


def stop(upkeep: Upkeep, now: float) -> None:
    if isinstance(upkeep, Registration):
        upkeep.stop(now)
    else:
        upkeep.stop()
