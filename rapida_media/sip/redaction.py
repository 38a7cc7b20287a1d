"""What people may read of a SIP message: no secrets, no phone numbers, no keys that were pressed.

Used for ladders (``trace``) and, for numbers, by the logs.
"""

from __future__ import annotations

import re

# Credentials answer a challenge (RFC 7235 section 4.2, RFC 3261 section 22); SDES keys stand in
# a=crypto and k= (RFC 4568, RFC 8866 section 5.12); a URI may hold a password (section 19.1.1).
_SECRETS = re.compile(
    r"(?im)^(?P<field>(?:proxy-)?authorization[ \t]*:[ \t]*\S+|a=crypto:\S+ \S+|k=)[^\r\n]*+"
    r"(?:\r?\n[ \t][^\r\n]*+)*+"
)
_URI_PASSWORD = re.compile(r"(?i)(\bsips?:[^\s:@<>\"]+):[^\s@<>\"]+@")
_NUMBER = re.compile(r"\+?\d{6,}")
_TEL = re.compile(r"(?i)(?<=\btel:)\+?[\d().-]{6,}")
# Numbers in these are no phone numbers, and whoever reads a ladder needs them.
_PLAIN_FIELDS = re.compile(
    r"(?i)(?:via|v|cseq|content-length|l|expires|session-expires|x|min-se|rseq|rack|timestamp"
    r"|date|max-forwards|retry-after|reason|user-agent|server)[ \t]*:"
)
_SHOWN_BODIES = ("application/sdp", "message/sipfrag")
_CONTENT_TYPE = re.compile(r"(?im)^(?:content-type|c)[ \t]*:[ \t]*([^\s;]+)")


def redact_numbers(text: str) -> str:
    """Hide all but the first and last two digits of every phone number in ``text``."""
    return _NUMBER.sub(_hide, text)


def redact_line(line: str) -> str:
    """Make the start line or one header field of a message fit to be read."""
    line = _URI_PASSWORD.sub(r"\1:…@", _SECRETS.sub(r"\g<field> …", line))
    if _PLAIN_FIELDS.match(line):
        return line
    return redact_numbers(_TEL.sub(_hide, line))


def redact_message(data: bytes) -> str:
    """Make a whole message fit to be read: lines end with a line feed.

    A body is shown where it is SDP or tells of a transfer; any other, a text or a key, only by its
    length.
    """
    text = data.decode("utf-8", "replace")
    head, _, body = text.partition("\r\n\r\n")
    # Unfolded first: the second line of a folded field has no name to go by.
    lines = re.sub(r"\r\n[ \t]+", " ", head).split("\r\n")
    kind = _CONTENT_TYPE.search(head)
    if body and (kind is None or kind[1].lower() not in _SHOWN_BODIES):
        body = f"({len(body.encode())} bytes)"
    lines += ["", *body.split("\r\n")] if body else []
    return "\n".join(redact_line(line) for line in lines).rstrip("\n")


def _hide(match: re.Match[str]) -> str:
    return f"{match[0][:2]}…{match[0][-2:]}"
