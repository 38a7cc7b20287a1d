"""Session timers in both roles (RFC 4028): negotiation, refresh, 422, and the end of the silent."""

from __future__ import annotations

import pytest
from established import invite_peer

from rapida_media.sip.events import (
    Answered,
    Event,
    Failed,
    IncomingInvite,
    OfferDue,
    OfferReceived,
    ReinviteAnswered,
    ReinviteReceived,
    Terminated,
)
from rapida_media.sip.invite_session import InviteSession
from rapida_media.sip.message import Request, Response
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

NEW_OFFER = OFFER.replace(b"- 1 1", b"- 1 2")
TIMER = ("Supported", "timer")
UPDATES = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")
Headers = list[tuple[str, str]]


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")


def called(call: Call, peer: SipPeer, headers: Headers, **settings: int) -> Response:
    """Let the peer call Bob, who answers; give his 200."""
    if settings:
        call.bob = call.world.add_sip("192.0.2.3", **settings)
        call.bob.on_event = call._bob
    peer.send(peer.request("INVITE", headers=headers, body=OFFER), call.bob.address)
    call.world.run_for(0.1)
    answer = peer.responses("INVITE")[-1]
    assert answer.status == 200
    peer.send(peer.request("ACK", to_tag=answer.to.tag), call.bob.address)
    call.world.run_for(0.1)
    peer.received.clear()
    call.bob.events.clear()
    return answer


def dialled(call: Call, peer: SipPeer, headers: Headers) -> InviteSession:
    """Let Alice call the peer, which answers with these headers."""
    invite_peer(call, peer)
    call.world.run_for(0.1)
    peer.send(peer.respond(peer.requests("INVITE")[0], 200, headers=headers), call.alice.address)
    call.world.run_for(0.1)
    event = call.alice.events[-1]
    assert isinstance(event, Answered)
    return event.session


def respond(call: Call, peer: SipPeer, request: Request, status: int, headers: Headers) -> None:
    to = call.bob.address if request.from_.uri.host != "192.0.2.1" else call.alice.address
    peer.send(peer.respond(request, status, to_tag=None, headers=headers), to)
    call.world.run_for(0.1)


# Negotiation.


def test_a_caller_asks_for_half_an_hour_and_a_callee_that_can_refreshes_itself(
    call: Call, world: World
) -> None:
    session = call.connected()
    invite = call.bob.events[0]
    assert isinstance(invite, IncomingInvite)
    assert invite.request.header("Session-Expires") == "1800"
    assert "timer" in invite.request.supported
    start = world.now
    world.run_for(2 * 3600)
    refreshes = [p for p in call.bob.sent if p.data.startswith(b"UPDATE")]
    assert len(refreshes) == 8  # each 900 s
    assert b"Session-Expires: 1800;refresher=uac\r\n" in refreshes[0].data
    assert not [p for p in call.alice.sent if p.data.startswith(b"UPDATE")]
    assert world.now == start + 7200
    assert session.state == "confirmed"
    assert names(call.bob) == ["IncomingInvite", "Confirmed"]  # nobody is bothered with it
    session.bye(world.now)
    call.ends_clean()


@pytest.mark.parametrize(
    ("headers", "answered", "required"),
    [
        ([TIMER, ("Session-Expires", "600")], "600;refresher=uas", []),
        ([TIMER, ("Session-Expires", "600;refresher=uac")], "600;refresher=uac", ["timer"]),
        ([TIMER, ("Session-Expires", "600 ; refresher=UAS")], "600;refresher=uas", []),
        (
            [("Require", "timer"), ("Session-Expires", "600;refresher=uac")],
            "600;refresher=uac",
            ["timer"],
        ),
        ([TIMER], "1800;refresher=uas", []),
        ([TIMER, ("Session-Expires", "90000")], "1800;refresher=uas", []),
        ([TIMER, ("Session-Expires", "7200"), ("Min-SE", "3600")], "3600;refresher=uas", []),
        # Nothing was asked for, but nothing shorter will do.
        ([TIMER, ("Min-SE", "3600")], "3600;refresher=uas", []),
        # A proxy asks for it, the caller knows nothing of it.
        ([("Session-Expires", "600")], "600;refresher=uas", []),
        ([("Session-Expires", "600;refresher=uac")], "600;refresher=uas", []),
        ([], None, []),
    ],
)
def test_the_callee_answers(
    call: Call, peer: SipPeer, headers: Headers, answered: str | None, required: list[str]
) -> None:
    answer = called(call, peer, headers)
    assert answer.header("Session-Expires") == answered
    assert answer.require == required


