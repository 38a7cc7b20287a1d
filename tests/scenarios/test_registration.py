"""Registering with a carrier, in virtual time: RFC 3261 section 10.2."""

from __future__ import annotations

import pytest

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Address
from rapida_media.sip.digest import Credentials
from rapida_media.sip.digest_server import DigestServer, Verdict
from rapida_media.sip.events import Registered, RegistrationFailed
from rapida_media.sip.message import parse_message
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.parties import names
from rapida_media.testing.sip import SipPeer
from rapida_media.testing.world import World

PASSWORD = "open sesame"
PING = b"\r\n\r\n"


class Registrar(SipPeer):
    """Grants what is asked for, unless ``answer`` says otherwise; None leaves a request alone."""

    def __init__(self, world, host):
        super().__init__(world, host)
        self.pings = []
        self.granted = None
        self.answer = self.grant

    def receive(self, packet, now):
        if packet.data == PING:
            self.pings.append(now)
            return
        request = parse_message(packet.data)
        self.received.append(request)
        answer = self.answer(request)
        if answer is not None:
            status, headers = answer
            self.send(self.respond(request, status, headers=headers), packet.source)

    def grant(self, request):
        asked = request.expires
        seconds = asked if self.granted is None else min(asked, self.granted)
        contact = f"{request.header('Contact')};expires={seconds}"
        return 200, [("Contact", "<sip:other@192.0.2.77>;expires=9"), ("Contact", contact)]


class Scene:
    def __init__(self, *registrars, password=PASSWORD, expires=3600):
        self.world = World(11)
        self.us = self.world.add_sip("192.0.2.1")
        self.registrars = [Registrar(self.world, host) for host in registrars or ("192.0.2.2",)]
        self.registrar = self.registrars[0]
        self.password, self.expires = password, expires

    def register(self):
        self.registration = self.us.endpoint.register(
            registrar="sip:carrier.example",
            address_of_record="sip:alice@carrier.example",
            contact_user="alice",
            destinations=[each.address for each in self.registrars],
            expires=self.expires,
            now=self.world.now,
            credentials=Credentials("alice", self.password),
        )
        return self.registration

    def registers(self, registrar=None):
        """Give the REGISTERs received, without retransmissions."""
        requests = (registrar or self.registrar).requests("REGISTER")
        return list({each.top_via.branch: each for each in requests}.values())


@pytest.fixture
def scene():
    return Scene()


def test_the_first_register_says_who_and_where(scene):
    registration = scene.register()
    scene.world.run_for(0.1)
    (request,) = scene.registers()
    assert request.uri_text == "sip:carrier.example"
    assert request.from_.uri_text == request.to.uri_text == "sip:alice@carrier.example"
    assert (request.from_.tag is not None, request.to.tag) == (True, None)
    assert request.header("Contact") == "<sip:alice@192.0.2.1:5060>"
    assert request.expires == 3600
    assert registration.state == "registered"
    assert scene.us.events == [Registered(registration, 3600)]


@pytest.mark.parametrize("granted", [60, 600, 3600])
def test_it_is_refreshed_at_70_to_80_percent_of_what_was_granted(scene, granted):
    scene.registrar.granted = granted
    scene.register()
    scene.world.run_for(granted * 10)
    times = [at for at, event in enumerate(scene.us.events) if isinstance(event, Registered)]
    assert 12 <= len(times) <= 15
    first, second = scene.registers()[:2]
    assert second.call_id == first.call_id
    assert second.cseq.number == first.cseq.number + 1


@pytest.mark.parametrize(
    ("answer", "granted"),
    [
        (["<sip:alice@203.0.113.9:1024>;expires=60"], 60),
        (["<sip:bob@192.0.2.77>;expires=9", "<sip:alice@203.0.113.9:1024>;expires=60"], 60),
        (["<sip:alice@192.0.2.1:5060>;expires=90", "<sip:alice@203.0.113.9>;expires=60"], 90),
        (["<tel:+15550100>;expires=9", "<sip:alice@192.0.2.1:5060>;expires=90"], 90),
        (["<sip:bob@192.0.2.77>;expires=9"], 3600),
        (["<sip:alice@192.0.2.1:5060>;expires=soon"], 3600),
    ],
    ids=["seen through a NAT", "beside others", "exactly", "a tel URI", "not listed", "no number"],
)
def test_the_time_granted_is_that_of_our_contact(scene, answer, granted):
    scene.registrar.answer = lambda request: (200, [("Contact", each) for each in answer])
    registration = scene.register()
    scene.world.run_for(0.1)
    assert scene.us.events == [Registered(registration, granted)]


