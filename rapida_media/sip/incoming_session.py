"""A call to us: from the INVITE to the ACK of our 200 (RFC 3261 section 13.3).

A caller that requires 100rel gets every provisional response reliably (RFC 3262), one that knows it
gets those with a session description so: a lost ringing tone harms nobody, lost early media does.
They go one at a time, each repeated until its PRACK; a 200 does not overtake a session description
that waits for its PRACK.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Path
from rapida_media.sip.dialog import Dialog
from rapida_media.sip.events import Canceled, EarlyAnswer
from rapida_media.sip.invite_session import ACCEPTED, CALLING, RINGING
from rapida_media.sip.offer_state import ASKED, NEW, OFFERED, STABLE, after
from rapida_media.sip.referring_session import ReferringSession
from rapida_media.sip.reliable_provisional import OPTION, RAck, ReliableProvisional, rack_of
from rapida_media.sip.request_checks import cause_of, offer_of
from rapida_media.sip.user_agent import ALLOW, SDP_CONTENT, SUPPORTED, Headers, UserAgent

if TYPE_CHECKING:
    from rapida_media.sip.message import Request
    from rapida_media.sip.server_transaction import ServerTransaction

# "The UAS MUST send a non-100 provisional response at every minute, to handle the possibility of
# lost provisional responses" (section 13.3.1.1).
REPEAT_SECONDS = 60.0
# Provisional responses that wait for the PRACK of the one before.
WAITING_PROVISIONALS = 8


class Provisional(NamedTuple):
    """What ``ring`` was asked to send."""

    status: int
    body: bytes
    headers: Headers


class IncomingSession(ReferringSession):
    """The callee's side of a call."""

    __slots__ = ("_accept_later", "_give_up", "_provisional", "_rseq", "_waiting")

    direction = "incoming"

    def __init__(
        self, agent: UserAgent, transaction: ServerTransaction, request: Request, now: float
    ) -> None:
        """Raises RemoteProtocolError when the INVITE names no usable dialog or time limit."""
        limit = agent.config.ring_seconds
        if request.expires is not None:
            limit = min(limit, request.expires)
        local_tag = agent.ids.token()
        dialog = Dialog.of_request(
            request,
            local_tag,
            agent.first_cseq(),
            Path(transaction.source, transaction.path.local),
        )
        super().__init__(agent, request.call_id, local_tag)
        self.dialog = dialog
        self._pending = (transaction, request)
        transaction.user = self
        self._offer = after(self._offer, "receive", offer_of(request))
        self._note_allow(request)
        self._rseq = 0
        self._provisional: ReliableProvisional | None = None  # without its PRACK
        self._waiting: tuple[Provisional, ...] = ()  # for that PRACK
        self._accept_later: tuple[bytes, Headers] | None = None  # a 200 that waits for a PRACK
        self._give_up = now + limit
        self._start_timer(now)
        agent.respond(transaction, request, 100, now)

    @property
    def request(self) -> Request | None:
        """Give the INVITE while it is unanswered; afterwards it is not kept."""
        return self._pending[1] if self._pending is not None else None

    def ring(
        self, now: float, body: bytes = b"", status: int | None = None, headers: Headers = ()
    ) -> None:
        """Send 180, or 183 with early media's answer (or offer, if the INVITE had none) in body.

        Raises LocalProtocolError after a final response, for a status outside 101–199, and for an
        early offer that the caller could not answer or a missing one that it requires.
        """
        self._unanswered("ring")
        if status is None:
            status = 183 if body else 180
        if not 101 <= status <= 199:
            raise LocalProtocolError(f"ring with {status}: expected 101 to 199")
        if body and not self.takes_early_media:
            raise LocalProtocolError("an early offer to a caller without 100rel")
        if not body and self.early_offer_required:
            raise LocalProtocolError("expected an SDP offer in body")
        self.state = RINGING
        provisional = Provisional(status, body, headers)
        if not self._knows_100rel("supported" if body else "require"):
            self._send_provisional(provisional, now)
        elif self._provisional is None:
            self._send_reliably(provisional, now)
        else:
            # "The UAS MUST NOT send a second reliable provisional response until the first is
            # acknowledged" (RFC 3262 section 3).
            self._waiting = (*self._waiting, provisional)[-WAITING_PROVISIONALS:]

    def _knows_100rel(self, how: str) -> bool:
        """Tell whether the caller takes provisional responses reliably, or takes no others."""
        request = self.request
        if request is None:
            return False
        return request.requires(OPTION) or (how == "supported" and request.supports(OPTION))

    @property
    def takes_early_media(self) -> bool:
        """Whether ``ring`` may have a body: a caller that made no offer could answer ours only in a
        PRACK."""
        return self._offer != NEW or self._knows_100rel("supported")

    @property
    def early_offer_required(self) -> bool:
        """Whether ``ring`` needs our offer: the INVITE had none and takes reliable responses only,
        the first of which has to carry it (RFC 3262 section 5)."""
        return self._offer == NEW and self._knows_100rel("require")

    def _send_provisional(
        self, provisional: Provisional, now: float, reliability: Headers = ()
    ) -> bytes:
        transaction, request = self._unanswered("ring")
        status, body, headers = provisional
        contact = self._agent.contact(transaction.came_by, uri=request.uri_text)
        content: Headers = (SDP_CONTENT,) if body else ()
        return self._agent.respond(
            transaction,
            request,
            status,
            now,
            to_tag=self.id,
            headers=(contact, *reliability, *content, *headers),
            body=body,
        )

    def _send_reliably(self, provisional: Provisional, now: float) -> None:
        transaction, request = self._unanswered("ring")
        if self._offer not in (NEW, ASKED) or self._asked is not None:
            # The session is described already, or a PRACK's 200 or UPDATE's is to describe it.
            provisional = provisional._replace(body=b"")
        # "The value of the header field for the first reliable provisional response … MUST be
        # between 1 and 2**31 - 1", the next ones count up by one.
        self._rseq = self._rseq + 1 if self._rseq else 1 + self._agent.ids.number(30)
        fields = (("Require", OPTION), ("RSeq", str(self._rseq)), ALLOW, SUPPORTED)
        data = self._send_provisional(provisional, now, fields)
        self._offer = after(self._offer, "send", provisional.body)
        self._provisional = ReliableProvisional(
            transaction,
            provisional.status,
            data,
            rack=RAck(self._rseq, request.cseq.number, "INVITE"),
            carries_sdp=bool(provisional.body),
            around=self._agent.layer.around,
            now=now,
            timed_out=self._prack_timed_out,
        )

    def _receive_prack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """Match a PRACK to what it acknowledges, and send what waited for it."""
        provisional = self._provisional
        if provisional is None or rack_of(request) != provisional.rack:
            super()._receive_prack(transaction, request, now)
            return
        provisional.stop()
        self._provisional = None
        self._answer_prack(transaction, request, now)
        self._offer_settled(now)

    def _offer_settled(self, now: float) -> None:
        """Send what waited for the PRACK, and for the answer to an offer in it."""
        if self._asked is not None or self._provisional is not None:
            return
        if self._accept_later is not None:
            later, self._accept_later = self._accept_later, None
            self.accept(later[0], now, later[1])
        elif self._waiting:
            first, *rest = self._waiting
            self._waiting = tuple(rest)
            self._send_reliably(first, now)

    def _answer_prack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        """A session description in a PRACK answers our offer or is a new offer (section 5)."""
        body = offer_of(request)
        if body and self._offer != OFFERED:
            self._take_offer(transaction, request, now)
            return
        self._agent.respond(transaction, request, 200, now)
        if self._offer == OFFERED:
            self._offer = STABLE
            self._agent.events.append(EarlyAnswer(self, body))

    handlers: ClassVar = {**ReferringSession.handlers, "PRACK": _receive_prack}

    def _prack_timed_out(self, now: float) -> None:
        """Nobody acknowledged a provisional response in 64*T1: refuse the call."""
        self._give_in(504, "prack_timeout", now)

    def accept(self, body: bytes, now: float, headers: Headers = ()) -> None:
        """Answer with 200 and repeat it until the ACK; ``Confirmed`` tells when that came.

        body: left out where a reliable provisional response had it. Without the PRACK of that
        response the UAS "MUST NOT send a final response until those provisional responses are
        acknowledged" (RFC 3262 section 3): the 200 follows the PRACK then.
        Raises LocalProtocolError after a final response.
        """
        self._unanswered("accept")
        unacknowledged = self._provisional is not None and self._provisional.carries_sdp
        if unacknowledged or self._asked is not None:
            self._accept_later = (body, headers)
            return
        self._stop_provisionals()
        self._accept(body if self._offer in (NEW, ASKED) else b"", headers, True, now)
        self._stop_timer()
        self.state = ACCEPTED

    def reject(
        self, status: int, now: float, headers: Headers = (), reason: str | None = None
    ) -> None:
        """Refuse or redirect the call. No event follows.

        Raises LocalProtocolError after a final response or for a status outside 300–699.
        """
        self._unanswered("reject")
        self._refuse_pending(status, now, headers, reason)
        self._terminate(now)

    def receive_cancel(self, transaction: ServerTransaction, cancel: Request, now: float) -> None:
        """Take the caller's CANCEL: "the UAS … SHOULD respond to the INVITE with a 487"."""
        if self.state in (CALLING, RINGING):
            self._give_in(487, "cancel", now, cause_of(cancel))
        else:
            super().receive_cancel(transaction, cancel, now)

    def handle_timer(self, event: str, now: float) -> None:
        """Repeat the provisional response each minute; refuse when nobody decided in time.

        Of an Expires that runs out: "a 487 (Request Terminated) response SHOULD be generated"
        (section 13.3.1).
        """
        if event != "ringing":
            super().handle_timer(event, now)
            return
        transaction, request = self._unanswered("wait")
        if now >= self._give_up:
            self._give_in(480 if request.expires is None else 487, "ring_timeout", now)
        else:
            self._start_timer(now)
            transaction.repeat(now)

    def _receive_bye(self, request: Request, now: float) -> None:
        if self.state in (CALLING, RINGING):  # the caller may end an early dialog with BYE
            self._give_in(487, "bye", now, cause_of(request))
        else:
            super()._receive_bye(request, now)

    def _give_in(self, status: int, reason: str, now: float, cause: str | None = None) -> None:
        self._refuse_pending(status, now)
        self._terminate(now)
        self._agent.events.append(Canceled(self, reason, status, cause))

    def _unanswered(self, verb: str) -> tuple[ServerTransaction, Request]:
        if self.state not in (CALLING, RINGING) or self._pending is None:
            raise LocalProtocolError(f"{verb} in state {self.state}")
        if self._accept_later is not None and verb in ("ring", "accept"):
            raise LocalProtocolError(f"{verb} after accept")
        return self._pending

    def _start_timer(self, now: float) -> None:
        deadline = min(now + REPEAT_SECONDS, self._give_up)
        self._timer = self._agent.timers.start(deadline, self, "ringing")

    def _stop_timer(self) -> None:
        self._agent.timers.cancel(self._timer)
        self._timer = None

    def _stop_provisionals(self) -> None:
        """After the final response nothing is repeated; a PRACK under way still gets its 200."""
        self._waiting = ()
        if self._provisional is not None:
            self._provisional.stop()

    def _terminate(self, now: float) -> None:
        super()._terminate(now)
        self._stop_provisionals()
        self._accept_later = None
