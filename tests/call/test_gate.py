"""Only trunks may call, by address or by password, once there are trunks."""

from ipaddress import ip_network

import pytest

from rapida_media.call.gate import Gate
from rapida_media.call.source_limit import BURST
from rapida_media.config import Trunk
from rapida_media.sip.address import Address
from rapida_media.sip.builder import build_request, build_response
from rapida_media.sip.client_auth import ClientAuth
from rapida_media.sip.digest import ALGORITHMS, Credentials, parse_challenge
from rapida_media.sip.user_agent import IGNORED
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds

URI = "sip:support@example.com"
TO = ("To", f"<{URI}>")
INVITE = build_request("INVITE", URI, [TO, ("Call-ID", "1")])
REGISTER = build_request("REGISTER", URI, [TO, ("Call-ID", "1")])
OPTIONS = build_request("OPTIONS", URI, [TO, ("Call-ID", "1")])
CANCEL = build_request("CANCEL", URI, [TO, ("Call-ID", "1")])
STRAY = build_request("INVITE", URI, [("To", f"<{URI}>;tag=x"), ("Call-ID", "1")])
CARRIER = Trunk(
    "carrier",
    networks=(ip_network("198.51.100.0/24"), ip_network("2001:db8::/32")),
    names=("sip.carrier.example",),
)
PHONES = Trunk("phones", username="alice", password="open sesame", challenge=True)
FORBIDDEN = (403, ())


class Entrance:
    def __init__(self, *trunks):
        self.counters = Counters()
        self.gate = Gate(
            {trunk.name: trunk for trunk in trunks}, ALGORITHMS, SeededIds(1), self.counters
        )

    def check(self, host, request=INVITE, now=10.0):
        return self.gate.check(request, Address(host, 5060), now)

    def call_with(self, host, password, user="alice", now=10.0):
        """Call, be challenged, and call again with the answer."""
        status, headers = self.check(host, now=now)
        assert status == 401
        client = ClientAuth(Credentials(user, password), SeededIds(2))
        assert client.take(build_response(INVITE, status, headers=headers), set())
        request = build_request("INVITE", URI, [TO, *client.headers("INVITE", URI, b"")])
        return request, self.check(host, request, now)


def test_a_certificate_makes_its_holder_the_trunk_it_names_wherever_he_calls_from():
    other = Trunk("other", networks=(ip_network("203.0.113.0/24"),), names=("sip.other.example",))
    entrance = Entrance(CARRIER, other)
    for host, proven, trunk in (
        ("192.0.2.66", {"sip.carrier.example"}, CARRIER),
        ("192.0.2.66", {"x.example", "sip.other.example"}, other),
        ("203.0.113.5", {"sip.carrier.example"}, CARRIER),  # before its address
        ("203.0.113.5", {"x.example"}, other),
        ("192.0.2.66", {"x.example"}, None),
        ("192.0.2.66", set(), None),
    ):
        source = Address(host, 5061, "tls", proven=frozenset(proven))
        request = build_request("INVITE", URI, [TO, ("Call-ID", "1")])
        answer = entrance.gate.check(request, source, 10.0)
        assert answer == (None if trunk else FORBIDDEN)
        assert entrance.gate.trunk_of(request) == trunk


@pytest.mark.parametrize(
    ("host", "welcome"),
    [
        ("198.51.100.7", True),
        ("198.51.101.7", False),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("127.0.0.1", True),
        ("203.0.113.9", False),
    ],
)
def test_a_call_comes_from_a_trunk_or_from_this_machine(host, welcome):
    entrance = Entrance(CARRIER)
    assert entrance.check(host) == (None if welcome else FORBIDDEN)
    assert entrance.counters["refused_not_a_trunk"] == (not welcome)


def test_the_trunk_of_a_call_is_told():
    entrance = Entrance(CARRIER, PHONES)
    assert entrance.check("198.51.100.7") is None
    assert entrance.gate.trunk_of(INVITE) is CARRIER
    assert entrance.gate.trunk_of(OPTIONS) is None
    assert entrance.check("127.0.0.1") is None
    assert entrance.gate.trunk_of(INVITE) is None


def test_the_trunk_of_a_call_that_waits_is_told_after_another_was_let_in():
    waiting = build_request("INVITE", URI, [("Call-ID", "2")])
    entrance = Entrance(CARRIER)
    assert entrance.check("198.51.100.7", waiting) is None
    assert entrance.check("127.0.0.1") is None
    assert entrance.gate.trunk_of(waiting) is CARRIER


def test_a_trunk_named_by_its_host_is_admitted_once_resolved():
    entrance = Entrance(CARRIER)
    entrance.gate.resolved("carrier", ["203.0.113.9"])
    assert entrance.check("203.0.113.9") is None
    entrance.gate.resolved("carrier", ["203.0.113.10"])
    assert entrance.check("203.0.113.9") == FORBIDDEN
    assert entrance.check("203.0.113.10") is None


