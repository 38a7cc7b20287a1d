"""Who is let in: recorded signatures, and Twilio's own library as the judge."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded_twilio import ACCOUNT, CREDENTIAL, RINGING, TOKEN, signed
from twilio.request_validator import RequestValidator

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest
from rapida_media.providers.twilio.signature import sign, verify

VECTORS = json.loads((Path(__file__).parent / "signatures.json").read_text())
URL = "https://voice.example.com/v1/talk/twilio/call/support"


def request_of(vector: dict[str, Any]) -> WebhookRequest:
    headers = {name.lower(): value for name, value in vector["headers"].items()}
    body = (vector["body"] or "").encode()
    if body:
        is_json = body.startswith(b"{")
        headers["content-type"] = (
            "application/json" if is_json else "application/x-www-form-urlencoded"
        )
    return WebhookRequest(vector["method"], vector["url"], headers, body)


def account_of(vector: dict[str, Any]) -> Credential:
    shared = "X-Twilio-Webhooks-Signature-Settings" in vector["headers"]
    keys = {"shared_key" if shared else "auth_token": vector["secret"]}
    return Credential("main", "twilio", {"account_sid": ACCOUNT, **keys})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_recorded_signatures_are_judged_right(vector: dict[str, Any]) -> None:
    why = verify(request_of(vector), account_of(vector))
    assert (why is None) == vector["valid"], why


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_recorded_signature_is_wrong_under_another_key(vector: dict[str, Any]) -> None:
    account = account_of({**vector, "secret": "another"})
    assert verify(request_of(vector), account) is not None


FIELDS = st.dictionaries(st.text(min_size=1), st.text(), max_size=8)


@given(
    fields=FIELDS,
    path=st.from_regex(r"(/[a-zA-Z0-9._~%-]{1,12}){1,4}(\?[a-z]=[a-z%]*)?", fullmatch=True),
)
def test_twilios_library_signs_the_same(fields: dict[str, str], path: str) -> None:
    url = f"https://voice.example.com{path}"
    theirs = RequestValidator(TOKEN).compute_signature(url, fields)
    assert sign(url, tuple(fields.items()), TOKEN) == theirs
    body = urlencode(fields).encode()
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": theirs}
    assert verify(WebhookRequest("POST", url, headers, body), CREDENTIAL) is None


@given(at=st.integers(min_value=0), flip=st.integers(1, 255))
def test_no_bent_request_gets_in(at: int, flip: int) -> None:
    request = signed(URL, RINGING)
    body = bytearray(request.body)
    body[at % len(body)] ^= flip
    bent = replace(request, body=bytes(body))
    # An escape in the other case, or + for %20, says the same; whatever else differs is refused.
    same = sorted(bent.form) == sorted(request.form)
    assert (verify(bent, CREDENTIAL) is None) == same


def test_either_token_is_good_during_a_rotation() -> None:
    both = replace(
        CREDENTIAL, values={**CREDENTIAL.values, "auth_token": "new", "secondary_auth_token": TOKEN}
    )
    assert verify(signed(URL, RINGING), both) is None
    assert verify(signed(URL, RINGING, "new"), both) is None
    assert verify(signed(URL, RINGING, "older"), both) is not None


@pytest.mark.parametrize(
    ("seen", "signed_for", "good"),
    [
        ("https://a.example/x?y=1", "https://a.example:443/x?y=1", True),
        ("https://a.example:443/x", "https://a.example/x", True),
        ("wss://a.example/x", "wss://a.example:443/x", True),
        ("http://a.example/x", "http://a.example:80/x", True),
        ("http://[::1]:8080/x", "http://[::1]/x", True),
        ("https://a.example/x", "https://a.example:8443/x", False),
        ("https://a.example/x", "https://a.example/x/", False),
        ("https://a.example/%7Ex", "https://a.example/~x", False),
    ],
)
def test_only_the_default_port_may_be_spelled_or_left_out(
    seen: str, signed_for: str, good: bool
) -> None:
    headers = {"x-twilio-signature": sign(signed_for, (), TOKEN)}
    assert (verify(WebhookRequest("GET", seen, headers), CREDENTIAL) is None) == good


def test_a_body_that_nothing_covers_is_refused() -> None:
    headers = {"x-twilio-signature": sign(URL, (), TOKEN), "content-type": "application/json"}
    asked = WebhookRequest("POST", URL, headers, b'{"CallSid":"CA1"}')
    assert verify(asked, CREDENTIAL) is not None
    assert verify(replace(asked, headers={**headers, "content-type": ""}), CREDENTIAL) is not None
    assert verify(replace(asked, body=b""), CREDENTIAL) is None


def test_a_hashed_body_that_says_it_is_a_form_is_read_as_a_form() -> None:
    body = b"CallSid=CA1"
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    headers = {"x-twilio-signature": sign(url, (), TOKEN)}
    form = {**headers, "content-type": "application/x-www-form-urlencoded"}
    assert verify(WebhookRequest("POST", url, headers, body), CREDENTIAL) is None
    assert verify(WebhookRequest("POST", url, form, body), CREDENTIAL) is not None


@pytest.mark.parametrize(
    "settings",
    ["key=k,algorithm=HMAC_SHA256", "key=k,algorithm=HMAC_MD5", "algorithm=none", "nonsense"],
)
def test_a_way_of_signing_without_a_key_lets_nobody_in(settings: str) -> None:
    request = signed(URL, RINGING)
    headers = {**request.headers, "x-twilio-webhooks-signature-settings": settings}
    assert verify(replace(request, headers=headers), CREDENTIAL) is not None


def test_without_an_account_nobody_gets_in() -> None:
    assert verify(signed(URL, RINGING), None) is not None
