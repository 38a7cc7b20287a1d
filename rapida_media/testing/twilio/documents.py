"""TwiML as the platform reads it: verbs it knows, in order, or the error it would log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from xml.etree import ElementTree

from rapida_media.testing.phone_call import DocumentError

INVALID_TWIML = 12100
NOT_WSS = 31922
VERBS = frozenset({"Connect", "Dial", "Hangup", "Pause", "Redirect", "Reject", "Say"})
STREAM_ATTRIBUTES = frozenset({"url", "name", "track", "statusCallback", "statusCallbackMethod"})


class TwimlError(DocumentError):
    """The document is no TwiML."""


@dataclass(frozen=True, slots=True)
class StreamNoun:
    url: str
    name: str | None
    status_callback: str | None
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verb:
    """text: what stands in it, of a ``<Dial>``'s noun too."""

    name: str
    attributes: Mapping[str, str]
    text: str = ""
    stream: StreamNoun | None = None


def read_twiml(document: bytes | str) -> list[Verb]:
    """Read a document. Raises TwimlError."""
    try:
        root = ElementTree.fromstring(document)  # noqa: S314 — the tested deployment's own
    except ElementTree.ParseError as error:
        raise TwimlError(INVALID_TWIML, f"no XML: {error}") from None
    if root.tag != "Response":
        raise TwimlError(INVALID_TWIML, f"expected <Response>, got <{root.tag}>")
    return [_verb(each) for each in root]


def _verb(element: ElementTree.Element) -> Verb:
    if element.tag not in VERBS:
        raise TwimlError(INVALID_TWIML, f"unknown verb <{element.tag}>")
    stream = element.find("Stream")
    if element.tag == "Connect" and stream is None:
        raise TwimlError(INVALID_TWIML, "<Connect> without <Stream>")
    return Verb(
        element.tag,
        dict(element.attrib),
        "".join(element.itertext()).strip(),
        _stream(stream) if stream is not None else None,
    )


def _stream(element: ElementTree.Element) -> StreamNoun:
    if unknown := set(element.attrib) - STREAM_ATTRIBUTES:
        raise TwimlError(INVALID_TWIML, f"<Stream> has no {', '.join(sorted(unknown))}")
    parts = urlsplit(element.get("url", ""))
    # The platform wants wss; what never leaves this machine may do without.
    if parts.scheme != "wss" and not (parts.scheme == "ws" and parts.hostname == "127.0.0.1"):
        raise TwimlError(NOT_WSS, "the url of a <Stream> begins with wss://")
    parameters = {each.get("name", ""): each.get("value", "") for each in element.iter("Parameter")}
    # A query does not arrive: Twilio drops it.
    url = parts._replace(query="", fragment="").geturl()
    return StreamNoun(url, element.get("name"), element.get("statusCallback"), parameters)
