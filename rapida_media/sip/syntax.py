"""The lexical floor of SIP: header names, lists, parameters, quoted strings (RFC 3261 section 25).

``headers`` builds typed values from these, ``message`` finds header fields by these names, and
``builder`` checks what it writes with them. Every pattern runs in time linear in its input:
possessive quantifiers (``*+``) leave nothing to backtrack into.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from rapida_media.errors import RemoteProtocolError

# token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
TCHARS = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN = re.compile(rf"[{TCHARS}]++")
QUOTED_TEXT = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
QUOTED = f'"{QUOTED_TEXT}"'

# Parameters as they follow a value; group-less, so that it can end another pattern. The value is
# wider than gen-value: peers put URIs, slashes and equal signs there without quoting them.
PARAMS = (
    rf"(?:[ \t]*+;[ \t]*+[{TCHARS}]++"
    rf'(?:[ \t]*+=[ \t]*+(?:{QUOTED}|[^\s;,"<>]*+))?+)*+[ \t]*+'
)
_QUOTED = re.compile(QUOTED, re.DOTALL)
_QUOTED_PARAM_PARTS = re.compile(rf"(?:[^;\"]++|{QUOTED})++", re.DOTALL)
_LIST_ITEM = re.compile(rf"(?:[^,<\"]++|{QUOTED}|<[^>]*+>)*+", re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
# gen-value = token / host / quoted-string: what needs no quotes when written.
_BARE_VALUE = re.compile(rf"[{TCHARS}:\[\]]++")

# Compact forms: RFC 3261 section 20, RFC 3515, 3841, 3891, 3892, 4028, 4474, 6665.
COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

# Header fields whose grammar is 1#(value): several values in a line are several values.
_LISTS = """
    accept accept-contact accept-encoding accept-language accept-resource-priority alert-info
    allow allow-events call-info contact content-encoding content-language diversion error-info
    history-info in-reply-to p-asserted-identity p-associated-uri p-early-media
    p-preferred-identity path proxy-require reason record-route recv-info reject-contact
    remote-party-id require resource-priority route security-client security-server
    security-verify service-route supported unsupported via warning"""
LIST_FIELDS = frozenset(_LISTS.split())

_USUAL_NAMES = """
    Accept Accept-Encoding Accept-Language Alert-Info Allow Allow-Events Authorization
    Call-ID Call-Info Contact Content-Disposition Content-Encoding Content-Language Content-Length
    Content-Type CSeq Date Diversion Error-Info Event Expires From History-Info In-Reply-To
    Max-Forwards Min-Expires Min-SE MIME-Version Organization P-Asserted-Identity P-Early-Media
    P-Preferred-Identity Path Priority Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require
    RAck Reason Record-Route Refer-To Referred-By Remote-Party-ID Replaces Reply-To Require
    Retry-After Route RSeq Server Service-Route Session-Expires SIP-ETag SIP-If-Match Subject
    Subscription-State Supported Timestamp To Unsupported User-Agent Via Warning
    WWW-Authenticate"""


def _usual_keys() -> dict[str, str]:
    names = _USUAL_NAMES.split()
    keys = {spelling: name.lower() for name in names for spelling in (name, name.lower())}
    for letter, key in COMPACT.items():
        keys[letter] = keys[letter.upper()] = key
    return keys


_KEYS = _usual_keys()
# Spellings met on the wire, so that the usual line costs one dict lookup.
usual_key = _KEYS.get


def field_key(name: str) -> str:
    """Give the lower-case long form under which a header field is indexed."""
    key = _KEYS.get(name)
    if key is None:
        key = name.lower()
    return key


def malformed(what: str) -> RemoteProtocolError:
    """Make the 400 for a header field that does not follow its grammar."""
    return RemoteProtocolError(f"malformed {what}", 400)


def split_list(text: str, what: str) -> list[str]:
    """Cut a 1#(value) field at the commas outside quoted strings and angle brackets.

    Raises RemoteProtocolError (400) when a value is empty or a quote or bracket never closes.
    """
    if "," not in text:
        return [text]
    values = []
    position, end = 0, len(text)
    while True:
        match = _LIST_ITEM.match(text, position)
        assert match is not None, "the item pattern also matches nothing"
        position = match.end()
        if not (item := match.group().strip(" \t")) or (position < end and text[position] != ","):
            raise malformed(what)
        values.append(item)
        if position == end:
            return values
        position += 1


def split_tokens(text: str) -> list[str]:
    """Cut a list of tokens at its commas; empty elements count for nothing."""
    return [token for part in text.split(",") if (token := part.strip(" \t"))]


def parse_params(text: str, what: str) -> dict[str, str | None]:
    """Parse ``;name=value;flag``, which has matched ``PARAMS``: lower-case names, unquoted values.

    Raises RemoteProtocolError (400) for a repeated name: "any given parameter-name MUST NOT
    appear more than once" (RFC 3261 section 7.3.1).
    """
    if '"' in text or " " in text or "\t" in text:
        return _parse_unusual_params(text, what)
    parts = text.split(";")
    params: dict[str, str | None] = {}
    for part in parts[1:]:
        name, equals, value = part.partition("=")
        params[name.lower()] = value if equals else None
    if len(params) != len(parts) - 1:
        raise malformed(f"{what}: repeated parameter")
    return params


def _parse_unusual_params(text: str, what: str) -> dict[str, str | None]:
    """Parse parameters that have white space or quotes."""
    parts = _QUOTED_PARAM_PARTS.findall(text.strip(" \t"))
    params: dict[str, str | None] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        params[name.strip(" \t").lower()] = unquote(value.strip(" \t")) if equals else None
    if len(params) != len(parts):
        raise malformed(f"{what}: repeated parameter")
    return params


def format_params(params: Mapping[str, str | None]) -> str:
    """Write parameters, each with its semicolon; values that are no token get quotes."""
    text = ""
    for name, value in params.items():
        if value is None:
            text += f";{name}"
        elif _BARE_VALUE.fullmatch(value):
            text += f";{name}={value}"
        else:
            text += f";{name}={quote(value)}"
    return text


def quote(text: str) -> str:
    """Write a quoted-string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """Read a quoted-string; anything else is given back as it is."""
    if not text.startswith('"') or _QUOTED.fullmatch(text) is None:
        return text
    return unescape_pairs(text[1:-1])


def unescape_pairs(text: str) -> str:
    """Undo the quoted-pairs inside a quoted-string."""
    return _PAIR.sub(r"\1", text)
