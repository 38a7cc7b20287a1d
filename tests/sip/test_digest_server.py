"""Our challenges and what answers them: replay, staleness, wrong passwords."""

from __future__ import annotations

import pytest

from rapida_media.sip import digest_server
from rapida_media.sip.builder import build_request, build_response
from rapida_media.sip.client_auth import ClientAuth
from rapida_media.sip.digest import Credentials, parse_challenge
from rapida_media.sip.digest_server import NONCE_SECONDS, DigestServer, Verdict
from rapida_media.testing.clock import SeededIds

URI = "sip:support@example.com"
INVITE = build_request("INVITE", URI, [("Call-ID", "1"), ("CSeq", "1 INVITE")])


@pytest.fixture
def server():
    return DigestServer("rapida", {"alice": "open sesame"}, SeededIds(1))


def client(password="open sesame", user="alice"):
    return ClientAuth(Credentials(user, password), SeededIds(2))


def challenged(client, server, now, stale=False):
    """Show the client a challenge of the server."""
    response = build_response(INVITE, 401, headers=server.challenge(now, stale=stale))
    assert client.take(response, set())


def judge(server, client, now, body=b"", method="INVITE"):
    request = build_request(method, URI, client.headers(method, URI, body), body)
    return server.check(request, now)[0]


def test_the_challenges_are_listed_strongest_first_with_one_nonce(server):
    headers = server.challenge(10.0)
    challenges = [parse_challenge(value) for _, value in headers]
    assert [name for name, _ in headers] == ["WWW-Authenticate"] * 2
    assert [each.algorithm for each in challenges] == ["SHA-256", "MD5"]
    assert len({each.nonce for each in challenges}) == 1
    assert 'qop="auth,auth-int"' in headers[0][1]


def test_a_hash_that_was_not_offered_is_not_taken():
    offering = DigestServer("rapida", {"alice": "open sesame"}, SeededIds(1))
    server = DigestServer("rapida", {"alice": "open sesame"}, SeededIds(1), ["SHA-256"])
    alice = client()
    challenged(alice, offering, 10.0)
    assert "algorithm=SHA-256" in alice.headers("INVITE", URI, b"")[0][1]
    weak = [each for each in offering.challenge(10.0) if "MD5" in each[1]]
    assert alice.take(build_response(INVITE, 401, headers=weak), set())
    assert judge(server, alice, 10.0) is Verdict.MISSING


def test_the_right_password_is_accepted_once_for_each_count(server):
    alice = client()
    assert judge(server, alice, 9.0) is Verdict.MISSING
    challenged(alice, server, 10.0)
    assert judge(server, alice, 11.0) is Verdict.ACCEPTED
    assert judge(server, alice, 12.0, method="BYE") is Verdict.ACCEPTED


def test_a_repeated_or_lower_nonce_count_is_stale_not_accepted(server):
    alice = client()
    challenged(alice, server, 10.0)
    first = build_request("INVITE", URI, alice.headers("INVITE", URI, b""))
    second = build_request("INVITE", URI, alice.headers("INVITE", URI, b""))
    assert server.check(second, 11.0) == (Verdict.ACCEPTED, "alice")
    assert server.check(second, 11.0) == (Verdict.STALE, "alice")
    assert server.check(first, 11.0) == (Verdict.STALE, "alice")


@pytest.mark.parametrize("who", [("alice", "guess"), ("mallory", "open sesame")])
def test_a_wrong_password_and_an_unknown_user_look_the_same(server, who):
    stranger = client(who[1], who[0])
    challenged(stranger, server, 10.0)
    assert judge(server, stranger, 10.0) is Verdict.WRONG


def test_an_old_nonce_is_stale_and_the_stale_challenge_is_answered(server):
    alice = client()
    challenged(alice, server, 10.0)
    assert judge(server, alice, 11.0 + NONCE_SECONDS) is Verdict.STALE
    challenged(alice, server, 400.0, stale=True)
    assert judge(server, alice, 401.0) is Verdict.ACCEPTED


def test_a_nonce_of_another_server_is_stale(server):
    alice = client()
    challenged(alice, DigestServer("rapida", {}, SeededIds(9)), 10.0)
    assert judge(server, alice, 10.0) is Verdict.STALE


def test_challenging_keeps_nothing_and_used_nonces_are_bounded(server, monkeypatch):
    monkeypatch.setattr(digest_server, "MAX_USED_NONCES", 3)
    for _ in range(100):
        server.challenge(10.0)
    assert not server._used
    clients = [client() for _ in range(5)]
    for at, each in enumerate(clients):
        challenged(each, server, 10.0 + at)
    replay = build_request("INVITE", URI, clients[0].headers("INVITE", URI, b""))
    assert server.check(replay, 20.0)[0] is Verdict.ACCEPTED
    for each in clients[1:]:
        assert judge(server, each, 20.0) is Verdict.ACCEPTED
    assert len(server._used) == 3
    # What was forgotten is refused, not taken a second time.
    assert server.check(replay, 20.0)[0] is Verdict.STALE


def test_used_nonces_are_forgotten_when_they_expire(server):
    for at in range(10):
        each = client()
        challenged(each, server, 1000.0 * (at + 1))
        assert judge(server, each, 1000.0 * (at + 1)) is Verdict.ACCEPTED
    assert len(server._used) == 1


def test_auth_int_covers_the_body(server):
    ((name, value), *_) = server.challenge(10.0)
    only_int = [(name, value.replace("auth,auth-int", "auth-int"))]
    alice = client()
    assert alice.take(build_response(INVITE, 401, headers=only_int), set())
    ((field, credentials),) = alice.headers("INVITE", URI, b"v=0\r\n")
    assert "qop=auth-int" in credentials
    headers = [(field, credentials)]
    changed = build_request("INVITE", URI, headers, b"v=1\r\n")
    assert server.check(changed, 10.0)[0] is Verdict.WRONG
    assert (
        server.check(build_request("INVITE", URI, headers, b"v=0\r\n"), 10.0)[0] is Verdict.ACCEPTED
    )


def test_the_realm_that_asks_again_has_refused_us_unless_the_nonce_was_stale(server):
    alice, answered = client(), set()
    again = build_response(INVITE, 401, headers=server.challenge(10.0))
    assert alice.take(again, answered)
    assert not alice.take(again, answered)
    stale = build_response(INVITE, 401, headers=server.challenge(11.0, stale=True))
    assert alice.take(stale, answered)


def test_a_proxy_and_the_server_are_both_answered_in_their_own_fields(server):
    ((_, value), *_) = server.challenge(10.0)
    alice, answered = client(), set()
    proxy = value.replace('realm="rapida"', 'realm="edge"')
    assert alice.take(
        build_response(INVITE, 407, headers=[("Proxy-Authenticate", proxy)]), answered
    )
    assert alice.take(build_response(INVITE, 401, headers=server.challenge(10.0)), answered)
    fields = [name for name, _ in alice.headers("INVITE", URI, b"")]
    assert fields == ["Proxy-Authorization", "Authorization"]


def test_a_server_cannot_make_us_keep_any_number_of_realms(server):
    alice, answered = client(), set()
    for at in range(20):
        value = f'Digest realm="r{at}", nonce="n"'
        alice.take(build_response(INVITE, 401, headers=[("WWW-Authenticate", value)]), answered)
    assert len(alice.headers("INVITE", URI, b"")) == 4
