"""What all sessions of one endpoint share: who we are, what we were told, where things go.

A session is handed one ``UserAgent`` in place of its endpoint.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Address, Datagram, Path, format_host_port
from rapida_media.sip.back_off import retry_after
from rapida_media.sip.builder import build_response
from rapida_media.sip.headers import BRANCH_COOKIE
from rapida_media.sip.hops import Hop, Hops
from rapida_media.sip.second_attempt import SecondAttempt
from rapida_media.sip.session_timer import LEAST_S
from rapida_media.sip.timers import TimerValues
from rapida_media.sip.transaction_layer import TransactionLayer
from rapida_media.sip.uri import SipUri, escape_user, parse_uri

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.client_transaction import ClientTransaction, Outcome
    from rapida_media.sip.dialog import Dialog
    from rapida_media.sip.events import AnyEvent
    from rapida_media.sip.invite_session import InviteSession
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.outgoing import OutgoingRequest
    from rapida_media.sip.server_transaction import ServerTransaction
    from rapida_media.stats import Counters

Headers = Sequence[tuple[str, str]]
# Asked about every request that is for no call of ours before anything is kept about it: None lets
# it in, (status, headers) refuses it at no cost, IGNORED leaves it without an answer. None for the
# request is one that cannot be read and gets its 400 unless it is ignored.
Guard = Callable[["Request | None", Address, float], "tuple[int, Headers] | None"]
IGNORED: tuple[int, Headers] = (0, ())
# Asked for every new INVITE: None admits it, (status, headers) refuses it.
Admission = Callable[["Request", Address], "tuple[int, Headers] | None"]

# "If a request is within 200 bytes of the path MTU, or if it is larger than 1300 bytes and the path
# MTU is unknown, the request MUST be sent using an RFC 2914 congestion controlled transport
# protocol, such as TCP" (RFC 3261 section 18.1.1).
UDP_LIMIT = 1300
# How long a peer whose TCP failed is not asked for it again: a connection that nobody answers would
# hold up each call for ten seconds. Of so many peers at once.
WITHOUT_TCP_S = 600.0
# How long a server that was silent or not to be reached comes after the others it has: each call
# would wait 32 s for it. And how long at most one that asks for that (Retry-After). Of so many.
AVOIDED_S, AVOIDED_MAX_S = 300.0, 3600.0
_PEERS_MAX = 1000

ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, MESSAGE, REFER, NOTIFY")
SUPPORTED = ("Supported", "100rel, timer, replaces")
ACCEPT = ("Accept", "application/sdp")
SDP_CONTENT = ("Content-Type", "application/sdp")


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Settings of one SIP endpoint.

    contacts: by transport ("udp", "tcp", "tls") the host and port that Via and Contact name;
    behind a NAT the outside ones. Under "udp6", "tcp6" and "tls6" what IPv6 peers are told, where
    that differs.
    towards: gives what they name to one peer, where that depends on the way there; None for what
    contacts says.
    admission: is asked about each INVITE, and about each OPTIONS that asks whether one would be let
    in.
    ring_seconds: how long a call may stay unanswered, in either direction.
    session_expires: the session interval we ask for, 0 for none; min_session_expires: the
    shortest we take, in seconds (RFC 4028).
    """

    contacts: Mapping[str, tuple[str, int]]
    towards: Callable[[Path], tuple[str, int] | None] | None = None
    user_agent: str = "rapida-media"
    timers: TimerValues = field(default_factory=TimerValues)
    ring_seconds: float = 180.0
    session_expires: int = 1800
    min_session_expires: int = LEAST_S
    max_sessions: int = 10_000
    max_transactions: int = 100_000
    retry_after_seconds: int = 10
    guard: Guard | None = None
    admission: Admission | None = None


