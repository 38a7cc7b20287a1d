"""Vonage's requests and messages as its pages describe them; every id, number and key is
invented."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "signatures.json").read_text())
SECRET = "rapida-test-vonage-signature-secret-0001"
APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
API_KEY = "a1b2c3d4"
CALL = "bbbbbbbb-cccc-dddd-eeee-0123456789ab"
STREAM_LEG = "cccccccc-dddd-eeee-ffff-0123456789ab"
CONVERSATION = "CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
BASE = "https://voice.example.com/v1/talk/vonage"
# When the recorded tokens were issued: 2026-10-08T10:00:00Z.
ISSUED_AT = 1791453600


def key_of(key: dict[str, str]) -> rsa.RSAPrivateKey:
    """Build a private key from its integers."""
    n, e, d, p, q = (int(key[name], 16) for name in "nedpq")
    made = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(e, n),
    )  # fmt: skip
    return made.private_key()


KEY = key_of(next(each for each in VECTORS if "rsa_key_hex" in each)["rsa_key_hex"])
PRIVATE_KEY = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_KEY = KEY.public_key()
CREDENTIAL = Credential(
    "main",
    "vonage",
    {
        "application_id": APPLICATION,
        "private_key": PRIVATE_KEY,
        "signature_secret": SECRET,
        "api_key": API_KEY,
    },
)

_tokens = iter(range(1_000_000))


def token(body: bytes = b"", secret: str = SECRET, algorithm: str = "HS256", **other: Any) -> str:
    """A token as Vonage makes it; None among ``other`` leaves a claim out."""
    claims = {
        "iat": ISSUED_AT, "jti": f"c5ba8f24-1a14-4c10-bfdf-{next(_tokens):012}", "iss": "Vonage",
        "payload_hash": hashlib.sha256(body).hexdigest() if body else None, "api_key": API_KEY,
        "application_id": APPLICATION, **other,
    }  # fmt: skip
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm)


def posted(url: str, said: object, **other: Any) -> WebhookRequest:
    """JSON as Vonage posts it."""
    body = json.dumps(said, separators=(",", ":")).encode()
    headers = {
        "authorization": f"Bearer {token(body, **other)}", "content-type": "application/json",
    }  # fmt: skip
    return WebhookRequest("POST", url, headers, body, received_at=ISSUED_AT + 1)


def gotten(url: str, said: dict[str, str], **other: Any) -> WebhookRequest:
    """The same as a query, without a body."""
    full = f"{url}{'&' if '?' in url else '?'}{urlencode(said)}"
    headers = {"authorization": f"Bearer {token(**other)}"}
    return WebhookRequest("GET", full, headers, received_at=ISSUED_AT + 1)


RINGING = {
    "from": "14155550100", "to": "15005550006", "uuid": CALL, "conversation_uuid": CONVERSATION,
    "endpoint_type": "phone", "region_url": "https://api-us-3.vonage.com",
}  # fmt: skip


def event(status: str, **more: Any) -> dict[str, Any]:
    return {
        "from": "15005550006", "to": "14155550100", "uuid": CALL,
        "conversation_uuid": CONVERSATION, "status": status, "direction": "outbound",
        "timestamp": "2026-10-08T10:00:00.000Z", **more,
    }  # fmt: skip


COMPLETED = event(
    "completed", start_time="2026-10-08T10:00:00.000Z", end_time="2026-10-08T10:01:00.000Z",
    duration="60", rate="0.00450000", price="0.00450000", network="US-FIXED",
)  # fmt: skip
# Each status of Vonage's list, and the state it stands for.
EVENTS: Sequence[tuple[dict[str, Any], str | None]] = (
    (event("started"), "initiated"),
    (event("ringing"), "ringing"),
    (event("answered", start_time=None, rate="0.004", network=None), "in-progress"),
    (event("busy"), "busy"),
    (event("cancelled"), "canceled"),
    (event("canceled"), "canceled"),
    (event("unanswered", detail="unavailable"), "no-answer"),
    (event("timeout"), "no-answer"),
    (event("rejected", detail="declined"), "failed"),
    (event("failed", detail="cannot_route"), "failed"),
    (COMPLETED, "completed"),
    (event("ended"), "completed"),
    (event("disconnected"), None),
    (event("transfer", conversation_uuid_from="CON-1", conversation_uuid_to="CON-2"), None),
    (event("record"), None),
    ({"call_uuid": CALL, "status": "machine", "sub_state": "beep_start"}, None),
    ({"call_uuid": CALL, "status": "human"}, None),
    (event("something new"), None),
)

CONNECTED = {
    "event": "websocket:connected", "content-type": "audio/l16;rate=16000",
    "contextId": "42", "token": "opaque-one-time-token",
}  # fmt: skip
DTMF = {"event": "websocket:dtmf", "digit": "5", "duration": 260}
CLEARED = {"event": "websocket:cleared"}
NOTIFY = {"event": "websocket:notify", "payload": {"mark": "utt-7"}}


def text(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))
