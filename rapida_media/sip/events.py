"""What a SIP endpoint tells its user. Read with ``SipEndpoint.next_event`` after every input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapida_media.sip.address import Address, Datagram

if TYPE_CHECKING:
    from rapida_media.sip.hops import Hop
    from rapida_media.sip.incoming_session import IncomingSession
    from rapida_media.sip.invite_session import InviteSession
    from rapida_media.sip.message import Request
    from rapida_media.sip.options_ping import OptionsPing
    from rapida_media.sip.refer import Replaces
    from rapida_media.sip.registration import Registration

__all__ = [
    "Address",
    "Answered",
    "AnyEvent",
    "Canceled",
    "Confirmed",
    "Datagram",
    "EarlyAnswer",
    "Event",
    "Failed",
    "HopNamed",
    "IncomingInvite",
    "InfoAnswered",
    "InfoReceived",
    "InviteRefused",
    "MessageReceived",
    "OfferDue",
    "OfferReceived",
    "PeerReachable",
    "PeerUnreachable",
    "PingEvent",
    "ReferAccepted",
    "ReferDone",
    "ReferProgress",
    "ReferReceived",
    "Registered",
    "RegistrationEvent",
    "RegistrationFailed",
    "ReinviteAnswered",
    "ReinviteCanceled",
    "ReinviteConfirmed",
    "ReinviteFailed",
    "ReinviteReceived",
    "Ringing",
    "Terminated",
    "Unregistered",
    "UpdateAnswered",
    "UpdateFailed",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a session."""

    session: InviteSession


@dataclass(frozen=True, slots=True)
class IncomingInvite(Event):
    """A new call: ring, accept or reject it. body is the SDP offer, empty when the caller wants
    ours in the 200 (a late offer). replaces: the call it takes the place of (RFC 3891): accept,
    and hang that one up."""

    session: IncomingSession
    request: Request
    body: bytes
    replaces: InviteSession | None = None


@dataclass(frozen=True, slots=True)
class Ringing(Event):
    """Our call got a provisional response above 100; body may carry early media's answer."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class EarlyAnswer(Event):
    """The PRACK of our reliable provisional response answered the offer in it (a late offer)."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Answered(Event):
    """Our call was answered and the ACK is on its way.

    body answers our offer; where a reliable provisional response of this callee did that, it is
    the body of that.
    """

    body: bytes


@dataclass(frozen=True, slots=True)
class Confirmed(Event):
    """The ACK for the 200 of an incoming call arrived; body answers a late offer."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Failed(Event):
    """Our call was not answered. status 408: nobody replied, 503: the transport failed,
    487: it was cancelled. retry_after in seconds, if the peer named it; cause: its Reason;
    contacts: where a redirection (3xx) sends the call, the best first; heard: the peer sent that
    status, rather than nothing at all."""

    status: int
    reason: str
    retry_after: int | None
    cause: str | None = None
    contacts: tuple[str, ...] = ()
    heard: bool = True


@dataclass(frozen=True, slots=True)
class Canceled(Event):
    """The caller hung up, or a limit passed, before we answered."""

    reason: str  # "cancel", "bye", "ring_timeout" or "prack_timeout"
    status: int  # what the INVITE was answered
    cause: str | None = None  # the caller's Reason (RFC 3326)


@dataclass(frozen=True, slots=True)
class Terminated(Event):
    """An answered call ended.

    reason: "bye" (the peer hung up), "local_bye" (we did), "ack_timeout" (our 200 was never
    acknowledged), "refused" (the peer no longer knows the dialog; code is its response) or
    "session_expired" (nobody refreshed the session, RFC 4028). cause: the peer's Reason (RFC
    3326), such as 'Q.850;cause=16;text="Normal call clearing"'.
    """

    reason: str
    code: int | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class ReinviteReceived(Event):
    """The peer wants to change the session: answer_reinvite or reject_reinvite."""

    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteConfirmed(Event):
    """The ACK for the 200 of the peer's re-INVITE arrived; body answers a late offer."""

    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteCanceled(Event):
    """The peer took its re-INVITE back before it was answered; the session is as before."""