class UserAgent:
    """Identity, registers and outlets shared by the sessions of one endpoint."""

    __slots__ = (
        "_avoided",
        "_contacts",
        "_secure_contacts",
        "_sent_by",
        "_without_tcp",
        "config",
        "counters",
        "events",
        "hops",
        "ids",
        "layer",
        "outbox",
        "server_header",
        "sessions",
        "timers",
        "user_agent_header",
    )

    def __init__(self, config: EndpointConfig, ids: IdSource, counters: Counters) -> None:
        if not config.contacts:
            raise LocalProtocolError("expected a contact for at least one transport")
        self.config = config
        self.ids = ids
        self.counters = counters
        self.layer = TransactionLayer(config.timers, counters)
        self.timers = self.layer.around.timers
        self.outbox = self.layer.around.outbox
        self.events: deque[AnyEvent] = deque()
        self.hops = Hops(self.events)
        self.sessions: dict[str, InviteSession] = {}  # by local tag
        self._avoided: dict[Address, float] = {}  # until when
        self._without_tcp: dict[tuple[str, int], float] = {}  # until when
        self.server_header = ("Server", config.user_agent)
        self.user_agent_header = ("User-Agent", config.user_agent)
        self._contacts = {t: ("Contact", _contact(t, *c)) for t, c in config.contacts.items()}
        self._secure_contacts = {
            t: ("Contact", _secure_contact(*c))
            for t, c in config.contacts.items()
            if t.startswith("tls")
        }
        self._sent_by = {
            t: f"{t.removesuffix('6').upper()} {format_host_port(*c)}"
            for t, c in config.contacts.items()
        }

    def contact(self, path: Path, user: str | None = None, *, uri: str = "") -> tuple[str, str]:
        """Give our Contact header for a peer.

        uri: the Request-URI of the message that carries or is answered by it. "If the Request-URI
        … contains a SIPS URI, the Contact header field MUST contain a SIPS URI as well" (RFC 3261
        section 8.1.1.8; section 12.1.1 for the response).
        """
        if user is not None:
            return "Contact", f"<{self.contact_uri(path, user)}>"
        way = self._way(path.remote)
        secure = uri[:5].lower() == "sips:" and way in self._secure_contacts
        if (here := self._here(path)) is not None:
            value = _secure_contact(*here) if secure else _contact(path.remote.transport, *here)
            return "Contact", value
        if secure:
            return self._secure_contacts[way]
        return self._contacts.get(way) or next(iter(self._contacts.values()))

    def contact_uri(self, path: Path, user: str) -> SipUri:
        """Give the URI by which a peer reaches ``user`` here."""
        _, value = self.contact(path)
        return replace(parse_uri(value[1:-1]), user=escape_user(user))

    def sent_by(self, path: Path) -> str:
        """Give what our Via says to a peer: "UDP 192.0.2.1:5060"."""
        if (here := self._here(path)) is not None:
            return f"{path.remote.transport.upper()} {format_host_port(*here)}"
        return self._sent_by.get(self._way(path.remote)) or next(iter(self._sent_by.values()))

    def _here(self, path: Path) -> tuple[str, int] | None:
        towards = self.config.towards
        return None if towards is None else towards(path)

    def _way(self, peer: Address) -> str:
        """Give the key of ``contacts`` for a peer."""
        ipv6 = f"{peer.transport}6"
        return ipv6 if ":" in peer.host and ipv6 in self._contacts else peer.transport

    def branch(self) -> str:
        return BRANCH_COOKIE + self.ids.token()

    def first_cseq(self) -> int:
        """Give a dialog's first CSeq: arbitrary and below 2**31 (section 8.1.1.5), never 0, which
        some peers take for a missing one."""
        return 1 + self.ids.number(16)

    def respond(
        self,
        transaction: ServerTransaction,
        request: Request,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        to_tag: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> bytes:
        """Write a response, send it through its transaction and give its bytes."""
        if to_tag is None and status > 100:
            to_tag = self.ids.token()
        source = transaction.source
        data = build_response(
            request,
            status,
            reason,
            to_tag=to_tag,
            headers=(*headers, self.server_header),
            body=body,
            received=(source.host, source.port),
        ).raw
        transaction.respond(status, data, now)
        return data

    def send_request(
        self,
        request: OutgoingRequest,
        data: bytes,
        path: Path,
        on_response: Outcome,
        now: float,
        *,
        dialog: Dialog | None = None,
        others: Sequence[Address] = (),
        hop: Hop | None = None,
    ) -> ClientTransaction:
        """Send a request already written as ``data``.

        A challenge to it is answered; where it fails, it goes to ``others``, one after the other,
        and to what ``hop`` stands for.
        Over UDP_LIMIT bytes it goes by TCP if we have that, and by UDP only where that fails
        (section 18.1.1).
        """
        first, path = path, self.path_for(data, path, now)
        if path != first:
            others = (first.remote, *others)
            # "the value in the top Via MUST be changed"
            by_tcp = request._replace(sent_by=self.sent_by(path))
            request, data = by_tcp, by_tcp.repack(data, request)
        second = None
        if request.auth is not None or others or hop is not None:
            second = SecondAttempt(self, request, data, path, dialog=dialog, others=others, hop=hop)
        return self.layer.send_request(request, data, path, on_response, now, second=second)

    def path_for(self, data: bytes, path: Path, now: float) -> Path:
        """Give the way of a request: by TCP what is too big for UDP, if both sides have that."""
        remote = path.remote
        if remote.transport != "udp" or len(data) <= UDP_LIMIT:
            return path
        without_until = self._without_tcp.get((remote.host, remote.port), now)
        if without_until > now or "tcp" not in self.config.contacts:
            return path
        return Path(replace(remote, transport="tcp"), None)

    def transport_failed(self, destination: Address, now: float) -> None:
        """Note that nothing can be sent to ``destination``, and fail what waits for it."""
        if destination.transport == "tcp":
            _note(self._without_tcp, (destination.host, destination.port), now + WITHOUT_TCP_S)
        self.layer.transport_failed(destination, now)

    def avoid(self, server: Address, response: Response | None, now: float) -> None:
        """Note that a server failed: "the client SHOULD NOT forward any other requests to that
        server for the duration specified in the Retry-After header field" (section 21.5.4).

        response: its 503, None when there was none.
        """
        seconds = AVOIDED_S if response is None else float(retry_after(response) or 0)
        if seconds:
            _note(self._avoided, server, now + min(seconds, AVOIDED_MAX_S))

    def in_order(self, servers: Sequence[Address], now: float) -> list[Address]:
        """Put those that failed lately behind the others."""
        return sorted(servers, key=lambda each: self._avoided.get(each, now) > now)

    def send_within(
        self,
        dialog: Dialog,
        method: str,
        on_response: Outcome,
        now: float,
        *,
        headers: Headers = (),
        body: bytes = b"",
    ) -> ClientTransaction:
        """Send a request within a dialog."""
        path = dialog.next_hop()
        request = dialog.request(method, self.sent_by(path), self.branch())
        if request.auth is not None:
            credentials = request.auth.headers(method, request.uri, body)
            request = request._replace(credentials=credentials)
        data = request.pack((*headers, self.user_agent_header), body)
        hop = dialog.named_hop()
        if hop is not None:
            self.hops.ask(hop, now)
        return self.send_request(request, data, path, on_response, now, dialog=dialog, hop=hop)

    def acknowledge(
        self, transaction: ClientTransaction, dialog: Dialog, cseq: int, tag: str | None
    ) -> None:
        """Send the ACK for a 2xx, and keep it for as long as that may be retransmitted.

        "The sequence number of the CSeq header field MUST be the same as the INVITE being
        acknowledged" (RFC 3261 section 13.2.2.4), and it "will duplicate all of the Authorization
        and Proxy-Authorization header field values that appeared in the INVITE" (section 22.1).
        """
        assert transaction.request is not None, "kept while a 2xx may come"
        path = dialog.next_hop()
        request = dialog.request("ACK", self.sent_by(path), self.branch(), cseq=cseq)._replace(
            credentials=transaction.request.credentials
        )
        datagram = Datagram(request.pack(), *path)
        transaction.acks[tag] = datagram
        self.outbox.append(datagram)


def _note(peers: dict[Any, float], key: object, until: float) -> None:
    peers.pop(key, None)
    peers[key] = until
    if len(peers) > _PEERS_MAX:
        del peers[next(iter(peers))]


def _secure_contact(host: str, port: int) -> str:
    return f"<sips:{format_host_port(host, port)}>"


def _contact(transport: str, host: str, port: int) -> str:
    transport = transport.removesuffix("6")
    suffix = "" if transport == "udp" else f";transport={transport}"
    return f"<sip:{format_host_port(host, port)}{suffix}>"