def test_a_challenge_is_answered_and_the_refresh_needs_none():
    scene = Scene()
    server = DigestServer("carrier", {"alice": PASSWORD}, SeededIds(3))
    verdicts = []

    def answer(request):
        verdict, _ = server.check(request, scene.world.now)
        verdicts.append(verdict)
        if verdict is Verdict.ACCEPTED:
            return scene.registrar.grant(request)
        return 401, server.challenge(scene.world.now, stale=verdict is Verdict.STALE)

    scene.registrar.answer = answer
    scene.registrar.granted = 120
    scene.register()
    scene.world.run_for(100)
    assert verdicts == [Verdict.MISSING, Verdict.ACCEPTED, Verdict.ACCEPTED]
    numbers = [each.cseq.number for each in scene.registers()]
    assert numbers == list(range(numbers[0], numbers[0] + 3))
    # The nonce grows stale: one more round trip, no failure.
    scene.world.run_for(300)
    assert Verdict.STALE in verdicts
    assert set(names(scene.us)) == {"Registered"}


def test_a_wrong_password_is_told_and_tried_again_ever_more_rarely():
    scene = Scene(password="guess")
    server = DigestServer("carrier", {"alice": PASSWORD}, SeededIds(3))
    scene.registrar.answer = lambda _: (401, server.challenge(scene.world.now))
    scene.register()
    scene.world.run_for(0.1)
    (failed,) = scene.us.events
    assert (failed.status, failed.known) == (401, False)
    assert 30 <= failed.retry_seconds <= 60
    scene.world.run_for(6 * 3600)
    waits = [each.retry_seconds for each in scene.us.events]
    assert all(900 <= wait <= 1800 for wait in waits[6:])
    assert len(scene.registers()) == 2 * len(waits) <= 60


def test_423_is_followed_by_the_interval_the_registrar_wants():
    scene = Scene(expires=60)
    scene.registrar.answer = lambda request: (
        (423, [("Min-Expires", "900")]) if request.expires < 900 else scene.registrar.grant(request)
    )
    scene.register()
    scene.world.run_for(1)
    assert [each.expires for each in scene.registers()] == [60, 900]
    assert names(scene.us) == ["Registered"]
    scene.world.run_for(1000)
    assert scene.registers()[-1].expires == 900


@pytest.mark.parametrize("headers", [[], [("Min-Expires", "60")], [("Min-Expires", "99999999")]])
def test_a_423_that_asks_for_nothing_sensible_is_a_failure(headers):
    scene = Scene(expires=60)
    scene.registrar.answer = lambda _: (423, headers)
    scene.register()
    scene.world.run_for(1)
    assert names(scene.us) == ["RegistrationFailed"]


def test_a_lost_register_is_retransmitted(scene):
    lost = []

    def lose(packet):
        if packet.data.startswith(b"REGISTER") and len(lost) < 3:
            lost.append(packet)
            return False
        return True

    scene.world.network.filter = lose
    scene.register()
    scene.world.run_for(5)
    assert len({each.data for each in lost}) == 1
    assert names(scene.us) == ["Registered"]


def test_a_registrar_that_is_silent_is_waited_for_with_growing_patience(scene):
    scene.registrar.answer = lambda _: None
    scene.register()
    scene.world.run_for(33)
    (failed,) = scene.us.events
    assert (failed.status, failed.known) == (408, False)
    scene.registrar.answer = scene.registrar.grant
    scene.world.run_for(61)
    assert names(scene.us) == ["RegistrationFailed", "Registered"]


def test_the_next_address_of_the_registrar_is_tried_when_one_fails():
    scene = Scene("192.0.2.2", "192.0.2.3")
    dead, alive = scene.registrars
    dead.answer = lambda _: (503, [])
    registration = scene.register()
    scene.world.run_for(1)
    assert names(scene.us) == ["Registered"]
    assert registration.destination == alive.address
    scene.world.run_for(4000)
    assert len(scene.registers(dead)) == 1


