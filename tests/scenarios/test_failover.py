"""A server that fails is left for the next; a request too big for UDP goes by TCP."""

from __future__ import annotations

from collections import deque

import pytest

from rapida_media.sip.address import Address
from rapida_media.sip.digest import Credentials
from rapida_media.sip.digest_server import DigestServer, Verdict
from rapida_media.sip.events import HopNamed
from rapida_media.sip.hops import HOPS_MAX, KNOWN_S, Hop, Hops
from rapida_media.sip.user_agent import AVOIDED_S, UDP_LIMIT, WITHOUT_TCP_S
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.parties import names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World


class Scene:
    """Alice calls a trunk that has three servers, driven by hand."""

    def __init__(self, **settings):
        self.world = World(5)
        self.alice = self.world.add_sip("192.0.2.1", **settings)
        self.servers = [SipPeer(self.world, f"192.0.2.{last}") for last in (2, 3, 4)]

    def dial(self, credentials=None, headers=()):
        first, *others = (each.address for each in self.servers)
        self.session = self.alice.endpoint.invite(
            target="sip:+15550100@carrier.example",
            destination=first,
            others=others,
            from_uri="sip:alice@carrier.example",
            body=OFFER,
            headers=headers,
            now=self.world.now,
            credentials=credentials,
        )
        self.world.run_for(0.1)
        return self.session

    def answer(self, server, status, headers=(), body=b""):
        request = server.requests("INVITE")[-1]
        server.send(server.respond(request, status, headers=headers, body=body), self.alice.address)
        self.world.run_for(0.1)


def test_503_sends_the_call_to_the_next_server():
    scene = Scene()
    first, second, third = scene.servers
    scene.dial()
    scene.answer(first, 503)
    (before,), (after,) = first.requests("INVITE"), second.requests("INVITE")
    assert after.top_via.branch != before.top_via.branch
    assert after.cseq == before.cseq
    assert (after.call_id, after.from_.tag, after.body) == (
        before.call_id, before.from_.tag, before.body,
    )  # fmt: skip
    assert first.requests("ACK")
    scene.answer(second, 200, body=OFFER)
    assert names(scene.alice) == ["Answered"]
    assert not third.received
    # The call goes on with the server that took it.
    scene.session.bye(scene.world.now)
    scene.world.run_for(0.1)
    assert second.requests("BYE")


def test_a_silent_server_is_left_after_timer_b():
    scene = Scene()
    first, second, _ = scene.servers
    scene.dial()
    scene.world.run_for(31.5)
    assert not second.received
    scene.world.run_for(0.6)
    assert len(second.requests("INVITE")) == 1
    scene.answer(second, 200, body=OFFER)
    assert names(scene.alice) == ["Answered"]
    assert first.requests("INVITE")


def test_a_server_that_cannot_be_sent_to_is_left_at_once():
    scene = Scene()
    first, second, third = scene.servers
    scene.dial()
    scene.alice.endpoint.transport_failed(first.address, scene.world.now)
    scene.world.run_for(0.1)
    assert second.requests("INVITE")
    # It is the second one now whose failure concerns the call.
    scene.alice.endpoint.transport_failed(first.address, scene.world.now)
    scene.world.run_for(0.1)
    assert not third.received
    scene.alice.endpoint.transport_failed(second.address, scene.world.now)
    scene.world.run_for(0.1)
    assert third.requests("INVITE")


def test_a_request_whose_connection_is_lost_is_sent_again_and_then_elsewhere():
    scene = Scene()
    first, second, _ = scene.servers
    scene.dial()
    scene.alice.endpoint.connection_lost(first.address, scene.world.now)
    scene.world.run_for(0.1)
    invites = first.requests("INVITE")
    assert len(invites) == 2
    assert invites[0].raw == invites[1].raw
    assert not second.received
    scene.alice.endpoint.connection_lost(first.address, scene.world.now)
    scene.world.run_for(0.1)
    assert second.requests("INVITE")
    scene.answer(second, 180)
    scene.alice.endpoint.connection_lost(second.address, scene.world.now)  # it was heard
    scene.world.run_for(0.1)
    assert len(second.requests("INVITE")) == 1


@pytest.mark.parametrize(
    ("headers", "avoided_s"),
    [([("Retry-After", "120 (later);duration=9")], 120), ([("Retry-After", "0")], 0), ([], 0)],
)
def test_a_server_that_wants_to_be_left_alone_is_for_so_long(headers, avoided_s):
    scene = Scene()
    first, second, _ = scene.servers
    scene.dial()
    scene.answer(first, 503, headers)
    scene.answer(second, 486)
    for seconds, called in ((avoided_s - 1, second if avoided_s else first), (2, first)):
        scene.world.run_for(max(seconds, 0))
        for server in scene.servers:
            server.received.clear()
        scene.dial()
        assert [bool(each.requests("INVITE")) for each in scene.servers] == [
            each is called for each in scene.servers
        ]
        scene.answer(called, 486)