def test_with_session_timers_off_only_a_peer_that_asks_gets_one(call: Call, peer: SipPeer) -> None:
    assert not called(call, peer, [TIMER], session_expires=0).has("Session-Expires")
    asked = called(call, peer, [TIMER, ("Session-Expires", "7200")], session_expires=0)
    assert asked.header("Session-Expires") == "7200;refresher=uas"
    call.bob.endpoint.invite(
        target="sip:carol@192.0.2.9",
        destination=peer.address,
        from_uri="sip:bob@192.0.2.3",
        body=OFFER,
        now=call.world.now,
    )
    call.world.run_for(0.1)
    assert not peer.requests("INVITE")[-1].has("Session-Expires")


@pytest.mark.parametrize("value", ["", "soon", "0", "600;refresher=me"])
def test_a_malformed_interval_gets_400(call: Call, peer: SipPeer, value: str) -> None:
    headers = [("Session-Expires", value)]
    peer.send(peer.request("INVITE", headers=headers, body=OFFER), call.bob.address)
    call.world.run_for(0.1)
    assert peer.statuses("INVITE") == [400]
    assert not call.bob.endpoint.sessions


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_a_short_interval_gets_422_with_ours_and_changes_nothing(
    call: Call, peer: SipPeer, method: str
) -> None:
    short = [TIMER, ("Session-Expires", "89")]
    peer.send(peer.request("INVITE", call_id="other", headers=short), call.bob.address)
    call.world.run_for(0.1)
    assert (peer.statuses("INVITE"), call.bob.events) == ([422], [])
    assert peer.responses("INVITE")[0].header("Min-SE") == "90"
    tag = called(call, peer, []).to.tag
    peer.send(peer.request(method, to_tag=tag, cseq=2, headers=short, body=OFFER), call.bob.address)
    call.world.run_for(0.1)
    assert (peer.statuses(method), call.bob.events) == ([422], [])


def test_a_422_makes_the_caller_ask_for_more_in_the_same_call(
    call: Call, peer: SipPeer, world: World
) -> None:
    session = invite_peer(call, peer)
    world.run_for(0.1)
    respond(call, peer, peer.requests("INVITE")[0], 422, [("Min-SE", "3600")])
    first, second = peer.requests("INVITE")
    assert second.header("Session-Expires") == second.header("Min-SE") == "3600"
    assert (second.call_id, second.from_.tag) == (first.call_id, first.from_.tag)
    assert second.cseq.number == first.cseq.number + 1
    assert second.top_via.branch != first.top_via.branch
    assert second.body == OFFER
    answer = [("Session-Expires", "3600;refresher=uac"), ("Require", "timer")]
    peer.send(peer.respond(second, 200, headers=answer), call.alice.address)
    world.run_for(0.1)
    assert call.alice.events == [Answered(session, b"")]


@pytest.mark.parametrize("min_se", ["1800", "90", "x", None])
def test_a_422_that_asks_for_no_more_ends_the_call(
    call: Call, peer: SipPeer, world: World, min_se: str | None
) -> None:
    invite_peer(call, peer)
    world.run_for(0.1)
    headers = [] if min_se is None else [("Min-SE", min_se)]
    respond(call, peer, peer.requests("INVITE")[0], 422, headers)
    assert [type(event) for event in call.alice.events] == [Failed]


def test_a_peer_that_asks_for_ever_more_is_given_up(
    call: Call, peer: SipPeer, world: World
) -> None:
    invite_peer(call, peer)
    world.run_for(0.1)
    for number in range(20):
        respond(call, peer, peer.requests("INVITE")[-1], 422, [("Min-SE", str(2000 + number))])
    assert len(peer.requests("INVITE")) < 12
    assert names(call.alice) == ["Failed"]


# Refreshing.


def test_the_caller_refreshes_when_the_callee_says_so(
    call: Call, peer: SipPeer, world: World
) -> None:
    headers = [("Session-Expires", "100;refresher=uac"), ("Require", "timer"), UPDATES]
    session = dialled(call, peer, headers)
    for count in range(1, 5):
        world.run_for(50.0)
        assert len(peer.requests("UPDATE")) == count
        update = peer.requests("UPDATE")[-1]
        assert update.header("Session-Expires") == "100;refresher=uac"
        assert update.body == b""
        respond(call, peer, update, 200, [("Session-Expires", "100;refresher=uac")])
    assert session.state == "confirmed"


