"""401 and 407: calls that are challenged, at the start and in their middle."""

from __future__ import annotations

import pytest

from rapida_media.sip.address import Address
from rapida_media.sip.digest import Credentials, parse_authorization
from rapida_media.sip.digest_server import NONCE_SECONDS, DigestServer, Verdict
from rapida_media.sip.events import IncomingInvite
from rapida_media.sip.message import Request, parse_message
from rapida_media.sip.user_agent import IGNORED
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.network import Network
from rapida_media.testing.parties import names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

GOOD = Credentials("alice", "open sesame")
BAD = Credentials("alice", "guess")
PROXY = ("Proxy-Authenticate", 'Digest realm="edge", nonce="n1", algorithm=MD5, qop="auth"')


class Guarded:
    """Alice calls Bob, who asks for a password."""

    def __init__(self, network: Network | None = None) -> None:
        self.world = World(7, network)
        self.server = DigestServer("bob", {"alice": "open sesame"}, SeededIds(5))
        self.alice = self.world.add_sip("192.0.2.1")
        self.bob = self.world.add_sip("192.0.2.2", guard=self._guard)
        self.bob.on_event = self._answer
        self.verdicts: list[Verdict] = []

    def _guard(self, request, source, now):
        verdict, _ = self.server.check(request, now)
        self.verdicts.append(verdict)
        if verdict is Verdict.ACCEPTED:
            return None
        if verdict is Verdict.WRONG:
            return 403, ()
        return 401, self.server.challenge(now, stale=verdict is Verdict.STALE)

    def _answer(self, event):
        if isinstance(event, IncomingInvite):
            event.session.accept(OFFER, self.world.now)

    def dial(self, credentials):
        return self.alice.endpoint.invite(
            target="sip:bob@192.0.2.2",
            destination=self.bob.address,
            from_uri="sip:alice@192.0.2.1",
            body=OFFER,
            now=self.world.now,
            credentials=credentials,
        )

    def ends_clean(self) -> None:
        self.world.run_idle()
        assert self.alice.idle
        assert self.bob.idle


def requests(node, method):
    sent = [parse_message(packet.data) for packet in node.sent]
    return [each for each in sent if isinstance(each, Request) and each.method == method]


def test_a_challenged_invite_is_sent_again_in_a_new_transaction():
    scene = Guarded()
    session = scene.dial(GOOD)
    scene.world.run_for(1.0)
    assert session.state == "confirmed"
    assert names(scene.alice) == ["Answered"]
    first, second = requests(scene.alice, "INVITE")
    assert second.cseq.number == first.cseq.number + 1
    assert second.top_via.branch != first.top_via.branch
    assert (second.call_id, second.from_.tag) == (first.call_id, first.from_.tag)
    assert second.body == first.body
    assert not first.has("Authorization")
    assert parse_authorization(second.header("Authorization")).algorithm == "SHA-256"
    failed, answered = requests(scene.alice, "ACK")
    assert failed.top_via.branch == first.top_via.branch
    assert failed.cseq.number == first.cseq.number
    # RFC 3261 section 22.1: the ACK repeats the INVITE's credentials.
    assert answered.cseq.number == second.cseq.number
    assert answered.header("Authorization") == second.header("Authorization")
    session.bye(scene.world.now)
    scene.ends_clean()


def test_a_challenge_costs_the_server_no_state():
    scene = Guarded()
    scene.dial(None)
    scene.world.run_for(0.05)
    assert scene.verdicts == [Verdict.MISSING]
    assert scene.bob.idle
    scene.ends_clean()


def test_without_credentials_the_401_is_the_outcome():
    scene = Guarded()
    scene.dial(None)
    scene.world.run_for(1.0)
    (failed,) = scene.alice.events
    assert (names(scene.alice), failed.status) == (["Failed"], 401)
    scene.ends_clean()


def test_a_wrong_password_is_tried_once():
    scene = Guarded()
    scene.dial(BAD)
    scene.world.run_for(1.0)
    (failed,) = scene.alice.events
    assert failed.status == 403
    assert scene.verdicts == [Verdict.MISSING, Verdict.WRONG]
    scene.ends_clean()


def test_requests_within_the_call_carry_the_credentials_unasked():
    scene = Guarded()
    session = scene.dial(GOOD)
    scene.world.run_for(1.0)
    session.bye(scene.world.now)
    scene.ends_clean()
    (bye,) = requests(scene.alice, "BYE")
    values = parse_authorization(bye.header("Authorization"))
    assert (values.nc, values.uri) == ("00000002", bye.uri_text)
    assert scene.server.check(bye, scene.world.now)[0] is Verdict.ACCEPTED


@pytest.mark.parametrize("loss", [0.1, 0.3])
@pytest.mark.parametrize("seed", range(8))
def test_lost_messages_delay_a_challenged_call_but_do_not_break_it(loss, seed):
    network = Network(seed)
    network.conditions.loss = loss
    scene = Guarded(network)
    session = scene.dial(GOOD)
    scene.world.run_for(40.0)
    assert session.state in ("confirmed", "terminated")
    if session.state == "confirmed":
        session.bye(scene.world.now)
    scene.ends_clean()


