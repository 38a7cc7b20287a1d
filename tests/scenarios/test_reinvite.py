"""Changing a session: re-INVITE both ways, refused, cancelled, crossing and unanswered."""

from __future__ import annotations

import pytest
from established import establish

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.events import (
    Confirmed,
    Event,
    ReinviteAnswered,
    ReinviteCanceled,
    ReinviteConfirmed,
    ReinviteFailed,
    ReinviteReceived,
    Terminated,
)
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

NEW_OFFER = OFFER.replace(b"- 1 1", b"- 1 2")


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_either_side_changes_the_session(call: Call, world: World, side: str) -> None:
    session = call.connected()
    asker, answerer = session, call.incoming[0]
    asking, answering = call.alice, call.bob
    if side == "callee":
        asker, answerer, asking, answering = answerer, asker, answering, asking

    def answer(event: Event) -> None:
        if isinstance(event, ReinviteReceived):
            answerer.answer_reinvite(OFFER, world.now)

    answering.on_event = answer
    asker.reinvite(NEW_OFFER, world.now)
    world.run_for(1.0)
    assert asking.events[-1] == ReinviteAnswered(asker, OFFER)
    assert answering.events[-2:] == [
        ReinviteReceived(answerer, NEW_OFFER),
        ReinviteConfirmed(answerer, b""),
    ]
    asker.reinvite(NEW_OFFER, world.now)  # and again
    world.run_for(1.0)
    session.bye(world.now)
    call.ends_clean()


def test_a_refused_change_leaves_the_session_as_it_was(call: Call, world: World) -> None:
    session = call.connected()
    session.reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    call.incoming[0].reject_reinvite(488, world.now)
    world.run_for(0.1)
    assert call.alice.events[-1] == ReinviteFailed(session, 488, "Not Acceptable Here")
    assert session.state == call.incoming[0].state == "confirmed"
    call.incoming[0].bye(world.now)
    call.ends_clean()


def test_offers_that_cross_are_both_answered_491(call: Call, world: World) -> None:
    session = call.connected()
    session.reinvite(NEW_OFFER, world.now)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    world.run_for(1.0)
    assert ReinviteFailed(session, 491, "Request Pending", True) in call.alice.events
    assert ReinviteFailed(call.incoming[0], 491, "Request Pending", True) in call.bob.events
    session.bye(world.now)
    call.ends_clean()


def test_no_second_invite_while_one_is_in_progress(call: Call, world: World) -> None:
    session = call.connected()
    session.reinvite(NEW_OFFER, world.now)
    with pytest.raises(LocalProtocolError):
        session.reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    incoming = call.incoming[0]
    with pytest.raises(LocalProtocolError):
        incoming.reinvite(NEW_OFFER, world.now)
    incoming.answer_reinvite(OFFER, world.now)
    with pytest.raises(LocalProtocolError):
        incoming.reinvite(NEW_OFFER, world.now)  # its 200 still waits for the ACK
    with pytest.raises(LocalProtocolError):
        session.reinvite(b"", world.now)
    with pytest.raises(LocalProtocolError):
        incoming.answer_reinvite(OFFER, world.now)


def test_a_second_reinvite_before_the_first_is_answered_gets_500_with_retry_after(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=3, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 500]
    assert 0 <= int(peer.responses("INVITE")[-1].header("Retry-After") or "-1") <= 10


def test_a_reinvite_can_be_cancelled(call: Call, world: World, peer: SipPeer) -> None:
    tag = establish(call, peer)
    branch = peer.branch()
    peer.send(
        peer.request("INVITE", branch=branch, to_tag=tag, cseq=2, body=NEW_OFFER),
        call.bob.address,
    )
    world.run_for(0.1)
    peer.send(peer.request("CANCEL", branch=branch, to_tag=tag, cseq=2), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 487]
    assert peer.statuses("CANCEL") == [200]
    assert call.bob.events[-1] == ReinviteCanceled(call.incoming[0])
    assert call.incoming[0].state == "confirmed"


def test_a_bye_ends_an_unanswered_reinvite_too(call: Call, world: World, peer: SipPeer) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    peer.send(peer.request("BYE", to_tag=tag, cseq=3), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 487]
    assert peer.statuses("BYE") == [200]
    assert names(call.bob) == ["ReinviteReceived", "Terminated"]


def test_hanging_up_answers_an_unanswered_reinvite_too(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    call.incoming[0].bye(world.now)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 487]
    assert len(peer.requests("BYE")) == 1
    assert names(call.bob) == ["ReinviteReceived", "Terminated"]
    world.run_idle()
    assert call.bob.idle