def test_when_all_addresses_fail_it_waits_as_long_as_they_say():
    scene = Scene("192.0.2.2", "192.0.2.3")
    for each in scene.registrars:
        each.answer = lambda _: (503, [("Retry-After", "700")])
    scene.register()
    scene.world.run_for(1)
    (failed,) = scene.us.events
    assert failed.retry_seconds == 700


def test_a_dead_address_costs_one_timeout_and_the_next_is_tried():
    scene = Scene("192.0.2.2", "192.0.2.3")
    scene.registrar.answer = lambda _: None
    scene.register()
    scene.world.run_for(31)
    assert names(scene.us) == []
    scene.world.run_for(2)
    assert names(scene.us) == ["Registered"]


def test_a_failed_refresh_is_tried_again_before_the_registration_runs_out(scene):
    scene.registrar.granted = 1000
    scene.register()
    scene.world.run_for(1)
    scene.registrar.answer = lambda _: (500, [])
    scene.world.run_for(820)
    failed = [each for each in scene.us.events if isinstance(each, RegistrationFailed)]
    assert failed[0].known
    assert failed[0].retry_seconds <= 150
    scene.registrar.answer = scene.registrar.grant
    scene.world.run_for(160)
    assert names(scene.us)[-1] == "Registered"


def test_the_nat_binding_is_kept_open_while_registered(scene):
    scene.register()
    scene.world.run_for(600)
    gaps = [b - a for a, b in zip(scene.registrar.pings, scene.registrar.pings[1:], strict=False)]
    assert len(gaps) >= 19
    assert all(24 <= gap <= 29.1 for gap in gaps)


def test_stopping_takes_the_contact_back_and_leaves_nothing(scene):
    registration = scene.register()
    scene.world.run_for(10)
    registration.stop(scene.world.now)
    registration.stop(scene.world.now)
    scene.world.run_idle()
    last = scene.registers()[-1]
    assert (last.expires, len(scene.registers())) == (0, 2)
    assert names(scene.us) == ["Registered", "Unregistered"]
    assert registration.state == "stopped"
    assert scene.us.idle


def test_while_calls_go_on_a_stopped_one_keeps_their_nat_binding_open(scene):
    registration = scene.register()
    scene.world.run_for(10)
    registration.stop(scene.world.now, calls_go_on=True)
    scene.world.run_for(60)
    assert [each.expires for each in scene.registers()] == [3600, 0]
    assert names(scene.us) == ["Registered", "Unregistered"]
    assert len(scene.registrar.pings) >= 2
    registration.stop(scene.world.now)
    scene.world.run_idle()
    assert len(scene.registers()) == 2
    assert names(scene.us) == ["Registered", "Unregistered"]
    assert scene.us.idle


def test_stopping_while_a_register_is_under_way_waits_for_its_answer(scene):
    registration = scene.register()
    registration.stop(scene.world.now)
    scene.world.run_idle()
    assert [each.expires for each in scene.registers()] == [3600, 0]
    assert names(scene.us) == ["Unregistered"]
    assert scene.us.idle


def test_stopping_after_a_failure_sends_nothing(scene):
    scene.registrar.answer = lambda _: (403, [])
    registration = scene.register()
    scene.world.run_for(1)
    registration.stop(scene.world.now)
    scene.world.run_idle()
    assert len(scene.registers()) == 1
    assert names(scene.us) == ["RegistrationFailed", "Unregistered"]


@pytest.mark.parametrize("patience", [0, 10])
def test_left_to_a_successor_it_asks_for_nothing_more(scene, patience):
    registration = scene.register()
    scene.world.run_for(patience)
    registration.leave_to_successor()
    scene.world.run_idle()
    assert [each.expires for each in scene.registers()] == [3600]
    assert registration.state == "stopped"
    assert scene.us.idle
    assert scene.us.counters.snapshot().get("registrations_failed", 0) == 0


def test_a_lost_connection_is_made_again_soon(scene):
    registration = scene.register()
    scene.world.run_for(10)
    scene.us.endpoint.connection_lost(Address("192.0.2.99", 5060), scene.world.now)
    scene.us.endpoint.connection_lost(registration.destination, scene.world.now)
    scene.world.run_for(4)
    assert len(scene.registers()) == 2


