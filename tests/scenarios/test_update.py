"""Changing a session by UPDATE (RFC 3311): before and after the answer, crossing and refused."""

from __future__ import annotations

import pytest
from established import establish, invite_peer

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.events import (
    Answered,
    Event,
    IncomingInvite,
    OfferReceived,
    ReinviteFailed,
    Terminated,
    UpdateAnswered,
    UpdateFailed,
)
from rapida_media.sip.message import Response
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

NEW_OFFER = OFFER.replace(b"- 1 1", b"- 1 2")


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_either_side_changes_the_session(call: Call, world: World, side: str) -> None:
    session = call.connected()
    asker, answerer, asking, answering = session, call.incoming[0], call.alice, call.bob
    if side == "callee":
        asker, answerer, asking, answering = answerer, asker, answering, asking

    def answer(event: Event) -> None:
        if isinstance(event, OfferReceived):
            answerer.answer_offer(OFFER, world.now)

    answering.on_event = answer
    asker.update(world.now, NEW_OFFER)
    with pytest.raises(LocalProtocolError):
        asker.update(world.now)
    with pytest.raises(LocalProtocolError):
        asker.reinvite(NEW_OFFER, world.now)
    world.run_for(1.0)
    assert asking.events[-1] == UpdateAnswered(asker, OFFER)
    assert answering.events[-1] == OfferReceived(answerer, NEW_OFFER)
    asker.update(world.now, NEW_OFFER)
    world.run_for(1.0)
    asker.reinvite(NEW_OFFER, world.now)  # nothing is in its way
    session.bye(world.now)
    call.ends_clean()


def test_a_refused_update_leaves_the_session_as_it_was(call: Call, world: World) -> None:
    session = call.connected()
    session.update(world.now, NEW_OFFER)
    world.run_for(0.1)
    call.incoming[0].reject_offer(488, world.now)
    world.run_for(0.1)
    assert call.alice.events[-1] == UpdateFailed(session, 488, "Not Acceptable Here")
    session.update(world.now, NEW_OFFER)
    session.bye(world.now)
    call.ends_clean()


def test_an_update_without_an_offer_is_answered_by_itself(call: Call, world: World) -> None:
    session = call.connected()
    session.update(world.now)
    world.run_for(0.1)
    assert call.alice.events[-1] == UpdateAnswered(session, b"")
    assert names(call.bob) == ["IncomingInvite", "Confirmed"]
    session.bye(world.now)
    call.ends_clean()


def test_an_update_without_an_offer_goes_while_an_offer_waits(call: Call, world: World) -> None:
    session = call.connected()
    session.reinvite(NEW_OFFER, world.now)
    session.update(world.now)
    world.run_for(0.1)
    assert names(call.alice)[-1] == "UpdateAnswered"
    call.incoming[0].answer_reinvite(OFFER, world.now)
    world.run_for(0.1)
    assert names(call.alice)[-1] == "ReinviteAnswered"
    session.bye(world.now)
    call.ends_clean()


def test_offers_that_cross_are_both_answered_491(call: Call, world: World) -> None:
    session = call.connected()
    session.update(world.now, NEW_OFFER)
    call.incoming[0].update(world.now, NEW_OFFER)
    world.run_for(0.1)
    assert UpdateFailed(session, 491, "Request Pending", True) in call.alice.events
    assert UpdateFailed(call.incoming[0], 491, "Request Pending", True) in call.bob.events
    session.bye(world.now)
    call.ends_clean()


