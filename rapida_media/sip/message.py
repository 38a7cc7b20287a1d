"""SIP messages as an index over the received bytes (RFC 3261 section 7).

``parse_message`` cuts a message into header lines once and looks inside none of them. A typed
value is parsed when it is first asked for and kept; a line that is only echoed is never parsed
at all, which is also why a response repeats Via, From and To byte for byte.

What cannot be a message raises at once. What is a message with something wrong in it is given
back, so that it can be answered: ``validate`` names the fault and the status.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import (
    CSeq,
    MediaType,
    NameAddr,
    Via,
    parse_call_id,
    parse_contact,
    parse_cseq,
    parse_delta_seconds,
    parse_media_type,
    parse_name_addr,
    parse_number,
    parse_via,
)
from rapida_media.sip.syntax import (
    LIST_FIELDS,
    TOKEN_BYTES,
    WIRE_KEYS,
    field_key,
    split_list,
    split_tokens,
)
from rapida_media.sip.uri import SipUri, parse_uri
from rapida_media.sip.validation import validate_request, validate_response

_FOLD = re.compile(rb"[ \t]*+\r\n[ \t]++")
_VERSION = re.compile(rb"SIP/[0-9]{1,9}\.[0-9]{1,9}", re.IGNORECASE)
_STATUS_LINE = re.compile(
    rb"(SIP/[0-9]{1,9}\.[0-9]{1,9})[ \t]++([1-6][0-9][0-9])(?: (.*+))?+", re.IGNORECASE | re.DOTALL
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may make us hold.

    message_bytes: the whole message.  header_bytes: start line and header fields.
    header_count: lines of the header section, continuation lines included.
    """

    message_bytes: int = 65535
    header_bytes: int = 32768
    header_count: int = 256


DEFAULT_LIMITS = Limits()