def test_the_nat_binding_to_the_server_that_knows_us_is_kept_when_names_are_resolved_anew():
    scene = Scene("192.0.2.2", "192.0.2.3")
    first, second = scene.registrars
    registration = scene.register()
    scene.world.run_for(10)
    registration.move([second.address, first.address])
    scene.world.run_for(100)
    assert (len(first.pings) >= 3, second.pings) == (True, [])
    scene.us.endpoint.connection_lost(first.address, scene.world.now)
    scene.world.run_for(40)
    assert [len(scene.registers(each)) for each in scene.registrars] == [1, 1]
    before = len(first.pings)
    scene.world.run_for(60)
    assert (len(first.pings), len(second.pings) >= 2) == (before, True)


def test_what_was_registered_with_one_server_is_taken_back_there():
    scene = Scene("192.0.2.2", "192.0.2.3")
    first, second = scene.registrars
    registration = scene.register()
    scene.world.run_for(10)
    registration.move([second.address, first.address])
    registration.stop(scene.world.now)
    scene.world.run_idle()
    assert [each.expires for each in scene.registers(first)] == [3600, 0]
    assert not second.received


def test_a_registrar_that_drops_every_connection_is_left_alone_for_longer_and_longer(scene):
    registration = scene.register()
    scene.world.run_for(200)
    waits = []
    for _ in range(4):
        lost_at, before = scene.world.now, len(scene.registers())
        scene.us.endpoint.connection_lost(registration.destination, lost_at)
        while len(scene.registers()) == before:
            scene.world.run_for(0.5)
        waits.append(scene.world.now - lost_at)
    assert [low <= wait <= high for wait, (low, high) in zip(
        waits, [(0.5, 3.5), (30, 60.5), (60, 120.5), (120, 240.5)], strict=True
    )] == [True] * 4, waits  # fmt: skip
    scene.world.run_for(200)
    before = len(scene.registers())
    scene.us.endpoint.connection_lost(registration.destination, scene.world.now)
    scene.world.run_for(4)
    assert len(scene.registers()) == before + 1


def test_a_registrar_needs_an_address(scene):
    scene.registrars = []
    with pytest.raises(LocalProtocolError):
        scene.register()


def ping(scene):
    return scene.us.endpoint.ping(
        target="sip:carrier.example",
        from_uri="sip:us@192.0.2.1",
        destinations=[each.address for each in scene.registrars],
        interval_seconds=60,
        now=scene.world.now,
    )


def test_a_peer_that_answers_options_at_all_is_reachable_and_that_is_told_once(scene):
    scene.registrar.answer = lambda _: (405, [])
    asking = ping(scene)
    scene.world.run_for(601)
    assert names(scene.us) == ["PeerReachable"]
    assert scene.us.events[0].round_trip == pytest.approx(0.020)
    assert 9 <= len(scene.registrar.requests("OPTIONS")) <= 12
    asking.stop()
    scene.world.run_idle()
    assert scene.us.idle


@pytest.mark.parametrize("answer", [None, (503, [])])
def test_a_silent_or_overloaded_peer_is_unreachable_until_it_answers(scene, answer):
    scene.registrar.answer = lambda _: answer
    ping(scene)
    scene.world.run_for(200)
    scene.registrar.answer = lambda _: (200, [])
    scene.world.run_for(100)
    scene.registrar.answer = lambda _: answer
    scene.world.run_for(200)
    assert names(scene.us) == ["PeerUnreachable", "PeerReachable", "PeerUnreachable"]
    assert scene.us.events[0].status == (408 if answer is None else 503)


def test_a_peer_is_unreachable_only_when_none_of_its_addresses_answers():
    scene = Scene("192.0.2.2", "192.0.2.3")
    scene.registrar.answer = lambda _: (503, [])
    scene.registrars[1].answer = lambda _: (200, [])
    asking = ping(scene)
    scene.world.run_for(100)
    assert names(scene.us) == ["PeerReachable"]
    assert asking.destination == scene.registrars[1].address


def test_keep_alives_of_a_peer_are_counted_and_not_taken_for_messages(scene):
    scene.world.inject(PING, Address("192.0.2.9", 5060), scene.us.address)
    scene.world.run_for(1)
    assert scene.us.counters.snapshot() == {"keep_alives": 1}
