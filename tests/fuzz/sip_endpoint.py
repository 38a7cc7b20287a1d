"""A SIP endpoint in the middle of dialogs: right messages, spoiled messages, at any moment.

The input is a script. Each step sends the endpoint a message that fits the state (a request of the
dialog, a response to what it sent last, a repeat), most of them changed in a place or two, or lets
its user act, or lets time pass. Whatever happens, nothing is raised, little is sent for one message
received, all that is sent is valid, and once everybody has hung up and the timers have run out
nothing is left alive.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random

from torture.corpus import CORPUS

from fuzz.sip_message import TOKENS as MESSAGE_TOKENS
from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Address
from rapida_media.sip.endpoint import EndpointConfig, SipEndpoint
from rapida_media.sip.events import AnyEvent, HopNamed, IncomingInvite
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import InviteSession
from rapida_media.sip.message import Request, parse_message
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

SOURCE = Address("192.0.2.9", 5060)
OTHER = Address("192.0.2.10", 5060)
METHODS = "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "UPDATE", "PRACK", "REGISTER"
STATUSES = 100, 180, 183, 200, 200, 302, 401, 408, 481, 486, 491, 500, 503, 603
SENT_PER_INPUT = 8
STEPS = 40
# A timer may start another one: a refused call, its BYE, the transactions of both.
ROUNDS_TO_REST = 200
TOKENS = [bytes((number,)) for number in range(0, 256, 5)]
# Step octets are taken modulo 8: an incoming call that is set up and ended, then an outgoing one.
SEEDS = [
    bytes([0, 0, 0, 0, 6, 0, 6, 1, 1, 0, 1, 0, 7, 9, 2, 0, 2, 0]),
    bytes([5, 3, 0, 2, 0, 7, 9, 3, 3, 0, 6, 4, 7, 20, 3, 3, 0]),
    bytes([0, 0, 0, 0, 6, 1, 1, 0, 1, 0, 0, 0, 0, 1, 6, 5, 6, 6, 2, 0, 2, 0]),
    bytes(range(200)),
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
        self._cseq = 1
        self._sessions: list[InviteSession] = []
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

    def step(self) -> bool:
        """Take one step; False when the script has none left."""
        self._steps[self._take() % len(self._steps)]()
        return not self._ended

    def end(self) -> None:
        """Hang up everything, give the peer no say any more, and look what is left."""
        endpoint = self._endpoint
        for session in list(endpoint.sessions.values()):
            self._hang_up(session)
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

    def _deliver(self, message: bytes) -> None:
        """Send it, changed in as many places as the script says, once or again."""
        how = self._take()
        for _ in range(how & 3):
            message = self._spoiled(message)
        if how & 0x80:
            message, self._last = self._last, message
        else:
            self._last = message
        self._endpoint.receive_datagram(message, SOURCE, None, self._now)
        self._drain()
        if how & 0x40 and self._requests:
            # ICMP says that our latest request did not arrive, and what came last is a forged one.
            self._endpoint.undelivered(self._requests[-1].raw[: 64 + how], self._now)
            self._endpoint.undelivered(message, self._now)
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
        try:
            session = self._endpoint.invite(
                target="sip:alice@192.0.2.9",
                destination=SOURCE,
                from_uri="sip:bob@192.0.2.2",
                body=OFFER,
                now=self._now,
            )
        except LocalProtocolError:
            return  # max_sessions
        self._sessions.append(session)
        self._drain()

    def _act(self) -> None:
        """Let the user do something to a session, in the right state for it or not."""
        what = self._take()
        if not self._sessions:
            return
        session = self._sessions[-1 - (what >> 4) % len(self._sessions)]
        with suppress(LocalProtocolError):
            self._verb(session, what & 15)
        self._drain()

    def _verb(self, session: InviteSession, verb: int) -> None:
        now = self._now
        if verb == 0:
            session.bye(now)
        elif verb == 1:
            session.reinvite(OFFER, now)
        elif verb == 2:
            session.answer_reinvite(OFFER, now)
        elif verb == 3:
            session.reject_reinvite(488, now)
        elif isinstance(session, OutgoingSession):
            session.cancel(now)
        elif isinstance(session, IncomingSession):
            if verb < 6:
                session.ring(now)
            elif verb < 13:
                session.accept(OFFER, now)
            else:
                session.reject(486, now)

    def _hang_up(self, session: InviteSession) -> None:
        if isinstance(session, OutgoingSession) and session.state in ("calling", "ringing"):
            session.cancel(self._now)
        elif isinstance(session, IncomingSession) and session.state in ("calling", "ringing"):
            session.reject(486, self._now)
        elif session.state in ("accepted", "confirmed"):
            session.bye(self._now)
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
            message = parse_message(datagram.data)
            if isinstance(message, Request):
                message.validate()
                self._requests = [*self._requests[-7:], message]
        assert len(self._endpoint.sessions) <= 4
        assert self._endpoint.transaction_count <= 24 + SENT_PER_INPUT

    def _note(self, event: AnyEvent) -> None:
        if isinstance(event, HopNamed):
            self._endpoint.hop_resolved(event.hop, (SOURCE, OTHER))
        if isinstance(event, IncomingInvite):
            self._sessions.append(event.session)
            self._to_tag = event.session.id
