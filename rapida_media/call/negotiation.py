"""Offer and answer of one SIP call, in both directions and at any time of its life.

The shell's ``SipCall`` owns one: it moves bodies between the INVITE session and the SDP
negotiation, tells the leg what was agreed, and makes our own changes: hold, resume, refresh.
RFC 3264; who may offer when is the session's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rapida_media.errors import NegotiationError, RemoteProtocolError
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.sdp.offer_answer import LocalMedia, NegotiatedAudio, OfferAnswer
from rapida_media.sdp.unusable import CLOSED
from rapida_media.sip import events
from rapida_media.sip.changing_session import ChangingSession
from rapida_media.sip.user_agent import Headers
from rapida_media.sip.warning import warning

# RFC 3264 section 6: an offer with nothing to use is answered "488 Not Acceptable Here".
NOT_ACCEPTABLE_HERE = 488
MISCELLANEOUS = 399  # RFC 3261 section 20.43


def refusal(error: NegotiationError | RemoteProtocolError) -> tuple[int, Headers]:
    """Give what refuses an offer: RFC 3264 section 6 has 488, with "a Warning header field value
    explaining why the offer was rejected" (RFC 3261 section 13.3.1.3)."""
    if isinstance(error, NegotiationError):
        return NOT_ACCEPTABLE_HERE, (warning(error.warning, str(error)),)
    return error.status or NOT_ACCEPTABLE_HERE, (warning(MISCELLANEOUS, str(error)),)


def _with_stream(audio: NegotiatedAudio | None) -> NegotiatedAudio:
    """Take an answer to our first offer, which is for a stream. Raises NegotiationError."""
    if audio is None:
        raise CLOSED.error()
    return audio


