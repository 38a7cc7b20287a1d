"""Exotel's requests and messages as its pages describe them; every id and number is invented."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest

ACCOUNT = "acct1"
API_KEY, API_TOKEN = "0123456789abcdef" * 3, "fedcba9876543210" * 3
TOKEN = "an-unguessable-token-0001"
CALL, STREAM = "call-0001", "stream-0001"
VALUES = {
    "account_sid": ACCOUNT, "api_key": API_KEY, "api_token": API_TOKEN, "path_token": TOKEN,
}  # fmt: skip
# The user name and password of the vector ``exotel_ws_basic_auth``, and what arrives of them.
BASIC = "Basic cmFwaWRhOnMzY3JldA=="
CREDENTIAL = Credential("main", "exotel", {**VALUES, "username": "rapida", "password": "s3cret"})
BASE = "https://voice.example.com/v1/talk/exotel"
WEBHOOK = f"{BASE}/call/support/{TOKEN}"

# What the sibling applets send with a call.
INCOMING = {
    "CallSid": CALL, "CallFrom": "09876543210", "CallTo": "08047000000", "Direction": "incoming",
    "CallStatus": "ringing", "CallType": "call-attempt", "Created": "Thu, 08 Oct 2026 15:30:00",
    "CurrentTime": "2026-10-08 15:30:00", "StartTime": "2026-10-08 15:30:00",
    "EndTime": "1970-01-01 05:30:00", "From": "09876543210", "To": "08047000000",
    "DialWhomNumber": "", "flow_id": "1001", "tenant_id": "1", "digits": '"12"',
}  # fmt: skip


def got(fields: Mapping[str, str], url: str = WEBHOOK) -> WebhookRequest:
    return WebhookRequest("GET", f"{url}?{urlencode(fields)}", {"authorization": BASIC})


def posted(fields: Mapping[str, str], url: str = WEBHOOK) -> WebhookRequest:
    headers = {"authorization": BASIC, "content-type": "application/x-www-form-urlencoded"}
    return WebhookRequest("POST", url, headers, urlencode(fields).encode())


def multipart(fields: Mapping[str, str], url: str = WEBHOOK) -> WebhookRequest:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    headers = {"authorization": BASIC, "content-type": "multipart/form-data; boundary=b"}
    return WebhookRequest("POST", url, headers, ("".join(parts) + "--b--\r\n").encode())


def as_json(said: Mapping[str, Any], url: str = WEBHOOK) -> WebhookRequest:
    headers = {"authorization": BASIC, "content-type": "application/json"}
    return WebhookRequest("POST", url, headers, json.dumps(said).encode())


FORMS = (got, posted, multipart, as_json)


def status(raw: str | None, leg: str | None = None, event: str = "terminal") -> dict[str, Any]:
    """A callback in JSON: the legs are an array there."""
    return {
        "EventType": event, "CallSid": CALL, "DateCreated": "2026-10-08 15:30:00",
        "DateUpdated": "2026-10-08 15:31:00", "Status": raw, "To": "08047000000",
        "From": "09876543210", "PhoneNumberSid": "08047000000", "Direction": "outbound-api",
        "ConversationDuration": 12, "RecordingUrl": None, "CustomField": "rapida:42",
        "Legs": [{"OnCallDuration": 12, "Status": leg, "AnsweredBy": None}],
    }  # fmt: skip


STATUSES: Sequence[tuple[WebhookRequest, str | None]] = (
    (posted({"CallSid": CALL, "EventType": "ringing", "Status": "ringing"}), "ringing"),
    (as_json(status("in-progress", "in-progress", "answered")), "in-progress"),
    (multipart({"CallSid": CALL, "Status": "in-progress"}), "in-progress"),
    (got({"CallSid": CALL, "Status": "queued"}), "queued"),
    (multipart({"CallSid": CALL, "Status": "completed", "CustomField": "42"}), "completed"),
    (as_json(status("completed", "completed")), "completed"),
    (as_json(status("busy", "busy")), "busy"),
    (as_json(status("no-answer", "no-answer")), "no-answer"),
    (as_json(status("failed", "failed")), "failed"),
    (as_json(status("failed", "canceled")), "canceled"),
    (posted({"CallSid": CALL, "EventType": "terminal", "Legs[0][Status]": "canceled"}), "canceled"),
    (as_json(status(None, None)), None),
    (posted({"CallSid": CALL, "Status": "something new"}), None),
)

CONNECTED = {"event": "connected"}
START: dict[str, Any] = {
    "event": "start", "sequence_number": "1", "stream_sid": STREAM,
    "start": {
        "stream_sid": STREAM, "call_sid": CALL, "account_sid": ACCOUNT,
        "from": "09876543210", "to": "08047000000", "custom_parameters": {"ctx": "42"},
        "media_format": {"encoding": "base64", "sample_rate": "16000", "bit_rate": "256kbps"},
    },
}  # fmt: skip
DTMF = {
    "event": "dtmf", "sequence_number": "7", "stream_sid": STREAM,
    "dtmf": {"digit": "5", "duration": "100"},
}  # fmt: skip
MARK = {"event": "mark", "sequence_number": "15", "stream_sid": STREAM, "mark": {"name": "utt-7"}}
STOP = {
    "event": "stop", "sequence_number": "20", "stream_sid": STREAM,
    "stop": {"call_sid": CALL, "account_sid": ACCOUNT, "reason": "callended"},
}  # fmt: skip


def start_of(**media_format: Any) -> dict[str, Any]:
    return {**START, "start": {**START["start"], "media_format": media_format}}


def media(payload: bytes = bytes(3200), chunk: int = 1, timestamp: int | None = None) -> Any:
    at = 100 * (chunk - 1) if timestamp is None else timestamp
    return {
        "event": "media", "sequence_number": str(chunk + 1), "stream_sid": STREAM,
        "media": {
            "chunk": str(chunk), "timestamp": str(at),
            "payload": base64.b64encode(payload).decode(),
        },
    }  # fmt: skip


def text(message: Mapping[str, Any]) -> str:
    return json.dumps(message, separators=(",", ":"))


def as_numbers(message: Any) -> Any:
    """Write every counter as the other type."""
    if isinstance(message, dict):
        return {name: as_numbers(each) for name, each in message.items()}
    return int(message) if isinstance(message, str) and message.isdigit() else message
