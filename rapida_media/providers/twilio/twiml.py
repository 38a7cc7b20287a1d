"""TwiML documents, written with every value escaped: the answers to webhooks and orders."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

log = logging.getLogger(__name__)

# XML 1.0 section 2.2: a document cannot carry other characters, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# White space in attributes is normalised by the reader unless it is escaped (section 3.3.3).
_IN_ATTRIBUTES = {'"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
# Of name and value together, as Twilio's pages say.
PARAMETER_LIMIT = 500


def response(*verbs: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>{element("Response", {}, *verbs)}'


def element(tag: str, attributes: Mapping[str, str], *children: str) -> str:
    """Write one element. children: elements, or text that ``text`` has escaped."""
    head = tag + "".join(f' {name}="{_value(each)}"' for name, each in attributes.items())
    return f"<{head}>{''.join(children)}</{tag}>" if children else f"<{head}/>"


def text(value: str) -> str:
    return escape(_NOT_XML.sub("", value), {"\r": "&#13;"})


def connect_stream(
    media_url: str, event_url: str, context_id: str, parameters: Mapping[str, str]
) -> str:
    """Have the call's audio brought to ``media_url``, both ways.

    Nothing follows ``<Connect>``: the call ends when we close the stream. parameters: come back
    with the stream's ``start``.
    """
    handed = {"contextId": context_id, **parameters}
    stream = {
        "url": media_url,
        "name": context_id,
        "statusCallback": event_url,
        "statusCallbackMethod": "POST",
    }
    return response(element("Connect", {}, element("Stream", stream, *_parameters(handed))))


def _parameters(handed: Mapping[str, str]) -> list[str]:
    written = []
    for name, value in handed.items():
        if len(name) + len(value) > PARAMETER_LIMIT:
            log.warning("the parameter %r is too long for Twilio: left out", name[:40])
        else:
            written.append(element("Parameter", {"name": name, "value": value}))
    return written


def dial(target: str) -> str:
    """Send the caller on to a number, a ``sip:`` URI or a ``client:`` of Twilio's.

    Raises ValueError for a target that is none of these.
    """
    scheme, _, rest = target.partition(":")
    if scheme in ("sip", "sips") and rest:
        noun = element("Sip", {}, text(target))
    elif scheme == "client" and rest:
        noun = element("Client", {}, text(rest))
    elif re.fullmatch(r"\+?[0-9]{2,20}", number := target.removeprefix("tel:")):
        noun = element("Number", {}, text(number))
    else:
        raise ValueError("expected a number, sip:… or client:…")
    return response(element("Dial", {}, noun))


def reject(reason: str) -> str:
    """reason: ``busy`` or ``rejected``, which is all that Twilio knows."""
    return response(element("Reject", {"reason": reason}))


def _value(value: str) -> str:
    return escape(_NOT_XML.sub("", value), _IN_ATTRIBUTES)
