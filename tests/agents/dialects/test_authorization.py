"""A bot that verifies who calls is satisfied, by the vendors' own libraries."""

from __future__ import annotations

import jwt
import pytest
from twilio.request_validator import RequestValidator
from vonage_jwt import verify_signature

from rapida_media.agents.dialects import authorization
from rapida_media.config import Credential

NOW = 1_791_453_600.5
TOKEN = "rapida-test-twilio-token-0001"
SECRET = "rapida-test-vonage-signature-secret-0001"
TWILIO = Credential("t", "twilio", values={"account_sid": "AC1", "auth_token": TOKEN})
VONAGE = Credential(
    "v",
    "vonage",
    values={"signature_secret": SECRET, "api_key": "a1b2c3d4", "application_id": "app"},
)


def prove(dialect: str, url: str, credential: Credential | None) -> tuple[str, dict[str, str]]:
    return authorization(dialect, url, credential, now=NOW, token="7" * 32)


def test_twilio_signs_the_url_as_it_is_written() -> None:
    url = "wss://media.example.com/telephony/twilio/media/42"
    bare, headers = prove("twilio", url, TWILIO)
    assert bare == url
    assert headers == {"X-Twilio-Signature": "mENj7bq61xqV3PmI51NC28GCLQo="}


@pytest.mark.parametrize(
    "url", ["wss://bot.example.com:8443/a%20b/?x=1&y=%C3%A4", "wss://user:p%40ss@bot.example.com/"]
)
def test_twilios_validator_accepts_every_url(url: str) -> None:
    bare, headers = prove("twilio", url, TWILIO)
    assert RequestValidator(TOKEN).validate(bare, {}, headers["X-Twilio-Signature"])
    assert not RequestValidator("another").validate(bare, {}, headers["X-Twilio-Signature"])


def test_vonage_shows_a_token_under_the_signature_secret() -> None:
    _, headers = prove("vonage", "wss://bot.example.com/v", VONAGE)
    scheme, _, token = headers["Authorization"].partition(" ")
    assert scheme == "Bearer"
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_iat": False})
    assert claims == {
        "iat": 1_791_453_600,
        "jti": "7" * 32,
        "iss": "Vonage",
        "api_key": "a1b2c3d4",
        "application_id": "app",
    }


@pytest.mark.parametrize("dialect", ["twilio", "vonage", "exotel", "l16"])
def test_a_user_in_the_url_becomes_basic_authorization(dialect: str) -> None:
    bare, headers = prove(dialect, "wss://user:p%40ss@bot.example.com/x?y=1", None)
    assert bare == "wss://bot.example.com/x?y=1"
    assert headers == {"Authorization": "Basic dXNlcjpwQHNz"}


def test_vonages_own_library_accepts_the_token() -> None:
    _, headers = prove("vonage", "wss://bot.example.com/v", VONAGE)
    token = headers["Authorization"].removeprefix("Bearer ")
    assert verify_signature(token, SECRET)
    assert not verify_signature(token, SECRET.upper())


def test_exotel_shows_the_accounts_password_and_the_urls_before_it() -> None:
    account = Credential("e", "exotel", values={"username": "bot", "password": "p@ss"})
    assert prove("exotel", "wss://h/", account)[1] == {"Authorization": "Basic Ym90OnBAc3M="}
    own = prove("exotel", "wss://user:p%40ss@h/", account)
    assert own == ("wss://h/", {"Authorization": "Basic dXNlcjpwQHNz"})


def test_an_account_of_another_vendor_signs_nothing() -> None:
    assert prove("vonage", "wss://bot.example.com/", TWILIO)[1] == {}
    assert prove("twilio", "wss://bot.example.com/", VONAGE)[1] == {}
    assert prove("l16", "wss://bot.example.com/", TWILIO)[1] == {}
