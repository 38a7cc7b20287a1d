"""Messages that come twice, late, over two paths or in the wrong order."""

from __future__ import annotations

import pytest

from rapida_media.sip.address import Address
from rapida_media.testing.network import Conditions, Network
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")


def establish(call: Call, peer: SipPeer) -> str:
    """Let the peer call Bob; give Bob's tag."""
    peer.send(peer.request("INVITE", body=OFFER), call.bob.address)
    call.world.run_for(0.1)
    tag = call.incoming[-1].id
    peer.send(peer.request("ACK", to_tag=tag), call.bob.address)
    call.world.run_for(0.1)
    assert call.incoming[-1].state == "confirmed"
    peer.received.clear()
    return tag


def test_an_invite_that_comes_again_and_again_is_one_call(
    call: Call, world: World, peer: SipPeer
) -> None:
    invite = peer.request("INVITE", body=OFFER)
    call.answers = False
    for _ in range(3):
        peer.send(invite, call.bob.address)
        world.run_for(0.1)
    assert len(call.incoming) == 1
    assert peer.statuses("INVITE") == [100, 180, 180, 180]
    call.incoming[0].accept(OFFER, world.now)
    peer.send(invite, call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 180, 180, 180, 200]  # RFC 6026: absorbed
    assert call.bob.counters["retransmitted_requests"] == 2


def test_an_invite_that_arrives_after_its_call_ended_is_still_the_same_call(
    call: Call, world: World, peer: SipPeer
) -> None:
    invite = peer.request("INVITE", branch="z9hG4bKsame", body=OFFER)
    peer.send(invite, call.bob.address)
    world.run_for(0.1)
    tag = call.incoming[0].id
    peer.send(peer.request("ACK", to_tag=tag), call.bob.address)
    peer.send(peer.request("BYE", to_tag=tag, cseq=2), call.bob.address)
    world.run_for(1.0)
    peer.send(invite, call.bob.address)
    world.run_for(1.0)
    assert len(call.incoming) == 1
    assert names(call.bob) == ["IncomingInvite", "Confirmed", "Terminated"]


def test_the_same_invite_over_a_second_path_gets_482(
    call: Call, world: World, peer: SipPeer
) -> None:
    for branch in ("z9hG4bKpath1", "z9hG4bKpath2"):
        peer.send(peer.request("INVITE", branch=branch, body=OFFER), call.bob.address)
    world.run_for(0.1)
    assert len(call.incoming) == 1
    by_branch = {(r.top_via.branch, r.status) for r in peer.responses("INVITE")}
    assert by_branch == {
        ("z9hG4bKpath1", 100), ("z9hG4bKpath1", 180), ("z9hG4bKpath1", 200),
        ("z9hG4bKpath2", 482),
    }  # fmt: skip


def test_a_new_call_with_the_same_call_id_is_not_merged(
    call: Call, world: World, peer: SipPeer
) -> None:
    for cseq in (1, 2):
        peer.send(peer.request("INVITE", cseq=cseq, body=OFFER), call.bob.address)
    world.run_for(0.1)
    assert len(call.incoming) == 2


def test_a_request_with_a_lower_cseq_gets_500(call: Call, world: World, peer: SipPeer) -> None:
    tag = establish(call, peer)
    peer.send(peer.request("INFO", to_tag=tag, cseq=10), call.bob.address)
    world.run_for(0.1)
    peer.send(peer.request("INFO", to_tag=tag, cseq=9), call.bob.address)
    world.run_for(0.1)
    peer.send(peer.request("BYE", to_tag=tag, cseq=11), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("INFO") == [200, 500]
    assert peer.statuses("BYE") == [200]
    assert call.bob.counters["out_of_order_requests"] == 1


def test_an_ack_with_another_cseq_confirms_nothing(call: Call, world: World, peer: SipPeer) -> None:
    peer.send(peer.request("INVITE", cseq=5, body=OFFER), call.bob.address)
    world.run_for(0.1)
    tag = call.incoming[0].id
    peer.send(peer.request("ACK", to_tag=tag, cseq=4), call.bob.address)
    world.run_for(0.1)
    assert call.incoming[0].state == "accepted"
    peer.send(peer.request("ACK", to_tag=tag, cseq=5, body=OFFER), call.bob.address)
    peer.send(peer.request("ACK", to_tag=tag, cseq=5), call.bob.address)
    world.run_for(0.1)
    assert call.incoming[0].state == "confirmed"
    assert call.bob.events[-1].body == OFFER
    assert call.bob.counters["stray_acks"] == 2


def test_a_late_offer_is_made_in_the_200_and_answered_in_the_ack(
    call: Call, world: World, peer: SipPeer
) -> None:
    peer.send(peer.request("INVITE"), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events[0].body == b""
    assert peer.responses("INVITE")[-1].body == OFFER
    peer.send(peer.request("ACK", to_tag=call.incoming[0].id, body=OFFER), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events[-1].body == OFFER


@pytest.mark.parametrize("tags", [("a", "other"), ("other", None)])
def test_a_request_for_no_dialog_of_ours_gets_481(
    call: Call, world: World, peer: SipPeer, tags: tuple[str, str | None]
) -> None:
    tag = establish(call, peer)
    from_tag, to_tag = tags
    for method in ("BYE", "INFO", "INVITE", "OPTIONS"):
        request = peer.request(method, from_tag=from_tag, to_tag=to_tag or tag, cseq=9)
        peer.send(request, call.bob.address)
    world.run_for(0.1)
    for method in ("BYE", "INFO", "INVITE", "OPTIONS"):
        assert peer.statuses(method)[-1] == 481
    peer.send(peer.request("BYE", cseq=20), call.bob.address)
    world.run_for(0.1)
    assert peer.statuses("BYE") == [481, 481]
    assert call.incoming[0].state == "confirmed"


def test_nothing_is_kept_of_requests_for_no_call_of_ours(world: World, peer: SipPeer) -> None:
    bob = world.add_sip("192.0.2.2")
    for method in ("INVITE", "BYE", "CANCEL"):
        to_tag = None if method == "CANCEL" else "nobody"
        peer.send(peer.request(method, to_tag=to_tag, body=OFFER), Address("192.0.2.2", 5060))
    world.run_for(0.1)
    assert bob.idle
    world.run_for(64.0)
    assert [message.status for message in peer.received] == [481, 481, 481]


@pytest.mark.parametrize("seed", range(5))
def test_a_network_that_reorders_and_duplicates_everything_makes_one_clean_call(
    seed: int,
) -> None:
    conditions = Conditions(duplication=1.0, delay=0.001, jitter=0.4)
    world = World(seed, Network(seed, conditions))
    call = Call(world)
    session = call.dial()
    world.run_for(20.0)
    assert session.state == "confirmed"
    assert len(call.incoming) == 1
    session.bye(world.now)
    call.ends_clean()
    assert names(call.alice)[-2:] == ["Answered", "Terminated"]
    assert names(call.bob) == ["IncomingInvite", "Confirmed", "Terminated"]
