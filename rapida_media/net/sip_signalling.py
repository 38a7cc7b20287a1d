"""What an agent asks of one SIP call, put to its INVITE session: the ``Signalling`` of a ``Call``.

Base of ``SipCall``, which follows the events of that session.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import Call, CallInfo
from rapida_media.call.endings import Ending, ended, offer_refused, reason_header, turned_away
from rapida_media.call.guard import uri_fault
from rapida_media.call.negotiation import Negotiation
from rapida_media.call.second_leg import DialOrder, OnRinging
from rapida_media.call.signalling import Signalling
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError
from rapida_media.net.info_keys import InfoKeys
from rapida_media.net.media import MediaChannel
from rapida_media.net.referral import Referral, party_of
from rapida_media.net.second_legs import SecondLegs
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import ACCEPTED, CONFIRMED, TERMINATED
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.user_agent import Headers

if TYPE_CHECKING:
    from rapida_media.net.sip_call import CallShell

TEMPORARILY_UNAVAILABLE, SERVICE_UNAVAILABLE = 480, 503
REQUEST_TERMINATED = 487
FORBIDDEN = 403


class SipSignalling(ABC):
    """The verbs; each acts at once and sends what comes of it."""

    session: IncomingSession | OutgoingSession
    negotiation: Negotiation
    finished: asyncio.Future[None]
    on_hand_over: Callable[[], None] | None
    _shell: CallShell
    _channel: MediaChannel
    _agent: Agent | None
    _keys: InfoKeys
    _referral: Referral
    _legs: SecondLegs
    _hang_up_reason: str | None
    _hang_up_cause: str | None

    @property
    @abstractmethod
    def codec(self) -> str | None: ...
    @property
    @abstractmethod
    def info(self) -> CallInfo: ...
    @abstractmethod
    def _start_agent(self) -> None: ...
    @abstractmethod
    def _reached(self, milestone: str, now: float, raw: str) -> None: ...
    @abstractmethod
    def _finish(
        self, ending: Ending, cause: str | None = None, retry_after_s: int | None = None
    ) -> None: ...

    # The journal hears of each before it leaves, so that it leaves behind its record.

    def ring(self) -> None:
        self._act(self._ring_now)

    def _ring_now(self, now: float) -> None:
        session = self._incoming
        session.ring(now, self.negotiation.description if session.early_offer_required else b"")
        self._reached("ringing", now, "180")

    def progress(self) -> bool:
        if not self._incoming.takes_early_media:
            self.ring()
            return False
        self._act(self._progress_now)
        self._start_media()
        return True

    def _progress_now(self, now: float) -> None:
        self._incoming.ring(now, self.negotiation.description)
        self._reached("ringing", now, "183")

    def answer(self) -> None:
        self._act(self._answer_now)
        # The caller hears and is heard from its 200 on, which may be before we see the ACK.
        self._start_media()

    def _answer_now(self, now: float) -> None:
        self._incoming.accept(self.negotiation.description, now)
        if self.session.state == ACCEPTED:  # else the 200 waits for a PRACK
            self._reached("answered", now, "200")

    def _start_media(self) -> None:
        """Let media flow with the answer to the caller's offer, which leaves once it is kept."""
        if not self.negotiation.awaiting_answer:
            self._shell.journal.when_kept(self._start_media_now)

    def _start_media_now(self) -> None:
        if not self.finished.done():
            self._shell.media.start(self._channel, clock.monotonic())

    def reject(
        self, status: int, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        headers = [] if cause is None else [("Reason", cause)]
        if retry_after_s is not None:
            headers.append(("Retry-After", str(retry_after_s)))
        self._turn_away(status, headers, turned_away(status))

    def refuse_offer(self, status: int, headers: Headers) -> None:
        """Refuse a call to us whose offer cannot be answered."""
        self._turn_away(status, headers, offer_refused(status))

    def redirect(self, uri: str) -> None:
        self._turn_away(302, [("Contact", f"<{uri}>")], ended("redirected", 302))

    def _turn_away(self, status: int, headers: Headers, ending: Ending) -> None:
        def turn_away(now: float) -> None:
            self._incoming.reject(status, now, headers=headers)
            self._finish(ending)

        self._act(turn_away)

    @property
    def takes_digits(self) -> bool:
        return self.session.peer_takes("INFO") and not self._keys.refused

    def send_digits(self, digits: str, done: Callable[[bool], None]) -> None:
        if not self.takes_digits:
            raise LocalProtocolError("the far end takes no keys by INFO")
        self._keys.press(digits, done)

    def transfer(self, target: str | Signalling, done: Callable[[TransferOutcome], None]) -> None:
        if isinstance(target, str):
            if uri_fault(target) is not None:
                raise LocalProtocolError("transfer: expected a SIP URI or another call over SIP")
            why = self._shell.guard.check_target(target, trunk=self.info.trunk)
            if why is not None:
                done(TransferOutcome(FORBIDDEN, f"not allowed: {why}"))
                return
            uri, replaces = target, None
        elif isinstance(target, SipSignalling) and target is not self:
            uri, replaces = party_of(target.session)
        else:
            raise LocalProtocolError("expected a SIP URI or another call over SIP")
        self._act(lambda now: self._referral.order(self.session, uri, replaces, done, now))

    def hold(self, held: bool, done: Callable[[bool], None]) -> None:
        self._act(lambda now: self.negotiation.hold(held, done, now))

    def dial(self, order: DialOrder, ringing: OnRinging) -> Awaitable[Call]:
        return self._legs.dial(self, order, ringing)

    def hand_over(self, agent: Agent) -> None:
        if self._agent is not None or self.on_hand_over is None:
            raise LocalProtocolError("the call has an agent already")
        self.on_hand_over()
        self._agent = agent
        self._start_agent()

    def hang_up(self, reason: str, cause: str | None = None) -> None:
        """BYE, CANCEL or a refusal, as the state of the session wants it."""
        if self.finished.done() or self._hang_up_reason is not None:
            return
        self._hang_up_reason, self._hang_up_cause = reason, cause
        self._act(self._end_session)

    @property
    def _incoming(self) -> IncomingSession:
        """The session of a call to us; LocalProtocolError where we are the caller."""
        if isinstance(self.session, IncomingSession):
            return self.session
        raise LocalProtocolError("only a call to us can be answered")

    def _end_session(self, now: float) -> None:
        session = self.session
        given = self._hang_up_cause
        why = (reason_header(self._hang_up_reason or "") if given is None else ("Reason", given),)
        if session.state == TERMINATED:  # moving, and not there yet
            self._finish(ended("canceled", REQUEST_TERMINATED))
        elif session.state in (ACCEPTED, CONFIRMED):
            session.bye(now, why)
        elif isinstance(session, OutgoingSession):
            # RFC 3261 section 9.1: no CANCEL leaves before a provisional response came. The
            # session waits for that, and hangs up should a 200 win; the call is over at once.
            session.cancel(now, why)
            self._finish(ended("canceled", REQUEST_TERMINATED))
        elif self._hang_up_reason == "engine_stopping":
            # Another server can take what rings here (RFC 3261 section 21.5.4).
            session.reject(SERVICE_UNAVAILABLE, now)
            self._finish(turned_away(SERVICE_UNAVAILABLE))
        else:
            session.reject(TEMPORARILY_UNAVAILABLE, now)
            self._finish(turned_away(TEMPORARILY_UNAVAILABLE))

    def _act(self, intent: Callable[[float], None]) -> None:
        now = clock.monotonic()
        intent(now)
        self._shell.drain_signalling(now)
