"""One SIP call: its INVITE session, its media channel and the ``Call`` an agent holds, joined.

Handles the session's events; what the agent asks for is in ``SipSignalling``. Every way a call can
end leads through ``_finish``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import Call, CallInfo
from rapida_media.call.endings import Ending, ended, not_answered
from rapida_media.call.guard import TollGuard
from rapida_media.call.journal import Journal
from rapida_media.call.negotiation import Negotiation
from rapida_media.call.second_leg import DialOrder
from rapida_media.call.state import CallState
from rapida_media.errors import NegotiationError, RemoteProtocolError
from rapida_media.net.agent_task import AgentTask
from rapida_media.net.disk import DiskThread
from rapida_media.net.info_keys import InfoKeys
from rapida_media.net.media import MediaChannel, MediaShell
from rapida_media.net.media_watch import MediaWatch, note_first_media, tell_of_trouble
from rapida_media.net.mover import Mover, leave
from rapida_media.net.referral import Referral
from rapida_media.net.second_legs import Owner, SecondLegs
from rapida_media.net.sip_signalling import SipSignalling
from rapida_media.net.tapped_media import Tap
from rapida_media.sdp.offer_answer import LocalMedia, OfferAnswer
from rapida_media.sip import events
from rapida_media.sip.dtmf_info import parse_key_press
from rapida_media.sip.headers import parse_name_addr
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import InviteSession
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.refer import Replaces
from rapida_media.sip.user_agent import Headers

log = logging.getLogger(__name__)

STATES = {"ringing": CallState.RINGING, "answered": CallState.IN_PROGRESS}


class CallShell(Protocol):
    """What a SIP call needs from the engine around it."""

    media: MediaShell
    disk: DiskThread
    journal: Journal
    guard: TollGuard

    def drain_signalling(self, now: float) -> None: ...
    def call_ended(self, call: SipCall, ending: Ending) -> None: ...
    def place(self, call: SipCall, target: str, headers: Headers) -> None: ...
    async def dial_for(self, owner: Owner, order: DialOrder) -> SipCall: ...
    def forget(self, session: InviteSession) -> None: ...


class SipCall(SipSignalling):
    """The engine's side of one SIP call, inbound or outbound.

    early_agent: the agent starts before the answer. Inbound it decides whether and when to answer;
    outbound it hears the callee's early media. follow_transfers: the far end may send the call
    elsewhere. agent: None for a second leg, which the agent of another call acts on.
    headers: what the INVITE was to carry besides, also where it is redirected to.
    """

    def __init__(
        self,
        shell: CallShell,
        loop: asyncio.AbstractEventLoop,
        *,
        info: CallInfo,
        channel: MediaChannel,
        offers: OfferAnswer,
        local: LocalMedia,
        agent: Agent | None,
        early_agent: bool = False,
        follow_transfers: bool = False,
    ) -> None:
        self._shell = shell
        self._loop = loop
        self._channel = channel
        self._agent = agent
        self._early_agent = early_agent
        self.agent_task: AgentTask | None = None
        self.headers: Headers = ()
        self._hang_up_reason: str | None = None
        self._hang_up_cause: str | None = None
        self._legs = SecondLegs(shell.dial_for)
        # For who dialled this call as a second leg: status and whether early media is heard.
        self.on_ringing: Callable[[int, bool], None] | None = None
        self.on_hand_over: Callable[[], None] | None = None
        self._watch = MediaWatch(channel.leg)
        self.session: IncomingSession | OutgoingSession
        self._keys: InfoKeys
        self.call = Call(info, channel.leg, self, loop.create_future)
        self.call.disk = shell.disk
        self.milestones = self.call.timeline
        self.milestones.note("initiated", clock.monotonic())
        self.negotiation = Negotiation(offers, local, channel.leg, self.call.hold_changed)
        self.mover = Mover(self, follows=follow_transfers)
        self._referral = Referral()
        self.sessions: set[InviteSession] = set()
        self.finished: asyncio.Future[None] = loop.create_future()

    # -- the start of the call -----------------------------------------------------------------

    def take(self, offer: bytes) -> None:
        """Take an incoming INVITE: negotiate its offer, then answer it or start who decides.

        Raises NegotiationError or RemoteProtocolError when the offer cannot be answered.
        """
        self.negotiation.take(offer)
        if self._early_agent:
            # What an agent does may be seen outside, so the call is in the records before it.
            self._shell.journal.when_kept(self._start_agent)
        else:
            self.answer()

    def begin(self, session: IncomingSession | OutgoingSession) -> None:
        """Name the INVITE session that carries the call."""
        self.session = self.negotiation.session = session
        self.sessions.add(session)
        self._keys = InfoKeys(session, self._loop, self._shell.drain_signalling)

    def discard(self) -> None:
        """Give everything back of a call that never began."""
        self._shell.media.close(self._channel)

    def _start_agent(self) -> None:
        if self.agent_task is None and self._agent is not None and not self.finished.done():
            self.agent_task = AgentTask(self._loop, self._agent, self.call)

    def established(self, now: float) -> None:
        """Both sides agreed: audio flows and the agent talks."""
        self._shell.media.start(self._channel, now)
        if not self.call.answered:
            self.call.confirm(early_agent=self.agent_task is not None)
        self._start_agent()

    def abandon(self, reason: str) -> None:
        """End the call on our side alone: there is no time left to tell the far end."""
        self._finish(ended(reason))

    # -- events of the session -------------------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> None:
        """Follow one event of a session of this call."""
        if event.session is not self.session:
            self.mover.handle(event, now)
            return
        match event:
            case events.Ringing(status=status, body=body):
                self._reached("ringing", now, str(status))
                early = bool(body) and self._hear_early_media(body, now)
                if self.on_ringing is not None:
                    self.on_ringing(status, early)
            case events.Answered(body=body):
                self._reached("answered", now, "200")
                self._answered(body, now)
            case events.Confirmed(body=body):
                self._reached("answered", now, "200")
                self._answered(body, now)
            case events.Canceled(reason=reason, status=status, cause=cause):
                # "cancel" and "bye" are one thing before the answer: the caller gave up.
                gave_up = reason in ("cancel", "bye")
                self._finish(ended("canceled" if gave_up else reason, status), cause)
            case events.Failed():
                if not self.mover.redirected(event):
                    self.over(event)
            case events.Terminated():
                if self._hang_up_reason is not None or not self.mover.ended(event):
                    self.over(event)
            case _:
                self._handle_change(event, now)

    def _reached(self, milestone: str, now: float, raw: str) -> None:
        """Note how far the call has come; raw: the status that said so."""
        # The milestone may have been seen on the wire already; the journal takes it once.
        self.milestones.note(milestone, now)
        self._shell.journal.changed(self.call.id, STATES[milestone], raw=raw)

    def _handle_change(self, event: events.Event, now: float) -> None:
        """Follow what the far end says about the media, or beside it."""
        if self._negotiate(lambda: self.negotiation.handle(event, now), now):
            self._handle_aside(event, now)
        if not self.finished.done():
            self.negotiation.go_on(now)

    def _handle_aside(self, event: events.Event, now: float) -> None:
        """Follow what the far end says beside the media."""
        match event:
            case events.EarlyAnswer():
                self._shell.media.start(self._channel, now)
            case events.InfoReceived(content_type=content_type, body=body):
                if (press := parse_key_press(content_type, body)) is not None:
                    self.call.digit_received(press.key, press.duration_ms)
            case events.InfoAnswered(status=status):
                self._keys.answered(status, now)
            case events.MessageReceived(text=text):
                self.call.message_received(text)
            case events.ReferReceived():
                self.mover.referred(event, now)
            case _:
                if self._referral.handle(event):
                    self.hang_up("transferred")

    # -- for the mover ---------------------------------------------------------------------------

    @property
    def codec(self) -> str | None:
        """What we send, None before that is agreed."""
        audio = self._channel.leg.negotiated
        return None if audio is None else audio.send.name

    @property
    def info(self) -> CallInfo:
        return self.call.info

    @property
    def local_uri(self) -> str:
        """Who we are in this call, as its far end knows us."""
        dialog = self.session.dialog
        return self.call.caller if dialog is None else parse_name_addr(dialog.local, "").uri_text

    def uri_of(self, target: str) -> str | None:
        """Give the SIP URI of what the far end names; a number is one of the call's own trunk."""
        return self._shell.guard.uri_of(target, self.info.trunk)

    def forbids(self, target: str) -> bool:
        """Tell whether the far end may not have us call a target; logs why."""
        why = self._shell.guard.check_target(target)
        if why is not None:
            log.warning("sent elsewhere, not allowed: %s", why, extra={"call_id": self.call.id})
        return why is not None

    def place(
        self, target: str, replaces: Replaces | None = None, referred_by: str | None = None
    ) -> None:
        headers = [] if replaces is None else [("Replaces", str(replaces))]
        if referred_by is not None:
            # RFC 3892 section 2.2: who follows a REFER copies it, unchanged.
            headers.append(("Referred-By", referred_by))
        self._shell.place(self, target, headers)

    def redirect_to(self, target: str) -> None:
        self._shell.place(self, target, self.headers)

    def not_placed(self, status: int, now: float) -> None:
        """The engine cannot call what ``place`` asked for."""
        self.mover.not_placed(status, now)
        self._shell.drain_signalling(now)

    def adopt(
        self,
        session: IncomingSession | OutgoingSession,
        negotiation: Negotiation,
        party: str | None,
    ) -> None:
        """Go on in another session; party: who is heard from now on, None for who was called."""
        self.negotiation.give_way()
        self.negotiation = negotiation
        self.begin(session)
        if party is not None:
            self.call.transferred(party)

    def forget(self, session: InviteSession) -> None:
        self.sessions.discard(session)
        self._shell.forget(session)

    def act_later(self, seconds: float, session: IncomingSession | OutgoingSession) -> None:
        """Hang a session up in a while, unless its far end does."""
        self._loop.call_later(seconds, self._act, lambda now: leave(session, now))

    def take_over(self, session: IncomingSession, offer: bytes, offers: OfferAnswer) -> None:
        """Go on in an incoming session that replaces this call's (RFC 3891).

        Raises NegotiationError or RemoteProtocolError when its offer cannot be answered.
        """
        negotiation = self.negotiation.successor(offers)
        self._act(lambda now: self.mover.replaced(session, negotiation, offer, now))

    def over(self, event: events.Event) -> None:
        """The session that carries the call ended and no other replaces it."""
        match event:
            case events.Failed(status=status, retry_after=wait, cause=cause, heard=heard):
                ending = not_answered(status, heard=heard, retry_after_s=wait)
                self._finish(ending, cause, wait)
            case events.Terminated(reason=reason, code=code, cause=cause):
                self._finish(ended(reason, code), cause)

    # -- offers and answers ----------------------------------------------------------------------

    def _hear_early_media(self, body: bytes, now: float) -> bool:
        try:
            self.negotiation.hear_early(body)
        except (NegotiationError, RemoteProtocolError) as error:
            log.info("unusable early media: %s", error, extra={"call_id": self.call.id})
            return False
        self._shell.media.start(self._channel, now)
        if self._early_agent:
            self._start_agent()
        return True

    def _answered(self, body: bytes, now: float) -> None:
        if self._negotiate(lambda: self.negotiation.receive_answer(body), now):
            self.established(now)

    def _negotiate(self, take: Callable[[], None], now: float) -> bool:
        """Take what the far end says about the media; without a usable answer, hang up."""
        try:
            take()
        except (NegotiationError, RemoteProtocolError) as error:
            log.info("no usable answer: %s", error, extra={"call_id": self.call.id})
            self._hang_up_reason = "no_common_codec"
            self._end_session(now)
            return False
        return True

    def tap_media(self, media: MediaShell, tap: Tap) -> None:
        """Have ``tap`` see the packets of this call until its end."""
        media.tap(self._channel, tap)

    def look_over(self, now: float, media_timeout: float, max_call_seconds: float) -> None:
        """End the call when it lasts too long or when nothing was received for too long."""
        note_first_media(self.call, self._channel.leg, self._shell.journal)
        answered = self.milestones.at("answered")
        if answered is None:
            return
        if now - answered > max_call_seconds:
            self.hang_up("max_duration")
        elif self._watch.silent_for(now, answered, self.negotiation.silent) > media_timeout:
            self.hang_up("media_timeout")
        self.call.look()
        tell_of_trouble(self.call, self._channel.leg, now, expecting=not self.negotiation.silent)

    # -- the end ---------------------------------------------------------------------------------

    def _finish(
        self, ending: Ending, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        """The one way out: stop the media, tell the agent, give everything back.

        Where we hung up, the reason for that is the call's.
        """
        if self.finished.done():
            return
        self.milestones.note("ended", clock.monotonic())
        note_first_media(self.call, self._channel.leg, self._shell.journal)
        self._shell.media.close(self._channel)
        self.mover.abandon(clock.monotonic())
        self._referral.call_ended()
        if self._hang_up_reason is not None:
            ending = ended(self._hang_up_reason, ending.code)
        self.call.end(ending, cause=cause, retry_after_s=retry_after_s)
        self._legs.end(cause)
        if self.agent_task is not None:
            self.agent_task.stop_soon()
        self.on_ringing = self.on_hand_over = None
        self.finished.set_result(None)
        self._shell.call_ended(self, ending)
