"""What Asterisk sends: by its dialplan, and by AudioSocket. Every id and number is invented."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest

CHANNEL = "1700000000.42"
USER, PASSWORD = "asterisk", "rapida-test-asterisk-0001"
CREDENTIAL = Credential(
    "office",
    "asterisk",
    {
        "username": USER,
        "password": PASSWORD,
        "ari_username": "engine",
        "ari_password": "rapida-test-ari-0001",
        "endpoint": "PJSIP/{to}@trunk",
    },
    api_base="http://pbx.example:8088",
)
BASE = "https://voice.example.com/v1/talk/asterisk"
BASIC = f"Basic {b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"

# The vectors of the AudioSocket protocol, in hexadecimal.
UUID_MESSAGE = bytes.fromhex("0100100123456789abcdef0123456789abcdef")
DTMF_5 = bytes.fromhex("03000135")
DTMF_HASH = bytes.fromhex("03000123")
TWO_SAMPLES_8_KHZ = bytes.fromhex("1000040100feff")
HANG_UP = bytes.fromhex("000000")
ERROR = bytes.fromhex("ff000101")
HEADER_8_KHZ, HEADER_16_KHZ = bytes.fromhex("100140"), bytes.fromhex("120280")


def asked(path: str = "/call/support", authorization: str = BASIC, **fields: str) -> WebhookRequest:
    """A request as ``CURL()`` makes it."""
    return WebhookRequest(
        "GET",
        f"{BASE}{path}?{urlencode(fields)}",
        {"authorization": authorization, "user-agent": "asterisk-libcurl-agent/1.0"},
        remote="192.0.2.10",
        received_at=1.8e9,
    )


CALL_WEBHOOK = asked(**{"id": CHANNEL, "from": "+14155550100", "to": "100", "plan": "gold"})


def news(status: str, **more: str) -> WebhookRequest:
    return asked("/event/support", id=CHANNEL, status=status, **more)


STATUSES = (
    (news("RINGING"), "ringing"),
    (news("ANSWER"), "in-progress"),
    (news("BUSY", cause="17"), "busy"),
    (news("NOANSWER", cause="19"), "no-answer"),
    (news("CANCEL"), "canceled"),
    (news("CONGESTION", cause="34"), "failed"),
    (news("CHANUNAVAIL", cause="20"), "failed"),
    (news("HANGUP", cause="16"), "completed"),
    (news("something new"), None),
)


CONNECTION = "e226e283-c90a-4ea9-9e37-389000b9ef47"


def event(name: str, **members: Any) -> str:
    """An event of chan_websocket as JSON."""
    said = {"event": name, "channel_id": "pbx1-1234.5", **members}
    return json.dumps(said, separators=(",", ":"))


MEDIA_START = event(
    "MEDIA_START",
    connection_id=CONNECTION,
    channel="WebSocket/media1-00000001",
    format="slin16",
    optimal_frame_size=640,
    ptime=20,
    channel_variables={"CTX": "42"},
)
PLAIN_MEDIA_START = (
    f"MEDIA_START connection_id:{CONNECTION} channel:WebSocket/media1-00000001 "
    "channel_id:pbx1-1234.5 format:slin16 optimal_frame_size:640 ptime:20"
)
