"""The two client transactions of RFC 3261 section 17.1, as amended by RFC 6026 section 7.2.

The transaction layer creates them for each request we send and feeds them responses. They
retransmit, give up, acknowledge failed INVITEs, and tell their owner the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, cast

from rapida_media.sip.outgoing import OutgoingRequest, acknowledge_failure
from rapida_media.sip.transaction import TERMINATED, Table, Transaction

if TYPE_CHECKING:
    from rapida_media.sip.address import Datagram, Path
    from rapida_media.sip.message import Message, Response
    from rapida_media.sip.second_attempt import Attempt, SecondAttempt
    from rapida_media.sip.transaction import Surroundings

# RFC 3261 figure 5 with the Accepted state of RFC 6026 section 7.2. "abandon" is section 9.1: with
# no final response 64*T1 after its CANCEL, the UAC "SHOULD … destroy the client transaction".
INVITE_CLIENT: Table = {
    ("initial", "send"): (("send", "start_a", "start_b"), "calling"),
    ("calling", "timer_a"): (("send", "double_a"), "calling"),
    ("calling", "timer_b"): (("report_timeout", "end"), TERMINATED),
    ("calling", "transport_error"): (("report_transport", "end"), TERMINATED),
    ("calling", "abandon"): (("end",), TERMINATED),
    ("calling", "1xx"): (("hear", "deliver"), "proceeding"),
    ("calling", "2xx"): (("quench", "start_m", "deliver"), "accepted"),
    ("calling", "300-699"): (("quench", "ack", "deliver", "start_d"), "completed"),
    ("proceeding", "1xx"): (("deliver",), "proceeding"),
    ("proceeding", "abandon"): (("end",), TERMINATED),
    ("proceeding", "2xx"): (("start_m", "deliver"), "accepted"),
    ("proceeding", "300-699"): (("ack", "deliver", "start_d"), "completed"),
    ("accepted", "2xx"): (("deliver",), "accepted"),
    ("accepted", "timer_m"): (("end",), TERMINATED),
    ("completed", "300-699"): (("send",), "completed"),
    ("completed", "transport_error"): (("end",), TERMINATED),
    ("completed", "timer_d"): (("end",), TERMINATED),
}

# RFC 3261 figure 6.
NON_INVITE_CLIENT: Table = {
    ("initial", "send"): (("send", "start_e", "start_f"), "trying"),
    ("trying", "timer_e"): (("send", "double_e"), "trying"),
    ("trying", "timer_f"): (("report_timeout", "end"), TERMINATED),
    ("trying", "transport_error"): (("report_transport", "end"), TERMINATED),
    ("trying", "1xx"): (("slow_down", "deliver"), "proceeding"),
    ("trying", "2xx"): (("quench", "deliver", "start_k"), "completed"),
    ("trying", "300-699"): (("quench", "deliver", "start_k"), "completed"),
    ("proceeding", "timer_e"): (("send", "double_e"), "proceeding"),
    ("proceeding", "timer_f"): (("report_timeout", "end"), TERMINATED),
    ("proceeding", "transport_error"): (("report_transport", "end"), TERMINATED),
    ("proceeding", "1xx"): (("deliver",), "proceeding"),
    ("proceeding", "2xx"): (("quench", "deliver", "start_k"), "completed"),
    ("proceeding", "300-699"): (("quench", "deliver", "start_k"), "completed"),
    ("completed", "timer_k"): (("end",), TERMINATED),
}

# Where a final response is still awaited.
UNANSWERED = frozenset({"calling", "trying", "proceeding"})
# Where no response at all has come.
UNHEARD = frozenset({"calling", "trying"})

# (transaction, status, response, now); response is None when we gave up waiting (408) or the
# transport failed (503): "it MUST be treated as a 408 … as a 503" (RFC 3261 section 8.1.3.1).
Outcome = Callable[["ClientTransaction", int, "Response | None", float], None]


class ClientTransaction(Transaction):
    """One request of ours and what became of it.

    on_response hears every response the machine passes up, and the timeout or transport error.
    acks: the ACKs sent for 2xx, by To tag, kept while a retransmitted 2xx may ask for them.
    second: asked before a failure is reported; with its answer the request goes out in a new
    transaction, which this object then stands for.
    """

    __slots__ = ("_limited", "_on_response", "_reconnected", "acks", "request", "second")

    tables: ClassVar = {True: INVITE_CLIENT, False: NON_INVITE_CLIENT}

    def __init__(
        self,
        around: Surroundings,
        request: OutgoingRequest,
        data: bytes,
        path: Path,
        on_response: Outcome,
        *,
        second: SecondAttempt | None = None,
    ) -> None:
        key = client_key(request.branch, request.method)
        super().__init__(around, key, request.method, state="initial", path=path)
        self.request: OutgoingRequest | None = request
        self.acks: dict[str | None, Datagram] = {}
        self.second = second
        self._on_response = on_response
        self._reconnected = self._limited = False
        self._data = data
        around.clients[key] = self

    def receive_response(self, response: Response, now: float) -> None:
        status = response.status
        if status >= 300 and self.state in UNANSWERED and self._try_again(status, response, now):
            return
        self.step("1xx" if status < 200 else "2xx" if status < 300 else "300-699", response, now)

    def limit(self, now: float) -> None:
        """Wait no longer than 64*T1 for the final response of an INVITE nobody waits for."""
        self.second = None
        self._limited = True
        self.start_deadline("abandon", self.around.values.give_up, now)

    def handle_timer(self, event: str, now: float) -> None:
        """Time out, unless the request can go elsewhere: a server failed when it was silent,
        "without ever having received any response" (RFC 3263 section 4.3)."""
        timed_out = event in ("timer_b", "timer_f") and self.state in UNHEARD
        if not (timed_out and self._try_again(408, None, now)):
            super().handle_timer(event, now)

    def transport_failed(self, now: float) -> None:
        if not (self.state in UNHEARD and self._try_again(503, None, now)):
            super().transport_failed(now)

    def connection_lost(self, now: float) -> None:
        """Send a request that nobody answered once more, over a new connection: the old one may
        have been dead for long, as after a restart of the peer."""
        if self.state not in UNHEARD:
            return
        if self._reconnected:
            self.transport_failed(now)
        else:
            self._reconnected = True
            self.send()

    def _try_again(self, status: int, response: Response | None, now: float) -> bool:
        attempt = self.second.after(status, response, now) if self.second is not None else None
        if attempt is not None:
            self._start_over(attempt, response, now)
        return attempt is not None

    def _start_over(self, attempt: Attempt, response: Response | None, now: float) -> None:
        """Leave the answered transaction to itself, with its ACK and its wait for stray
        retransmissions, and go on as the one of the next attempt."""
        assert self.request is not None, "only a failure that was reported takes it"
        self.leave()
        del self.around.clients[self.key]
        if response is not None:
            answered = ClientTransaction(self.around, self.request, b"", self.path, _unheard)
            answered.state = self.state
            answered.step("300-699", response, now)
        self.request, self._data, self.path = attempt
        self.around.sends_to(self)
        self.key = client_key(self.request.branch, self.method)
        self.around.clients[self.key] = self
        self._interval = self.around.values.t1
        self._reconnected = False
        self.state = "initial"
        self.step("send", None, now)

    # Actions named in the tables.

    def _send(self, message: Message | None, now: float) -> None:
        self.send()

    def _start_a(self, message: Message | None, now: float) -> None:
        self.start_retransmit("timer_a", now)

    def _double_a(self, message: Message | None, now: float) -> None:
        self._interval *= 2
        self.start_retransmit("timer_a", now)

    def _start_b(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_b", self.around.values.give_up, now)

    def _start_d(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_d", self.linger(self.around.values.d), now)

    def _start_e(self, message: Message | None, now: float) -> None:
        self.start_retransmit("timer_e", now)

    def _double_e(self, message: Message | None, now: float) -> None:
        self._interval = min(self._interval * 2, self.around.values.t2)
        self.start_retransmit("timer_e", now)

    def _slow_down(self, message: Message | None, now: float) -> None:
        """Once in Proceeding "timer E … MUST be reset with a value of T2 seconds"."""
        self._interval = self.around.values.t2

    def _start_f(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_f", self.around.values.give_up, now)

    def _start_k(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_k", self.linger(self.around.values.t4), now)

    def _start_m(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_m", self.around.values.give_up, now)
        self._data = b""

    def _hear(self, message: Message | None, now: float) -> None:
        """Stop retransmitting an INVITE that was heard, nor does it time out any more, unless
        nobody waits for it."""
        self.stop_retransmit()
        self._data = b""
        if not self._limited:
            self.around.timers.cancel(self._deadline)

    def _quench(self, message: Message | None, now: float) -> None:
        self.stop_retransmit()
        self.around.timers.cancel(self._deadline)
        self._data = b""

    def _ack(self, message: Message | None, now: float) -> None:
        """Acknowledge a failure: the ACK belongs to this transaction (section 17.1.1.3) and is
        what a retransmitted response makes us send again."""
        assert self.request is not None
        assert message is not None
        self._data, self.request = acknowledge_failure(self.request, message), None
        self.send()

    def _deliver(self, message: Message | None, now: float) -> None:
        response = cast("Response", message)
        self._on_response(self, response.status, response, now)

    def _report_timeout(self, message: Message | None, now: float) -> None:
        self._report(408, now)

    def _report_transport(self, message: Message | None, now: float) -> None:
        self._report(503, now)

    def _report(self, status: int, now: float) -> None:
        self._on_response(self, status, None, now)

    def _end(self, message: Message | None, now: float) -> None:
        self.leave()
        self.around.clients.pop(self.key, None)

    actions: ClassVar = {
        "send": _send,
        "ack": _ack,
        "deliver": _deliver,
        "hear": _hear,
        "quench": _quench,
        "end": _end,
        "slow_down": _slow_down,
        "report_timeout": _report_timeout,
        "report_transport": _report_transport,
        "start_a": _start_a,
        "double_a": _double_a,
        "start_b": _start_b,
        "start_d": _start_d,
        "start_e": _start_e,
        "double_e": _double_e,
        "start_f": _start_f,
        "start_k": _start_k,
        "start_m": _start_m,
    }


def _unheard(
    transaction: ClientTransaction, status: int, response: Response | None, now: float
) -> None:
    """The answer was taken already."""


def client_key(branch: str, method: str) -> str:
    """Give what a response is matched by: top Via's branch and CSeq's method (17.1.3)."""
    return f"{method} {branch}"
