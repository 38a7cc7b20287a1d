"""Twilio's requests and messages as its pages describe them; every id and number is invented."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from twilio.request_validator import RequestValidator

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest

TOKEN = "rapida-test-twilio-token-0001"
ACCOUNT = "AC00000000000000000000000000000001"
CALL = "CA00000000000000000000000000000001"
STREAM = "MZ00000000000000000000000000000001"
CREDENTIAL = Credential("main", "twilio", {"account_sid": ACCOUNT, "auth_token": TOKEN})
BASE = "https://voice.example.com/v1/talk/twilio"

RINGING = {
    "CallSid": CALL, "AccountSid": ACCOUNT, "From": "+14155550100", "To": "+15005550006",
    "Caller": "+14155550100", "Called": "+15005550006", "CallStatus": "ringing",
    "Direction": "inbound", "ApiVersion": "2010-04-01", "FromCity": "", "FromCountry": "US",
}  # fmt: skip


def signed(url: str, fields: dict[str, str], token: str = TOKEN) -> WebhookRequest:
    """A form as Twilio posts it, with the signature of Twilio's own library."""
    signature = RequestValidator(token).compute_signature(url, fields)
    return WebhookRequest(
        "POST",
        url,
        {
            "content-type": "application/x-www-form-urlencoded; charset=UTF-8",
            "x-twilio-signature": signature,
        },
        urlencode(fields).encode(),
    )


def status(call_status: str, number: int, **more: str) -> WebhookRequest:
    fields = {
        **RINGING, "CallStatus": call_status, "CallbackSource": "call-progress-events",
        "SequenceNumber": str(number), "Timestamp": "Thu, 08 Oct 2026 10:00:00 +0000", **more,
    }  # fmt: skip
    return signed(f"{BASE}/ctx/42/event", fields)


STATUSES: Sequence[tuple[WebhookRequest, str | None]] = (
    (status("queued", 0), "queued"),
    (status("initiated", 0), "initiated"),
    (status("ringing", 1), "ringing"),
    (status("in-progress", 2), "in-progress"),
    (status("completed", 3, CallDuration="12", Duration="1", SipResponseCode="200"), "completed"),
    (status("busy", 3, SipResponseCode="486"), "busy"),
    (status("no-answer", 3), "no-answer"),
    (status("failed", 3, SipResponseCode="404"), "failed"),
    (status("canceled", 3), "canceled"),
    (status("something new", 3), None),
)

CONNECTED = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
START: dict[str, Any] = {
    "event": "start", "sequenceNumber": "1", "streamSid": STREAM,
    "start": {
        "streamSid": STREAM, "accountSid": ACCOUNT, "callSid": CALL, "tracks": ["inbound"],
        "customParameters": {"contextId": "42", "token": "opaque-one-time-token"},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    },
}  # fmt: skip
DTMF = {
    "event": "dtmf", "sequenceNumber": "5", "streamSid": STREAM,
    "dtmf": {"track": "inbound_track", "digit": "1"},
}  # fmt: skip
MARK = {"event": "mark", "sequenceNumber": "4", "streamSid": STREAM, "mark": {"name": "utt-7"}}
STOP = {
    "event": "stop", "sequenceNumber": "5", "streamSid": STREAM,
    "stop": {"accountSid": ACCOUNT, "callSid": CALL},
}  # fmt: skip


def media(payload: bytes = b"\xff" * 160, chunk: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "event": "media", "sequenceNumber": str(chunk + 2), "streamSid": STREAM,
        "media": {
            "track": "inbound", "chunk": str(chunk), "timestamp": str(5 + 20 * (chunk - 1)),
            "payload": base64.b64encode(payload).decode(), **more,
        },
    }  # fmt: skip


def text(message: dict[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))
