"""A second opinion: what this parser and the package ``sipmessage`` both accept must agree."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sipmessage
from corpus import CORPUS, Torture

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.builder import build_request
from rapida_media.sip.headers import NameAddr, Via
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.sip.uri import SipUri, parse_uri, unescape


class Disagreement(AssertionError):
    """The two parsers read different things."""


def ours(data: bytes) -> Request | Response | None:
    try:
        message = parse_message(data)
        message.validate()
    except RemoteProtocolError:
        return None
    return message


def theirs(data: bytes) -> Any:
    try:
        return sipmessage.Message.parse(data)
    except ValueError:
        return None


def accepted(read: Any) -> Any:
    """Give the other parser's value, None where it refuses one."""
    try:
        return read()
    except (ValueError, KeyError):
        return None


def agree(what: str, mine: object, other: object) -> None:
    if mine != other:
        raise Disagreement(f"{what}: {mine!r} here, {other!r} there")


def agree_on_uri(mine: str, other: Any) -> None:
    """Compare a URI of ours, as text, with a parsed one of theirs."""
    try:
        uri = parse_uri(mine)
    except RemoteProtocolError:
        return
    agree("scheme", uri.scheme, other.scheme.lower())
    agree("user", unescape(uri.user or ""), other.user or "")
    agree("host", uri.host, other.host.strip("[]"))
    agree("port", uri.port, other.port)
    params = {name: value and unescape(value) for name, value in uri.params.items()}
    agree("URI parameters", params, lowered(other.parameters))


def lowered(params: Any) -> dict[str, str | None]:
    return {name.lower(): value for name, value in params.items()}


def agree_on_address(mine: NameAddr, other: Any) -> None:
    agree("display name", mine.display_name, other.name or "")
    agree("parameters", mine.params, unquoted(other.parameters))
    agree_on_uri(mine.uri_text, other.uri)


def unquoted(params: Any) -> dict[str, str | None]:
    return {name: value and value.strip('"') for name, value in lowered(params).items()}


def agree_on_via(mine: Via, other: Any) -> None:
    agree("transport", mine.transport, other.transport)
    agree("sent-by host", mine.host, other.host.strip("[]"))
    agree("sent-by port", mine.port, other.port)
    agree("Via parameters", mine.params, unquoted(other.parameters))


def compare(data: bytes) -> bool:
    """Compare both readings; tells whether both parsers accepted the message."""
    mine, other = ours(data), theirs(data)
    if mine is None or other is None:
        return False
    if isinstance(mine, Request):
        agree("method", mine.method, other.method)
        agree_on_uri(mine.uri_text, other.uri)
    else:
        agree("status", mine.status, other.code)
        agree("reason", mine.reason, other.phrase)
    agree("Call-ID", mine.call_id, accepted(lambda: other.call_id) or mine.call_id)
    if (cseq := accepted(lambda: other.cseq)) is not None:
        agree("CSeq", (mine.cseq.number, mine.cseq.method), (cseq.sequence, cseq.method))
    for address, read in (
        (mine.from_, lambda: other.from_address),
        (mine.to, lambda: other.to_address),
    ):
        if (value := accepted(read)) is not None:
            agree_on_address(address, value)
    if (vias := accepted(lambda: other.via)) is not None:
        agree("number of Vias", len(mine.vias), len(vias))
        for via, theirs_ in zip(mine.vias, vias, strict=True):
            agree_on_via(via, theirs_)
    if (contacts := accepted(lambda: other.contact)) is not None:
        agree("number of Contacts", len(mine.contacts), len(contacts))
        for contact, theirs_ in zip(mine.contacts, contacts, strict=True):
            agree_on_address(contact, theirs_)
    agree_on_scalars(mine, other)
    return True


def agree_on_scalars(mine: Request | Response, other: Any) -> None:
    agree("Max-Forwards", mine.max_forwards, accepted(lambda: other.max_forwards))
    agree("Content-Length", mine.content_length, accepted(lambda: other.content_length))
    media = accepted(lambda: other.content_type)
    if media is not None:
        assert mine.content_type is not None
        agree("Content-Type", mine.content_type.name, media.mime_type.lower())
    agree("Require", mine.require, accepted(lambda: other.require) or [])
    agree("Supported", mine.supported, accepted(lambda: other.supported) or [])
    if mine.content_length in (None, len(other.body)):
        agree("body", mine.body, other.body)


# Where RFC 4475 itself says which reading is right, and it is ours.
SETTLED = {
    "esc01.dat": "section 3.1.1.3: the Contact on a continuation line is a Contact",
    "intmeth.dat": "section 3.1.1.2: a backslash escapes any character, also NUL and DEL",
    "longreq.dat": "section 3.1.1.7: white space may precede the colon, so there are 34 Vias",
}


@pytest.mark.parametrize("torture", CORPUS, ids=str)
def test_torture_messages_both_accept_are_read_alike(torture: Torture) -> None:
    if torture.file in SETTLED:
        with pytest.raises(Disagreement):
            compare(torture.data)
    else:
        compare(torture.data)


def test_enough_torture_messages_are_accepted_by_both() -> None:
    candidates = [torture.data for torture in CORPUS if torture.file not in SETTLED]
    assert sum(compare(data) for data in candidates) >= 15


def _message(chance: random.Random) -> bytes:
    """Write a request whose form varies in everything RFC 3261 lets vary."""
    pick = chance.choice
    names = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Supported": "k"}

    def name(text: str) -> str:
        return pick((text, text.upper(), text.lower(), names.get(text, text)))

    def params() -> dict[str, str | None]:
        values = (None, "a", "%41b", "1.5")
        return {pick(("lr", "x", "yy", "z-1")): pick(values) for _ in range(pick((0, 1, 3)))}

    def uri() -> str:
        host = pick(("example.com", "192.0.2.1", "h-1.example"))
        return str(
            SipUri(pick(("sip", "sips")), pick((None, "alice", "+1555", "a;b")), host,
                   pick((None, 5060)), params())
        )  # fmt: skip

    def address(tag: str | None = None) -> str:
        text = pick(("", "Bob ", '"Bob, \\"B\\"" ', "Bob van Dam ")) + f"<{uri()}>"
        return text + (f"{pick((';', ' ; '))}tag={tag}" if tag else "")

    method = pick(("INVITE", "OPTIONS", "BYE", "NEW"))
    vias = [
        f"SIP/2.0/{pick(('UDP', 'TCP'))} h{n}.example:506{n};branch=z9hG4bK{n}" for n in range(3)
    ][: pick((1, 2, 3))]
    headers = [(name("Via"), pick((", ", ",")).join(vias))]
    headers += [(name("From"), address("f1")), (name("To"), address(pick((None, "t1"))))]
    headers += [(name("Call-ID"), pick(("a@b", "abc"))), ("CSeq", f"{pick((1, 99))} {method}")]
    headers += [(name("Contact"), address())] * pick((0, 1, 2))
    headers += [("Max-Forwards", pick(("70", "0")))]
    headers += [(name("Supported"), pick(("timer", "timer, 100rel")))] * pick((0, 1))
    chance.shuffle(headers)
    return build_request(method, uri(), headers, pick((b"", b"v=0\r\n"))).raw


def test_a_thousand_varied_requests_are_read_alike() -> None:
    chance = random.Random(3261)
    both = sum(compare(_message(chance)) for _ in range(1000))
    assert both >= 900
