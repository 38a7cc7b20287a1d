"""Offers that cross: who waits how long before it offers again (RFC 3261 section 14.1)."""

from __future__ import annotations

import pytest

from rapida_media.sip.events import (
    Event,
    OfferDue,
    OfferReceived,
    ReinviteAnswered,
    ReinviteFailed,
    ReinviteReceived,
    UpdateFailed,
)
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

NEW_OFFER = OFFER.replace(b"- 1 1", b"- 1 2")


def crossing(seed: int) -> tuple[Call, dict[str, float], list[str]]:
    """Let both sides offer at once and again when they are told to; give when that was, in s."""
    call = Call(World(seed=seed))
    session = call.connected()
    sides = {"alice": (call.alice, session), "bob": (call.bob, call.incoming[0])}
    start = call.world.now
    waits: dict[str, float] = {}
    answered: list[str] = []

    def follow(name: str) -> None:
        node, own = sides[name]

        def on_event(event: Event) -> None:
            now = call.world.now
            if isinstance(event, OfferDue):
                waits[name] = now - start
                own.reinvite(NEW_OFFER, now)
            elif isinstance(event, ReinviteReceived):
                own.answer_reinvite(OFFER, now)
            elif isinstance(event, ReinviteAnswered):
                answered.append(name)

        node.on_event = on_event

    follow("alice")
    follow("bob")
    for _, own in sides.values():
        own.reinvite(NEW_OFFER, start)
    call.world.run_for(10.0)
    session.bye(call.world.now)
    call.ends_clean()
    return call, waits, answered


def test_both_offer_again_and_both_are_answered_the_owner_of_the_call_id_second() -> None:
    alice: set[float] = set()
    bob: set[float] = set()
    for seed in range(30):
        _, waits, answered = crossing(seed)
        assert sorted(answered) == ["alice", "bob"]
        alice.add(waits["alice"] - 0.02)  # a round trip
        bob.add(waits["bob"] - 0.02)
    assert min(alice) >= 2.1 - 1e-6
    assert max(alice) <= 4.0 + 1e-6
    assert min(bob) >= -1e-6
    assert max(bob) <= 2.0 + 1e-6
    # "in units of 10 ms", and not always the same.
    for wait in alice | bob:
        assert abs(wait * 100 - round(wait * 100)) < 1e-6
    assert len(alice) > 20
    assert len(bob) > 20


def test_updates_that_cross_are_offered_again_too(call: Call, world: World) -> None:
    session = call.connected()
    session.update(world.now, NEW_OFFER)
    call.incoming[0].update(world.now, NEW_OFFER)
    world.run_for(0.05)
    assert call.alice.events[-1] == UpdateFailed(session, 491, "Request Pending", True)
    world.run_for(4.1)
    assert OfferDue(session) in call.alice.events
    assert OfferDue(call.incoming[0]) in call.bob.events


def test_an_offer_of_our_own_ends_the_wait(call: Call, world: World) -> None:
    session = call.connected()
    session.reinvite(NEW_OFFER, world.now)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    world.run_for(0.05)
    session.update(world.now, NEW_OFFER)
    world.run_for(0.05)
    assert isinstance(call.bob.events[-1], OfferReceived)
    call.incoming[0].answer_offer(OFFER, world.now)
    world.run_for(10.0)
    assert "OfferDue" not in names(call.alice)


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")


def establish(call: Call, peer: SipPeer) -> None:
    peer.send(peer.request("INVITE", body=OFFER), call.bob.address)
    call.world.run_for(0.1)
    peer.send(peer.request("ACK", to_tag=call.incoming[-1].id), call.bob.address)
    call.world.run_for(0.1)
    peer.received.clear()
    call.bob.events.clear()


def refuse(call: Call, peer: SipPeer, status: int, headers: list[tuple[str, str]]) -> None:
    call.world.run_for(0.05)
    answer = peer.respond(peer.requests("INVITE")[-1], status, headers=headers)
    peer.send(answer, call.bob.address)
    call.world.run_for(0.05)


def test_a_peer_whose_own_invite_is_under_way_is_asked_again_when_it_says(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)
    session = call.incoming[0]
    session.reinvite(NEW_OFFER, world.now)
    refuse(call, peer, 500, [("Retry-After", "7")])
    assert call.bob.events == [ReinviteFailed(session, 500, "Server Internal Error", True)]
    world.run_for(6.9)
    assert names(call.bob) == ["ReinviteFailed"]
    world.run_for(0.2)
    assert names(call.bob) == ["ReinviteFailed", "OfferDue"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [(500, []), (488, [("Retry-After", "1")]), (503, [("Retry-After", "1")])],
)
def test_other_refusals_are_final(
    call: Call, world: World, peer: SipPeer, status: int, headers: list[tuple[str, str]]
) -> None:
    establish(call, peer)
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    refuse(call, peer, status, headers)
    world.run_for(10.0)
    (event,) = call.bob.events
    assert isinstance(event, ReinviteFailed)
    assert not event.again


def test_a_peer_that_always_says_491_is_left_in_peace_after_a_while(
    call: Call, world: World, peer: SipPeer
) -> None:
    establish(call, peer)

    def offer(event: Event) -> None:
        if isinstance(event, OfferDue):
            call.incoming[0].reinvite(NEW_OFFER, world.now)

    call.bob.on_event = offer
    call.incoming[0].reinvite(NEW_OFFER, world.now)
    for _ in range(12):
        refuse(call, peer, 491, [])
        world.run_for(2.1)
    failures = [event for event in call.bob.events if isinstance(event, ReinviteFailed)]
    assert [event.again for event in failures] == [True] * 8 + [False]
    assert call.incoming[0].can_offer
