"""NCCOs as the platform reads them: actions it knows, in order, or the error it would report."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from rapida_media.testing.phone_call import DocumentError

SYNTAX = "Syntax error in NCCO"
HEADERS_LIMIT_BYTES = 512
RATES = (8000, 16_000, 24_000)
DIGITS = re.compile(r"[0-9]{2,20}")

Action = dict[str, Any]


class NccoError(DocumentError):
    """The document is no NCCO."""

    def __init__(self, detail: str) -> None:
        super().__init__(f"{SYNTAX}. {detail}", detail)


def read_ncco(document: object) -> list[Action]:
    """Read a document: JSON, or what it stands for. Raises NccoError."""
    if isinstance(document, bytes | str):
        try:
            document = json.loads(document)
        except ValueError:
            raise NccoError("Invalid JSON.") from None
    if not isinstance(document, list):
        raise NccoError("Expected an array of actions.")
    for action in document:
        name = action.get("action") if isinstance(action, dict) else None
        check = ACTIONS.get(name) if isinstance(name, str) else None
        if check is None:
            raise NccoError(f"Unknown action {name!r}.")
        check(action)
    return document


def rate_of(endpoint: Mapping[str, Any]) -> int:
    """Give the rate of a WebSocket."""
    found = re.fullmatch(r"audio/l16;rate=([0-9]+)", str(endpoint.get("content-type")))
    if found is None or int(found[1]) not in RATES:
        raise NccoError("The content-type is audio/l16;rate=8000, 16000 or 24000.")
    return int(found[1])


def check_endpoint(endpoint: object) -> None:
    """Raise NccoError for what nobody can be connected to."""
    kind = endpoint.get("type") if isinstance(endpoint, dict) else None
    check = ENDPOINTS.get(kind) if isinstance(kind, str) else None
    if check is None or not isinstance(endpoint, dict):
        raise NccoError(f"Unknown endpoint type {kind!r}.")
    check(endpoint)


def _connect(action: Action) -> None:
    endpoints = action.get("endpoint")
    if not isinstance(endpoints, list) or len(endpoints) != 1:
        raise NccoError("endpoint is an array of one endpoint.")
    check_endpoint(endpoints[0])
    if "from" in action and not DIGITS.fullmatch(str(action["from"])):
        raise NccoError("from is a number without a plus.")
    if "from" in action and action.get("randomFromNumber"):
        raise NccoError("from and randomFromNumber exclude each other.")
    urls = action.get("eventUrl", ["https://any.example"])
    if not isinstance(urls, list) or not all(isinstance(each, str) for each in urls):
        raise NccoError("eventUrl is an array of URLs.")


def _talk(action: Action) -> None:
    if not isinstance(action.get("text"), str) or not action["text"]:
        raise NccoError("talk wants a text.")


def _anything(value: Action) -> None:
    """What is not looked at here."""


def _websocket(endpoint: Action) -> None:
    parts = urlsplit(str(endpoint.get("uri")))
    # The platform wants wss; what never leaves this machine may do without.
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname == "127.0.0.1"):
        raise NccoError("The uri of a websocket begins with wss://.")
    rate_of(endpoint)
    headers = endpoint.get("headers", {})
    if not isinstance(headers, dict) or len(json.dumps(headers).encode()) > HEADERS_LIMIT_BYTES:
        raise NccoError(f"headers is an object of at most {HEADERS_LIMIT_BYTES} bytes.")
    shown = endpoint.get("authorization", {"type": "vonage"})
    if not isinstance(shown, dict) or shown.get("type") not in ("vonage", "custom"):
        raise NccoError("The authorization is of type vonage or custom.")
    if shown["type"] == "custom" and not isinstance(shown.get("value"), str):
        raise NccoError("A custom authorization has a value.")


def _phone(endpoint: Action) -> None:
    if not DIGITS.fullmatch(str(endpoint.get("number"))):
        raise NccoError("number is a number without a plus.")


def _sip(endpoint: Action) -> None:
    if not str(endpoint.get("uri")).startswith(("sip:", "sips:")):
        raise NccoError("The uri begins with sip:.")


ACTIONS: Mapping[str, Callable[[Action], None]] = {
    "connect": _connect,
    "talk": _talk,
    "stream": _anything,
}
ENDPOINTS: Mapping[str, Callable[[Action], None]] = {
    "websocket": _websocket,
    "phone": _phone,
    "sip": _sip,
}
