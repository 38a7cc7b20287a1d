"""Who is let in: a token in the path, a password, an address."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import replace

import pytest
from recorded_exotel import BASE, BASIC, CREDENTIAL, INCOMING, TOKEN, VALUES, WEBHOOK, got, posted

from rapida_media.config import Credential
from rapida_media.errors import ConfigError
from rapida_media.providers.addresses import networks
from rapida_media.providers.exotel import SPEC
from rapida_media.providers.exotel.access import verify
from rapida_media.providers.http import WebhookRequest
from rapida_media.providers.registry import check_credentials

PLAIN = Credential("main", "exotel", VALUES)
CONTEXT = "wss://voice.example.com/v1/talk/exotel/ctx/42?sample-rate=16000"


def asked(url: str, authorization: str | None = None, remote: str = "") -> WebhookRequest:
    headers = {} if authorization is None else {"authorization": authorization}
    return WebhookRequest("GET", url, headers, remote=remote)


def test_the_token_at_the_end_of_the_path_opens_a_webhook() -> None:
    for url in (WEBHOOK, f"{WEBHOOK}?CallSid=1", f"{BASE}/event/support/{TOKEN}"):
        assert verify(asked(url), PLAIN) is None


@pytest.mark.parametrize(
    "path",
    [
        "call/support", f"call/support?token={TOKEN}", f"call/support/{TOKEN[:-1]}",
        f"call/support/{TOKEN}x", f"call/support/{TOKEN}/", f"call/{TOKEN}/support", "call/ctx/42",
        f"event/support/{TOKEN.upper()}", "call/support/%61n-unguessable-token-0001",
        "call/support/x#/v1/talk/exotel/ctx/42", "call/support/\udcff",
    ],
)  # fmt: skip
def test_without_it_a_webhook_is_closed(path: str) -> None:
    why = verify(asked(f"{BASE}/{path}"), PLAIN)
    assert why is not None
    assert TOKEN not in why


def test_the_vector_of_basic_authentication_is_accepted_and_others_are_not() -> None:
    """``exotel_ws_basic_auth``: rapida:s3cret in the URL arrives as this header field."""
    assert b64decode(BASIC.removeprefix("Basic ")) == b"rapida:s3cret"
    for url in (WEBHOOK, CONTEXT):
        assert verify(asked(url, BASIC), CREDENTIAL) is None
        for wrong in ("Basic cmFwaWRhOndyb25n", "Bearer x", "Basic", BASIC.lower(), "\udcff"):
            assert verify(asked(url, wrong), CREDENTIAL) == "its user name or password is wrong"
    assert verify(asked(WEBHOOK), CREDENTIAL) == "its user name or password is wrong"


def test_what_belongs_to_a_call_has_its_context_in_place_of_a_password() -> None:
    assert verify(asked(CONTEXT), CREDENTIAL) is None
    assert verify(posted({}, f"{BASE}/ctx/42/event"), CREDENTIAL) is None


@pytest.mark.parametrize(
    ("remote", "is_listed"),
    [
        ("203.0.113.7", True), ("198.51.100.9", True), ("2001:db8::1", True),
        ("::ffff:203.0.113.7", True), ("203.0.114.7", False), ("2001:db9::1", False),
        ("", False), ("nonsense", False), ("::ffff:198.51.100.10", False),
    ],
)  # fmt: skip
def test_only_listed_addresses_are_let_in(remote: str, is_listed: bool) -> None:
    addresses = "203.0.113.0/24, 198.51.100.9 2001:db8::/32"
    account = replace(PLAIN, values={**VALUES, "addresses": addresses})
    for url in (WEBHOOK, CONTEXT):
        assert (verify(asked(url, remote=remote), account) is None) == is_listed


def test_nobody_is_let_in_without_an_account() -> None:
    assert verify(got(INCOMING), None) == "there is no account to verify it with"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"path_token": "short"}, "path_token: expected 16 to 128 letters"),
        ({"path_token": "with/a/slash/in/the/middle"}, "path_token: expected 16 to 128 letters"),
        ({"addresses": "203.0.113.0/33"}, "addresses: '203.0.113.0/33' does not appear to be"),
        ({"addresses": " , "}, "addresses: is empty"),
        ({"sample_rate": "44100"}, "sample_rate: expected one of 8000, 16000, 24000"),
        ({"chunk_ms": "110"}, "chunk_ms: expected a multiple of 20, at most 500"),
        ({"chunk_ms": "0"}, "chunk_ms: expected a multiple of 20, at most 500"),
        ({"chunk_ms": "1000"}, "chunk_ms: expected a multiple of 20, at most 500"),
        ({"country_code": "+91"}, "country_code: expected 1 to 3 digits"),
        ({"country_code": ""}, "country_code: expected 1 to 3 digits"),
    ],
)
def test_what_cannot_be_worked_with_is_said_at_the_start(
    more: Mapping[str, str], says: str
) -> None:
    with pytest.raises(ConfigError) as wrong:
        check_credentials([replace(PLAIN, values={**VALUES, **more})], {"exotel": SPEC})
    assert f"[credentials.main] {says}" in str(wrong.value)


def test_an_address_list_is_read_once() -> None:
    assert networks("203.0.113.0/24") is networks("203.0.113.0/24")