def test_a_silent_server_holds_up_one_call_and_not_the_next():
    scene = Scene()
    first, second, third = scene.servers
    scene.dial()
    scene.world.run_for(33)
    scene.answer(second, 486)
    first.received.clear()
    second.received.clear()
    scene.dial()
    assert (len(first.requests("INVITE")), len(second.requests("INVITE"))) == (0, 1)
    # Where there is no other, it is asked all the same.
    for server in (second, third):
        scene.answer(server, 503)
    assert len(first.requests("INVITE")) == 1
    scene.answer(first, 486)
    scene.world.run_for(AVOIDED_S)
    scene.dial()
    assert len(first.requests("INVITE")) == 2


def test_when_the_last_server_fails_its_answer_is_the_outcome():
    scene = Scene()
    scene.dial()
    for server in scene.servers:
        scene.answer(server, 503, [("Retry-After", "7")])
    (failed,) = scene.alice.events
    assert (failed.status, failed.retry_after) == (503, 7)
    scene.world.run_idle()
    assert scene.alice.idle


@pytest.mark.parametrize("status", [486, 404, 500, 603])
def test_any_other_refusal_is_the_outcome_at_once(status):
    scene = Scene()
    scene.dial()
    scene.answer(scene.servers[0], status)
    assert scene.alice.events[0].status == status
    assert not scene.servers[1].received


def test_a_server_that_was_heard_and_then_lost_is_not_left():
    scene = Scene(ring_seconds=50.0)
    first, second, _ = scene.servers
    scene.dial()
    scene.answer(first, 180)
    scene.alice.endpoint.transport_failed(first.address, scene.world.now)
    scene.world.run_for(40)
    assert not second.received


def test_a_call_taken_back_goes_to_no_other_server():
    scene = Scene()
    scene.dial()
    scene.session.cancel(scene.world.now)
    scene.answer(scene.servers[0], 503)
    assert names(scene.alice) == ["Failed"]
    assert not scene.servers[1].received


def test_each_server_may_challenge():
    scene = Scene()
    digest = DigestServer("carrier", {"alice": "open sesame"}, SeededIds(5))
    first, second, _ = scene.servers
    scene.dial(Credentials("alice", "open sesame"))
    scene.answer(first, 401, digest.challenge(scene.world.now))
    scene.answer(first, 503)
    last = second.requests("INVITE")[-1]
    assert digest.check(last, scene.world.now)[0] is Verdict.ACCEPTED


# RFC 3261 section 18.1.1.

BIG = [("X-Big", "x" * 1300)]


def add_tcp(scene):
    """Let the first server be reached by TCP, too."""
    server = scene.servers[0]
    address = Address(server.address.host, 5060, "tcp")
    scene.world.nodes[address] = server
    return address


def two_transports():
    scene = Scene()
    contacts = {"udp": ("192.0.2.1", 5060), "tcp": ("192.0.2.1", 5060)}
    scene.world.nodes.pop(scene.alice.address)
    scene.alice = scene.world.add_sip("192.0.2.1", contacts=contacts)
    scene.servers = scene.servers[:1]
    return scene


def test_a_request_too_big_for_udp_goes_by_tcp_with_its_via_changed():
    scene = two_transports()
    tcp = add_tcp(scene)
    scene.dial(headers=BIG)
    assert {packet.destination for packet in scene.alice.sent} == {tcp}
    (invite,) = scene.servers[0].requests("INVITE")
    assert invite.top_via.transport == "TCP"


def challenged_when_nearly_too_big():
    """Give a scene in which the credentials make the INVITE too big for UDP, and its server."""
    scene = two_transports()
    digest = DigestServer("carrier", {"alice": "open sesame"}, SeededIds(3))
    scene.dial(Credentials("alice", "open sesame"))
    (small,) = scene.servers[0].requests("INVITE")
    scene.answer(scene.servers[0], 486)
    filled = [("X-Big", "x" * (UDP_LIMIT - len(small.raw) - len("X-Big: \r\n")))]
    scene.dial(Credentials("alice", "open sesame"), filled)
    assert len(scene.servers[0].requests("INVITE")[-1].raw) == UDP_LIMIT
    return scene, digest


