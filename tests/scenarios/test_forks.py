"""One INVITE of ours answered by several: RFC 3261 section 13.2.2.4."""

from __future__ import annotations

from rapida_media.testing.parties import names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import SipNode, World


def dial(world: World, peer: SipPeer) -> SipNode:
    alice = world.add_sip("192.0.2.1")
    alice.endpoint.invite(
        target="sip:team@192.0.2.9",
        destination=peer.address,
        from_uri="sip:alice@192.0.2.1",
        body=OFFER,
        now=world.now,
    )
    world.run_for(0.1)
    return alice


def test_the_first_answer_is_the_call_and_the_second_gets_ack_and_bye(world: World) -> None:
    peer = SipPeer(world, "192.0.2.9")
    other = SipPeer(world, "192.0.2.10")
    alice = dial(world, peer)
    invite = peer.requests("INVITE")[0]
    for tag in ("one", "two"):
        peer.send(peer.respond(invite, 180, to_tag=tag), alice.address)
    peer.send(peer.respond(invite, 200, to_tag="one", body=OFFER), alice.address)
    world.run_for(0.1)
    contact = [("Contact", "<sip:other@192.0.2.10:5060>")]
    late = peer.respond(invite, 200, to_tag="two", body=OFFER, headers=contact)
    peer.send(late, alice.address)
    world.run_for(0.1)
    assert names(alice) == ["Ringing", "Ringing", "Answered"]
    assert [ack.to.tag for ack in peer.requests("ACK")] == ["one"]
    assert [request.method for request in other.received] == ["ACK", "BYE"]
    assert {request.to.tag for request in other.received} == {"two"}
    assert peer.requests("BYE") == []
    peer.send(late, alice.address)  # its ACK was lost: it is sent again, and no second BYE
    world.run_for(0.1)
    assert [request.method for request in other.received] == ["ACK", "BYE", "ACK"]
    assert alice.counters["forked_answers"] == 1
    (session,) = alice.endpoint.sessions.values()
    assert session.dialog is not None
    assert session.dialog.remote_tag == "one"


def test_each_repeated_answer_gets_its_own_ack_again(world: World) -> None:
    peer = SipPeer(world, "192.0.2.9")
    alice = dial(world, peer)
    invite = peer.requests("INVITE")[0]
    for _ in range(3):
        peer.send(peer.respond(invite, 200, body=OFFER), alice.address)
        world.run_for(0.5)
    acks = peer.requests("ACK")
    assert len({ack.raw for ack in acks}) == 1
    assert len(acks) == 3
    assert names(alice) == ["Answered"]


def test_an_answer_that_comes_after_a_failed_branch_is_not_for_us(world: World) -> None:
    peer = SipPeer(world, "192.0.2.9")
    alice = dial(world, peer)
    invite = peer.requests("INVITE")[0]
    peer.send(peer.respond(invite, 486), alice.address)
    world.run_for(0.1)
    peer.send(peer.respond(invite, 200, body=OFFER), alice.address)
    world.run_for(40.0)
    assert names(alice) == ["Failed"]
    assert alice.idle


def test_an_answer_that_names_no_usable_target_fails_the_call(world: World) -> None:
    peer = SipPeer(world, "192.0.2.9")
    alice = dial(world, peer)
    invite = peer.requests("INVITE")[0]
    headers = [("Contact", "<tel:+15550100>")]
    peer.send(peer.respond(invite, 200, body=OFFER, headers=headers), alice.address)
    world.run_for(0.1)
    assert names(alice) == ["Failed"]
    assert alice.events[0].status == 502
    assert alice.counters["bad_answers"] == 1
    world.run_idle()
    assert alice.idle


def test_a_second_answer_that_names_no_usable_target_leaves_the_call_alone(world: World) -> None:
    peer = SipPeer(world, "192.0.2.9")
    alice = dial(world, peer)
    invite = peer.requests("INVITE")[0]
    peer.send(peer.respond(invite, 200, to_tag="one", body=OFFER), alice.address)
    headers = [("Contact", "<tel:+15550100>")]
    bad = peer.respond(invite, 200, to_tag="two", body=OFFER, headers=headers)
    peer.send(bad, alice.address)
    world.run_for(0.1)
    assert names(alice) == ["Answered"]
    assert alice.counters["bad_answers"] == 1


def test_a_stray_response_is_counted_and_changes_nothing(world: World) -> None:
    peer = SipPeer(world, "192.0.2.9")
    alice = dial(world, peer)
    invite = peer.requests("INVITE")[0]
    other = invite.raw.replace(b"branch=z9hG4bK", b"branch=z9hG4bKother")
    stray = other.replace(b"INVITE sip:team@192.0.2.9 SIP/2.0", b"SIP/2.0 200 OK")
    peer.send(stray, alice.address)
    world.run_for(0.1)
    assert alice.counters["stray_responses"] == 1
    assert names(alice) == []
