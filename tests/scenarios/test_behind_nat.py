"""A phone behind a NAT that names its private address: what we send it goes where it calls from."""

from rapida_media.testing.parties import names
from rapida_media.testing.sip import OFFER
from rapida_media.testing.world import World

INSIDE = "192.168.1.5"


def test_the_bye_reaches_a_phone_that_knows_only_its_inside_address():
    world = World(5)
    phone = world.add_sip("192.0.2.1", 40_001, contacts={"udp": (INSIDE, 5060)})
    engine = world.add_sip("192.0.2.2")
    phone.endpoint.invite(
        target="sip:bob@192.0.2.2",
        destination=engine.address,
        from_uri="sip:alice@home.example",
        body=OFFER,
        now=world.now,
    )
    world.run_for(0.1)
    incoming = engine.events[-1].session
    assert incoming.request.contacts[0].uri.host == INSIDE
    incoming.accept(OFFER, world.now)
    world.run_for(0.1)
    assert names(engine)[-1] == "Confirmed"
    incoming.bye(world.now)
    world.run_for(0.1)
    assert names(phone)[-1] == "Terminated"
    assert not [each for each in engine.sent if each.destination.host == INSIDE]
