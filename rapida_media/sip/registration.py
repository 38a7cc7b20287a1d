"""Tell a registrar where we are, again and again (RFC 3261 section 10.2, RFC 5626).

The endpoint makes one for each trunk that wants it. It refreshes in time, tries the registrar's
other addresses, backs off when all fail, keeps the NAT binding open, and takes its contact back
when stopped. ``Registered``, ``RegistrationFailed`` and ``Unregistered`` tell what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.address import Address, Datagram, Path
from rapida_media.sip.back_off import back_off, between, retry_after
from rapida_media.sip.builder import REASONS
from rapida_media.sip.events import Registered, RegistrationFailed, Unregistered
from rapida_media.sip.outgoing import OutgoingRequest
from rapida_media.sip.uri import equivalent

if TYPE_CHECKING:
    from rapida_media.sip.client_auth import ClientAuth
    from rapida_media.sip.client_transaction import ClientTransaction
    from rapida_media.sip.message import Response
    from rapida_media.sip.timers import Timer
    from rapida_media.sip.uri import SipUri
    from rapida_media.sip.user_agent import UserAgent

# The part of the granted time after which we refresh: what is left suffices to retransmit through
# a bad minute, and to try once more.
REFRESH = 0.7, 0.8
# What a registrar may ask for with 423: a week.
MAX_EXPIRES = 604_800
# RFC 5626 section 4.4: pings of a UDP flow every 24 to 29 s, of a connection every 95 to 120 s.
KEEP_ALIVE = {False: (24.0, 29.0), True: (95.0, 120.0)}
PING = b"\r\n\r\n"
# After a connection was lost: soon, but not with all others that lost theirs. One that is lost
# again before it was up for two minutes is waited for as after a failure (RFC 5626 section 4.5).
RECONNECT = 0.5, 3.0
STEADY_S = 120.0

REGISTERING, REGISTERED, WAITING, STOPPED = "registering", "registered", "waiting", "stopped"


class Registration:
    """One address of record at one registrar.

    state: registering → registered ⇄ registering; waiting after a failure; stopped at the end.
    """

    __slots__ = (
        "_agent",
        "_asked",
        "_auth",
        "_call_id",
        "_contact_user",
        "_cseq",
        "_destinations",
        "_expires_at",
        "_failures",
        "_flow",
        "_from",
        "_keep_alive",
        "_losses",
        "_registrar",
        "_sending",
        "_steady_at",
        "_stopping",
        "_timer",
        "_tried",
        "state",
    )

    def __init__(
        self,
        agent: UserAgent,
        *,
        registrar: str,
        address_of_record: str,
        contact_user: str,
        destinations: Sequence[Address],
        auth: ClientAuth | None,
        expires: int,
        now: float,
    ) -> None:
        """registrar: the Request-URI. destinations: its addresses, the preferred first.

        expires: the seconds asked for. Raises LocalProtocolError when a value cannot be written.
        """
        self._agent = agent
        self._registrar = registrar
        self._contact_user = contact_user
        self._destinations = _some(destinations)
        self._auth = auth
        self._asked = expires
        self._from = f"<{address_of_record}>"
        # One Call-ID and a rising CSeq for all of it: section 10.2, Call-ID and CSeq.
        self._call_id = agent.ids.token()
        self._cseq = agent.first_cseq()
        self._tried = self._failures = self._losses = 0
        self._steady_at = now
        self._expires_at: float | None = None  # while the registrar knows us
        self._flow: Address | None = None  # where it learned that
        self._sending = self._stopping = False
        self._timer: Timer | None = None
        self._keep_alive: Timer | None = None
        self.state = REGISTERING
        self._send(self._asked, now)

    @property
    def destination(self) -> Address:
        """Give the registrar's address that calls come from, or that is asked next."""
        return self._flow or self._destinations[0]

    def move(self, destinations: Sequence[Address]) -> None:
        """Take the registrar's addresses as they are resolved now, for the next request on."""
        self._destinations = _some(destinations)
        self._tried = 0

    def stop(self, now: float, *, calls_go_on: bool = False) -> None:
        """Take our contact back; ``Unregistered`` tells when it is over. Again is no harm.

        calls_go_on: keep the NAT's binding open, which the requests of calls in progress come by,
        until this is called without it.
        """
        if not calls_go_on:
            self._stop_keep_alive()
        if self._stopping:
            return
        self._stopping = True
        if not self._sending:
            self._end(now)

    def leave_to_successor(self) -> None:
        """Stop without a word: another registration of the same contact has taken over, which
        REGISTER with ``Expires: 0`` would end."""
        self._stopping = True
        self._expires_at = None
        self._agent.timers.cancel(self._timer)
        self._timer = None
        self._stop_keep_alive()
        self.state = STOPPED

    def connection_lost(self, peer: Address, now: float) -> None:
        """Register anew when the connection calls would come over is gone."""
        if self.state == REGISTERED and peer == self.destination and not self._stopping:
            ids = self._agent.ids
            self._losses = self._losses + 1 if now < self._steady_at else 1
            again = self._losses > 1
            seconds = back_off(self._losses - 1, ids) if again else between(*RECONNECT, ids)
            assert self._expires_at is not None, "the registrar knows us"
            self._wait(min(seconds, max(1.0, (self._expires_at - now) / 2)), now)

    def handle_timer(self, event: str, now: float) -> None:
        if event == "keep_alive":
            self._agent.outbox.append(Datagram(PING, self.destination, None))
            self._start_keep_alive(now)
        else:
            self._timer = None
            self._send(self._asked, now)

    # Requests.

    def _send(self, expires: int, now: float) -> None:
        agent = self._agent
        # Each refresh may go to another server of the registrar; what we take back, we gave to one.
        path = Path(self._destinations[0] if expires else self.destination, None)
        self._cseq += 1
        request = OutgoingRequest(
            "REGISTER",
            self._registrar,
            agent.sent_by(path),
            agent.branch(),
            (),
            f"{self._from};tag={agent.ids.token()}",
            self._from,
            self._call_id,
            self._cseq,
            self._auth,
            self._auth.headers("REGISTER", self._registrar, b"") if self._auth else (),
        )
        contact = agent.contact(path, self._contact_user)
        data = request.pack((contact, ("Expires", str(expires)), agent.user_agent_header))
        self._sending = True
        if expires:
            self.state = REGISTERING
        agent.send_request(request, data, path, self._on_response, now)

    def _on_response(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        if status < 200:
            return
        assert transaction.request is not None, "only an INVITE forgets its request"
        self._sending = False
        self._cseq = transaction.request.cseq  # a challenge may have counted on
        if self.state == STOPPED:
            self._agent.events.append(Unregistered(self))
        elif self._stopping:
            if response is not None and status < 300:
                self._flow = transaction.path.remote
                self._expires_at = now + self._granted(response)
            self._end(now)
        elif response is not None and status < 300:
            self._flow = transaction.path.remote
            self._succeed(response, now)
        elif response is not None and status == 423 and self._accept_minimum(response):
            self._send(self._asked, now)
        else:
            self._fail(status, response, now)

    def _accept_minimum(self, response: Response) -> bool:
        """Ask for as long as the registrar wants, at least its Min-Expires (section 10.2.8)."""
        try:
            minimum = response.min_expires
        except RemoteProtocolError:
            return False
        if minimum is None or not self._asked < minimum <= MAX_EXPIRES:
            return False
        self._asked = minimum
        return True

    def _succeed(self, response: Response, now: float) -> None:
        granted = self._granted(response)
        if granted <= 0:
            self._fail(response.status, response, now)
            return
        self._failures = self._tried = 0
        self.state = REGISTERED
        self._expires_at = now + granted
        self._steady_at = now + STEADY_S
        low, high = REFRESH
        self._wait(between(low * granted, high * granted, self._agent.ids), now)
        if self._keep_alive is None:
            self._start_keep_alive(now)
        self._agent.events.append(Registered(self, granted))

    def _granted(self, response: Response) -> int:
        """Give the seconds granted: a registrar lists our contact with an "expires" parameter
        (section 10.3 step 8); some write Expires instead, some nothing.

        Those that look through a NAT list it with another host: then it is one with our user.
        """
        ours = self._agent.contact_uri(Path(self.destination, None), self._contact_user)
        same_user: list[int] = []
        for uri, seconds in _bindings(response):
            if equivalent(uri, ours):
                return min(seconds, MAX_EXPIRES)
            if uri.user == ours.user and seconds:
                same_user.append(seconds)
        try:
            expires = response.expires
        except RemoteProtocolError:
            expires = None
        granted = min(same_user, default=self._asked if expires is None else expires)
        return min(granted, MAX_EXPIRES)

    def _fail(self, status: int, response: Response | None, now: float) -> None:
        """Try the registrar's next address, or wait when all have failed."""
        if status in (408, 503) and self._tried < len(self._destinations) - 1:
            self._tried += 1
            self._destinations = [*self._destinations[1:], self._destinations[0]]
            self._send(self._asked, now)
            return
        self._tried = 0
        self._failures += 1
        asked = min(retry_after(response) or 0, MAX_EXPIRES) if response is not None else 0
        seconds = max(back_off(self._failures, self._agent.ids), asked)
        left = 0.0 if self._expires_at is None else self._expires_at - now
        if left > 0:
            # The registrar still knows us: try again before it forgets.
            seconds = min(seconds, max(1.0, left / 2))
        else:
            self._expires_at = self._flow = None
            self._stop_keep_alive()
        self.state = WAITING
        self._wait(seconds, now)
        reason = REASONS.get(status, "") if response is None else response.reason
        self._agent.events.append(RegistrationFailed(self, status, reason, seconds, left > 0))

    def _end(self, now: float) -> None:
        self._agent.timers.cancel(self._timer)
        self._timer = None
        self.state = STOPPED
        if self._expires_at is not None and self._expires_at > now:
            self._send(0, now)
        else:
            self._agent.events.append(Unregistered(self))

    # Timers.

    def _wait(self, seconds: float, now: float) -> None:
        self._agent.timers.cancel(self._timer)
        self._timer = self._agent.timers.start(now + seconds, self, "register")

    def _start_keep_alive(self, now: float) -> None:
        low, high = KEEP_ALIVE[self.destination.reliable]
        deadline = now + between(low, high, self._agent.ids)
        self._keep_alive = self._agent.timers.start(deadline, self, "keep_alive")

    def _stop_keep_alive(self) -> None:
        self._agent.timers.cancel(self._keep_alive)
        self._keep_alive = None


def _bindings(response: Response) -> list[tuple[SipUri, int]]:
    """Give the contacts a registrar lists with their seconds; what is no SIP URI is not ours."""
    found = []
    for contact in response.contacts:
        value = contact.params.get("expires") or ""
        with suppress(RemoteProtocolError):
            if value.isdecimal():
                found.append((contact.uri, int(value)))
    return found


def _some(destinations: Sequence[Address]) -> list[Address]:
    if not destinations:
        raise LocalProtocolError("expected at least one address of the registrar")
    return list(destinations)
