"""ACME against the conformance kit."""

import base64
import hashlib
import hmac
import json

import pytest
from rapida_acme import SPEC

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest
from rapida_media.testing.providers import CHECKS, ProviderCase

SECRET = "not-so-secret"  # noqa: S105 — of an account that exists nowhere
SILENCE = base64.b64encode(b"\xff" * 160).decode()


def signed(said, url="https://voice.example.com/v1/talk/acme/call/support"):
    body = json.dumps(said).encode()
    signature = hmac.new(SECRET.encode(), url.encode() + body, hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-acme-signature": signature}
    return WebhookRequest("POST", url, headers, body, received_at=1.8e9)


def loop_back(message):
    """Give what ACME would send if it heard what we send."""
    said = json.loads(message)
    return json.dumps(said) if said["type"] == "audio" else None


CASE = ProviderCase(
    spec=SPEC,
    credential=Credential("main", "acme", {"secret": SECRET}),
    call_webhook=signed({"call": "c-1", "from": "+15550100", "to": "+15550199"}),
    call_id="c-1",
    statuses=[
        (signed({"call": "c-1", "status": "ringing"}), "ringing"),
        (signed({"call": "c-1", "status": "engaged"}), "busy"),
        (signed({"call": "c-1", "status": "something new"}), None),
    ],
    start=[json.dumps({"type": "hello", "call": "c-1"})],
    audio=json.dumps({"type": "audio", "n": 1, "data": SILENCE}),
    digit=(json.dumps({"type": "key", "key": "5"}), "5"),
    stop=json.dumps({"type": "bye"}),
    mark_echo=lambda message: json.dumps({"type": "played", "mark": json.loads(message)["mark"]}),
    loop_back=loop_back,
    created=(201, b'{"call":"c-2"}', "c-2"),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_acme_conforms(check):
    check(CASE)
