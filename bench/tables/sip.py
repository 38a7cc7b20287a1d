"""What one SIP message costs to read and to write, beside the package ``sipmessage`` (RFC 3261).

"match" reads what a transaction and a dialog are found by: top Via branch, Call-ID, both tags and
CSeq. "validate" is every check an endpoint makes. The facts are of whole calls, set up and torn
down by an engine over loopback UDP, beside what others publish of theirs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from bench.harness import Candidate, Row, Run
from bench.load.engine import start_engine
from bench.load.setups import COMMAND, measure_setups
from bench.peers import module
from bench.tables import Facts, Table
from rapida_media.sip.builder import build_request, build_response
from rapida_media.sip.message import Request, parse_message

BATCH = 20
SETUPS, SETUPS_PER_SECOND = 1_000, 100

_SDP = """\
v=0
o=carrier 20518 20518 IN IP4 198.51.100.7
s=-
c=IN IP4 198.51.100.8
t=0 0
m=audio 17382 RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=sendrecv
""".replace("\n", "\r\n").encode()

# What a carrier's session border controller sends.
_HEADERS = [
    ("Via", "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK74bf9a8c3d1e;rport"),
    ("Record-Route", "<sip:198.51.100.7;lr;ftag=9fxced76sl;did=3a5.9f2c11>"),
    ("Max-Forwards", "69"),
    ("From", '"Alice Example" <sip:+15550002222@carrier.example.net;user=phone>;tag=9fxced76sl'),
    ("To", "<sip:+15550001111@203.0.113.5;user=phone>"),
    ("Call-ID", "3848276298220188511@carrier.example.net"),
    ("CSeq", "31862 INVITE"),
    ("Contact", "<sip:+15550002222@198.51.100.7:5060;transport=udp>"),
    ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO, PUBLISH, UPDATE"),
    ("Supported", "replaces, timer, 100rel"),
    ("Session-Expires", "1800"),
    ("Min-SE", "90"),
    ("P-Asserted-Identity", '"Alice Example" <sip:+15550002222@carrier.example.net>'),
    ("Privacy", "none"),
    ("Date", "Sat, 13 Nov 2010 23:29:00 GMT"),
    ("User-Agent", "Carrier-SBC/7.2"),
    ("Content-Type", "application/sdp"),
]
_URI = "sip:+15550001111@203.0.113.5:5060;user=phone"
_ANSWER = [
    ("Contact", "<sip:203.0.113.5:5060>"),
    ("Allow", "INVITE, ACK, CANCEL, OPTIONS, BYE"),
    ("Content-Type", "application/sdp"),
]

INVITE = build_request("INVITE", _URI, _HEADERS, _SDP).raw
_RECEIVED = parse_message(INVITE)
assert isinstance(_RECEIVED, Request)
RESPONSE = build_response(_RECEIVED, 200, to_tag="8321", headers=_ANSWER, body=_SDP).raw


def match(data: bytes) -> tuple[object, ...]:
    message = parse_message(data)
    return (
        message.top_via.branch,
        message.call_id,
        message.from_.tag,
        message.to.tag,
        message.cseq.number,
        message.cseq.method,
    )


def validate(data: bytes) -> None:
    parse_message(data).validate()


def respond() -> bytes:
    assert isinstance(_RECEIVED, Request)
    return build_response(
        _RECEIVED,
        200,
        to_tag="8321",
        headers=_ANSWER,
        body=_SDP,
        received=("198.51.100.7", 5060),
    ).raw


class Sipmessage:
    """The same jobs done by the peer."""

    def __init__(self) -> None:
        self.package = module("sipmessage")
        self.received = self.package.Message.parse(INVITE)
        assert match(INVITE) == self.match(INVITE), "both sides must read the same"
        assert match(RESPONSE) == self.match(RESPONSE), "both sides must read the same"

    def parse(self, data: bytes) -> object:
        return self.package.Message.parse(data)

    def match(self, data: bytes) -> tuple[object, ...]:
        message = self.package.Message.parse(data)
        return (
            message.via[0].parameters["branch"],
            message.call_id,
            message.from_address.parameters.get("tag"),
            message.to_address.parameters.get("tag"),
            message.cseq.sequence,
            message.cseq.method,
        )

    def validate(self, data: bytes) -> None:
        """Read every value that ``validate`` reads."""
        message = self.package.Message.parse(data)
        _ = message.via, message.from_address, message.to_address, message.call_id, message.cseq
        _ = message.contact, message.max_forwards, message.content_type, message.content_length

    def request(self) -> bytes:
        request = self.package.Request("INVITE", self.package.URI.parse(_URI), _SDP)
        for name, value in _HEADERS:
            request.headers.add(name, value)
        return bytes(request)

    def respond(self) -> bytes:
        response = self.package.Response(200, "OK", _SDP)
        for name in ("Via", "From", "Call-ID", "CSeq"):
            response.headers.setlist(name, self.received.headers.getlist(name))
        to = self.received.to_address
        response.to_address = dataclasses.replace(to, parameters=to.parameters.replace(tag="8321"))
        for name, value in _ANSWER:
            response.headers.add(name, value)
        return bytes(response)


def rows() -> list[Row]:
    return [
        _row(
            f"parse INVITE, {len(INVITE)} bytes",
            lambda: parse_message(INVITE),
            lambda peer: peer.parse(INVITE),
        ),
        _row("parse and match INVITE", lambda: match(INVITE), lambda peer: peer.match(INVITE)),
        _row(
            "parse and validate INVITE",
            lambda: validate(INVITE),
            lambda peer: peer.validate(INVITE),
        ),
        _row(
            f"parse and match 200, {len(RESPONSE)} bytes",
            lambda: match(RESPONSE),
            lambda peer: peer.match(RESPONSE),
        ),
        _row(
            "build INVITE",
            lambda: build_request("INVITE", _URI, _HEADERS, _SDP).raw,
            lambda peer: peer.request(),
        ),
        _row("build 200 to INVITE", respond, lambda peer: peer.respond()),
    ]


def _row(name: str, ours: Callable[[], object], theirs: Callable[[Sipmessage], object]) -> Row:
    def make_theirs() -> Run:
        peer = Sipmessage()
        return _repeating(lambda: theirs(peer))

    candidates = [
        Candidate("rapida-media", lambda: _repeating(ours)),
        Candidate("sipmessage", make_theirs),
    ]
    return Row(name, range(BATCH), candidates)


def _repeating(function: Callable[[], object]) -> Run:
    def run(batch: Any) -> None:
        for _ in batch:
            function()

    return run


def facts() -> Facts:
    """Measure set-ups. The published figures are of other machines and other jobs: sippy's is a
    B2BUA, which handles two legs for each call, the other a proxy, which keeps no call.

    sippy: "150-400 call setups/tear-downs per second" (its page on PyPI). OpenSER, from which
    Kamailio came: "from hundreds to thousands of operations per second" (Nahum, Tracey, Wright:
    Evaluating SIP Proxy Server Performance, NOSSDAV 2007).
    """
    with start_engine(COMMAND) as engine:
        measured = measure_setups(engine, SETUPS, SETUPS_PER_SECOND)
    return {
        f"calls set up and torn down, {SETUPS_PER_SECOND} offered per second": {
            "rapida-media": {
                "per second and core": round(measured.per_core_second),
                "CPU ms a call": round(measured.cpu_ms_per_call, 3),
                "answered": f"{measured.answered} of {measured.calls}",
                "p50 answer ms": round(measured.answer_ms["p50"], 2),
                "p95 answer ms": round(measured.answer_ms["p95"], 2),
            },
            "sippy, published, per server": {"per second and core": "150-400"},
            "OpenSER, published, per server": {"per second and core": "100s-1000s"},
        }
    }


TABLE = Table("One SIP message", rows, facts)