@dataclass(frozen=True, slots=True)
class OfferReceived(Event):
    """The peer offers a change in an UPDATE or a PRACK: answer_offer or reject_offer, at once:
    an UPDATE wants its answer "promptly", without asking anybody (RFC 3311 section 5.2)."""

    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteAnswered(Event):
    """Our re-INVITE was accepted."""

    body: bytes


@dataclass(frozen=True, slots=True)
class ReinviteFailed(Event):
    """Our re-INVITE was refused; the session is as before (RFC 3261 section 14.1).

    again: OfferDue will tell when it may be tried once more.
    """

    status: int
    reason: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class UpdateAnswered(Event):
    """Our UPDATE was accepted; body answers the offer in it."""

    body: bytes


@dataclass(frozen=True, slots=True)
class UpdateFailed(Event):
    """Our UPDATE was refused; the session is as before (RFC 3311 section 5.1).

    again: OfferDue will tell when its offer may be tried once more.
    """

    status: int
    reason: str
    again: bool = False


@dataclass(frozen=True, slots=True)
class OfferDue(Event):
    """Time to offer: the wait that a 491 or a Retry-After asked for is over, or the session wants
    its refresh and the peer takes no UPDATE. An offer without a change will do."""


@dataclass(frozen=True, slots=True)
class ReferReceived(Event):
    """The peer wants us to call ``target`` in its place, a SIP or tel URI, there replacing a call
    it may name: accept_refer or reject_refer, at once. referred_by: as it calls itself, for who is
    called."""

    target: str
    replaces: Replaces | None
    referred_by: str | None = None


@dataclass(frozen=True, slots=True)
class ReferAccepted(Event):
    """The peer took our REFER; ReferDone will tell what came of it."""


@dataclass(frozen=True, slots=True)
class ReferProgress(Event):
    """The call that our REFER asked for makes progress: 100, 180 …"""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class ReferDone(Event):
    """Our REFER was refused, or the call it asked for was answered or failed with this status.
    408 also when nobody told the outcome."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class InfoAnswered(Event):
    """An INFO of ours got its final response; 408: none came."""

    status: int


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """A text arrived within the call (RFC 3428) and was answered 200."""

    text: str


@dataclass(frozen=True, slots=True)
class InfoReceived(Event):
    """An INFO arrived and was answered 200; content_type is "application/dtmf-relay" or like."""

    content_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class RegistrationEvent:
    """Something happened to a registration of ours."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class Registered(RegistrationEvent):
    """The registrar knows us for so many seconds; also told for each refresh."""

    expires: int


@dataclass(frozen=True, slots=True)
class RegistrationFailed(RegistrationEvent):
    """The registrar refused us or was not reached (408, 503); the next attempt is in so many
    seconds. known: whether an earlier registration is still good."""

    status: int
    reason: str
    retry_seconds: float
    known: bool


@dataclass(frozen=True, slots=True)
class Unregistered(RegistrationEvent):
    """A stopped registration is over, whatever the registrar said to that."""


@dataclass(frozen=True, slots=True)
class PingEvent:
    """A peer that is asked for signs of life began or ceased to give them."""

    ping: OptionsPing


@dataclass(frozen=True, slots=True)
class PeerReachable(PingEvent):
    """It answered, after so many seconds."""

    round_trip: float


@dataclass(frozen=True, slots=True)
class PeerUnreachable(PingEvent):
    """None of its addresses answered (408, or 503 where the transport failed or it said so)."""

    status: int


@dataclass(frozen=True, slots=True)
class HopNamed:
    """A request within a dialog went to a name: tell ``SipEndpoint.hop_resolved`` its addresses, in
    case it fails."""

    hop: Hop


@dataclass(frozen=True, slots=True)
class InviteRefused:
    """An INVITE came to no session, since it cannot be read or wants what we have not.

    why: what the refusal said besides, "" for nothing.
    """

    request: Request
    source: Address
    status: int
    why: str


AnyEvent = Event | RegistrationEvent | PingEvent | HopNamed | InviteRefused
