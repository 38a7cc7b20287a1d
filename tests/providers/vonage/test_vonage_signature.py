"""Who is let in: recorded tokens, and Vonage's own library as the judge."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from recorded_vonage import (
    APPLICATION,
    BASE,
    CREDENTIAL,
    ISSUED_AT,
    KEY,
    PRIVATE_KEY,
    RINGING,
    SECRET,
    VECTORS,
    gotten,
    posted,
    token,
)
from vonage_jwt import JwtClient, verify_signature

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest
from rapida_media.providers.vonage import signature
from rapida_media.providers.vonage.signature import (
    Verifier,
    application_token,
    key_fault,
    private_key,
    stream_authorization,
)

URL = f"{BASE}/call/support"
SIGNED = [each for each in VECTORS if "secret" in each]
OURS = next(each for each in VECTORS if "rsa_key_hex" in each)
STREAM_URL = "wss://voice.example.com/v1/talk/vonage/ctx/42"


def credential(**values: str | None) -> Credential:
    changed = {**CREDENTIAL.values, **values}
    return replace(
        CREDENTIAL, values={name: value for name, value in changed.items() if value is not None}
    )


def request_of(vector: dict[str, Any]) -> WebhookRequest:
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    headers["content-type"] = "application/json"
    body = vector["body"].encode()
    return WebhookRequest(vector["method"], vector["url"], headers, body, received_at=ISSUED_AT + 1)


# -- webhooks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", SIGNED, ids=lambda vector: vector["id"])
def test_recorded_tokens_are_judged_right(vector: dict[str, Any]) -> None:
    why = Verifier()(request_of(vector), credential(signature_secret=vector["secret"]))
    assert (why is None) == vector["valid"], why


@pytest.mark.parametrize("vector", SIGNED, ids=lambda vector: vector["id"])
def test_a_recorded_token_is_wrong_under_another_key(vector: dict[str, Any]) -> None:
    other = credential(signature_secret="another secret of at least 32 octets")
    assert Verifier()(request_of(vector), other) is not None


@given(said=st.dictionaries(st.text(), st.text() | st.integers(), max_size=6))
def test_what_vonages_library_accepts_is_verified(said: dict[str, Any]) -> None:
    request = posted(URL, said)
    assert verify_signature(request.headers["authorization"].split()[1], SECRET)
    assert Verifier()(request, CREDENTIAL) is None


@given(at=st.integers(min_value=0), flip=st.integers(1, 255))
def test_no_bent_body_gets_in(at: int, flip: int) -> None:
    request = posted(URL, RINGING)
    body = bytearray(request.body)
    body[at % len(body)] ^= flip
    assert Verifier()(replace(request, body=bytes(body)), CREDENTIAL) == "its body is another one"


def test_a_query_needs_no_hash_and_a_body_does() -> None:
    verify = Verifier()
    assert verify(gotten(URL, RINGING), CREDENTIAL) is None
    assert verify(gotten(URL, RINGING, payload_hash="of whatever"), CREDENTIAL) is None
    assert verify(posted(URL, RINGING, payload_hash=None), CREDENTIAL) is not None
    assert verify(posted(URL, RINGING, payload_hash=7), CREDENTIAL) is not None


@pytest.mark.parametrize("iat", [ISSUED_AT - 298, ISSUED_AT + 300.5])
def test_a_clock_may_be_five_minutes_off(iat: float) -> None:
    assert Verifier()(posted(URL, RINGING, iat=iat), CREDENTIAL) is None


@pytest.mark.parametrize("iat", [ISSUED_AT - 300, ISSUED_AT + 302, None, "now", 0, -1e300])
def test_a_stale_token_is_refused(iat: Any) -> None:
    why = Verifier()(posted(URL, RINGING, iat=iat), CREDENTIAL)
    assert why is not None
    assert "not issued within 300 s" in why or "refused" in why


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "Nexmo"}, {"iss": None}, {"jti": None}, {"jti": ""}, {"jti": "x" * 101},
        {"application_id": "of another"}, {"application_id": None, "api_key": "of another"},
        {"application_id": None, "api_key": None},
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_us_is_refused(claims: dict[str, Any]) -> None:
    assert Verifier()(posted(URL, RINGING, **claims), CREDENTIAL) is not None


def test_the_account_will_do_where_the_application_is_not_named() -> None:
    request = posted(URL, RINGING, application_id=None)
    assert Verifier()(request, CREDENTIAL) is None
    assert Verifier()(request, credential(api_key=None)) is not None


@pytest.mark.parametrize(
    "shown",
    [
        "", "Bearer", "Bearer ", "Bearer a.b.c", "Basic {}", "Bearer {} {}", "{}", "Bearer {}x",
        "Bearer \ud800.é.x",
    ],
)  # fmt: skip
def test_anything_but_one_bearer_token_is_refused(shown: str) -> None:
    request = gotten(URL, RINGING)
    good = request.headers["authorization"].split()[1]
    asked = replace(request, headers={"authorization": shown.replace("{}", good)})
    assert Verifier()(asked, CREDENTIAL) is not None
    assert Verifier()(replace(asked, headers={}), CREDENTIAL) is not None


def test_no_other_algorithm_is_taken() -> None:
    key = "a secret that is long enough for each of the algorithms, which is sixty-four octets"
    for algorithm, secret in (("HS384", key), ("HS512", key), ("RS256", PRIVATE_KEY)):
        shown = {"authorization": f"Bearer {token(secret=secret, algorithm=algorithm)}"}
        asked = replace(gotten(URL, RINGING), headers=shown)
        assert Verifier()(asked, credential(signature_secret=key)) is not None


# -- replays ---------------------------------------------------------------------------------------


def test_a_token_works_once_for_as_long_as_it_is_fresh() -> None:
    verify, request = Verifier(), posted(URL, RINGING)
    assert verify(request, CREDENTIAL) is None
    assert verify(request, CREDENTIAL) == "its token was used before"
    assert verify(replace(request, received_at=ISSUED_AT + 299), CREDENTIAL) is not None
    assert verify(replace(request, received_at=ISSUED_AT + 10_000), CREDENTIAL) is not None
    assert verify(posted(URL, RINGING), CREDENTIAL) is None, "another one is good"


def test_a_forgery_does_not_use_the_token_up() -> None:
    verify, request = Verifier(), posted(URL, RINGING)
    assert verify(replace(request, body=b"{}"), CREDENTIAL) == "its body is another one"
    assert verify(request, CREDENTIAL) is None


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "REMEMBERED", 10)
    verify = Verifier()
    for _ in range(50):
        assert verify(posted(URL, RINGING), CREDENTIAL) is None
    assert len(verify._seen) == 10
    late = posted(URL, RINGING, iat=ISSUED_AT + 1000)
    assert verify(replace(late, received_at=ISSUED_AT + 1000), CREDENTIAL) is None
    assert len(verify._seen) == 1, "what is stale anyhow is forgotten"


# -- media streams ---------------------------------------------------------------------------------


def test_a_stream_shows_what_the_ncco_said() -> None:
    shown = stream_authorization(STREAM_URL, CREDENTIAL)
    asked = WebhookRequest("GET", STREAM_URL, {"authorization": shown})
    verify = Verifier()
    assert verify(asked, CREDENTIAL) is None
    assert verify(replace(asked, url=f"{STREAM_URL}?x=1"), CREDENTIAL) is None
    assert verify(replace(asked, url=f"{STREAM_URL}3"), CREDENTIAL) is not None
    assert verify(replace(asked, headers={"authorization": f"{shown}0"}), CREDENTIAL) is not None
    assert verify(asked, credential(signature_secret=SECRET[::-1])) is not None
    assert SECRET not in shown


def test_an_account_may_go_without_that() -> None:
    asked = WebhookRequest("GET", STREAM_URL)
    why = Verifier()(asked, CREDENTIAL)
    assert why is not None
    assert 'socket_authorization = "optional"' in why
    lax = credential(socket_authorization="optional")
    assert Verifier()(asked, lax) is None
    wrong = replace(asked, headers={"authorization": "Bearer x"})
    assert Verifier()(wrong, lax) is not None, "what is shown has to be right all the same"
    assert Verifier()(asked, credential(socket_authorization="required")) is not None


def test_without_an_account_nobody_gets_in() -> None:
    assert Verifier()(posted(URL, RINGING), None) is not None
    assert Verifier()(WebhookRequest("GET", STREAM_URL), None) is not None


# -- the application -------------------------------------------------------------------------------


def test_the_recorded_application_token_is_made_byte_for_byte() -> None:
    claims = json.loads(OURS["jwt_claims_text"])
    made = application_token(claims["application_id"], KEY, claims["iat"], claims["jti"])
    assert f"Bearer {made}" == OURS["headers"]["Authorization"]


def test_vonages_library_makes_the_same() -> None:
    claims = {"iat": ISSUED_AT, "jti": "1", "exp": ISSUED_AT + 900}
    theirs = JwtClient(APPLICATION, PRIVATE_KEY).generate_application_jwt(claims).decode()
    ours = application_token(APPLICATION, KEY, ISSUED_AT, "1")
    assert ours.split(".")[0] == theirs.split(".")[0]
    options: Any = {"verify_exp": False, "verify_iat": False}
    said = [
        jwt.decode(each, KEY.public_key(), algorithms=["RS256"], options=options)
        for each in (ours, theirs)
    ]
    assert said[0] == said[1]


def test_a_key_may_have_its_line_breaks_written_out() -> None:
    for text in (PRIVATE_KEY, PRIVATE_KEY.replace("\n", "\\n"), f"\n {PRIVATE_KEY}"):
        assert private_key(text).private_numbers() == KEY.private_numbers()
        assert key_fault(text) is None


@pytest.mark.parametrize(
    "key",
    ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----", "elliptic"],
)
def test_a_key_that_cannot_be_used_is_told(key: str) -> None:
    if key == "elliptic":
        curve = ec.generate_private_key(ec.SECP256R1())
        key = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert key_fault(key) == "expected an RSA key in PEM form, without a password"
