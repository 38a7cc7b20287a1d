"""A SIP endpoint in the middle of dialogs: right messages, spoiled messages, at any moment.

The input is a script. Each step sends the endpoint a message that fits the state (a request of the
dialog, a response to what it sent last, a repeat), most of them changed in a place or two, or lets
its user act, or lets time pass. Steps from 128 on are about the extensions: their header fields
come from ``sip_fields``, and the user offers, refers, registers and asks for signs of life.
Whatever happens, nothing is raised, little is sent for one message received, all that is sent is
valid, and once everybody has hung up and the timers have run out nothing is left alive.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

from torture.corpus import CORPUS

from fuzz.sip_fields import (
    ANSWERS,
    ASKED,
    Known,
    answer_fields,
    request_fields,
)
from fuzz.sip_message import TOKENS as MESSAGE_TOKENS
from fuzz.sip_user import PASSWORD, Session, Upkeep, act, act_further, hang_up, keep_up, stop
from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Address
from rapida_media.sip.digest import Credentials
from rapida_media.sip.endpoint import EndpointConfig, SipEndpoint
from rapida_media.sip.events import AnyEvent, HopNamed, IncomingInvite
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.registration import PING
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

SOURCE = Address("192.0.2.9", 5060)
OTHERS = (Address("192.0.2.9", 5070), Address("192.0.2.9", 5060, "tcp"))
METHODS = "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK", "REGISTER"
STATUSES = 100, 180, 183, 200, 200, 302, 401, 408, 481, 486, 491, 500, 503, 603
SENT_PER_INPUT = 8
STEPS = 40
# A timer may start another one: a refused call, its BYE, the transactions of both.
ROUNDS_TO_REST = 200
TOKENS = [bytes((number,)) for number in range(0, 256, 5)]
# Step octets are taken modulo 8: an incoming call that is set up and ended, then an outgoing one.
# From 128 on: a call with 100rel, one refreshed and transferred, one that is challenged, a redirect
# and a registration.
SEEDS = [
    bytes([0, 0, 0, 0, 6, 0, 6, 1, 1, 0, 1, 0, 7, 9, 2, 0, 2, 0]),
    bytes([5, 3, 0, 2, 0, 7, 9, 3, 3, 0, 6, 4, 7, 20, 3, 3, 0]),
    bytes([0, 0, 0, 0, 6, 1, 1, 0, 1, 0, 0, 0, 0, 1, 6, 5, 6, 6, 2, 0, 2, 0]),
    bytes(range(200)),
    bytes([128, 0, 16, 0, 133, 28, 129, 1, 0, 0, 129, 2, 16, 0, 133, 1, 6, 6, 129, 11, 0, 0, 6, 0]),
    bytes([131, 16, 0, 0, 129, 4, 0, 0, 133, 5, 130, 2, 0, 0, 133, 23, 129, 0, 16, 0, 6, 2, 7, 99]),
    bytes(
        [131, 33, 0, 0, 133, 20, 130, 3, 0, 0, 129, 5, 4, 0, 129, 5, 36, 0, 133, 0, 130, 8, 8, 0]
    ),
    bytes([132, 1, 130, 6, 32, 0, 130, 1, 96, 0, 130, 0, 1, 0, 130, 2, 33, 0, 133, 9, 7, 255]),
    bytes([132, 0, 130, 8, 4, 0, 130, 4, 0, 0, 134, 0, 130, 6, 32, 0, 130, 10, 0, 0, 134, 8, 7, 9]),
    *(bytes([4, number]) for number in range(len(CORPUS))),
]


def fuzz(data: bytes) -> None:
    dialog = _Dialog(data)
    for _ in range(STEPS):
        if not dialog.step():
            break
    dialog.end()


class _Dialog:
    """An endpoint, its user and its peer, all doing what the script says."""

    def __init__(self, script: bytes) -> None:
        self._script = iter(script)
        self._ended = False
        self._random = Random(script)
        self._now = 1000.0
        self._peer = SipPeer(World(), SOURCE.host)
        config = EndpointConfig({"udp": ("192.0.2.2", 5060)}, max_sessions=4, max_transactions=24)
        self._endpoint = SipEndpoint(config, SeededIds(1), Counters())
        self._requests: list[Request] = []
        self._last = b""
        self._to_tag: str | None = None
        self._cseq = self._rseq = 1
        self._invites: dict[str, tuple[int, str | None]] = {}  # CSeq and branch by Call-ID
        self._sessions: list[Session] = []
        self._upkeep: list[Upkeep] = []
        self._steps: tuple[Callable[[], None], ...] = (
            self._send_request,
            self._send_in_dialog,
            self._send_in_dialog,
            self._send_response,
            self._send_torture,
            self._dial,
            self._act,
            self._wait,
        )
        self._further_steps: tuple[Callable[[], None], ...] = (
            self._ask,
            self._ask_in_dialog,
            self._answer,
            self._talk,
            self._dial_with_password,
            self._act_further,
            self._keep_up,
            self._lose_connection,
        )

    def step(self) -> bool:
        """Take one step; False when the script has none left."""
        octet = self._take()
        steps = self._steps if octet < 128 else self._further_steps
        steps[octet % 8]()
        return not self._ended

    def end(self) -> None:
        """Hang up everything, give the peer no say any more, and look what is left."""
        endpoint = self._endpoint
        for each in self._upkeep:
            stop(each, self._now)
        for session in list(endpoint.sessions.values()):
            assert isinstance(session, IncomingSession | OutgoingSession)
            hang_up(session, self._now)
            self._drain()
        for _ in range(ROUNDS_TO_REST):
            deadline = endpoint.next_timeout()
            if deadline is None:
                break
            self._now = max(self._now, deadline)
            endpoint.handle_timeout(self._now)
            self._drain(limit=1000)
        assert not endpoint.sessions
        assert endpoint.transaction_count == 0
        assert endpoint.timer_count == 0
        assert endpoint.next_timeout() is None

    def _take(self) -> int:
        octet = next(self._script, None)
        self._ended = octet is None
        return octet or 0

    # What the peer does.

    def _send_request(self) -> None:
        what = self._take()
        self._cseq += what >> 5 & 1
        self._deliver(
            self._peer.request(
                METHODS[what % len(METHODS)],
                branch=f"z9hG4bK{what >> 6}",
                call_id=f"call-{what >> 4 & 1}",
                cseq=self._cseq,
                body=b"" if what & 8 else OFFER,
            )
        )

    def _send_in_dialog(self) -> None:
        what = self._take()
        method = METHODS[what % len(METHODS)]
        if method not in ("ACK", "CANCEL"):
            self._cseq += 1
        self._deliver(
            self._peer.request(
                method,
                branch="z9hG4bK0" if method == "CANCEL" else None,
                call_id=f"call-{what >> 4 & 1}",
                to_tag=self._to_tag,
                cseq=self._cseq,
                body=b"" if what & 32 else OFFER,
            )
        )

    def _send_response(self) -> None:
        what = self._take()
        if not self._requests:
            return
        request = self._requests[-1 - what % min(3, len(self._requests))]
        self._deliver(
            self._peer.respond(
                request,
                STATUSES[(what >> 2) % len(STATUSES)],
                to_tag=f"b{what >> 7}",
                body=b"" if what & 64 else OFFER,
            )
        )

    def _send_torture(self) -> None:
        self._deliver(CORPUS[self._take() % len(CORPUS)].data)

    def _known(self, session: Session | None = None) -> Known:
        """Give what the peer has seen, which the header fields it sends may name."""
        return Known(self._sessions, session, self._rseq)

    def _ask(self) -> None:
        """Send a request from outside any dialog, with header fields of an extension."""
        method, how = ASKED[self._take() % len(ASKED)], self._take()
        self._send_asking(method, how, None)

    def _ask_in_dialog(self) -> None:
        """Send a request of a dialog, whoever began it, with header fields of an extension."""
        method, how = ASKED[self._take() % len(ASKED)], self._take()
        if self._sessions:
            self._send_asking(method, how, self._sessions[-1 - (how & 1) % len(self._sessions)])

    def _send_asking(self, method: str, how: int, session: Session | None) -> None:
        call_id = f"call-{self._cseq}" if session is None else session.call_id
        called = isinstance(session, OutgoingSession)
        cseq, branch = self._invites.get(call_id, (self._cseq, None))
        if method not in ("ACK", "CANCEL"):
            self._cseq += 1
            cseq, branch = self._cseq, self._peer.branch()
        if method == "INVITE":
            self._invites[call_id] = cseq, branch
        headers, body = request_fields(method, how, self._known(session))
        self._deliver_mostly_right(
            self._peer.request(
                method,
                branch=None if method == "ACK" else branch,
                call_id=call_id,
                from_tag=f"b{how >> 7}" if called else "a",
                to_tag=None if session is None or (method, cseq) == ("CANCEL", 1) else session.id,
                cseq=cseq,
                headers=headers,
                body=body,
            )
        )

    def _talk(self) -> None:
        """Set up a call the straight way, so that more of the script is about what follows."""
        how = self._take()
        if how & 1:
            self._dial_with_password()
            self._respond(200, how)
            return
        self._send_asking("INVITE", how | 16, None)
        session = self._sessions[-1] if self._sessions else None
        if isinstance(session, IncomingSession):
            with suppress(LocalProtocolError):
                session.accept(OFFER, self._now)
            self._drain()
            self._send_asking("ACK", 0, session)

    def _answer(self) -> None:
        """Answer what was sent lately, with header fields of an extension."""
        what, how = self._take(), self._take()
        self._respond(ANSWERS[what % len(ANSWERS)], how)

    def _respond(self, status: int, how: int) -> None:
        if not self._requests:
            return
        request = self._requests[-1 - (how & 3) % len(self._requests)]
        headers, body = answer_fields(status, how)
        self._deliver_mostly_right(
            self._peer.respond(request, status, to_tag=f"b{how >> 7}", headers=headers, body=body)
        )

    def _lose_connection(self) -> None:
        what = self._take()
        if what & 2 and self._requests:
            # ICMP quotes the beginning of our latest request, and somebody forges the like.
            self._endpoint.undelivered(self._requests[-1].raw[: 64 + what], self._now)
            self._endpoint.undelivered(self._last, self._now)
        elif what & 1:
            self._endpoint.connection_lost(OTHERS[1], self._now)
        else:
            self._endpoint.transport_failed(SOURCE, self._now)
        self._drain(limit=1000)

    def _deliver_mostly_right(self, message: bytes) -> None:
        """Spoil few, or no dialog would get far."""
        if self._take() >= 200:
            self._deliver(message)
        else:
            self._receive(message)

    def _deliver(self, message: bytes) -> None:
        """Send it, changed in as many places as the script says, once or again."""
        how = self._take()
        for _ in range(how & 3):
            message = self._spoiled(message)
        if how & 0x80:
            message, self._last = self._last, message
        else:
            self._last = message
        self._receive(message)

    def _receive(self, message: bytes) -> None:
        self._endpoint.receive_datagram(message, SOURCE, None, self._now)
        self._drain()

    def _spoiled(self, message: bytes) -> bytes:
        how = self._take()
        lines = message.split(b"\r\n")
        place = self._random.randrange(len(lines))
        token = self._random.choice(MESSAGE_TOKENS)
        if how < 60:
            del lines[place]
        elif how < 100:
            lines.insert(self._random.randrange(len(lines)), lines[place])
        elif how < 180:
            cut = self._random.randrange(len(lines[place]) + 1)
            lines[place] = lines[place][:cut] + token + lines[place][cut:]
        elif how < 230:
            words = lines[place].split(b" ")
            words[self._random.randrange(len(words))] = token
            lines[place] = b" ".join(words)
        else:
            return message[: self._random.randrange(len(message) + 1)]
        return b"\r\n".join(lines)

    # What the user does.

    def _dial(self) -> None:
        self._invite()

    def _dial_with_password(self) -> None:
        self._invite(credentials=PASSWORD, others=OTHERS[: self._take() % 3])

    def _invite(
        self, credentials: Credentials | None = None, others: Sequence[Address] = ()
    ) -> None:
        with suppress(LocalProtocolError):  # max_sessions
            self._sessions.append(
                self._endpoint.invite(
                    target="sip:alice@192.0.2.9",
                    destination=SOURCE,
                    from_uri="sip:bob@192.0.2.2",
                    body=OFFER,
                    now=self._now,
                    credentials=credentials,
                    others=others,
                )
            )
        self._drain()

    def _keep_up(self) -> None:
        """Register, ask for signs of life, or stop that."""
        what = self._take()
        if what & 8 and self._upkeep:
            stop(self._upkeep.pop(), self._now)
        elif len(self._upkeep) < 2:
            servers = [SOURCE, *OTHERS][: 1 + (what >> 1) % 3]
            self._upkeep.append(keep_up(self._endpoint, what, servers, self._now))
        self._drain()

    def _act(self) -> None:
        what = self._take()
        if self._sessions:
            session = self._sessions[-1 - (what >> 4) % len(self._sessions)]
            with suppress(LocalProtocolError):
                act(session, what & 15, self._now)
            self._drain()

    def _act_further(self) -> None:
        what = self._take()
        if self._sessions:
            session = self._sessions[-1 - (what >> 6) % len(self._sessions)]
            with suppress(LocalProtocolError):
                act_further(session, what & 15, OFFER if what & 16 else b"", self._now)
            self._drain()

    def _wait(self) -> None:
        self._now += self._take() ** 2 / 100
        self._endpoint.handle_timeout(self._now)
        self._drain(limit=1000)

    # What comes out.

    def _drain(self, limit: int = SENT_PER_INPUT) -> None:
        while (event := self._endpoint.next_event()) is not None:
            self._note(event)
        sent = self._endpoint.datagrams_to_send()
        assert len(sent) <= limit, f"{len(sent)} messages sent at once"
        for datagram in sent:
            if datagram.data == PING:
                continue
            message = parse_message(datagram.data)
            if isinstance(message, Request):
                message.validate()
                self._requests = [*self._requests[-7:], message]
            elif isinstance(message, Response) and message.has("RSeq"):
                self._rseq = int(message.header("RSeq") or 0)
        assert len(self._endpoint.sessions) <= 4
        assert self._endpoint.transaction_count <= 24 + SENT_PER_INPUT

    def _note(self, event: AnyEvent) -> None:
        if isinstance(event, HopNamed):
            self._endpoint.hop_resolved(event.hop, OTHERS)
        if isinstance(event, IncomingInvite):
            self._sessions.append(event.session)
            self._to_tag = event.session.id