def test_an_update_that_meets_our_reinvite_gets_491(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    peer.send(peer.request("UPDATE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("UPDATE") == [491]


def test_a_reinvite_that_meets_the_offer_in_our_update_gets_491(
    call: Call, world: World, peer: SipPeer
) -> None:
    """One offer at a time, whichever request carries it (RFC 3264 section 4)."""
    tag = establish(call, peer)
    session = call.incoming[0]
    session.update(world.now, NEW_OFFER)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [491]
    peer.send(peer.respond(peer.requests("UPDATE")[0], 200, body=OFFER), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events == [UpdateAnswered(session, OFFER)]
    session.update(world.now)  # a mere refresh is in nobody's way
    peer.send(peer.request("INVITE", to_tag=tag, cseq=3, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert names(call.bob) == ["UpdateAnswered", "ReinviteReceived"]


def test_a_reinvite_that_gets_422_beside_an_update_of_ours_is_refused(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    session = call.incoming[0]
    session.reinvite(NEW_OFFER, world.now)
    session.update(world.now)
    world.run_for(0.1)
    least = [("Min-SE", "3600")]
    peer.send(peer.respond(peer.requests("INVITE")[0], 422, headers=least), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events == [ReinviteFailed(session, 422, "Session Interval Too Small")]
    peer.send(peer.respond(peer.requests("UPDATE")[0], 200), call.bob.address)
    world.run_for(0.1)
    session.reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    assert peer.requests("INVITE")[-1].header("Session-Expires") == "3600"


def test_an_update_before_the_last_one_is_answered_gets_500_with_retry_after(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("UPDATE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    peer.send(peer.request("UPDATE", to_tag=tag, cseq=3), call.bob.address)
    peer.send(peer.request("UPDATE", to_tag=tag, cseq=4, body=OFFER), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("UPDATE") == [500, 500]
    assert all(0 <= int(r.header("Retry-After") or "-1") <= 10 for r in peer.responses("UPDATE"))
    call.incoming[0].answer_offer(OFFER, world.now)
    world.run_for(0.1)
    assert peer.statuses("UPDATE") == [500, 500, 200]


def test_an_update_while_the_peers_reinvite_waits_gets_500(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    peer.send(peer.request("UPDATE", to_tag=tag, cseq=3, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("UPDATE") == [500]


def test_an_update_moves_where_requests_go(call: Call, world: World, peer: SipPeer) -> None:
    tag = establish(call, peer)
    moved = SipPeer(world, "192.0.2.10", 5070)
    contact = [("Contact", "<sip:alice@192.0.2.10:5070>")]
    peer.send(peer.request("UPDATE", to_tag=tag, cseq=2, headers=contact), call.bob.address)
    world.run_for(0.1)
    call.incoming[0].bye(world.now)
    world.run_for(0.1)
    assert [bye.uri_text for bye in moved.requests("BYE")] == ["sip:alice@192.0.2.10:5070"]


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_change_with_two_contacts_gets_400_and_changes_nothing(
    call: Call, world: World, peer: SipPeer, method: str
) -> None:
    tag = establish(call, peer)
    headers = [("Contact", "<sip:a@192.0.2.9>, <sip:b@192.0.2.9>")]
    request = peer.request(method, to_tag=tag, cseq=2, headers=headers, body=NEW_OFFER)
    peer.send(request, call.bob.address)
    world.run_for(0.1)
    assert peer.statuses(method) == [400]
    assert call.bob.events == []
    call.incoming[0].reinvite(NEW_OFFER, world.now)


def test_an_update_with_a_body_we_cannot_read_gets_415(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    kind = [("Content-Type", "text/plain")]
    request = peer.request("UPDATE", to_tag=tag, cseq=2, body=b"hello", headers=kind)
    peer.send(request, call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("UPDATE") == [415]


def test_an_update_nobody_answers_ends_the_call(call: Call, world: World, peer: SipPeer) -> None:
    establish(call, peer)
    call.incoming[0].update(world.now)
    world.run_for(33.0)
    assert call.bob.events == [Terminated(call.incoming[0], "refused", 408)]
    world.run_idle()
    assert call.bob.idle


def test_an_answer_that_comes_after_the_end_changes_nothing(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    call.incoming[0].update(world.now, NEW_OFFER)
    call.incoming[0].bye(world.now)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("UPDATE")[0], 200, body=OFFER), call.bob.address)
    peer.send(peer.respond(peer.requests("BYE")[0], 200), call.bob.address)
    world.run_for(0.1)
    assert names(call.bob) == ["Terminated"]
    world.run_idle()
    assert call.bob.idle


def test_no_update_before_the_answer(call: Call, world: World) -> None:
    call.answers = False
    session = call.dial()
    world.run_for(0.1)
    for each in (session, call.incoming[0]):
        with pytest.raises(LocalProtocolError):
            each.update(world.now)


# Before the answer.


def test_the_caller_changes_the_session_before_the_answer(
    call: Call, world: World, peer: SipPeer
) -> None:
    call.bob.on_event = None
    invite = peer.request("INVITE", headers=[("Require", "100rel")], body=OFFER)
    peer.send(invite, call.bob.address)
    world.run_for(0.1)
    event = call.bob.events[-1]
    assert isinstance(event, IncomingInvite)
    session = event.session
    peer.send(peer.request("UPDATE", to_tag=session.id, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("UPDATE") == [500]  # its first offer has no answer yet
    session.ring(world.now, OFFER)
    world.run_for(0.1)
    rack = ("RAck", f"{peer.responses('INVITE')[-1].header('RSeq')} 1 INVITE")
    peer.send(peer.request("PRACK", to_tag=session.id, cseq=3, headers=[rack]), call.bob.address)
    peer.send(peer.request("UPDATE", to_tag=session.id, cseq=4, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events[-1] == OfferReceived(session, NEW_OFFER)
    session.accept(OFFER, world.now)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 183]  # the offer is answered first
    session.answer_offer(OFFER, world.now)
    world.run_for(0.1)
    assert peer.statuses("UPDATE") == [500, 200]
    assert peer.responses("INVITE")[-1].status == 200
    assert peer.responses("INVITE")[-1].body == b""


def test_the_callee_changes_the_session_before_it_answers(
    call: Call, world: World, peer: SipPeer
) -> None:
    invite_peer(call, peer)
    world.run_for(0.1)
    invite = peer.requests("INVITE")[0]
    tag = invite.from_.tag

    def update(cseq: int, body: bytes = NEW_OFFER) -> list[Response]:
        request = peer.request(
            "UPDATE",
            uri="sip:alice@192.0.2.1",
            from_tag="b",
            to_tag=tag,
            call_id=invite.call_id,
            cseq=cseq,
            body=body,
        )
        peer.send(request, call.alice.address)
        world.run_for(0.1)
        return peer.responses("UPDATE")

    assert [r.status for r in update(1)] == [481]  # no dialog yet
    reliable = [("Require", "100rel"), ("RSeq", "1")]
    peer.send(peer.respond(invite, 180), call.alice.address)
    world.run_for(0.1)
    assert update(2)[-1].status == 491  # our offer has no answer yet
    peer.send(peer.respond(invite, 183, headers=reliable, body=OFFER), call.alice.address)
    world.run_for(0.1)
    update(3)
    event = call.alice.events[-1]
    assert isinstance(event, OfferReceived)
    event.session.answer_offer(NEW_OFFER, world.now)
    world.run_for(0.1)
    assert (peer.responses("UPDATE")[-1].status, peer.responses("UPDATE")[-1].body) == (
        200,
        NEW_OFFER,
    )
    peer.send(peer.respond(invite, 200, body=OFFER), call.alice.address)
    world.run_for(0.1)
    assert call.alice.events[-1] == Answered(event.session, OFFER)
