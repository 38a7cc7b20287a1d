"""Bodies in several parts: carriers put ISUP, a location or a vendor's notes beside the SDP.

What a user agent does with them is in RFC 5621, their syntax in RFC 2046 section 5.1. Called by
``request_checks``.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import MediaType, parse_media_type
from rapida_media.sip.index import Index, index_lines

# RFC 2046 section 5.1.1.
_BOUNDARY_MAX = 70
_PARTS_MAX = 16
_DEPTH_MAX = 3
# SIP carries octets as they are; a part that is written otherwise is none we can read.
_ENCODINGS = frozenset({"", "7bit", "8bit", "binary"})


class Part(NamedTuple):
    """One part. content_type: lower-case ``type/subtype``; empty where it cannot be read.

    disposition: what it is for, "session" where it does not say. required: whether who does not
    understand it must refuse the message.
    """

    content_type: str
    disposition: str
    required: bool
    body: bytes


def parts_of(content: MediaType, body: bytes) -> list[Part]:
    """Give the parts of a multipart body in order, those of nested ones in their place.

    Empty for a body that is no such thing. Never raises.
    """
    return _parts(content, body, _DEPTH_MAX)


def _parts(content: MediaType, body: bytes, depth: int) -> list[Part]:
    boundary = content.params.get("boundary") or ""
    if not depth or not 0 < len(boundary) <= _BOUNDARY_MAX:
        return []
    found: list[Part] = []
    for piece in _pieces(boundary.encode("utf-8", "surrogateescape"), body):
        head, _, inside = piece.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "surrogateescape").split("\r\n")
        found += _read(index_lines(lines), inside, depth)
    return found


def _pieces(boundary: bytes, body: bytes) -> list[bytes]:
    """Cut a body at its delimiters: what stands before the first and after the last is for nobody.

    A piece begins with the end of its delimiter's line.
    """
    delimiter = re.compile(rb"(?:\A|\r\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
    pieces: list[bytes] = []
    start: int | None = None
    for match in delimiter.finditer(body):
        if start is not None:
            pieces.append(body[start : match.start()])
        start = match.end()
        if match[1] or len(pieces) >= _PARTS_MAX:
            return pieces
    return pieces if start is None else [*pieces, body[start:]]


def _read(index: Index, inside: bytes, depth: int) -> list[Part]:
    content = _content_type(_value(index, "content-type"))
    purpose, _, params = _value(index, "content-disposition").lower().partition(";")
    if _value(index, "content-transfer-encoding").lower() not in _ENCODINGS:
        content = None
    elif content is not None and content.type == "multipart":
        return _parts(content, inside, depth - 1)
    required = "handling=required" in params.replace(" ", "").replace('"', "")
    name = "" if content is None else content.name
    return [Part(name, purpose.strip() or "session", required, inside)]


def _value(index: Index, name: str) -> str:
    row = index.fields.get(name)
    return "" if row is None else row[1].strip()


def _content_type(text: str) -> MediaType | None:
    try:
        return parse_media_type(text, "Content-Type")
    except RemoteProtocolError:
        return None
