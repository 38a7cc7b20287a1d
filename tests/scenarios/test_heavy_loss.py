"""A thousand calls through a network that loses, delays, reorders and duplicates."""

from __future__ import annotations

from collections import Counter
from random import Random

from rapida_media.sip.events import Answered, Event, IncomingInvite, Terminated
from rapida_media.testing.network import Conditions, Network
from rapida_media.testing.parties import names
from rapida_media.testing.sip import OFFER
from rapida_media.testing.world import World

CALLS = 1000
BAD = Conditions(loss=0.30, duplication=0.05, delay=0.02, jitter=0.2)


def test_thirty_percent_loss_over_a_thousand_calls_leaves_nothing_behind() -> None:
    world = World(7, Network(7, BAD))
    random = Random(7)
    alice, bob = world.add_sip("192.0.2.1"), world.add_sip("192.0.2.2")

    def on_bob(event: Event) -> None:
        if isinstance(event, IncomingInvite):
            choice = random.random()
            if choice < 0.1:
                event.session.reject(486, world.now)
                return
            if choice < 0.9:
                event.session.ring(world.now)
            event.session.accept(OFFER, world.now)
            if choice > 0.8:
                event.session.bye(world.now)

    def on_alice(event: Event) -> None:
        if isinstance(event, Answered) and random.random() < 0.9:
            event.session.bye(world.now)

    alice.on_event, bob.on_event = on_alice, on_bob
    for number in range(CALLS):
        session = alice.endpoint.invite(
            target="sip:bob@192.0.2.2",
            destination=bob.address,
            from_uri="sip:alice@192.0.2.1",
            body=OFFER,
            now=world.now,
        )
        world.run_for(0.05)
        if number % 10 == 0 and session.state in ("calling", "ringing"):
            session.cancel(world.now)
    world.run_for(120.0)
    for session in list(alice.endpoint.sessions.values()):
        session.bye(world.now)  # the calls neither side has hung up
    world.run_idle()
    assert alice.idle
    assert bob.idle
    told = Counter(names(alice))
    assert told["Failed"] + told["Terminated"] == CALLS
    assert told["Terminated"] == told["Answered"] > CALLS * 0.7
    ends = Counter(event.reason for event in bob.events if isinstance(event, Terminated))
    assert set(ends) <= {"bye", "local_bye", "ack_timeout"}
    assert world.network.lost > world.network.sent * 0.25
