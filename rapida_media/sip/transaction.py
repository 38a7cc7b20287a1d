"""What the four transaction machines share: their surroundings and the stepping of a table.

A machine is a literal table ``{(state, event): (actions, next_state)}`` which reads like the
figures of RFC 3261 section 17 as amended by RFC 6026. An event for which the figure has no
arrow changes nothing. ``client_transaction`` and ``server_transaction`` hold the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from rapida_media.sip.address import Address, Datagram, Path
from rapida_media.sip.timers import Timer, Timers, TimerValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from rapida_media.sip.client_transaction import ClientTransaction
    from rapida_media.sip.message import Message
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.stats import Counters

Table = Mapping[tuple[str, str], tuple[tuple[str, ...], str]]

TERMINATED = "terminated"


class Surroundings:
    """What a transaction is handed: an outbox, the timer heap, counters and the registers it
    leaves when it terminates."""

    __slots__ = (
        "_by_remote",
        "clients",
        "counters",
        "merges",
        "outbox",
        "servers",
        "timers",
        "values",
    )

    def __init__(self, values: TimerValues, counters: Counters) -> None:
        self.values = values
        self.counters = counters
        self.timers = Timers()
        self.outbox: list[Datagram] = []
        self.clients: dict[str, ClientTransaction] = {}
        self.servers: dict[str, ServerTransaction] = {}
        self.merges: dict[str, ServerTransaction] = {}
        self._by_remote: dict[Address, dict[Transaction, None]] = {}

    def sends_to(self, transaction: Transaction) -> None:
        """Note where a transaction sends to."""
        self._by_remote.setdefault(transaction.path.remote, {})[transaction] = None

    def sends_no_more(self, transaction: Transaction) -> None:
        """Forget that, before it sends elsewhere or when it is over."""
        remote = transaction.path.remote
        there = self._by_remote.get(remote, {})
        there.pop(transaction, None)
        if not there:
            self._by_remote.pop(remote, None)

    def sending_to(self, remote: Address) -> list[Transaction]:
        """Give all that send there, the oldest first."""
        return [*self._by_remote.get(remote, ())]


class Transaction:
    """One run of one machine. Subclasses bind the action names of their table to functions."""

    __slots__ = (
        "_data",
        "_deadline",
        "_interval",
        "_retransmit",
        "around",
        "key",
        "method",
        "path",
        "state",
    )

    tables: ClassVar[Mapping[bool, Table]]  # by "is it an INVITE"
    actions: ClassVar[Mapping[str, Callable[[Any, Message | None, float], None]]]

    def __init__(
        self, around: Surroundings, key: str, method: str, *, state: str, path: Path
    ) -> None:
        self.around = around
        self.key = key
        self.method = method
        self.state = state
        self.path = path
        self._data = b""  # what a retransmission sends
        self._interval = around.values.t1
        self._retransmit: Timer | None = None  # A, E or G
        self._deadline: Timer | None = None  # every other timer: one runs at a time
        around.sends_to(self)

    def step(self, event: str, message: Message | None, now: float) -> None:
        """Follow the arrow ``event`` from the present state, if the figure has one."""
        row = self.tables[self.method == "INVITE"].get((self.state, event))
        if row is None:
            return
        names, self.state = row
        for name in names:
            self.actions[name](self, message, now)

    def handle_timer(self, event: str, now: float) -> None:
        self.step(event, None, now)

    def transport_failed(self, now: float) -> None:
        """Take it that nothing can be sent to the peer (section 17.1.4)."""
        self.step("transport_error", None, now)

    def connection_lost(self, now: float) -> None:
        """Take it that the connection to the peer is gone; another one may be made."""

    def send(self) -> None:
        self.around.outbox.append(Datagram(self._data, *self.path))

    def start_retransmit(self, event: str, now: float) -> None:
        """Start A, E or G, which run over unreliable transports only."""
        if not self.path.remote.reliable:
            self._retransmit = self.around.timers.start(now + self._interval, self, event)

    def stop_retransmit(self) -> None:
        self.around.timers.cancel(self._retransmit)
        self._retransmit = None

    def start_deadline(self, event: str, seconds: float, now: float) -> None:
        """Start the state's one-shot timer in place of the previous state's.

        Timers D, I, J and K are "zero seconds for reliable transports": they fire here and now.
        """
        self.around.timers.cancel(self._deadline)
        self._deadline = None
        if seconds > 0:
            self._deadline = self.around.timers.start(now + seconds, self, event)
        else:
            self.step(event, None, now)

    def linger(self, seconds: float) -> float:
        """Give a wait for stray retransmissions: none where the transport makes none."""
        return 0.0 if self.path.remote.reliable else seconds

    def leave(self) -> None:
        """Run no timer and be found by nobody any more; the subclass leaves its own register."""
        self.stop()
        self.around.sends_no_more(self)

    def stop(self) -> None:
        self.stop_retransmit()
        self.around.timers.cancel(self._deadline)
        self._deadline = None
        self._data = b""