def test_a_request_that_its_credentials_make_too_big_goes_by_tcp():
    scene, digest = challenged_when_nearly_too_big()
    tcp, (server,) = add_tcp(scene), scene.servers
    scene.answer(server, 401, digest.challenge(scene.world.now))
    before, after = server.requests("INVITE")[-2:]
    assert (before.top_via.transport, after.top_via.transport) == ("UDP", "TCP")
    assert after.cseq.number == before.cseq.number + 1
    assert after.body == OFFER
    assert digest.check(after, scene.world.now)[0] is Verdict.ACCEPTED
    assert [packet.destination for packet in scene.alice.sent][-1] == tcp


def test_a_request_that_its_credentials_make_too_big_goes_by_udp_where_tcp_fails():
    scene, digest = challenged_when_nearly_too_big()
    (server,) = scene.servers
    scene.answer(server, 401, digest.challenge(scene.world.now))
    scene.alice.endpoint.transport_failed(Address("192.0.2.2", 5060, "tcp"), scene.world.now)
    scene.world.run_for(0.1)
    invite = server.requests("INVITE")[-1]
    assert (invite.top_via.transport, len(invite.raw) > UDP_LIMIT) == ("UDP", True)
    assert digest.check(invite, scene.world.now)[0] is Verdict.ACCEPTED
    scene.answer(server, 200, body=OFFER)
    assert names(scene.alice)[-1] == "Answered"


def test_where_tcp_fails_it_goes_by_udp_all_the_same():
    scene = two_transports()
    tcp = Address("192.0.2.2", 5060, "tcp")
    scene.dial(headers=BIG)
    scene.alice.endpoint.transport_failed(tcp, scene.world.now)
    scene.world.run_for(0.1)
    (invite,) = scene.servers[0].requests("INVITE")
    assert invite.top_via.transport == "UDP"
    scene.answer(scene.servers[0], 200, body=OFFER)
    assert names(scene.alice) == ["Answered"]


def test_a_server_without_tcp_is_not_asked_for_it_with_every_call():
    scene = two_transports()
    tcp = Address("192.0.2.2", 5060, "tcp")
    scene.dial(headers=BIG)
    scene.alice.endpoint.transport_failed(tcp, scene.world.now)
    scene.world.run_for(0.1)
    asked = len([packet for packet in scene.alice.sent if packet.destination == tcp])
    scene.dial(headers=BIG)
    assert [invite.top_via.transport for invite in scene.servers[0].requests("INVITE")] == [
        "UDP"
    ] * 2
    assert len([packet for packet in scene.alice.sent if packet.destination == tcp]) == asked
    # It may have it some day.
    scene.world.run_for(WITHOUT_TCP_S)
    add_tcp(scene)
    scene.dial(headers=BIG)
    assert scene.servers[0].requests("INVITE")[-1].top_via.transport == "TCP"


def test_a_small_request_stays_on_udp():
    scene = two_transports()
    add_tcp(scene)
    scene.dial()
    assert scene.servers[0].requests("INVITE")[0].top_via.transport == "UDP"


def test_without_tcp_a_big_request_goes_by_udp():
    scene = Scene()
    scene.dial(headers=BIG)
    assert scene.servers[0].requests("INVITE")[0].top_via.transport == "UDP"


# Within a dialog.


PROXY = Hop("proxy.example", None, None)


class Routed(Scene):
    """Alice talks through a proxy that put its name into the route; the first server is the one
    she reached it by."""

    def __init__(self):
        super().__init__()
        self.dial()
        route = ("Record-Route", "<sip:Proxy.example;lr>")
        self.answer(self.servers[0], 200, [route], body=OFFER)
        self.alice.events.clear()

    def resolve(self, *servers):
        self.alice.endpoint.hop_resolved(PROXY, [each.address for each in servers])

    def answer_to(self, server, method, status, body=b""):
        request = server.requests(method)[-1]
        server.send(server.respond(request, status, body=body), self.alice.address)
        self.world.run_for(0.1)

    def asked(self):
        return [each.hop for each in self.alice.events if isinstance(each, HopNamed)]


def test_a_bye_that_is_not_answered_goes_to_another_address_of_the_name():
    """RFC 3263 section 4.3: "a new request, which is identical to the previous, but has a different
    value of the Via branch ID"."""
    scene = Routed()
    first, second, third = scene.servers
    scene.session.bye(scene.world.now)
    assert scene.asked() == []
    scene.world.run_for(0.1)
    assert scene.asked() == [PROXY]
    scene.resolve(first, second)
    scene.world.run_for(31.5)
    assert not second.requests("BYE")
    scene.world.run_for(0.6)
    before, after = first.requests("BYE")[0], second.requests("BYE")[0]
    assert after.top_via.branch != before.top_via.branch
    same = ("cseq", "call_id", "from_", "to", "uri_text", "routes")
    assert [getattr(after, each) for each in same] == [getattr(before, each) for each in same]
    scene.answer_to(second, "BYE", 200)
    scene.world.run_idle()
    assert scene.alice.idle
    assert not third.received


