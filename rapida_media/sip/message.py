"""SIP messages as an index over the received bytes (RFC 3261 section 7).

``parse_message`` cuts a message into header lines once and looks inside none of them. A typed
value is parsed when it is first asked for and kept; a line that is only echoed is never parsed
at all, which is also why a response repeats Via, From and To byte for byte.

What cannot be a message raises at once. What is a message with something wrong in it is given
back, so that it can be answered: ``validate`` names the fault and the status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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
from rapida_media.sip.index import Index, index_lines, printable, tidy
from rapida_media.sip.lazy import lazy
from rapida_media.sip.syntax import LIST_FIELDS, TOKEN, field_key, split_list, split_tokens
from rapida_media.sip.uri import SipUri, parse_request_uri
from rapida_media.sip.validation import REGISTERED_METHODS, validate_request, validate_response

_VERSION = re.compile(r"SIP/[0-9]{1,9}\.[0-9]{1,9}", re.IGNORECASE | re.ASCII)
_STATUS_LINE = re.compile(
    r"(SIP/[0-9]{1,9}\.[0-9]{1,9})[ \t]++([1-6][0-9][0-9])(?: (.*+))?+",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)


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


class Message:
    """What requests and responses share: header fields and a body.

    raw: the bytes as received or built.

    Typed attributes raise RemoteProtocolError (400) on use when malformed or, for From, To,
    Call-ID, CSeq and the top Via, missing; optional ones are None or empty when absent.
    """

    version = "SIP/2.0"

    def __init__(self, raw: bytes, body_start: int) -> None:
        self.raw = raw
        self._body_start = body_start
        self._index: Index | None = None

    def _indexed(self) -> Index:
        """Index a message of our own making, which is seldom asked for its header fields."""
        head = self.raw[: self._body_start - 4].decode("utf-8", "surrogateescape")
        self._index = index_lines(head.split("\r\n"))
        return self._index

    @property
    def index(self) -> Index:
        """Give where each header field is; for the modules of this package."""
        return self._index or self._indexed()

    @property
    def defect(self) -> str | None:
        """Tell what is wrong with the header section as a whole, None when nothing is."""
        return self.index.defect

    def has(self, name: str) -> bool:
        return field_key(name) in self.index.fields

    def raw_header_lines(self, name: str) -> list[bytes]:
        """Give every line of that field as it was received, folds included, without final CRLF."""
        return [line.encode("utf-8", "surrogateescape") for line in self.index.lines(name)]

    def header(self, name: str) -> str | None:
        """Give the first such field's value, unfolded, None when there is none.

        Octets that are no UTF-8 become U+FFFD.
        """
        row = self.index.fields.get(field_key(name))
        return None if row is None else tidy(row[1])

    def header_names(self) -> list[str]:
        """Give the lower-case long name of every kind of field there is, in order."""
        return list(self.index.fields)

    def header_lines(self, name: str) -> list[str]:
        """Give the value of every line of that field, unfolded; lists are left as they are."""
        return self._values(field_key(name))

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
        row = (self._index or self._indexed()).fields.get(key)
        return [] if row is None else [tidy(value) for value in row[1::2]]

    def _one(self, key: str, name: str) -> str:
        row = (self._index or self._indexed()).fields.get(key)
        if row is None:
            raise RemoteProtocolError(f"missing {name}", 400)
        text = row[1]
        # The usual case of tidy(), without the call.
        return text.strip(" \t") if text.isascii() and "\r" not in text else tidy(text)

    def _addresses(self, key: str, name: str) -> list[NameAddr]:
        return [
            parse_name_addr(item, name)
            for text in self._values(key)
            for item in split_list(text, name)
        ]

    def _tokens(self, key: str) -> list[str]:
        return [token for text in self._values(key) for token in split_tokens(text)]

    def _seconds(self, key: str, name: str) -> int | None:
        return parse_delta_seconds(self._one(key, name), name) if key in self.index.fields else None

    @lazy
    def top_via(self) -> Via:
        text = self._one("via", "Via")
        return parse_via(text if "," not in text else split_list(text, "Via")[0])

    @lazy
    def vias(self) -> list[Via]:
        top = self.top_via
        items = [item for text in self._values("via") for item in split_list(text, "Via")]
        return [top, *(parse_via(item) for item in items[1:])]

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
        if "max-forwards" not in self.index.fields:
            return None
        return parse_number(self._one("max-forwards", "Max-Forwards"), "Max-Forwards", 255)

    @lazy
    def content_length(self) -> int | None:
        if "content-length" not in self.index.fields:
            return None
        return parse_number(
            self._one("content-length", "Content-Length"), "Content-Length", 0xFFFFFFFF
        )

    @lazy
    def content_type(self) -> MediaType | None:
        if "content-type" not in self.index.fields:
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

    def requires(self, option: str) -> bool:
        """Whether Require has this tag, in any case (section 7.3.1)."""
        return option in (tag.lower() for tag in self.require)

    def supports(self, option: str) -> bool:
        """The same of Supported."""
        return option in (tag.lower() for tag in self.supported)

    @lazy
    def unsupported(self) -> list[str]:
        return self._tokens("unsupported")

    @property
    def encoded(self) -> bool:
        """Whether the body is encoded in a way that has to be undone; we can undo none."""
        return any(each.lower() != "identity" for each in self._tokens("content-encoding"))

    @lazy
    def expires(self) -> int | None:
        return self._seconds("expires", "Expires")

    @lazy
    def min_expires(self) -> int | None:
        return self._seconds("min-expires", "Min-Expires")

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

    def __init__(self, method: str, uri_text: str, raw: bytes, body_start: int) -> None:
        super().__init__(raw, body_start)
        self.method = method
        self.uri_text = uri_text

    @lazy
    def uri(self) -> SipUri:
        """Parse the Request-URI. Raises RemoteProtocolError (400, 416) as ``parse_request_uri``
        does."""
        return parse_request_uri(self.uri_text)

    def validate(self) -> None:
        """Check the whole request; see ``validation.validate_request``."""
        validate_request(self)

    def __repr__(self) -> str:
        return f"<Request {self.method}>"


class Response(Message):
    """A SIP response."""

    def __init__(self, status: int, reason: str, raw: bytes, body_start: int) -> None:
        super().__init__(raw, body_start)
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
    # Undecodable octets become lone surrogates, which the echo turns back into the same octets.
    head = data[:end].decode("utf-8", "surrogateescape")
    lines = head.split("\r\n")
    if len(lines) > limits.header_count:
        raise RemoteProtocolError(f"header section of {len(lines)} lines", 513)
    message = _start(lines[0], data, end + 4 if complete else end)
    index = message._index = index_lines(lines)
    if not complete:
        index.defect = "the header section does not end with an empty line"
    elif head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
        # No rule of the grammar lets CR or LF into a field, not even a quoted-pair: a peer that
        # takes one for a line end would read other fields than we do.
        index.defect = "bare CR or LF in the header section"
    return message


def _start(line: str, data: bytes, body_start: int) -> Request | Response:
    parts = line.split(" ")
    if len(parts) == 3 and parts[2] == "SIP/2.0" and parts[0] in REGISTERED_METHODS:
        return Request(parts[0], printable(parts[1]), data, body_start)
    if _VERSION.fullmatch(parts[0]):
        return _start_response(line, data, body_start)
    return _start_unusual(line, data, body_start)


def _start_unusual(line: str, data: bytes, body_start: int) -> Request:
    """Read a request line of another method or version, or with white space astray.

    The white space stays in the Request-URI, which is then no URI: "lwsstart" and "trws" of RFC
    4475 are answered 400.
    """
    method, _, rest = line.partition(" ")
    uri, _, version = rest.rstrip(" \t").rpartition(" ")
    if _VERSION.fullmatch(version) is None or TOKEN.fullmatch(method) is None:
        raise RemoteProtocolError("expected Method SP Request-URI SP SIP-Version CRLF", 400)
    if rest[-1] in " \t":
        uri += " "
    message = Request(method, printable(uri), data, body_start)
    message.version = version.upper()
    return message


def _start_response(line: str, data: bytes, body_start: int) -> Response:
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise RemoteProtocolError("expected SIP-Version SP Status-Code SP Reason-Phrase CRLF")
    version, status, reason = match.groups()
    message = Response(int(status), printable(reason or ""), data, body_start)
    message.version = version.upper()
    return message
