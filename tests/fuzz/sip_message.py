"""The SIP parser: every octet string is a message, or a fault that can be answered.

What is read typed must survive being written; what is answered must be readable and repeat what
RFC 3261 section 8.2.6.2 says it repeats; a stream gives the same messages however it is cut.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from torture.corpus import CORPUS

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.address import Address
from rapida_media.sip.builder import build_response
from rapida_media.sip.framing import StreamFramer
from rapida_media.sip.headers import parse_contact, parse_cseq, parse_media_type, parse_via
from rapida_media.sip.lazy import lazy
from rapida_media.sip.message import (
    DEFAULT_LIMITS,
    Message,
    Request,
    Response,
    parse_message,
)
from rapida_media.sip.trace import Tracer, ladder
from rapida_media.sip.uri import equivalent, parse_request_uri

from . import thorough

SEEDS = [torture.data for torture in CORPUS]
TOKENS = [
    *(name + b": " for name in b"Via From To Call-ID CSeq Contact Content-Length".split()),
    *(b"\r\n" + name + b":" for name in b"v f t i m l c k Route Record-Route Require".split()),
    *b"INVITE ACK BYE CANCEL OPTIONS REGISTER SIP/2.0 SIP/2.0/UDP SIP/7.0".split(),
    *b"sip: sips: tel: sip:a@b <sip:a@b;lr> [::1] z9hG4bK z9hG4bK;rport ;rport ;received=1".split(),
    *b';branch= ;tag= ;lr ;q=0.5 ;maddr= %00 %2 0 1 70 4294967296 -1 * , ; " \\ < > : @ ?'.split(),
    *(b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\r\n ", b"\t", b" ", b"\0", b"\xff", "é".encode()),
    b'"\\""',
    b"=" * 70,
    b"9" * 200,
]
# Every lazily typed attribute, and the properties that read one.
_TYPED = [
    *(name for name, value in vars(Message).items() if isinstance(value, lazy)),
    "missing_body_bytes",
    "defect",
]
_STATUSES = 100, 180, 200, 400, 487
_SOURCE = "192.0.2.9", 5060
# Who wrote hundreds of Vias reads as many, and the lines we add: a request may be as long as we
# take it, and its answer is a little longer.
ROOMIER = replace(
    DEFAULT_LIMITS,
    header_bytes=DEFAULT_LIMITS.header_bytes + 4096,
    header_count=DEFAULT_LIMITS.header_count + 32,
)
_PEER = Address(*_SOURCE)


def fuzz(data: bytes) -> None:
    message = _parsed(data)
    if message is not None:
        _read_all(message)
        if isinstance(message, Request):
            statuses = _STATUSES if thorough(data) else _STATUSES[-1:]
            _answer(message, statuses, valid=_is_valid(message))
    if thorough(data):
        _cut_anywhere(data)
        _traced(data)


def _parsed(data: bytes) -> Request | Response | None:
    try:
        return parse_message(data)
    except RemoteProtocolError:
        return None


def _is_valid(message: Request | Response) -> bool:
    try:
        message.validate()
    except RemoteProtocolError as error:
        if isinstance(message, Response):
            assert error.status is None
        else:
            assert error.status in {400, 416, 501, 505}
        return False
    return True


def _read(message: Message, name: str) -> object:
    try:
        return getattr(message, name)
    except RemoteProtocolError:
        return None


def _read_all(message: Request | Response) -> None:
    values = {name: _read(message, name) for name in _TYPED}
    for name in ("via", "contact", "x-unknown", "content-length"):
        message.header(name)
        message.raw_header_lines(name)
    for via in values["vias"] or ():
        assert parse_via(str(via)) == via
    for address in values["contacts"] or ():
        assert parse_contact(str(address)) == address
    for kind in values["accept"] or ():
        assert parse_media_type(str(kind), "Accept") == kind
    if values["cseq"] is not None:
        assert parse_cseq(str(values["cseq"])) == values["cseq"]
    uri = _read(message, "uri") if isinstance(message, Request) else None
    if uri is not None:
        assert parse_request_uri(str(uri)) == uri
        assert equivalent(uri, uri)


def _answer(request: Request, statuses: tuple[int, ...], *, valid: bool) -> None:
    """Answer as the endpoint would: whatever it is, what we write must be readable."""
    for status in statuses:
        response = build_response(
            request, status, to_tag="ours", headers=(("Server", "fuzz"),), received=_SOURCE
        )
        again = parse_message(response.raw, ROOMIER)
        assert isinstance(again, Response)
        assert again.status == status
        assert again.body == b""
        assert again.header("Server") == "fuzz", "an echoed line swallowed or added a line"
        assert len(again.raw_header_lines("Content-Length")) == 1
        if valid:
            again.validate()
            assert again.top_via.branch == request.top_via.branch
            assert len(again.vias) == len(request.vias)
            assert again.call_id == request.call_id
            assert again.cseq == request.cseq
            assert again.from_ == request.from_
            assert again.to.tag == (request.to.tag if request.to.tag is not None else "ours")


def _traced(data: bytes) -> None:
    """Draw it as part of a call: whatever it is, with no secret that it holds."""
    tracer = Tracer()
    tracer.adopt("call", "call")
    secret = data.replace(b"\r\n", b"\r\nCall-ID:call\r\nAuthorization: Digest hunter2\r\n", 1)
    tracer.record(secret, sent=True, remote=_PEER, local=None, now=0.0)
    tracer.record(data, sent=False, remote=_PEER, local=None, now=1.0)
    trace = tracer.of("call")
    assert trace is not None
    assert "hunter2" not in ladder(trace, whole=True)


def _cut_anywhere(data: bytes) -> None:
    cuts = Random(len(data))
    pieces = StreamFramer()
    cut = []
    place = 0
    while place < len(data):
        size = cuts.choice((1, 2, 3, 50, 500, 5000))
        pieces.feed(data[place : place + size])
        cut += _drain(pieces)
        place += size
    whole = StreamFramer()
    whole.feed(data)
    assert _drain(whole) == cut
    assert whole.pings == pieces.pings
    assert all(message in data for message in cut)


def _drain(framer: StreamFramer) -> list[bytes]:
    messages = []
    try:
        while (message := framer.next_message()) is not None:
            assert message
            messages.append(message)
            _parsed(message)
    except RemoteProtocolError as error:
        assert error.status in {400, 513}
    return messages