class lazy(Generic[T]):  # noqa: N801 — a decorator
    """A value computed on first use and then an ordinary attribute.

    Like functools.cached_property without its lock; a malformed value raises each time.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self._name = compute.__name__
        self.__doc__ = compute.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> lazy[T] | T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._compute(instance)
        return value


class Message:
    """What requests and responses share: header fields and a body.

    raw: the bytes as received or built.  defect: what is wrong with the message as a whole, if
    anything; ``validate`` reports it.

    Typed attributes raise RemoteProtocolError (400) on use when malformed or, for From, To,
    Call-ID, CSeq and the top Via, missing; optional ones are None or empty when absent.
    """

    def __init__(self, raw: bytes, body_start: int, version: str = "SIP/2.0") -> None:
        self.raw = raw
        self.version = version
        self.defect: str | None = None
        self._body_start = body_start

    @lazy
    def _fields(self) -> dict[str, list[bytes]]:
        """Index the header lines by lower-case long name; order and bytes are kept."""
        lines = self.raw[: self._body_start].removesuffix(b"\r\n\r\n").split(b"\r\n")
        fields, defect = _index(lines)
        self.defect = self.defect or defect
        return fields

    def has(self, name: str) -> bool:
        return field_key(name) in self._fields

    def raw_header_lines(self, name: str) -> list[bytes]:
        """Give every line of that field as it was received, folds included, without final CRLF."""
        return list(self._fields.get(field_key(name), ()))

    def header(self, name: str) -> str | None:
        """Give the first such field's value, unfolded, None when there is none.

        Octets that are no UTF-8 become U+FFFD.
        """
        lines = self._fields.get(field_key(name))
        return None if lines is None else _value(lines[0])

    def header_values(self, name: str) -> list[str]:
        """Give the values of all such fields, those of list fields cut at their commas.

        Raises RemoteProtocolError (400) when a list cannot be cut.
        """
        key = field_key(name)
        values = self._values(key)
        if key not in LIST_FIELDS:
            return values
        return [item for text in values if text for item in split_list(text, name)]

    def _values(self, key: str) -> list[str]:
        return [_value(line) for line in self._fields.get(key, ())]

    def _one(self, key: str, name: str) -> str:
        lines = self._fields.get(key)
        if lines is None:
            raise RemoteProtocolError(f"missing {name}", 400)
        return _value(lines[0])

    def _addresses(self, key: str, name: str) -> list[NameAddr]:
        return [
            parse_name_addr(item, name)
            for text in self._values(key)
            for item in split_list(text, name)
        ]

    def _tokens(self, key: str) -> list[str]:
        return [token for text in self._values(key) for token in split_tokens(text)]

    def _seconds(self, key: str, name: str) -> int | None:
        return parse_delta_seconds(self._one(key, name), name) if key in self._fields else None

    @lazy
    def top_via(self) -> Via:
        return parse_via(split_list(self._one("via", "Via"), "Via")[0])

    @lazy
    def vias(self) -> list[Via]:
        return [parse_via(item) for text in self._values("via") for item in split_list(text, "Via")]

    @lazy
    def from_(self) -> NameAddr:
        return parse_name_addr(self._one("from", "From"), "From")

    @lazy
    def to(self) -> NameAddr:
        return parse_name_addr(self._one("to", "To"), "To")

    @lazy
    def call_id(self) -> str:
        return parse_call_id(self._one("call-id", "Call-ID"))

    @lazy
    def cseq(self) -> CSeq:
        return parse_cseq(self._one("cseq", "CSeq"))

    @lazy
    def contacts(self) -> list[NameAddr]:
        return [
            parse_contact(item)
            for text in self._values("contact")
            for item in split_list(text, "Contact")
        ]

    @lazy
    def routes(self) -> list[NameAddr]:
        return self._addresses("route", "Route")

    @lazy
    def record_routes(self) -> list[NameAddr]:
        return self._addresses("record-route", "Record-Route")

    @lazy
    def max_forwards(self) -> int | None:
        if "max-forwards" not in self._fields:
            return None
        return parse_number(self._one("max-forwards", "Max-Forwards"), "Max-Forwards", 255)

    @lazy
    def content_length(self) -> int | None:
        if "content-length" not in self._fields:
            return None
        return parse_number(
            self._one("content-length", "Content-Length"), "Content-Length", 0xFFFFFFFF
        )

    @lazy
    def content_type(self) -> MediaType | None:
        if "content-type" not in self._fields:
            return None
        return parse_media_type(self._one("content-type", "Content-Type"), "Content-Type")

    @lazy
    def accept(self) -> list[MediaType]:
        """Give the media ranges of Accept; empty also when Accept is there and empty."""
        return [parse_media_type(item, "Accept") for item in self.header_values("accept")]

    @lazy
    def allow(self) -> list[str]:
        return self._tokens("allow")

    @lazy
    def require(self) -> list[str]:
        return self._tokens("require")

    @lazy
    def proxy_require(self) -> list[str]:
        return self._tokens("proxy-require")

    @lazy
    def supported(self) -> list[str]:
        return self._tokens("supported")

    @lazy
    def unsupported(self) -> list[str]:
        return self._tokens("unsupported")

    @lazy
    def expires(self) -> int | None:
        return self._seconds("expires", "Expires")

    @lazy
    def retry_after(self) -> int | None:
        return self._seconds("retry-after", "Retry-After")

    @property
    def missing_body_bytes(self) -> int:
        """Give how many bytes of body Content-Length promises beyond those that came."""
        return max(0, (self.content_length or 0) - (len(self.raw) - self._body_start))

    @lazy
    def body(self) -> bytes:
        """Give the body; an unusable Content-Length counts as none.

        "If there are additional bytes in the transport packet beyond the end of the body, they
        MUST be discarded" (RFC 3261 section 18.3); without Content-Length the body is the rest.
        """
        try:
            length = self.content_length
        except RemoteProtocolError:
            length = None
        end = None if length is None else self._body_start + length
        return self.raw[self._body_start : end]


class Request(Message):
    """A SIP request. uri_text is the Request-URI as written."""

    def __init__(
        self, method: str, uri_text: str, raw: bytes, body_start: int, version: str = "SIP/2.0"
    ) -> None:
        super().__init__(raw, body_start, version)
        self.method = method
        self.uri_text = uri_text

    @lazy
    def uri(self) -> SipUri:
        """Parse the Request-URI. Raises RemoteProtocolError (400, 416) as ``parse_uri`` does."""
        return parse_uri(self.uri_text)

    def validate(self) -> None:
        """Check the whole request; see ``validation.validate_request``."""
        validate_request(self)

    def __repr__(self) -> str:
        return f"<Request {self.method}>"


class Response(Message):
    """A SIP response."""

    def __init__(
        self, status: int, reason: str, raw: bytes, body_start: int, version: str = "SIP/2.0"
    ) -> None:
        super().__init__(raw, body_start, version)
        self.status = status
        self.reason = reason

    def validate(self) -> None:
        """Check the whole response; see ``validation.validate_response``."""
        validate_response(self)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def parse_message(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response:
    """Index one message: a datagram, or what ``StreamFramer`` cut from a stream.

    Raises RemoteProtocolError when there is no message to give: no start line of SIP (400, or None
    for a response, which nobody answers) or over the limits (513). Everything else is for
    ``validate`` to find.
    """
    if len(data) > limits.message_bytes:
        raise RemoteProtocolError(f"message of {len(data)} bytes", 513)
    if data[:2] == b"\r\n":
        # "implementations SHOULD ignore any CRLF appearing before the start-line" (section 7.5)
        data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    complete = end >= 0
    if not complete:
        end = len(data)
    if end > limits.header_bytes:
        raise RemoteProtocolError(f"header section of more than {limits.header_bytes} bytes", 513)
    head = data[:end]
    lines = head.split(b"\r\n")
    if len(lines) > limits.header_count:
        raise RemoteProtocolError(f"header section of {len(lines)} lines", 513)
    message = _start(lines[0], data, end + 4 if complete else end)
    fields, defect = _index(lines)
    message.__dict__["_fields"] = fields
    if defect is not None and message.defect is None:
        message.defect = defect
    if not complete:
        message.defect = "the header section does not end with an empty line"
    elif head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1:
        # No rule of the grammar lets CR or LF into a field, not even a quoted-pair: a peer that
        # takes one for a line end would read other fields than we do.
        message.defect = "bare CR or LF in the header section"
    return message


def _start(line: bytes, data: bytes, body_start: int) -> Request | Response:
    method, _, rest = line.partition(b" ")
    if method == b"SIP/2.0" or _VERSION.fullmatch(method):
        return _start_response(line, data, body_start)
    uri, _, version = rest.rstrip(b" \t").rpartition(b" ")
    if version != b"SIP/2.0" and _VERSION.fullmatch(version) is None:
        raise RemoteProtocolError("expected Method SP Request-URI SP SIP-Version CRLF", 400)
    if TOKEN_BYTES.fullmatch(method) is None:
        raise RemoteProtocolError("the method is not a token", 400)
    message = Request(
        method.decode(), _text(uri), data, body_start, version.decode() if version else "SIP/2.0"
    )
    if rest[-1:] in b" \t":
        message.defect = "white space at the end of the request line"
    return message


def _start_response(line: bytes, data: bytes, body_start: int) -> Response:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError("expected SIP-Version SP Status-Code SP Reason-Phrase CRLF")
    version, status, reason = match.groups()
    return Response(int(status), _text(reason or b""), data, body_start, version.decode())


def _index(lines: list[bytes]) -> tuple[dict[str, list[bytes]], str | None]:
    fields: dict[str, list[bytes]] = {}
    defect = None
    known = WIRE_KEYS.get
    last: list[bytes] | None = None
    rows = iter(lines)
    next(rows)
    for line in rows:
        key = known(line[: line.find(b":")])
        if key is None:
            if line[:1] in (b" ", b"\t"):
                if last is None:
                    defect = "continuation line without a header field"
                else:
                    last[-1] += b"\r\n" + line
                continue
            key = _unusual_key(line)
            if key is None:
                defect, last = "header line without a name", None
                continue
        last = fields.get(key)
        if last is None:
            last = fields[key] = [line]
        else:
            last.append(line)
    return fields, defect


def _unusual_key(line: bytes) -> str | None:
    """Give the key of a name that is not spelled as usual, None when it is no name."""
    name, colon, _ = line.partition(b":")
    name = name.rstrip(b" \t")
    if not colon or TOKEN_BYTES.fullmatch(name) is None:
        return None
    return WIRE_KEYS.get(name) or field_key(name.decode().lower())


def _value(line: bytes) -> str:
    value = line[line.find(b":") + 1 :].strip(b" \t")
    if b"\r" in value:
        value = _FOLD.sub(b" ", value).strip(b" \t")
    return value.decode("utf-8", "replace")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
