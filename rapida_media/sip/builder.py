"""Write SIP messages (RFC 3261 sections 8.1.1, 8.2.6, 18.2.1).

The endpoint builds every request and response here. Nothing with CR or LF in it gets out: header
injection ends as LocalProtocolError.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.message import Request, Response
from rapida_media.sip.syntax import QUOTED, TOKEN

# RFC 3261 section 21 and the registry's later additions (RFC 3323 … 8688).
REASONS: dict[int, str] = {
    100: "Trying",
    180: "Ringing",
    181: "Call Is Being Forwarded",
    182: "Queued",
    183: "Session Progress",
    199: "Early Dialog Terminated",
    200: "OK",
    202: "Accepted",
    204: "No Notification",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    305: "Use Proxy",
    380: "Alternative Service",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Timeout",
    410: "Gone",
    412: "Conditional Request Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    417: "Unknown Resource-Priority",
    420: "Bad Extension",
    421: "Extension Required",
    422: "Session Interval Too Small",
    423: "Interval Too Brief",
    428: "Use Identity Header",
    429: "Provide Referrer Identity",
    430: "Flow Failed",
    433: "Anonymity Disallowed",
    436: "Bad Identity Info",
    437: "Unsupported Credential",
    438: "Invalid Identity Header",
    439: "First Hop Lacks Outbound Support",
    440: "Max-Breadth Exceeded",
    469: "Bad Info Package",
    470: "Consent Needed",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    483: "Too Many Hops",
    484: "Address Incomplete",
    485: "Ambiguous",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    489: "Bad Event",
    491: "Request Pending",
    493: "Undecipherable",
    494: "Security Agreement Required",
    500: "Server Internal Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Server Time-out",
    505: "Version Not Supported",
    513: "Message Too Large",
    555: "Push Notification Service Not Supported",
    580: "Precondition Failure",
    600: "Busy Everywhere",
    603: "Decline",
    604: "Does Not Exist Anywhere",
    606: "Not Acceptable",
    607: "Unwanted",
    608: "Rejected",
}

# Requests whose 101–2xx may create a dialog: "the UAS MUST copy all Record-Route header field
# values from the request into the response" (section 12.1.1; RFC 6665, RFC 3515).
_DIALOG_METHODS = frozenset({"INVITE", "SUBSCRIBE", "REFER", "NOTIFY"})

_TOP_VIA = re.compile(rb"(?:[^,\"]++|" + QUOTED.encode() + rb")*+", re.DOTALL)
_RPORT = re.compile(rb";[ \t\r\n]*+rport(?![^ \t\r\n;=])[ \t\r\n]*+(?:=[^;]*+)?+", re.IGNORECASE)
_RECEIVED = re.compile(rb";[ \t\r\n]*+received[ \t\r\n]*+=[^;]*+", re.IGNORECASE)
_TAG = re.compile(rb";[ \t\r\n]*+tag[ \t\r\n]*+=", re.IGNORECASE)


def build_request(
    method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes = b""
) -> Request:
    """Write a request: start line, the headers in their order, Content-Length, body.

    Raises LocalProtocolError for a method or header name that is no token, white space in uri, CR
    or LF in any value, or a Content-Length among the headers.
    """
    if TOKEN.fullmatch(method) is None:
        raise LocalProtocolError(f"method {method!r} is not a token")
    if not uri or any(char <= " " for char in uri):
        raise LocalProtocolError("Request-URI empty or with white space in it")
    raw, body_start = _write([f"{method} {uri} SIP/2.0".encode()], headers, body)
    return Request(method, uri, raw, body_start)


def build_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    received: tuple[str, int] | None = None,
) -> Response:
    """Answer a request, well-formed or not: Via, From, To, Call-ID and CSeq are echoed as bytes.

    to_tag: added to a To that has no tag yet (section 8.2.6.2).  received: the source address and
    port of the request, entered into the top Via as section 18.2.1 and RFC 3581 ask.
    Record-Route is echoed where the response can make a dialog, Timestamp in a 100.
    Raises LocalProtocolError as ``build_request`` does, and for a status outside 100–699.
    """
    if not 100 <= status <= 699:
        raise LocalProtocolError(f"status {status}: expected 100 to 699")
    if reason is None:
        reason = REASONS.get(status, "Unknown")
    lines = [f"SIP/2.0 {status} {reason}".encode()]
    if "\r" in reason or "\n" in reason:
        raise LocalProtocolError("CR or LF in the reason phrase")
    vias = request.raw_header_lines("via")
    if vias and received is not None:
        vias[0] = _with_source(vias[0], request, received)
    lines += vias
    if 101 <= status <= 299 and request.method in _DIALOG_METHODS:
        lines += request.raw_header_lines("record-route")
    lines += request.raw_header_lines("from")[:1]
    lines += _to_line(request, to_tag)
    lines += request.raw_header_lines("call-id")[:1]
    lines += request.raw_header_lines("cseq")[:1]
    if status == 100:
        lines += request.raw_header_lines("timestamp")[:1]
    raw, body_start = _write([_clean(line) for line in lines], headers, body)
    return Response(status, reason, raw, body_start)


def _write(
    lines: list[bytes], headers: Sequence[tuple[str, str]], body: bytes
) -> tuple[bytes, int]:
    text = ""
    for name, value in headers:
        if TOKEN.fullmatch(name) is None or name.lower() in ("content-length", "l"):
            raise LocalProtocolError(f"header name {name!r} is not for the caller to write")
        text += f"{name}: {value}\r\n"
    if text.count("\r") != len(headers) or text.count("\n") != len(headers):
        raise LocalProtocolError("CR or LF in a header value")
    try:
        written = text.encode()
    except UnicodeEncodeError:
        raise LocalProtocolError("a header value is no text: lone surrogate") from None
    head = b"%b\r\n%bContent-Length: %d\r\n\r\n" % (b"\r\n".join(lines), written, len(body))
    return head + body, len(head)


def _clean(line: bytes) -> bytes:
    """Give an echoed line its bytes back, unless a bare CR or LF would make it two lines."""
    if b"\r" not in line and b"\n" not in line:
        return line
    return b"\r\n".join(
        part.replace(b"\r", b" ").replace(b"\n", b" ") for part in re.split(rb"\r\n(?=[ \t])", line)
    )


def _to_line(request: Request, to_tag: str | None) -> list[bytes]:
    lines = request.raw_header_lines("to")[:1]
    if lines and to_tag is not None:
        if TOKEN.fullmatch(to_tag) is None:
            raise LocalProtocolError("the To tag is not a token")
        if not _has_tag(request, lines[0]):
            lines[0] = lines[0].rstrip(b" \t") + b";tag=" + to_tag.encode()
    return lines


def _has_tag(request: Request, line: bytes) -> bool:
    try:
        return request.to.tag is not None
    except RemoteProtocolError:
        return _TAG.search(line) is not None


def _with_source(line: bytes, request: Request, source: tuple[str, int]) -> bytes:
    """Enter where the request came from into the first Via of a line.

    "the server MUST add a 'received' parameter" when sent-by is a name or another address
    (section 18.2.1); with rport it "MUST set the value of the parameter to the source port […]
    It MUST also add a 'received' parameter" (RFC 3581 section 4).
    """
    try:
        via = request.top_via
    except RemoteProtocolError:
        return line
    wants_port = "rport" in via.params
    if not wants_port and "received" not in via.params and via.host == source[0]:
        return line
    match = _TOP_VIA.match(line)
    assert match is not None, "the pattern also matches nothing"
    top, rest = match.group(), line[match.end() :]
    received = b";received=" + source[0].encode()
    top = _RECEIVED.sub(b"", top).rstrip(b" \t\r\n")
    if wants_port:
        top = _RPORT.sub(b";rport=%d" % source[1], top, count=1)
    return top + received + rest
