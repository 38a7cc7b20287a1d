"""Ask a peer now and then whether it is there (RFC 3261 section 11).

The endpoint makes one for each trunk that wants it. Only changes are told: ``PeerReachable`` and
``PeerUnreachable``. The traffic also keeps a NAT's binding open.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Address, Path
from rapida_media.sip.back_off import between
from rapida_media.sip.events import PeerReachable, PeerUnreachable
from rapida_media.sip.outgoing import OutgoingRequest

if TYPE_CHECKING:
    from rapida_media.sip.client_transaction import ClientTransaction
    from rapida_media.sip.message import Response
    from rapida_media.sip.timers import Timer
    from rapida_media.sip.user_agent import UserAgent


class OptionsPing:
    """OPTIONS to one peer, every ``interval_seconds``.

    reachable: None until the first answer or time-out.
    """

    __slots__ = (
        "_agent",
        "_destinations",
        "_from",
        "_interval",
        "_sent_at",
        "_stopped",
        "_target",
        "_timer",
        "_tried",
        "reachable",
    )

    def __init__(
        self,
        agent: UserAgent,
        *,
        target: str,
        from_uri: str,
        destinations: Sequence[Address],
        interval_seconds: float,
        now: float,
    ) -> None:
        """Raises LocalProtocolError without destinations or for a value that cannot be written."""
        if not destinations:
            raise LocalProtocolError("expected at least one address to ask")
        self._agent = agent
        self._target = target
        self._from = from_uri
        self._destinations = list(destinations)
        self._interval = interval_seconds
        self._tried = 0
        self._sent_at = now
        self._stopped = False
        self._timer: Timer | None = None
        self.reachable: bool | None = None
        self._send(now)

    @property
    def destination(self) -> Address:
        """Give the address that answered last, or is asked next."""
        return self._destinations[0]

    def move(self, destinations: Sequence[Address]) -> None:
        """Take the peer's addresses as they are resolved now, for the next question on."""
        if destinations:
            self._destinations = list(destinations)
            self._tried = 0

    def stop(self) -> None:
        """Ask no more. Nothing is told afterwards."""
        self._stopped = True
        self._agent.timers.cancel(self._timer)
        self._timer = None

    def handle_timer(self, event: str, now: float) -> None:
        self._timer = None
        self._send(now)

    def _send(self, now: float) -> None:
        agent, path = self._agent, Path(self.destination, None)
        request = OutgoingRequest(
            "OPTIONS",
            self._target,
            agent.sent_by(path),
            agent.branch(),
            (),
            f"<{self._from}>;tag={agent.ids.token()}",
            f"<{self._target}>",
            agent.ids.token(),
            agent.first_cseq(),
        )
        data = request.pack(
            (
                agent.contact(path, uri=self._target),
                ("Accept", "application/sdp"),
                agent.user_agent_header,
            )
        )
        self._sent_at = now
        agent.send_request(request, data, path, self._on_response, now)

    def _on_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        """Take any answer as a sign of life but 503, which asks for calls to go elsewhere."""
        if status < 200 or self._stopped:
            return
        reachable = response is not None and status != 503
        if not reachable and self._tried < len(self._destinations) - 1:
            self._tried += 1
            self._destinations = [*self._destinations[1:], self._destinations[0]]
            self._send(now)
            return
        self._tried = 0
        wait = between(0.9 * self._interval, 1.1 * self._interval, self._agent.ids)
        self._timer = self._agent.timers.start(now + wait, self, "ping")
        if reachable is self.reachable:
            return
        self.reachable = reachable
        if reachable:
            self._agent.events.append(PeerReachable(self, now - self._sent_at))
        else:
            self._agent.events.append(PeerUnreachable(self, status))
