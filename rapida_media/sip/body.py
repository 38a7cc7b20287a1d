"""The parts of a body: RFC 5621, over the multipart of RFC 2046 section 5.1.

Gateways add ISUP or a caller's location to an offer. Nothing here raises: a part that cannot be
read is one of a type that nobody knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import MediaType, parse_media_type

if TYPE_CHECKING:
    from rapida_media.sip.message import Message

# More parts than gateways send; what is beyond is not looked at.
MOST_PARTS = 16
_IDENTITY = frozenset({"", "7bit", "8bit", "binary", "identity"})
_COMPACT = {"c": "content-type", "e": "content-encoding"}


class Part(NamedTuple):
    """content_type: ``type/subtype`` in lower case; "" where it cannot be read.

    required: whoever does not understand it has to refuse the message (RFC 3261 section 20.11).
    encoded: it has to be decoded first.
    """

    content_type: str
    required: bool
    encoded: bool
    content: bytes


def parts_of(message: Message) -> list[Part]:
    """Give the parts of a body, which are its only one where it is no multipart; [] without one.

    RemoteProtocolError (400) for a malformed Content-Type of the message itself.
    """
    kind = message.content_type
    if not message.body or kind is None:
        return []
    boundary = kind.params.get("boundary") if kind.type == "multipart" else None
    if boundary is None:
        return [
            Part(
                kind.name,
                _is_required(message.header("Content-Disposition") or ""),
                message.has("Content-Encoding"),
                message.body,
            )
        ]
    parts = [_part(piece) for piece in _pieces(message.body, boundary.encode())]
    if kind.subtype == "alternative":
        parts = [each._replace(required=False) for each in parts]
    return parts


def _pieces(body: bytes, boundary: bytes) -> list[bytes]:
    """Cut a multipart body at its delimiters, without preamble and epilogue."""
    pieces = []
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary, MOST_PARTS + 1)[1:]:
        padding, _, rest = piece.partition(b"\r\n")
        if padding.strip(b" \t"):  # the close delimiter, or a boundary that only begins like ours
            break
        pieces.append(rest)
    return pieces[:MOST_PARTS]


def _part(piece: bytes) -> Part:
    head, _, content = (b"\r\n" + piece).partition(b"\r\n\r\n")
    fields: dict[str, str] = {}
    text = head.decode("utf-8", "replace").replace("\r\n ", " ").replace("\r\n\t", " ")
    for line in text.split("\r\n"):
        name, _, value = line.partition(":")
        name = name.strip().lower()
        fields.setdefault(_COMPACT.get(name, name), value.strip())
    coding = fields.get("content-encoding", "") or fields.get("content-transfer-encoding", "")
    return Part(
        _type_of(fields.get("content-type", "text/plain")),
        _is_required(fields.get("content-disposition", "")),
        coding.lower() not in _IDENTITY,
        content,
    )


def _type_of(text: str) -> str:
    try:
        kind: MediaType = parse_media_type(text, "Content-Type")
    except RemoteProtocolError:
        return ""
    return kind.name


def _is_required(disposition: str) -> bool:
    """Whether it must be understood, as it must without a word about it (RFC 3261 section 20.11).

    What a header field refers to by Content-ID is for that field alone (by-reference, RFC 5621).
    """
    words = disposition.lower().replace(" ", "").split(";")
    return "handling=optional" not in words[1:] and words[0] != "by-reference"