def test_a_reinvite_without_sdp_is_a_late_offer(call: Call, world: World, peer: SipPeer) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=2), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events == [ReinviteReceived(call.incoming[0], b"")]
    call.incoming[0].answer_reinvite(OFFER, world.now)
    world.run_for(0.1)
    peer.send(peer.request("ACK", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events[-1] == ReinviteConfirmed(call.incoming[0], NEW_OFFER)


def test_a_reinvite_moves_where_requests_go(call: Call, world: World, peer: SipPeer) -> None:
    tag = establish(call, peer)
    moved = SipPeer(world, "192.0.2.10", 5070)
    contact = [("Contact", "<sip:alice@192.0.2.10:5070>")]
    request = peer.request("INVITE", to_tag=tag, cseq=2, body=NEW_OFFER, headers=contact)
    peer.send(request, call.bob.address)
    world.run_for(0.1)
    call.incoming[0].answer_reinvite(OFFER, world.now)
    peer.send(peer.request("ACK", to_tag=tag, cseq=2), call.bob.address)
    world.run_for(0.1)
    call.incoming[0].bye(world.now)
    world.run_for(0.1)
    assert [bye.uri_text for bye in moved.requests("BYE")] == ["sip:alice@192.0.2.10:5070"]


@pytest.mark.parametrize("status", [408, 481])
def test_a_peer_that_lost_the_dialog_ends_the_call(
    call: Call, world: World, peer: SipPeer, status: int
) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("INVITE")[0], status), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events == [Terminated(call.incoming[0], "refused", status)]
    assert len(peer.requests("BYE")) == 1


def test_a_reinvite_nobody_answers_ends_the_call(call: Call, world: World, peer: SipPeer) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    world.run_for(33.0)
    assert call.bob.events == [Terminated(call.incoming[0], "refused", 408)]
    world.run_idle()
    assert call.bob.idle


def test_a_reinvite_of_the_caller_that_only_rings_ends_the_call_too(
    call: Call, world: World
) -> None:
    session = call.connected()
    session.reinvite(NEW_OFFER, world.now)  # Bob gives 100 and never answers
    world.run_for(181.0)
    assert call.alice.events[-1] == Terminated(session, "refused", 408)
    assert names(call.bob)[-2:] == ["ReinviteReceived", "Terminated"]
    call.ends_clean()


def test_a_reinvite_that_only_rings_ends_the_call_at_the_ringing_limit(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("INVITE")[0], 183), call.bob.address)
    world.run_for(181.0)
    assert call.bob.events == [Terminated(call.incoming[0], "refused", 408)]
    world.run_idle()
    assert call.bob.idle


def test_an_answered_reinvite_never_acknowledged_ends_the_call(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("INVITE", to_tag=tag, cseq=2, body=NEW_OFFER), call.bob.address)
    world.run_for(0.1)
    call.incoming[0].answer_reinvite(OFFER, world.now)
    world.run_for(33.0)
    assert call.bob.events[-1] == Terminated(call.incoming[0], "ack_timeout")
    assert not any(isinstance(event, Confirmed) for event in call.bob.events)


def test_a_repeated_answer_to_our_reinvite_gets_its_ack_again(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    reinvite = peer.requests("INVITE")[0]
    for _ in range(2):
        peer.send(peer.respond(reinvite, 200, body=OFFER), call.bob.address)
        world.run_for(0.5)
    first, second = peer.requests("ACK")
    assert first.raw == second.raw
    assert first.cseq.number == reinvite.cseq.number
    assert call.bob.events == [ReinviteAnswered(call.incoming[0], OFFER)]


def test_an_unusable_contact_in_the_answer_leaves_the_target_alone(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    world.run_for(0.1)
    headers = [("Contact", "<tel:+15550100>")]
    answer = peer.respond(peer.requests("INVITE")[0], 200, body=OFFER, headers=headers)
    peer.send(answer, call.bob.address)
    world.run_for(0.1)
    assert peer.requests("ACK")[0].uri_text == "sip:192.0.2.9:5060"
    assert call.bob.counters["bad_contacts"] == 1


def test_an_answer_that_crosses_our_bye_is_acknowledged_all_the_same(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    call.incoming[0].bye(world.now)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("BYE")[0], 200), call.bob.address)
    peer.send(peer.respond(peer.requests("INVITE")[0], 200, body=OFFER), call.bob.address)
    world.run_for(0.1)
    assert len(peer.requests("ACK")) == 1
    assert names(call.bob) == ["Terminated"]
    world.run_idle()
    assert call.bob.idle


def test_a_reinvite_that_only_rings_once_we_hung_up_is_forgotten(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    call.incoming[0].bye(world.now)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("BYE")[0], 200), call.bob.address)
    peer.send(peer.respond(peer.requests("INVITE")[0], 100), call.bob.address)
    world.run_for(0.1)
    assert not call.bob.idle
    world.run_idle()
    assert call.bob.idle


def test_requests_that_cross_our_bye_get_481_and_a_bye_gets_200(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    call.incoming[0].bye(world.now)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("BYE")[0], 100), call.bob.address)
    peer.send(peer.request("INFO", to_tag=tag, cseq=2), call.bob.address)
    peer.send(peer.request("BYE", to_tag=tag, cseq=3), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INFO") == [481]
    assert peer.statuses("BYE") == [200]
    assert names(call.bob) == ["Terminated"]


def test_a_reinvite_with_a_body_we_cannot_read_gets_415(
    call: Call, world: World, peer: SipPeer
) -> None:
    tag = establish(call, peer)
    kind = [("Content-Type", "text/plain")]
    request = peer.request("INVITE", to_tag=tag, cseq=2, body=b"hello", headers=kind)
    peer.send(request, call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [415]
    assert call.bob.events == []