def test_the_far_end_may_take_the_refreshing_over(call: Call, peer: SipPeer, world: World) -> None:
    headers = [("Session-Expires", "100;refresher=uac"), ("Require", "timer"), UPDATES]
    session = dialled(call, peer, headers)
    world.run_for(50.0)
    respond(call, peer, peer.requests("UPDATE")[0], 200, [("Session-Expires", "90;refresher=uas")])
    world.run_for(55.0)
    assert len(peer.requests("UPDATE")) == 1
    assert session.state == "confirmed"
    world.run_for(10.0)  # 60 s after the refresh: a third of 90 before its end
    assert call.alice.events[-1] == Terminated(session, "session_expired")


def test_an_answer_without_an_interval_means_no_timer(
    call: Call, peer: SipPeer, world: World
) -> None:
    session = dialled(call, peer, [UPDATES])
    world.run_for(10_000.0)
    assert session.state == "confirmed"
    assert peer.requests("UPDATE") == []


def test_a_peer_that_refreshes_keeps_its_call(call: Call, peer: SipPeer, world: World) -> None:
    expires = [TIMER, ("Session-Expires", "90;refresher=uac")]
    tag = called(call, peer, expires).to.tag
    for cseq in range(2, 8):
        world.run_for(55.0)
        method = "UPDATE" if cseq % 2 else "INVITE"
        body = b"" if method == "UPDATE" else NEW_OFFER
        request = peer.request(method, to_tag=tag, cseq=cseq, headers=expires, body=body)
        peer.send(request, call.bob.address)
        world.run_for(0.1)
        if body:
            assert isinstance(call.bob.events[-1], ReinviteReceived)
            call.incoming[-1].answer_reinvite(OFFER, world.now)
            world.run_for(0.1)
            peer.send(peer.request("ACK", to_tag=tag, cseq=cseq), call.bob.address)
        answer = peer.responses(method)[-1]
        assert answer.header("Session-Expires") == "90;refresher=uac"
        assert answer.require == ["timer"]
    assert peer.requests("BYE") == []
    world.run_for(61.0)
    assert peer.requests("BYE")


def test_a_peer_that_stops_refreshing_is_hung_up_with_the_reason(
    call: Call, peer: SipPeer, world: World
) -> None:
    called(call, peer, [TIMER, ("Session-Expires", "180;refresher=uac")])
    world.run_for(147.7)
    assert peer.requests("BYE") == []
    world.run_for(0.3)  # 32 s before the end of 180
    assert call.bob.events == [Terminated(call.incoming[-1], "session_expired")]
    assert peer.requests("BYE")[0].header("Reason") == 'SIP;cause=408;text="Session expired"'


def test_both_ends_notice_that_the_network_between_them_is_gone(call: Call, world: World) -> None:
    session = call.connected()
    world.run_for(100.0)
    world.network.filter = lambda packet: False
    start = world.now
    world.run_for(1800.0)
    assert call.alice.events[-1] == Terminated(session, "session_expired")
    assert call.bob.events[-1] == Terminated(call.incoming[0], "refused", 408)
    assert world.now - start == 1800
    call.ends_clean()


def test_a_peer_without_update_is_refreshed_by_an_offer(
    call: Call, peer: SipPeer, world: World
) -> None:
    called(call, peer, [TIMER, ("Session-Expires", "100"), ("Allow", "INVITE, ACK, BYE, CANCEL")])
    session = call.incoming[-1]
    world.run_for(50.0)
    assert call.bob.events == [OfferDue(session)]
    session.reinvite(OFFER, world.now)
    world.run_for(0.1)
    reinvite = peer.requests("INVITE")[-1]
    assert reinvite.header("Session-Expires") == "100;refresher=uac"
    answer = [("Session-Expires", "100;refresher=uac")]
    peer.send(
        peer.respond(reinvite, 200, to_tag=None, headers=answer, body=OFFER), call.bob.address
    )
    world.run_for(0.1)
    assert call.bob.events[-1] == ReinviteAnswered(session, OFFER)
    world.run_for(49.0)
    assert len(call.bob.events) == 2
    world.run_for(2.0)
    assert call.bob.events[-1] == OfferDue(session)