class Scripted:
    """Alice calls a peer that answers what the test says."""

    def __init__(self) -> None:
        self.world = World(7)
        self.alice = self.world.add_sip("192.0.2.1")
        self.peer = SipPeer(self.world, "192.0.2.2")
        self.server = DigestServer("bob", {"alice": "open sesame"}, SeededIds(5))
        self.session = self.alice.endpoint.invite(
            target="sip:bob@192.0.2.2",
            destination=self.peer.address,
            from_uri="sip:alice@192.0.2.1",
            body=OFFER,
            now=self.world.now,
            credentials=GOOD,
        )
        self.world.run_for(0.1)

    def answer(self, method, status, headers=(), body=b""):
        """Answer the latest such request; give it."""
        request = self.peer.requests(method)[-1]
        data = self.peer.respond(request, status, headers=headers, body=body)
        self.peer.send(data, self.alice.address)
        self.world.run_for(0.1)
        return request

    def check(self, request):
        return self.server.check(request, self.world.now)[0]


def test_a_stale_nonce_is_replaced_without_giving_up():
    scene = Scripted()
    scene.answer("INVITE", 401, scene.server.challenge(scene.world.now))
    scene.world.run_for(0.4)
    scene.answer("INVITE", 401, scene.server.challenge(scene.world.now, stale=True))
    third = scene.peer.requests("INVITE")[-1]
    assert scene.check(third) is Verdict.ACCEPTED
    scene.answer("INVITE", 200, body=OFFER)
    assert names(scene.alice) == ["Answered"]


def test_a_server_that_always_says_stale_is_given_up_on():
    scene = Scripted()
    for _ in range(20):
        scene.answer("INVITE", 401, scene.server.challenge(scene.world.now, stale=True))
    assert names(scene.alice) == ["Failed"]
    assert len({each.top_via.branch for each in scene.peer.requests("INVITE")}) <= 8


def test_a_proxy_and_then_the_server_may_ask():
    scene = Scripted()
    scene.answer("INVITE", 407, [PROXY])
    scene.answer("INVITE", 401, scene.server.challenge(scene.world.now))
    third = scene.peer.requests("INVITE")[-1]
    assert third.has("Proxy-Authorization")
    assert scene.check(third) is Verdict.ACCEPTED
    scene.answer("INVITE", 200, body=OFFER)
    assert names(scene.alice) == ["Answered"]


def test_a_retransmitted_challenge_gets_its_ack_again_and_nothing_else():
    scene = Scripted()
    first = scene.peer.requests("INVITE")[0]
    data = scene.peer.respond(first, 401, headers=scene.server.challenge(scene.world.now))
    for _ in range(3):
        scene.peer.send(data, scene.alice.address)
        scene.world.run_for(0.1)
    assert len({each.top_via.branch for each in scene.peer.requests("INVITE")}) == 2
    branches = {each.top_via.branch for each in scene.peer.requests("ACK")}
    assert branches == {first.top_via.branch}
    assert len(scene.peer.requests("ACK")) == 3


def test_a_call_taken_back_is_not_sent_again_when_the_challenge_comes():
    scene = Scripted()
    scene.session.cancel(scene.world.now)
    scene.answer("INVITE", 401, scene.server.challenge(scene.world.now))
    assert names(scene.alice) == ["Failed"]
    assert len({each.top_via.branch for each in scene.peer.requests("INVITE")}) == 1


def test_cancel_waits_for_a_provisional_response_to_the_second_invite():
    scene = Scripted()
    scene.answer("INVITE", 100)
    scene.answer("INVITE", 401, scene.server.challenge(scene.world.now))
    second = scene.peer.requests("INVITE")[-1]
    scene.session.cancel(scene.world.now)
    scene.world.run_for(0.1)
    assert not scene.peer.requests("CANCEL")
    scene.answer("INVITE", 180)
    (cancel,) = scene.peer.requests("CANCEL")
    assert cancel.top_via.branch == second.top_via.branch
    assert cancel.cseq.number == second.cseq.number
    assert not cancel.has("Authorization")


def test_a_bye_with_an_expired_nonce_is_sent_again():
    scene = Scripted()
    scene.answer("INVITE", 401, scene.server.challenge(scene.world.now))
    scene.answer("INVITE", 200, body=OFFER)
    scene.world.run_for(NONCE_SECONDS + 1)
    scene.session.bye(scene.world.now)
    scene.world.run_for(0.1)
    first = scene.peer.requests("BYE")[0]
    assert scene.check(first) is Verdict.STALE
    scene.answer("BYE", 401, scene.server.challenge(scene.world.now, stale=True))
    second = scene.peer.requests("BYE")[-1]
    assert second.cseq.number == first.cseq.number + 1
    assert scene.check(second) is Verdict.ACCEPTED
    scene.answer("BYE", 200)
    scene.world.run_idle()
    assert scene.alice.idle


def test_a_reinvite_is_challenged_and_answered_like_any_request():
    scene = Scripted()
    scene.answer("INVITE", 200, body=OFFER)
    scene.session.reinvite(OFFER, scene.world.now)
    scene.world.run_for(0.1)
    first = scene.answer("INVITE", 401, scene.server.challenge(scene.world.now))
    second = scene.answer("INVITE", 200, body=OFFER)
    assert second.cseq.number == first.cseq.number + 1
    assert scene.check(second) is Verdict.ACCEPTED
    assert names(scene.alice) == ["Answered", "ReinviteAnswered"]


def test_a_guard_may_leave_a_request_without_any_answer():
    world = World(1)
    bob = world.add_sip("192.0.2.2", guard=lambda *_: IGNORED)
    peer = SipPeer(world, "192.0.2.9")
    request = peer.request("OPTIONS")
    for data in (request, request.replace(b"CSeq: 1 ", b"CSeq: x ")):
        peer.send(data, Address("192.0.2.2", 5060))
    world.run_for(1.0)
    assert (peer.received, bob.idle) == ([], True)
    assert bob.counters["malformed_requests"] == 1
