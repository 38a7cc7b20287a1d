"""NCCO documents: the JSON that webhooks and orders are answered with."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

CONTENT_TYPE = "audio/l16;rate=16000"
# Of the headers of a WebSocket, serialised.
HEADERS_LIMIT_BYTES = 512
# Where the headers come back, these have a meaning of their own.
_TAKEN = ("event", "content-type")
_NUMBER = re.compile(r"\+?[0-9]{2,20}")

Ncco = list[dict[str, Any]]


def connect_stream(
    media_url: str,
    event_url: str,
    authorization: str,
    number: str,
    handed: Mapping[str, str],
) -> Ncco:
    """Have the call's audio brought to ``media_url``, both ways.

    Nothing follows: the call ends when the stream does. authorization: what the upgrade shows.
    number: ours.  handed: comes back with ``websocket:connected``.
    """
    endpoint = {
        "type": "websocket",
        "uri": media_url,
        "content-type": CONTENT_TYPE,
        "headers": _headers(handed),
        "authorization": {"type": "custom", "value": authorization},
    }
    return [
        {
            "action": "connect",
            **_caller(number),
            "eventUrl": [event_url],  # as a text it is a syntax error
            "eventMethod": "POST",
            "endpoint": [endpoint],
        }
    ]


def connect_target(target: str, number: str) -> Ncco:
    """Send the caller on to a number or a ``sip:`` URI. ValueError for a target that is neither."""
    return [{"action": "connect", **_caller(number), "endpoint": [endpoint_of(target)]}]


def talk(text: str) -> Ncco:
    """Say something; the call ends behind it."""
    return [{"action": "talk", "text": text, "language": "en-US"}]


def endpoint_of(target: str) -> dict[str, str]:
    """Name whom to call, as Vonage does. ValueError for what it cannot call."""
    scheme, _, rest = target.partition(":")
    if scheme in ("sip", "sips") and rest and target.isprintable() and " " not in target:
        return {"type": "sip", "uri": target}
    number = target.removeprefix("tel:")
    if not _NUMBER.fullmatch(number):
        raise ValueError("expected a number or sip:…")
    return {"type": "phone", "number": number.removeprefix("+")}


def digits_of(number: str) -> str:
    """Give a number as Vonage writes it, without the plus; "" for what is none."""
    return number.removeprefix("+") if _NUMBER.fullmatch(number) else ""


def e164(number: str) -> str:
    """Give one of Vonage's numbers as we write it; what is none stays as it is."""
    return f"+{number}" if number.isascii() and number.isdigit() and len(number) > 6 else number


def _caller(number: str) -> dict[str, Any]:
    digits = digits_of(number)
    return {"from": digits} if digits else {"randomFromNumber": True}


def _headers(handed: Mapping[str, str]) -> dict[str, str]:
    """Give as many as there is room for, in order."""
    written: dict[str, str] = {}
    for name, value in handed.items():
        more = {**written, name: value}
        if name in _TAKEN:
            log.warning("the parameter %r is a word of Vonage's: left out", name)
        elif len(json.dumps(more).encode()) > HEADERS_LIMIT_BYTES:
            log.warning("there is no room for the parameter %r at Vonage: left out", name[:40])
        else:
            written = more
    return written
