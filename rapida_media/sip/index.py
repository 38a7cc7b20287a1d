"""Where each header field of a message is (RFC 3261 section 7.3).

``message`` makes one index per message; values stay untouched text until somebody asks. Octets
that are no UTF-8 are lone surrogates in here (``surrogateescape``): encoding a line the same way
gives the received bytes back, and ``tidy`` takes them out of everything handed to applications.
"""

from __future__ import annotations

import re

from rapida_media.sip.syntax import TOKEN, field_key, usual_key

_FOLD = re.compile(r"[ \t]*+\r\n[ \t]++")


class Index:
    """Header fields by lower-case long name.

    fields: per name the flat row ``[name, value, name, value …]`` of its lines in order, names and
    values as received: a line is ``name:value``.
    defect: what is wrong with the header section as a whole, None when nothing is.
    """

    __slots__ = ("defect", "fields")

    def __init__(self, fields: dict[str, list[str]], defect: str | None = None) -> None:
        self.fields = fields
        self.defect = defect

    def lines(self, name: str) -> list[str]:
        """Give every line of a field as it was received, without final CRLF."""
        row = self.fields.get(field_key(name))
        if row is None:
            return []
        return [f"{row[at]}:{row[at + 1]}" for at in range(0, len(row), 2)]


def index_lines(lines: list[str]) -> Index:
    """Index the header lines that follow a start line (``lines[0]``)."""
    fields: dict[str, list[str]] = {}
    try:
        for line in lines[1:]:
            name, _ = row = line.split(":", 1)
            key = usual_key(name) or _unusual_key(name)
            if key in fields:
                fields[key] += row
            else:
                fields[key] = row
    except ValueError:
        return _index_unusual(lines)
    return Index(fields)


def _unusual_key(name: str) -> str:
    """Give the key of a name that is not spelled as usual. Raises ValueError when it is no name."""
    name = name.rstrip(" \t")
    if TOKEN.fullmatch(name) is None:
        raise ValueError("not a header name")
    return usual_key(name) or field_key(name.lower())


def _index_unusual(lines: list[str]) -> Index:
    """Index header lines among which some are folded or no header fields at all."""
    index = Index({})
    last: list[str] | None = None
    for line in lines[1:]:
        if line[:1] in (" ", "\t"):
            if last is None:
                index.defect = "continuation line without a header field"
            else:
                last[-1] += f"\r\n{line}"
            continue
        name, colon, value = line.partition(":")
        try:
            key = _unusual_key(name if colon else "")
        except ValueError:
            index.defect, last = "header line without a name", None
            continue
        last = index.fields.setdefault(key, [])
        last += (name, value)
    return index


def tidy(text: str) -> str:
    """Give a value as applications see it: unfolded, trimmed, undecodable octets as U+FFFD."""
    if "\r" not in text:
        text = text.strip(" \t")
        if text.isascii():
            return text
    return printable(_FOLD.sub(" ", text).strip(" \t"))


def printable(text: str) -> str:
    """Give text without lone surrogates."""
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