def test_without_trunks_the_engine_is_on_loopback_and_takes_every_call():
    assert Entrance().check("203.0.113.9") is None


def test_where_a_password_is_known_a_stranger_is_asked_for_it():
    entrance = Entrance(CARRIER, PHONES)
    request, answer = entrance.call_with("203.0.113.9", "open sesame")
    assert answer is None
    assert entrance.gate.trunk_of(request) is PHONES
    assert entrance.counters["challenges_sent"] == 1


def test_a_wrong_password_and_a_wrong_name_get_403():
    entrance = Entrance(PHONES)
    assert entrance.call_with("203.0.113.9", "guess")[1] == FORBIDDEN
    assert entrance.call_with("203.0.113.9", "open sesame", user="bob")[1] == FORBIDDEN
    assert entrance.counters["refused_wrong_password"] == 2


def test_credentials_used_before_are_challenged_as_stale():
    entrance = Entrance(PHONES)
    request, _ = entrance.call_with("203.0.113.9", "open sesame")
    status, headers = entrance.check("203.0.113.9", request)
    assert status == 401
    assert all(parse_challenge(value).stale for _, value in headers)


@pytest.mark.parametrize("challenge", [True, False])
def test_a_trunk_known_by_address_is_challenged_if_it_says_so(challenge):
    both = Trunk(
        "both", networks=CARRIER.networks, username="alice", password="x", challenge=challenge
    )
    entrance = Entrance(both)
    answer = entrance.check("198.51.100.7")
    assert (answer is not None and answer[0] == 401) is challenge
    assert entrance.check("198.51.100.7", OPTIONS) is None


def test_strangers_may_ask_for_a_sign_of_life_but_not_too_often_and_for_nothing_else():
    entrance = Entrance(PHONES)
    assert entrance.check("203.0.113.9", REGISTER) == FORBIDDEN
    answers = [entrance.check("203.0.113.9", OPTIONS) for _ in range(100)]
    assert answers.count(None) == BURST - 1
    assert answers[-1] == IGNORED


def test_a_scanner_is_soon_ignored_and_counted_while_others_are_served():
    entrance = Entrance(CARRIER, PHONES)
    answers = [entrance.check("203.0.113.9") for _ in range(1000)]
    assert sum(answer != IGNORED for answer in answers) == BURST
    assert entrance.counters["scanner_requests_ignored"] == 1000 - BURST
    assert entrance.check("198.51.100.7") is None
    assert entrance.call_with("203.0.113.10", "open sesame")[1] is None


def test_who_knows_the_password_is_never_taken_for_a_scanner():
    entrance = Entrance(PHONES)
    for _ in range(1000):
        assert entrance.call_with("203.0.113.9", "open sesame")[1] is None
    assert entrance.counters["scanner_requests_ignored"] == 0


@pytest.mark.parametrize(
    "request_of_no_call", [STRAY, CANCEL, None], ids=["in a dialog", "CANCEL", "unreadable"]
)
def test_a_stranger_is_not_answered_for_ever_about_calls_that_are_not(request_of_no_call):
    entrance = Entrance(CARRIER, PHONES)
    answers = [entrance.check("203.0.113.9", request_of_no_call) for _ in range(int(BURST) + 5)]
    assert answers == [None] * int(BURST) + [IGNORED] * 5
    assert entrance.counters["scanner_requests_ignored"] == 5
    assert entrance.counters["challenges_sent"] == 0
    for _ in range(int(BURST) + 5):
        assert entrance.check("198.51.100.7", request_of_no_call) is None


def test_who_is_no_stranger_is_told():
    entrance = Entrance(CARRIER, PHONES)
    hosts = ("198.51.100.7", "127.0.0.1", "::1", "203.0.113.9")
    assert [entrance.gate.knows(host) for host in hosts] == [True, True, True, False]
    assert Entrance().gate.knows("203.0.113.9")


def test_of_two_accounts_with_one_carrier_the_call_is_that_of_the_one_it_is_for():
    accounts = [
        Trunk(
            name, networks=(ip_network("198.51.100.7/32"),) if by_network else (),
            username=name, password="x", register=True,
        )
        for name in ("sales", "support", "third")
        for by_network in (name == "third",)
    ]  # fmt: skip
    entrance = Entrance(*accounts)
    for trunk in accounts[:2]:
        entrance.gate.resolved(trunk.name, ["198.51.100.7"])
    for user, expected in (("support", "support"), ("sales", "sales"), ("+15550100", "sales")):
        call = build_request("INVITE", f"sip:{user}@192.0.2.1", [TO, ("Call-ID", user)])
        assert entrance.check("198.51.100.7", call) is None
        assert entrance.gate.trunk_of(call).name == expected
    entrance.gate.resolved("sales", [])
    assert entrance.check("198.51.100.7") is None
    assert entrance.gate.trunk_of(INVITE).name == "support"
