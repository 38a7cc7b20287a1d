"""The two server transactions of RFC 3261 section 17.2, as amended by RFC 6026 section 7.1.

The transaction layer creates them for each new request we receive; the endpoint and the sessions
answer through ``respond``. They absorb retransmissions and repeat what was answered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from rapida_media.sip.address import DEFAULT_PORTS, Path
from rapida_media.sip.transaction import TERMINATED, Table, Transaction

if TYPE_CHECKING:
    from rapida_media.sip.address import Address
    from rapida_media.sip.message import Message, Request
    from rapida_media.sip.transaction import Surroundings

# RFC 3261 figure 7 with the Accepted state of RFC 6026 section 7.1. Where a response cannot be
# sent, "the server transaction SHOULD inform the TU that a failure has occurred, and MUST remain in
# the current state" (RFC 6026 section 8.8): its timers end it. Our user is told by the counter.
INVITE_SERVER: Table = {
    ("proceeding", "request"): (("resend",), "proceeding"),
    ("proceeding", "send_1xx"): (("send",), "proceeding"),
    ("proceeding", "send_2xx"): (("send", "forget_data", "start_l"), "accepted"),
    ("proceeding", "send_300-699"): (("send", "start_g", "start_h"), "completed"),
    ("proceeding", "transport_error"): (("count_transport_error",), "proceeding"),
    ("accepted", "request"): ((), "accepted"),
    ("accepted", "send_2xx"): (("send", "forget_data"), "accepted"),
    ("accepted", "ack"): (("deliver_ack",), "accepted"),
    ("accepted", "transport_error"): (("count_transport_error",), "accepted"),
    ("accepted", "timer_l"): (("end",), TERMINATED),
    ("completed", "request"): (("resend",), "completed"),
    ("completed", "timer_g"): (("send", "double_g"), "completed"),
    ("completed", "ack"): (("stop_retransmit", "start_i"), "confirmed"),
    ("completed", "transport_error"): (("count_transport_error",), "completed"),
    ("completed", "timer_h"): (("count_missing_ack", "end"), TERMINATED),
    ("confirmed", "ack"): ((), "confirmed"),
    ("confirmed", "timer_i"): (("end",), TERMINATED),
}

# RFC 3261 figure 8.
NON_INVITE_SERVER: Table = {
    ("trying", "request"): ((), "trying"),
    ("trying", "send_1xx"): (("send",), "proceeding"),
    ("trying", "send_2xx"): (("send", "start_j"), "completed"),
    ("trying", "send_300-699"): (("send", "start_j"), "completed"),
    ("proceeding", "request"): (("resend",), "proceeding"),
    ("proceeding", "send_1xx"): (("send",), "proceeding"),
    ("proceeding", "send_2xx"): (("send", "start_j"), "completed"),
    ("proceeding", "send_300-699"): (("send", "start_j"), "completed"),
    ("proceeding", "transport_error"): (("count_transport_error", "end"), TERMINATED),
    ("completed", "request"): (("resend",), "completed"),
    ("completed", "transport_error"): (("count_transport_error", "end"), TERMINATED),
    ("completed", "timer_j"): (("end",), TERMINATED),
}


class InviteUser(Protocol):
    """Who answers an INVITE: hears the ACK of its 2xx and the caller's CANCEL. id: the To tag."""

    id: str

    def receive_ack(self, ack: Request, now: float) -> None: ...

    def receive_cancel(
        self, transaction: ServerTransaction, cancel: Request, now: float
    ) -> None: ...


