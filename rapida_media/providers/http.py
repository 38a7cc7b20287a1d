"""HTTP as data: what a provider asked us, what we answer, what we ask it.

The server and the client stand in the shell; a provider's folder sees only these values, and its
tests need no socket. Names of header fields are lower case.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A request of a provider, or of somebody who says so: ``verify`` comes first.

    url: as the provider wrote it, with our public scheme and host and the query untouched;
    ``wss://`` for the upgrade of a media stream.  body: as received.  remote: the peer's address.
    received_at: seconds since the Unix epoch.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote: str = ""
    received_at: float = 0.0

    @property
    def query(self) -> Pairs:
        """The fields of the query, decoded, in order."""
        return tuple(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def content_type(self) -> str:
        """The media type of the body, lower case and without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def form(self) -> Pairs:
        """The fields of a form in the body, urlencoded or multipart; none for other bodies."""
        if self.content_type == "application/x-www-form-urlencoded":
            return tuple(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        if self.content_type == "multipart/form-data":
            return tuple(_multipart(self.headers["content-type"], self.body))
        return ()

    @property
    def json(self) -> Any:
        """What a JSON body says; None where there is none or it cannot be read."""
        if self.content_type != "application/json" and not self.content_type.endswith("+json"):
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def fields(self) -> dict[str, str]:
        """Give what was said by name, wherever it stood: query, form, or members of a JSON object.

        The body goes before the query and the first of several before the others. Numbers are
        given as text; members that are no scalar are left out.
        """
        said: dict[str, str] = {}
        for name, value in (*self.form, *_scalars(self.json), *self.query):
            said.setdefault(name, value)
        return said


@dataclass(frozen=True, slots=True)
class Reply:
    """What a webhook is answered."""

    status: int = 200
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: object) -> Reply:
        return cls(200, "application/json", json.dumps(value).encode())

    @classmethod
    def xml(cls, document: str) -> Reply:
        """document: with every value escaped, as ``xml.sax.saxutils`` does."""
        return cls(200, "text/xml", document.encode())


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to a provider. repeatable: sending it twice does what sending it once does."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    repeatable: bool = False


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the provider answered. body: bounded by the client."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        """What a JSON body says; None where it cannot be read."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def retry_after_s(self) -> int | None:
        """The seconds of Retry-After; None where there is none, or a date (RFC 9110, 10.2.3)."""
        text = self.headers.get("retry-after", "").strip()
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


class HttpClient(Protocol):
    """Sends requests of ours. ProviderError when no answer came; every answer is given as it is."""

    async def send(self, request: HttpRequest) -> HttpReply: ...


def basic_authorization(user: str, password: str) -> str:
    """Write the Authorization field of a user name and a password (RFC 7617 section 2)."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def _scalars(value: object) -> Pairs:
    if not isinstance(value, dict):
        return ()
    return tuple(
        (name, each if isinstance(each, str) else json.dumps(each))
        for name, each in value.items()
        if isinstance(each, str | int | float)
    )


def _multipart(content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Read the fields of RFC 7578, which are MIME parts, by the parser of MIME."""
    head = b"Content-Type: " + content_type.encode("latin-1", "replace") + b"\r\n\r\n"
    message: Message = BytesParser(policy=HTTP).parsebytes(head + body)
    if not message.is_multipart():
        return []
    fields = []
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        value = part.get_payload(decode=True)
        if isinstance(name, str) and isinstance(value, bytes):
            fields.append((name, value.decode("utf-8", "replace")))
    return fields
