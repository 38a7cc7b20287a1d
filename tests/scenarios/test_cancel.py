"""The CANCEL race: before any response, while ringing, and across the final response."""

from __future__ import annotations

import pytest
from established import invite_peer

from rapida_media.sip.events import Canceled, Failed
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")


def test_a_call_cancelled_while_ringing_ends_with_487(call: Call, world: World) -> None:
    call.answers = False
    session = call.dial()
    world.run_for(1.0)
    session.cancel(world.now)
    session.cancel(world.now)  # once is enough
    world.run_for(1.0)
    assert call.alice.events[-1] == Failed(session, 487, "Request Terminated", None)
    assert call.bob.events[-1] == Canceled(call.incoming[0], "cancel", 487)
    assert sum(packet.data.startswith(b"CANCEL") for packet in call.alice.sent) == 1
    call.ends_clean()


def test_a_cancel_waits_for_the_first_provisional_response(call: Call, world: World) -> None:
    call.answers = False
    session = call.dial()
    session.cancel(world.now)
    world.run_for(0.015)
    # "If no provisional response has been received, the CANCEL request MUST NOT be sent"
    assert [packet.data.split()[0] for packet in call.alice.sent] == [b"INVITE"]
    world.run_for(1.0)
    assert names(call.alice) == ["Failed"]
    assert call.alice.events[0].status == 487
    call.ends_clean()


def test_an_answer_that_crosses_the_cancel_is_acknowledged_and_ended(
    call: Call, world: World
) -> None:
    call.answers = False
    session = call.dial()
    world.run_for(1.0)
    session.cancel(world.now)
    call.incoming[0].accept(OFFER, world.now)
    world.run_for(1.0)
    methods = [packet.data.split()[0] for packet in call.alice.sent]
    assert methods == [b"INVITE", b"CANCEL", b"ACK", b"BYE"]
    assert names(call.alice) == ["Ringing", "Failed"]
    assert names(call.bob) == ["IncomingInvite", "Confirmed", "Terminated"]
    call.ends_clean()


def test_an_invite_cancelled_and_never_answered_is_dropped_after_64_t1(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = invite_peer(call, peer)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("INVITE")[0], 180), call.alice.address)
    world.run_for(0.1)
    session.cancel(world.now)
    world.run_for(31.0)
    assert session.state == "ringing"
    world.run_for(2.0)
    assert call.alice.events[-1] == Failed(session, 487, "Request Terminated", None, heard=False)
    assert call.alice.idle


def test_more_ringing_after_the_cancel_is_not_told(call: Call, world: World, peer: SipPeer) -> None:
    session = invite_peer(call, peer)
    session.cancel(world.now)
    world.run_for(0.1)
    invite = peer.requests("INVITE")[0]
    for status in (100, 180, 183):
        peer.send(peer.respond(invite, status), call.alice.address)
    world.run_for(0.1)
    assert len(peer.requests("CANCEL")) == 1
    assert names(call.alice) == []
    headers = [("Retry-After", "never")]
    peer.send(peer.respond(invite, 487, headers=headers), call.alice.address)
    world.run_for(0.1)
    assert call.alice.events == [Failed(session, 487, "Request Terminated", None)]


def test_a_cancel_after_the_answer_gets_200_and_has_no_effect(
    call: Call, world: World, peer: SipPeer
) -> None:
    branch = peer.branch()
    peer.send(peer.request("INVITE", branch=branch, body=OFFER), call.bob.address)
    world.run_for(0.1)
    peer.send(peer.request("CANCEL", branch=branch), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("CANCEL") == [200]
    assert peer.statuses("INVITE") == [100, 180, 200]
    assert call.incoming[0].state == "accepted"
    # "the To tag of the response to the CANCEL and … to the original request SHOULD be the same"
    assert peer.responses("CANCEL")[0].to.tag == call.incoming[0].id


def test_a_cancel_after_a_refusal_gets_200_and_has_no_effect(
    call: Call, world: World, peer: SipPeer
) -> None:
    call.answers = False
    branch = peer.branch()
    peer.send(peer.request("INVITE", branch=branch, body=OFFER), call.bob.address)
    world.run_for(0.1)
    call.incoming[0].reject(486, world.now)
    peer.send(peer.request("CANCEL", branch=branch), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("CANCEL") == [200]
    assert peer.statuses("INVITE") == [100, 180, 486]
    assert names(call.bob) == ["IncomingInvite"]


def test_a_cancel_for_no_invite_gets_481(call: Call, world: World, peer: SipPeer) -> None:
    peer.send(peer.request("CANCEL"), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("CANCEL") == [481]


def test_a_cancel_for_no_invite_gets_481_within_a_call_too(
    call: Call, world: World, peer: SipPeer
) -> None:
    peer.send(peer.request("INVITE", body=OFFER), call.bob.address)
    world.run_for(0.1)
    cancel = peer.request("CANCEL", to_tag=call.incoming[0].id, cseq=2)
    peer.send(cancel, call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("CANCEL") == [481]
    assert call.incoming[0].state == "accepted"


def test_a_repeated_cancel_gets_the_same_answer(call: Call, world: World, peer: SipPeer) -> None:
    call.answers = False
    branch = peer.branch()
    peer.send(peer.request("INVITE", branch=branch, body=OFFER), call.bob.address)
    cancel = peer.request("CANCEL", branch=branch)
    world.run_for(0.1)
    peer.send(cancel, call.bob.address)
    peer.send(cancel, call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("CANCEL") == [200, 200]
    assert peer.statuses("INVITE") == [100, 180, 487]
    assert names(call.bob) == ["IncomingInvite", "Canceled"]


def test_a_caller_may_end_a_ringing_call_with_bye(call: Call, world: World, peer: SipPeer) -> None:
    call.answers = False
    peer.send(peer.request("INVITE", body=OFFER), call.bob.address)
    world.run_for(0.1)
    tag = call.incoming[0].id
    peer.send(peer.request("BYE", to_tag=tag, cseq=2), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("BYE") == [200]
    assert peer.statuses("INVITE") == [100, 180, 487]
    assert call.bob.events[-1] == Canceled(call.incoming[0], "bye", 487)
