"""A call to us: from the INVITE to the ACK of our 200 (RFC 3261 section 13.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Path
from rapida_media.sip.changing_session import ChangingSession
from rapida_media.sip.dialog import Dialog
from rapida_media.sip.events import Canceled
from rapida_media.sip.invite_session import ACCEPTED, CALLING, RINGING
from rapida_media.sip.user_agent import SDP_CONTENT, Headers, UserAgent

if TYPE_CHECKING:
    from rapida_media.sip.message import Request
    from rapida_media.sip.server_transaction import ServerTransaction

# "The UAS MUST send a non-100 provisional response at every minute, to handle the possibility of
# lost provisional responses" (section 13.3.1.1).
REPEAT_SECONDS = 60.0


class IncomingSession(ChangingSession):
    """The callee's side of a call."""

    __slots__ = ("_give_up",)

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
        """Send 180, or 183 with early media's answer in body.

        Raises LocalProtocolError after a final response or for a status outside 101–199.
        """
        transaction, request = self._unanswered("ring")
        if status is None:
            status = 183 if body else 180
        if not 101 <= status <= 199:
            raise LocalProtocolError(f"ring with {status}: expected 101 to 199")
        contact = self._agent.contact(transaction.source.transport)
        content: Headers = (SDP_CONTENT,) if body else ()
        self._agent.respond(
            transaction,
            request,
            status,
            now,
            to_tag=self.id,
            headers=(contact, *content, *headers),
            body=body,
        )
        self.state = RINGING

    def accept(self, body: bytes, now: float, headers: Headers = ()) -> None:
        """Answer with 200 and repeat it until the ACK; ``Confirmed`` tells when that came.

        Raises LocalProtocolError after a final response.
        """
        self._unanswered("accept")
        self._accept(body, headers, True, now)
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

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        """Take the caller's CANCEL: "the UAS … SHOULD respond to the INVITE with a 487"."""
        if self.state in (CALLING, RINGING):
            self._give_in(487, "cancel", now)
        else:
            super().receive_cancel(transaction, now)

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

    def _receive_bye(self, now: float) -> None:
        if self.state in (CALLING, RINGING):  # the caller may end an early dialog with BYE
            self._give_in(487, "bye", now)
        else:
            super()._receive_bye(now)

    def _give_in(self, status: int, reason: str, now: float) -> None:
        self._refuse_pending(status, now)
        self._terminate(now)
        self._agent.events.append(Canceled(self, reason))

    def _unanswered(self, verb: str) -> tuple[ServerTransaction, Request]:
        if self.state not in (CALLING, RINGING) or self._pending is None:
            raise LocalProtocolError(f"{verb} in state {self.state}")
        return self._pending

    def _start_timer(self, now: float) -> None:
        deadline = min(now + REPEAT_SECONDS, self._give_up)
        self._timer = self._agent.timers.start(deadline, self, "ringing")

    def _stop_timer(self) -> None:
        self._agent.timers.cancel(self._timer)
        self._timer = None
