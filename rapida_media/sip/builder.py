"""Write SIP messages (RFC 3261 sections 8.1.1, 8.2.6, 18.2.1).

The endpoint builds every request and response here. Nothing with CR or LF in it gets out: header
injection ends as LocalProtocolError.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.sip.message import Request, Response
from rapida_media.sip.syntax import QUOTED, TOKEN, field_key, usual_key

_SPACE = " \t\r\n"

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

_TOP_VIA = re.compile(rf"(?:[^,\"]++|{QUOTED})*+", re.DOTALL)
_RPORT = re.compile(r";\s*+rport(?![^\s;=])\s*+(?:=[^;]*+)?+", re.IGNORECASE | re.ASCII)
_RECEIVED = re.compile(r";\s*+received\s*+=[^;]*+", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r";\s*+tag\s*+=", re.IGNORECASE | re.ASCII)
_BARE_CR_LF = re.compile(r"\r(?!\n[ \t])|(?<!\r)\n|\n(?![ \t])")


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
    raw, body_start = _write(f"{method} {uri} SIP/2.0\r\n", headers, body)
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
    if "\r" in reason or "\n" in reason:
        raise LocalProtocolError("CR or LF in the reason phrase")
    lines = request.index.lines
    echo = lines("via")
    if echo and received is not None:
        echo[0] = _with_source(echo[0], request, received)
    if 101 <= status <= 299 and request.method in _DIALOG_METHODS:
        echo += lines("record-route")
    echo += lines("from")[:1]
    echo += _to_line(request, to_tag)
    echo += lines("call-id")[:1]
    echo += lines("cseq")[:1]
    if status == 100:
        echo += lines("timestamp")[:1]
    text = "\r\n".join(echo)
    if text.count("\r") != len(echo) - 1 or text.count("\n") != len(echo) - 1:
        text = "\r\n".join(_BARE_CR_LF.sub(" ", line) for line in echo)
    start = f"SIP/2.0 {status} {reason}\r\n"
    raw, body_start = _write(f"{start}{text}\r\n" if echo else start, headers, body)
    return Response(status, reason, raw, body_start)


def _write(before: str, headers: Sequence[tuple[str, str]], body: bytes) -> tuple[bytes, int]:
    """Write what comes before, the caller's headers, Content-Length and body.

    Returns the message and where its body begins.
    """
    text = ""
    for name, value in headers:
        if usual_key(name) is None and TOKEN.fullmatch(name) is None:
            raise LocalProtocolError(f"header name {name!r} is not a token")
        if field_key(name) == "content-length":
            raise LocalProtocolError("Content-Length is written from the body")
        text += f"{name}: {value}\r\n"
    if text.count("\r") != len(headers) or text.count("\n") != len(headers):
        raise LocalProtocolError("CR or LF in a header value")
    try:
        # Octets of an echoed line that are no UTF-8 go out as they came in.
        head = f"{before}{text}Content-Length: {len(body)}\r\n\r\n".encode(
            "utf-8", "surrogateescape"
        )
    except UnicodeEncodeError:
        raise LocalProtocolError("a lone surrogate in a header value") from None
    return head + body, len(head)


def _to_line(request: Request, to_tag: str | None) -> list[str]:
    lines = request.index.lines("to")[:1]
    if lines and to_tag is not None:
        if TOKEN.fullmatch(to_tag) is None:
            raise LocalProtocolError("the To tag is not a token")
        if not _has_tag(request, lines[0]):
            lines[0] = f"{lines[0].rstrip(_SPACE)};tag={to_tag}"
    return lines


def _has_tag(request: Request, line: str) -> bool:
    try:
        return request.to.tag is not None
    except RemoteProtocolError:
        return _TAG.search(line) is not None


def _with_source(line: str, request: Request, source: tuple[str, int]) -> str:
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
    top = _RECEIVED.sub("", top).rstrip(_SPACE)
    if wants_port:
        top = _RPORT.sub(f";rport={source[1]}", top, count=1)
    return f"{top};received={source[0]}{rest}"