class Negotiation:
    """What a call's session carries.

    session: set once there is one.  description: our answer, or our late offer, for the 200.
    hold_changed: hears whether the far end holds us.
    """

    def __init__(
        self,
        offers: OfferAnswer,
        local: LocalMedia,
        leg: RtpLeg,
        hold_changed: Callable[[bool], None],
    ) -> None:
        self.session: ChangingSession
        self.description = b""
        self._offers = offers
        self._local = local
        self._leg = leg
        self._hold_changed = hold_changed
        self._early_answer = b""
        self._held = False
        self._silent = False
        # Our own change: what is agreed, whether an offer is due, and who waits for the outcome.
        self._agreed_direction = self._offered_direction = local.direction
        self._offer_due = False
        self._waiting: list[Callable[[bool], None]] = []

    @property
    def awaiting_answer(self) -> bool:
        return self._offers.awaiting_answer

    @property
    def silent(self) -> bool:
        """Whether no media is to be expected: one side holds, or the far end only listens."""
        return self._silent

    def successor(self, offers: OfferAnswer, **changes: Any) -> Negotiation:
        """Make the negotiation of another session with the same media on our side.

        changes: what of ``LocalMedia`` is another there.
        """
        local = replace(self._local, direction="sendrecv", **changes)
        successor = Negotiation(offers, local, self._leg, self._hold_changed)
        successor._held = self._held  # the agent was told so
        return successor

    def give_way(self) -> None:
        """Another session carries the call: what waits for an answer here waits in vain."""
        self._tell(False)

    # -- the start of the call -----------------------------------------------------------------

    def take(self, offer: bytes) -> None:
        """Answer the offer of an INVITE; one without gets ours (RFC 3261 section 13.2.1).

        Raises NegotiationError or RemoteProtocolError when it cannot be answered.
        """
        if offer:
            self.description, audio = self._offers.receive_offer(offer, self._local)
            self._configure(audio)
        else:
            self.description = self._offers.make_offer(self._local)

    def offer(self) -> bytes:
        """Make the offer of an outbound call."""
        return self._offers.make_offer(self._local)

    def hear_early(self, body: bytes) -> None:
        """Configure the media of a provisional response; the final answer may say otherwise.

        Raises NegotiationError or RemoteProtocolError when it cannot be used.
        """
        audio = _with_stream(self._offers.preview_answer(body))
        self._early_answer = body
        self._configure(audio)

    def receive_answer(self, body: bytes) -> None:
        """Take the answer to our offer, if one waits.

        body is empty where a peer had its answer in a provisional response and does not repeat it.
        Raises NegotiationError or RemoteProtocolError when it cannot be used.
        """
        if self._offers.awaiting_answer:
            answer = body or self._early_answer
            if not answer:
                raise RemoteProtocolError("there is none, though there was an offer")
            self._configure(_with_stream(self._offers.receive_answer(answer)))

    def _configure(self, audio: NegotiatedAudio | None) -> None:
        """Follow what was agreed; None: the session has no stream, for now."""
        if audio is None:
            self._leg.close_stream()
        else:
            self._leg.configure(audio)
        # RFC 3264 section 8.4: held is who may not send, whatever way the peer said it.
        held = audio is None or not audio.sending
        self._silent = held or not (audio and audio.receiving)
        if held != self._held:
            self._held = held
            self._hold_changed(held)

    # -- changes of the far end ----------------------------------------------------------------

    def handle(self, event: events.Event, now: float) -> None:
        """Follow an offer or an answer within the call; other events are none of its business.

        Raises NegotiationError or RemoteProtocolError when an answer cannot be used.
        """
        session = self.session
        match event:
            case events.EarlyAnswer(body=body):
                self.receive_answer(body)
            case events.ReinviteConfirmed(body=body):
                if not body:
                    self.withdraw_offer()  # nobody took it: the session stays as it was
                elif self._offers.awaiting_answer:
                    self._configure(self._offers.receive_answer(body))
            case events.ReinviteReceived(body=body):
                self.answer_change(body, session.answer_reinvite, session.reject_reinvite, now)
            case events.OfferReceived(body=body):
                self.answer_change(body, session.answer_offer, session.reject_offer, now)
            case events.ReinviteCanceled():
                self.withdraw_offer()
            case events.ReinviteAnswered(body=body):
                self.change_answered(body, now)
            case events.ReinviteFailed(again=again):
                self.change_refused(again)
            case events.OfferDue():
                self.offer_again(now)

    def answer_change(
        self,
        offer: bytes,
        accept: Callable[[bytes, float], None],
        refuse: Callable[[int, float, Headers], None],
        now: float,
    ) -> None:
        """Answer an offer of the far end within the call; without one, offer (a late offer)."""
        try:
            if offer:
                if self._early_answer and self._offers.awaiting_answer:
                    # Changed before the final response: what was heard early is the answer.
                    self._offers.receive_answer(self._early_answer)
                answer, audio = self._offers.receive_offer(offer, self._local)
                self._configure(audio)
            else:
                answer = self._offers.make_offer(self._local)
        except (NegotiationError, RemoteProtocolError) as error:
            # RFC 3261 section 14.2: the session stays as it was.
            status, headers = refusal(error)
            refuse(status, now, headers)
            return
        accept(answer, now)

    def withdraw_offer(self) -> None:
        """Forget an offer that was refused or taken back."""
        if self._offers.awaiting_answer:
            self._offers.withdraw_offer()

    # -- changes of ours -----------------------------------------------------------------------

    def hold(self, held: bool, done: Callable[[bool], None], now: float) -> None:
        """Put the far end on hold or take it back; done hears whether it agreed.

        "If the stream was previously a sendrecv media stream, it is placed on hold by marking it
        as sendonly" (RFC 3264 section 8.4): the agent may go on speaking, or play music.
        """
        self._local = replace(self._local, direction="sendonly" if held else "sendrecv")
        self._waiting.append(done)
        self._offer_due = True
        self.go_on(now)

    def offer_again(self, now: float) -> None:
        """The session wants an offer: after a 491, or to refresh itself."""
        self._offer_due = True
        self.go_on(now)

    def go_on(self, now: float) -> None:
        """Make the offer that is due, unless something else is under way in the session."""
        if not self._offer_due or self._offers.awaiting_answer or not self.session.can_offer:
            return
        self._offer_due = False
        if self._local.direction == self._agreed_direction and not self._waiting:
            offer = self._offers.repeat_offer()
        else:
            offer = self._offers.make_offer(self._local)
        self._offered_direction = self._local.direction
        self.session.reinvite(offer, now)

    def change_answered(self, body: bytes, now: float) -> None:
        """Take the answer to our re-INVITE. Raises as ``receive_answer`` does."""
        self._configure(self._offers.receive_answer(body))
        self._agreed_direction = self._offered_direction
        if self._local.direction == self._agreed_direction:
            self._tell(True)
        else:
            self.offer_again(now)  # changed our mind meanwhile

    def change_refused(self, again: bool) -> None:
        """Our re-INVITE was refused; again: ``offer_again`` will follow."""
        self.withdraw_offer()
        if not again:
            self._local = replace(self._local, direction=self._agreed_direction)
            self._tell(False)

    def _tell(self, agreed: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done(agreed)