class ServerTransaction(Transaction):
    """One request of a peer and our answers to it.

    path.remote is where responses go (RFC 3261 section 18.2.2, RFC 3581 section 4), source
    where the request came from; sent_by_port is what its Via names, if it names one.
    """

    __slots__ = ("_sent_by_port", "merge_key", "source", "user")

    tables: ClassVar = {True: INVITE_SERVER, False: NON_INVITE_SERVER}

    def __init__(
        self,
        around: Surroundings,
        key: str,
        method: str,
        *,
        source: Address,
        path: Path,
        sent_by_port: int | None = None,
    ) -> None:
        state = "proceeding" if method == "INVITE" else "trying"
        super().__init__(around, key, method, state=state, path=path)
        self.source = source
        self.user: InviteUser | None = None
        self.merge_key: str | None = None
        self._sent_by_port = sent_by_port
        around.servers[key] = self

    @property
    def came_by(self) -> Path:
        """Give the way the request came."""
        return Path(self.source, self.path.local)

    @property
    def answered(self) -> bool:
        """Whether a final response was sent."""
        return self.state not in ("proceeding", "trying")

    def respond(self, status: int, data: bytes, now: float) -> None:
        """Send a response of ours, already written."""
        self._data = data
        kind = "send_1xx" if status < 200 else "send_2xx" if status < 300 else "send_300-699"
        self.step(kind, None, now)

    def repeat(self, now: float) -> None:
        """Send the latest provisional response once more."""
        self.step("send_1xx", None, now)

    def connection_lost(self, now: float) -> None:
        """Answer over another connection: "the server SHOULD open a connection to the IP address in
        the 'received' parameter, if present, using the port in the 'sent-by' value, or the default
        port for that transport" (section 18.2.2)."""
        remote = self.path.remote
        port = self._sent_by_port or DEFAULT_PORTS[remote.transport]
        self.around.sends_no_more(self)
        self.path = self.path._replace(remote=replace(remote, port=port))
        self.around.sends_to(self)

    # Actions named in the tables.

    def _send(self, message: Message | None, now: float) -> None:
        self.send()

    def _resend(self, message: Message | None, now: float) -> None:
        self.around.counters.add("retransmitted_requests")
        if self._data:
            self.send()

    def _forget_data(self, message: Message | None, now: float) -> None:
        """A 2xx is the session's to repeat (RFC 3261 section 13.3.1.4), so keep no copy."""
        self._data = b""

    def _deliver_ack(self, message: Message | None, now: float) -> None:
        assert self.user is not None, "only a session accepts an INVITE"
        self.user.receive_ack(cast("Request", message), now)

    def _start_g(self, message: Message | None, now: float) -> None:
        self.start_retransmit("timer_g", now)

    def _double_g(self, message: Message | None, now: float) -> None:
        self._interval = min(self._interval * 2, self.around.values.t2)
        self.start_retransmit("timer_g", now)

    def _stop_retransmit(self, message: Message | None, now: float) -> None:
        self.stop_retransmit()

    def _start_h(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_h", self.around.values.give_up, now)

    def _start_i(self, message: Message | None, now: float) -> None:
        self._data = b""
        self.start_deadline("timer_i", self.linger(self.around.values.t4), now)

    def _start_j(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_j", self.linger(self.around.values.give_up), now)

    def _start_l(self, message: Message | None, now: float) -> None:
        self.start_deadline("timer_l", self.around.values.give_up, now)

    def _count_missing_ack(self, message: Message | None, now: float) -> None:
        self.around.counters.add("missing_acks")

    def _count_transport_error(self, message: Message | None, now: float) -> None:
        self.around.counters.add("response_transport_errors")

    def _end(self, message: Message | None, now: float) -> None:
        self.leave()
        self.user = None
        self.around.servers.pop(self.key, None)
        if self.merge_key is not None and self.around.merges.get(self.merge_key) is self:
            del self.around.merges[self.merge_key]

    actions: ClassVar = {
        "send": _send,
        "resend": _resend,
        "forget_data": _forget_data,
        "end": _end,
        "deliver_ack": _deliver_ack,
        "stop_retransmit": _stop_retransmit,
        "count_missing_ack": _count_missing_ack,
        "count_transport_error": _count_transport_error,
        "start_g": _start_g,
        "double_g": _double_g,
        "start_h": _start_h,
        "start_i": _start_i,
        "start_j": _start_j,
        "start_l": _start_l,
    }
