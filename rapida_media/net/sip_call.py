"""One SIP call: its INVITE session, its media channel and the ``Call`` an agent holds, joined.

Implements ``Signalling`` for the call and handles the session's events. Every way a call can end
leads through ``_finish``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import Call, CallInfo
from rapida_media.errors import LocalProtocolError, NegotiationError, RemoteProtocolError
from rapida_media.net.agent_task import AgentTask
from rapida_media.net.media import MediaChannel, MediaShell
from rapida_media.sdp.offer_answer import LocalMedia, NegotiatedAudio, OfferAnswer
from rapida_media.sip import events
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import ACCEPTED, CONFIRMED
from rapida_media.sip.outgoing_session import OutgoingSession

log = logging.getLogger(__name__)

# RFC 3264 section 6: an offer with nothing to use is answered "488 Not Acceptable Here".
NOT_ACCEPTABLE_HERE = 488
TEMPORARILY_UNAVAILABLE = 480
REQUEST_TERMINATED = 487

# What an unanswered outbound call is called, by its final status; all else is "rejected".
FAILURES = {
    404: "not_found",
    408: "no_answer",
    480: "no_answer",
    486: "busy",
    487: "canceled",
    503: "unavailable",
    600: "busy",
    603: "declined",
}

# What a call that its caller gave up, or a limit, is called.
CANCELED = {"ring_timeout": "no_answer", "prack_timeout": "prack_timeout"}


class CallShell(Protocol):
    """What a SIP call needs from the engine around it."""

    media: MediaShell

    def drain_signalling(self, now: float) -> None: ...
    def call_ended(self, call: SipCall) -> None: ...


class SipCall:
    """The engine's side of one SIP call, inbound or outbound.

    agent_answers: the agent decides whether and when an inbound call is answered.
    """

    def __init__(
        self,
        shell: CallShell,
        loop: asyncio.AbstractEventLoop,
        *,
        info: CallInfo,
        channel: MediaChannel,
        negotiation: OfferAnswer,
        local: LocalMedia,
        agent: Agent,
        agent_answers: bool = False,
    ) -> None:
        self._shell = shell
        self._loop = loop
        self._channel = channel
        self._negotiation = negotiation
        self._local = local
        self._agent = agent
        self._agent_answers = agent_answers
        self._agent_task: AgentTask | None = None
        self._description = b""
        self._early_answer = b""
        self._hang_up_reason: str | None = None
        self._held = False
        self._silent = False
        self._seen_packets = 0
        self._seen_at = 0.0
        self.session: IncomingSession | OutgoingSession
        self.call = Call(info, channel.leg, self, loop.create_future)
        self.finished: asyncio.Future[None] = loop.create_future()
        self.milestones: dict[str, float] = {"initiated": clock.monotonic()}

    # -- the start of the call -----------------------------------------------------------------

    def take(self, offer: bytes) -> None:
        """Take an incoming INVITE: negotiate its offer, then answer it or start who decides.

        An INVITE without an offer gets ours with the 200 (RFC 3261 section 13.2.1). Raises
        NegotiationError or RemoteProtocolError when the offer cannot be answered.
        """
        if offer:
            self._description, audio = self._negotiation.receive_offer(offer, self._local)
            self._configure(audio)
        else:
            self._description = self._negotiation.make_offer(self._local)
        if self._agent_answers:
            self._start_agent()
        else:
            self.answer()

    def offer(self) -> bytes:
        """Make the offer of an outbound call."""
        return self._negotiation.make_offer(self._local)

    def _configure(self, audio: NegotiatedAudio) -> None:
        self._channel.leg.configure(audio)
        # RFC 3264 section 8.4: held is who may not send, whatever way the peer said it.
        held = not audio.sending
        self._silent = held or not audio.receiving
        if held != self._held:
            self._held = held
            self.call.hold_changed(held)

    def _start_agent(self) -> None:
        if self._agent_task is None:
            self._agent_task = AgentTask(self._loop, self._agent, self.call)

    def _established(self, now: float) -> None:
        """Both sides agreed: audio flows and the agent talks."""
        self._shell.media.start(self._channel, now)
        self.call.confirm()
        self._start_agent()

    # -- Signalling ------------------------------------------------------------------------------

    def ring(self) -> None:
        session = self._incoming
        body = self._description if session.early_offer_required else b""
        self._act(lambda now: session.ring(now, body))

    def answer(self) -> None:
        self._act(lambda now: self._incoming.accept(self._description, now))
        now = clock.monotonic()
        self.milestones["answered"] = now
        if not self._negotiation.awaiting_answer and not self.finished.done():
            # The caller hears and is heard from its 200 on, which may be before we see the ACK.
            self._shell.media.start(self._channel, now)

    def reject(self, status: int) -> None:
        self._act(lambda now: self._incoming.reject(status, now))
        self._finish("rejected", status)

    def redirect(self, uri: str) -> None:
        contact = [("Contact", f"<{uri}>")]
        self._act(lambda now: self._incoming.reject(302, now, headers=contact))
        self._finish("redirected", 302)

    def hang_up(self, reason: str) -> None:
        """BYE, CANCEL or a refusal, as the state of the session wants it."""
        if self.finished.done() or self._hang_up_reason is not None:
            return
        self._hang_up_reason = reason
        self._act(self._end_session)

    def abandon(self, reason: str) -> None:
        """End the call on our side alone: there is no time left to tell the far end."""
        self._finish(reason, None)

    @property
    def agent_at_work(self) -> asyncio.Task[None] | None:
        """The agent's task until it is done, which may be after the call is."""
        agent = self._agent_task
        return None if agent is None or agent.task.done() else agent.task

    @property
    def _incoming(self) -> IncomingSession:
        """The session of a call to us; LocalProtocolError where we are the caller."""
        if isinstance(self.session, IncomingSession):
            return self.session
        raise LocalProtocolError("only a call to us can be answered")

    def _end_session(self, now: float) -> None:
        session = self.session
        if session.state in (ACCEPTED, CONFIRMED):
            session.bye(now)
        elif isinstance(session, OutgoingSession):
            # RFC 3261 section 9.1: no CANCEL leaves before a provisional response came. The
            # session waits for that, and hangs up should a 200 win; the call is over at once.
            session.cancel(now)
            self._finish(self._hang_up_reason or "canceled", REQUEST_TERMINATED)
        else:
            session.reject(TEMPORARILY_UNAVAILABLE, now)
            self._finish(self._hang_up_reason or "rejected", TEMPORARILY_UNAVAILABLE)

    def _act(self, intent: Callable[[float], None]) -> None:
        now = clock.monotonic()
        intent(now)
        self._shell.drain_signalling(now)

    # -- events of the session -------------------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> None:
        """Follow one event of this call's session."""
        match event:
            case events.Ringing(body=body):
                self.milestones.setdefault("ringing", now)
                if body:
                    self._hear_early_media(body, now)
            case events.Answered(body=body):
                self.milestones["answered"] = now
                self._answered(body, now)
            case events.Confirmed(body=body):
                self._answered(body, now)
            case events.EarlyAnswer(body=body):
                self._accept_answer(body, now)
            case events.ReinviteReceived(body=body):
                self._change(body, self.session.answer_reinvite, self.session.reject_reinvite, now)
            case events.OfferReceived(body=body):
                self._change(body, self.session.answer_offer, self.session.reject_offer, now)
            case events.ReinviteConfirmed(body=body):
                self._accept_answer(body, now)
            case events.ReinviteCanceled():
                self._withdraw_offer()
            case events.Canceled(reason=reason):
                end = self._hang_up_reason or CANCELED.get(reason, "canceled")
                self._finish(end, REQUEST_TERMINATED)
            case events.Failed(status=status):
                self._finish(self._hang_up_reason or FAILURES.get(status, "rejected"), status)
            case events.Terminated(reason=reason, code=code):
                self._finish(self._hang_up_reason or reason, code)

    def _hear_early_media(self, body: bytes, now: float) -> None:
        """Let media flow as a provisional response says; the final answer may say otherwise."""
        try:
            audio = self._negotiation.preview_answer(body)
        except (NegotiationError, RemoteProtocolError) as error:
            log.info("unusable early media: %s", error, extra={"call_id": self.call.id})
            return
        self._early_answer = body
        self._configure(audio)
        self._shell.media.start(self._channel, now)

    def _answered(self, body: bytes, now: float) -> None:
        if self._accept_answer(body, now):
            self._established(now)

    def _accept_answer(self, body: bytes, now: float) -> bool:
        """Take the answer to our offer, if one waits; without a usable one, hang up.

        body is empty when a reliable provisional response had the answer (RFC 3262 section 5).
        """
        if not self._negotiation.awaiting_answer:
            return True
        try:
            self._configure(self._negotiation.receive_answer(body or self._early_answer))
        except (NegotiationError, RemoteProtocolError) as error:
            log.info("no usable answer: %s", error, extra={"call_id": self.call.id})
            self._hang_up_reason = "no_common_codec"
            self._end_session(now)
            return False
        return True

    def _change(
        self,
        body: bytes,
        answer_with: Callable[[bytes, float], None],
        reject_with: Callable[[int, float], None],
        now: float,
    ) -> None:
        """Answer an offer of the far end within the call; without one, offer (a late offer)."""
        try:
            if body:
                if self._early_answer and self._negotiation.awaiting_answer:
                    # Changed before the final response: what was heard early is the answer.
                    self._negotiation.receive_answer(self._early_answer)
                answer, audio = self._negotiation.receive_offer(body, self._local)
                self._configure(audio)
            else:
                answer = self._negotiation.make_offer(self._local)
        except NegotiationError:
            # RFC 3261 section 14.2: the session stays as it was.
            reject_with(NOT_ACCEPTABLE_HERE, now)
            return
        except RemoteProtocolError as error:
            reject_with(error.status or NOT_ACCEPTABLE_HERE, now)
            return
        answer_with(answer, now)

    def _withdraw_offer(self) -> None:
        if self._negotiation.awaiting_answer:
            self._negotiation.withdraw_offer()

    def look_over(self, now: float, media_timeout: float, max_call_seconds: float) -> None:
        """End the call when it lasts too long or when nothing was received for too long.

        A call that one side holds, or whose far end only listens, is silent on purpose.
        """
        answered = self.milestones.get("answered")
        if answered is None:
            return
        received = self._channel.leg.stream.packets_received
        if received != self._seen_packets or self._silent:
            self._seen_packets, self._seen_at = received, now
        if now - answered > max_call_seconds:
            self.hang_up("max_duration")
        elif now - max(self._seen_at, answered) > media_timeout:
            self.hang_up("media_timeout")

    # -- the end ---------------------------------------------------------------------------------

    def _finish(self, reason: str, code: int | None) -> None:
        """The one way out: stop the media, tell the agent, give everything back."""
        if self.finished.done():
            return
        self.milestones["ended"] = clock.monotonic()
        first_media = self._channel.leg.first_media_at
        if first_media is not None:
            self.milestones["first_media"] = first_media
        self._shell.media.close(self._channel)
        self.call.end(reason, code)
        if self._agent_task is not None:
            self._agent_task.stop_soon()
        self.finished.set_result(None)
        self._shell.call_ended(self)