@pytest.mark.parametrize("failure", ["503", "silence", "transport"])
def test_a_call_goes_on_by_the_address_that_works(failure):
    scene = Routed()
    first, second, _ = scene.servers
    scene.session.reinvite(OFFER, scene.world.now)
    scene.world.run_for(0.1)
    scene.resolve(second)
    if failure == "503":
        scene.answer_to(first, "INVITE", 503)
        assert first.requests("ACK")[-1].cseq.number == first.requests("INVITE")[-1].cseq.number
    elif failure == "silence":
        scene.world.run_for(32)
    else:
        scene.alice.endpoint.transport_failed(first.address, scene.world.now)
        scene.world.run_for(0.1)
    scene.answer_to(second, "INVITE", 200, OFFER)
    assert names(scene.alice) == ["HopNamed", "ReinviteAnswered"]
    assert second.requests("ACK")
    first.received.clear()
    scene.session.bye(scene.world.now)
    scene.world.run_for(0.1)
    assert not first.received
    assert second.requests("BYE")
    assert len(scene.asked()) == 1, "once in five minutes"


def test_the_way_the_peer_comes_by_is_taken_before_any_other():
    scene = Routed()
    first, second, third = scene.servers
    scene.session.info("text/plain", b"x", scene.world.now)
    scene.world.run_for(0.1)
    scene.resolve(second)
    scene.answer_to(first, "INFO", 503)
    scene.answer_to(second, "INFO", 200)
    dialog = scene.session.dialog
    theirs = {"call_id": dialog.call_id, "from_tag": dialog.remote_tag, "to_tag": dialog.local_tag}
    third.send(third.request("OPTIONS", uri="sip:alice@192.0.2.1", **theirs), scene.alice.address)
    scene.world.run_for(0.1)
    scene.session.bye(scene.world.now)
    scene.world.run_for(0.1)
    assert third.requests("BYE")
    assert not second.requests("BYE")


def test_a_name_that_stands_for_nothing_else_changes_nothing():
    scene = Routed()
    first, second, _ = scene.servers
    scene.session.reinvite(OFFER, scene.world.now)
    scene.resolve(first)
    scene.world.run_for(33)
    assert "Terminated" in names(scene.alice)
    assert not second.received
    scene.world.run_idle()
    assert scene.alice.idle


def test_few_names_are_remembered_and_none_for_long():
    events = deque()
    hops = Hops(events)
    server = Address("192.0.2.2", 5060)
    for number in range(HOPS_MAX + 1):
        hop = Hop(f"{number}.example", None, None)
        hops.ask(hop, 0.0)
        hops.resolved(hop, [server])
    assert hops.of(Hop("0.example", None, None)) == ()
    last = Hop(f"{HOPS_MAX}.example", None, None)
    assert hops.of(last) == (server,)
    events.clear()
    hops.ask(last, KNOWN_S - 1)
    assert not events
    hops.ask(last, KNOWN_S)
    assert list(events) == [HopNamed(last)]
    hops.resolved(last, [])
    assert hops.of(last) == (server,), "what is not found now stays as it was"
    stranger = Hop("stranger.example", None, None)
    hops.resolved(stranger, [server])
    assert hops.of(stranger) == ()


def test_a_server_that_icmp_says_is_not_there_is_left_at_once():
    """RFC 3261 section 18.4; what is quoted of our request shows that the report is no forgery."""
    scene = Scene()
    first, second, third = scene.servers
    scene.dial()
    sent = first.requests("INVITE")[0].raw
    branch = sent.index(b";branch=") + len(b";branch=") + 8
    for forged in (
        sent[:branch],  # cut before the branch is over
        sent.replace(sent[branch : branch + 4], b"xxxx"),
        sent.replace(b"INVITE ", b"BYE ", 1),
        b"",
        b"\xff" * 600,
    ):
        scene.alice.endpoint.undelivered(forged, scene.world.now)
    scene.world.run_for(0.1)
    assert not second.received
    scene.alice.endpoint.undelivered(sent[:200], scene.world.now)
    scene.world.run_for(0.1)
    assert second.requests("INVITE")
    # What was heard of is there, whatever came late about its first copy.
    scene.answer(second, 180)
    again = second.requests("INVITE")[0].raw
    scene.alice.endpoint.undelivered(again, scene.world.now)
    scene.answer(second, 200, body=OFFER)
    assert names(scene.alice) == ["Ringing", "Answered"]
    assert not third.received