@pytest.mark.parametrize("status", [405, 501])
def test_a_peer_whose_allow_was_wrong_is_refreshed_by_an_offer_at_once(
    call: Call, peer: SipPeer, world: World, status: int
) -> None:
    called(call, peer, [TIMER, ("Session-Expires", "100"), UPDATES])
    world.run_for(50.0)
    respond(call, peer, peer.requests("UPDATE")[0], status, [])
    assert call.bob.events == [OfferDue(call.incoming[-1])]


def test_a_refused_refresh_is_tried_again_until_the_session_expires(
    call: Call, peer: SipPeer, world: World
) -> None:
    called(call, peer, [TIMER, ("Session-Expires", "96"), UPDATES])
    world.run_for(47.95)
    for _ in range(3):  # at 48 and 60 s; the end is 32 s before 96
        for update in peer.requests("UPDATE"):
            respond(call, peer, update, 503, [])
        world.run_for(12.0)
    assert len(peer.requests("UPDATE")) == 2
    assert call.bob.events == [Terminated(call.incoming[-1], "session_expired")]


def test_a_refresh_that_gets_422_asks_for_more(call: Call, peer: SipPeer, world: World) -> None:
    called(call, peer, [TIMER, ("Session-Expires", "100"), UPDATES])
    world.run_for(50.0)
    respond(call, peer, peer.requests("UPDATE")[0], 422, [("Min-SE", "200")])
    again = peer.requests("UPDATE")[1]
    assert again.header("Session-Expires") == "200;refresher=uac"
    assert again.header("Min-SE") == "200"
    respond(call, peer, again, 200, [("Session-Expires", "200;refresher=uac")])
    world.run_for(95.0)
    assert len(peer.requests("UPDATE")) == 2
    assert call.bob.events == []


def test_a_reinvite_that_gets_422_is_sent_again_with_its_offer(
    call: Call, peer: SipPeer, world: World
) -> None:
    called(call, peer, [TIMER, ("Session-Expires", "100"), UPDATES])
    session = call.incoming[-1]
    session.reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    respond(call, peer, peer.requests("INVITE")[0], 422, [("Min-SE", "200")])
    again = peer.requests("INVITE")[-1]
    assert again.header("Session-Expires") == "200;refresher=uac"
    assert again.body == NEW_OFFER
    peer.send(peer.respond(again, 200, to_tag=None, headers=[TIMER], body=OFFER), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events == [ReinviteAnswered(session, OFFER)]
    world.run_for(1000.0)  # the answer said nothing of an interval: there is none any more
    assert session.state == "confirmed"


def test_a_malformed_interval_in_an_answer_counts_as_none(
    call: Call, peer: SipPeer, world: World
) -> None:
    session = dialled(call, peer, [("Session-Expires", "soon"), UPDATES])
    world.run_for(10_000.0)
    assert session.state == "confirmed"


def test_an_update_with_an_offer_refreshes_as_well(call: Call, peer: SipPeer, world: World) -> None:
    expires = [TIMER, ("Session-Expires", "90;refresher=uac")]
    tag = called(call, peer, expires).to.tag
    world.run_for(55.0)
    request = peer.request("UPDATE", to_tag=tag, cseq=2, headers=expires, body=NEW_OFFER)
    peer.send(request, call.bob.address)
    world.run_for(0.1)
    assert isinstance(call.bob.events[-1], OfferReceived)
    call.incoming[-1].answer_offer(OFFER, world.now)
    world.run_for(55.0)
    assert peer.responses("UPDATE")[0].header("Session-Expires") == "90;refresher=uac"
    assert peer.requests("BYE") == []


def test_a_refresh_waits_for_what_is_under_way(call: Call, peer: SipPeer, world: World) -> None:
    called(call, peer, [TIMER, ("Session-Expires", "96"), UPDATES])
    world.run_for(47.0)
    call.incoming[-1].update(world.now)
    world.run_for(2.0)
    (update, *repeated) = peer.requests("UPDATE")
    assert {each.cseq.number for each in repeated} <= {update.cseq.number}
    respond(call, peer, update, 200, [("Session-Expires", "96;refresher=uac")])
    world.run_for(47.0)
    assert {each.cseq.number for each in peer.requests("UPDATE")} == {update.cseq.number}


def test_events_of_a_refresh_are_not_told(call: Call, peer: SipPeer, world: World) -> None:
    told: list[Event] = []
    called(call, peer, [TIMER, ("Session-Expires", "100"), UPDATES])
    call.bob.on_event = told.append
    world.run_for(50.0)
    respond(call, peer, peer.requests("UPDATE")[0], 200, [("Session-Expires", "100;refresher=uac")])
    assert told == []
