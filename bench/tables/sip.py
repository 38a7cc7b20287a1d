"""What one SIP message costs to read and to write, beside the package ``sipmessage``.

    python bench/sip_messages.py [--rounds 300]

Rows are measured interleaved, in rounds of a few calls each, and the median round counts: what
else the machine does then hits all rows alike. "match" reads what a transaction and a dialog are
found by: top Via branch, Call-ID, both tags and CSeq. "validate" is every check an endpoint makes.
"""

from __future__ import annotations

import argparse
import dataclasses
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import sipmessage

from rapida_media.sip.builder import build_request, build_response
from rapida_media.sip.message import Request, parse_message

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
_RECEIVED_THERE: Any = sipmessage.Message.parse(INVITE)
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


def sipmessage_match(data: bytes) -> tuple[object, ...]:
    message: Any = sipmessage.Message.parse(data)
    return (
        message.via[0].parameters["branch"],
        message.call_id,
        message.from_address.parameters.get("tag"),
        message.to_address.parameters.get("tag"),
        message.cseq.sequence,
        message.cseq.method,
    )


def sipmessage_validate(data: bytes) -> None:
    """Read every value that ``validate`` reads."""
    message: Any = sipmessage.Message.parse(data)
    _ = message.via, message.from_address, message.to_address, message.call_id, message.cseq
    _ = message.contact, message.max_forwards, message.content_type, message.content_length


def sipmessage_request() -> bytes:
    request: Any = sipmessage.Request("INVITE", sipmessage.URI.parse(_URI), _SDP)
    for name, value in _HEADERS:
        request.headers.add(name, value)
    return bytes(request)


def sipmessage_respond() -> bytes:
    request = _RECEIVED_THERE
    response: Any = sipmessage.Response(200, "OK", _SDP)
    for name in ("Via", "From", "Call-ID", "CSeq"):
        response.headers.setlist(name, request.headers.getlist(name))
    to = request.to_address
    response.to_address = dataclasses.replace(to, parameters=to.parameters.replace(tag="8321"))
    for name, value in _ANSWER:
        response.headers.add(name, value)
    return bytes(response)


# row → (ours, theirs)
ROWS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    f"parse INVITE, {len(INVITE)} bytes": (
        lambda: parse_message(INVITE),
        lambda: sipmessage.Message.parse(INVITE),
    ),
    "parse and match INVITE": (lambda: match(INVITE), lambda: sipmessage_match(INVITE)),
    "parse and validate INVITE": (lambda: validate(INVITE), lambda: sipmessage_validate(INVITE)),
    f"parse and match 200, {len(RESPONSE)} bytes": (
        lambda: match(RESPONSE),
        lambda: sipmessage_match(RESPONSE),
    ),
    "build INVITE": (
        lambda: build_request("INVITE", _URI, _HEADERS, _SDP).raw,
        sipmessage_request,
    ),
    "build 200 to INVITE": (respond, sipmessage_respond),
}


def measure(rounds: int, calls: int = 20) -> dict[tuple[str, int], float]:
    """Give the median cost of each row and side in microseconds per call."""
    samples: dict[tuple[str, int], list[float]] = {
        (row, side): [] for row in ROWS for side in (0, 1)
    }
    for _ in range(rounds):
        for (row, side), taken in samples.items():
            run = ROWS[row][side]
            start = time.perf_counter()
            for _ in range(calls):
                run()
            taken.append((time.perf_counter() - start) / calls * 1e6)
    return {key: statistics.median(taken) for key, taken in samples.items()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=300)
    rounds = arguments.parse_args().rounds
    assert match(INVITE) == sipmessage_match(INVITE), "both sides must read the same"
    assert match(RESPONSE) == sipmessage_match(RESPONSE), "both sides must read the same"
    medians = measure(rounds)
    print(f"Python {platform.python_version()}, median of {rounds} rounds, µs per message")
    print(f"{'':36}{'rapida-media':>14}{'sipmessage':>12}{'ratio':>8}")
    for row in ROWS:
        ours, theirs = medians[row, 0], medians[row, 1]
        print(f"{row:36}{ours:14.1f}{theirs:12.1f}{theirs / ours:8.1f}")


if __name__ == "__main__":
    main()
