"""Session descriptions as values: ``parse_sdp`` reads one, ``format`` writes one (RFC 8866).

Called by ``offer_answer`` for every INVITE, re-INVITE and ACK that carries a body. The reader is
sectioned: one session section, then one section per ``m=`` line, so an attribute can never be
taken for another section's. It is liberal about what peers get wrong harmlessly (order of lines,
bare LF, missing ``s=`` and ``t=``, unknown letters) and strict about what decides where media goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from rapida_media.errors import LocalProtocolError, RemoteProtocolError

# RFC 8866 section 5: the order in which the lines of each section are written. Letters we do not
# know stand before the attributes.
_SESSION_ORDER = "vosiuepcbtrzk?a"
_MEDIA_ORDER = "micbk?a"


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds on what ``parse_sdp`` looks at; browsers, the most talkative, send ~10 kB."""

    description_bytes: int = 65535
    lines: int = 2048
    media_lines: int = 64


DEFAULT_LIMITS = Limits()


class Line(NamedTuple):
    """One ``letter=value`` line."""

    letter: str
    value: str


class Attribute(NamedTuple):
    """``a=name:value``; value is None for a property attribute such as ``a=sendonly``."""

    name: str
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """``o=`` (RFC 8866 section 5.2). The two numbers stay text: peers send more than digits."""

    username: str
    session_id: str
    version: str
    address_type: str
    address: str
    network_type: str = "IN"

    def __str__(self) -> str:
        return (
            f"{self.username} {self.session_id} {self.version} "
            f"{self.network_type} {self.address_type} {self.address}"
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """``c=`` (RFC 8866 section 5.7). address: as written, a multicast one with its /ttl."""

    address_type: str
    address: str
    network_type: str = "IN"

    def __str__(self) -> str:
        return f"{self.network_type} {self.address_type} {self.address}"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One ``m=`` section (RFC 8866 section 5.14).

    formats: as written; for RTP profiles they are payload type numbers, in order of preference.
    other: lines of this section not given a field, in the order of RFC 8866.
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    port_count: int = 1
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    other: tuple[Line, ...] = ()

    def attribute(self, name: str) -> str | None:
        """Give the value of the first attribute of this name, None when there is none."""
        return _first(self.attributes, name)

    def has(self, name: str) -> bool:
        """Whether there is an attribute of this name, with or without a value."""
        return any(attribute.name == name for attribute in self.attributes)

    def attribute_values(self, name: str) -> list[str]:
        """Give the values of all attributes of this name, in order."""
        return [value for key, value in self.attributes if key == name and value is not None]

    def lines(self) -> list[Line]:
        port = str(self.port) if self.port_count == 1 else f"{self.port}/{self.port_count}"
        found = [Line("m", " ".join((self.kind, port, self.protocol, *self.formats)))]
        if self.connection is not None:
            found.append(Line("c", str(self.connection)))
        return _written(found, self.other, self.attributes, _MEDIA_ORDER)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description (RFC 8866 section 5).

    times: values of the ``t=`` lines.  other: session lines not given a field, in order.
    """

    origin: Origin
    media: tuple[MediaDescription, ...] = ()
    name: str = "-"
    connection: Connection | None = None
    times: tuple[str, ...] = ("0 0",)
    attributes: tuple[Attribute, ...] = ()
    other: tuple[Line, ...] = ()

    def attribute(self, name: str) -> str | None:
        """Give the value of the first session-level attribute of this name, None when absent."""
        return _first(self.attributes, name)

    def lines(self) -> list[Line]:
        found = [Line("v", "0"), Line("o", str(self.origin)), Line("s", self.name)]
        if self.connection is not None:
            found.append(Line("c", str(self.connection)))
        found += [Line("t", value) for value in self.times]
        return _written(found, self.other, self.attributes, _SESSION_ORDER)

    def format(self) -> bytes:
        """Write the description, CRLF after every line.

        Raises LocalProtocolError when a value holds CR, LF or NUL.
        """
        lines = self.lines()
        for media in self.media:
            lines += media.lines()
        text = "".join([f"{letter}={value}\r\n" for letter, value in lines])
        if text.count("\r") != len(lines) or text.count("\n") != len(lines) or "\0" in text:
            raise LocalProtocolError("a line break or NUL in the value of a line")
        return text.encode("utf-8", "surrogateescape")


def parse_sdp(data: bytes, limits: Limits = DEFAULT_LIMITS) -> SessionDescription:
    """Read a session description.

    Bytes that are not UTF-8 survive a later ``format`` unchanged. Raises RemoteProtocolError, and
    nothing else: status 400 when it cannot be read, 488 when it is not version 0.
    """
    sections = _sections(_lines(data, limits))
    if len(sections) - 1 > limits.media_lines:
        raise _malformed(f"{len(sections) - 1} media lines, at most {limits.media_lines} are read")
    session, *media = sections
    return _parse_session(session, tuple(_parse_media(section) for section in media))


def parse_number(text: str, maximum: int) -> int | None:
    """Read a plain decimal of at most ``maximum``; None for anything else.

    ``int`` alone would also take signs, underscores, spaces and the digits of other scripts.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        return None
    number = int(text)
    return number if number <= maximum else None


def _lines(data: bytes, limits: Limits) -> list[Line]:
    if len(data) > limits.description_bytes:
        raise _malformed(f"{len(data)} bytes, at most {limits.description_bytes} are read")
    # RFC 8866 section 5: "parsers SHOULD be tolerant and also accept records terminated with a
    # single newline character."
    raw_lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(raw_lines) > limits.lines:
        raise _malformed(f"{len(raw_lines)} lines, at most {limits.lines} are read")
    return [_line(raw) for raw in raw_lines if raw not in {"", "\r"}]


def _line(raw: str) -> Line:
    text = raw.removesuffix("\r")
    if text[1:2] != "=" or not (text[0].isascii() and text[0].isalpha()):
        raise _malformed("a line that is not letter=value")
    if "\r" in text or "\0" in text:
        raise _malformed(f"a carriage return or NUL inside {text[0]}=")
    return Line(text[0], text[2:])


def _sections(lines: list[Line]) -> list[list[Line]]:
    sections: list[list[Line]] = [[]]
    for line in lines:
        if line.letter == "m":
            sections.append([])
        sections[-1].append(line)
    return sections


def _parse_session(lines: list[Line], media: tuple[MediaDescription, ...]) -> SessionDescription:
    if not lines or lines[0].letter != "v":
        raise _malformed("the first line is not v=")
    if lines[0].value.strip() != "0":
        raise RemoteProtocolError("SDP: only version 0 is known (RFC 8866 section 5.1)", 488)
    rest = _Section(lines[1:])
    origin = rest.take("o")
    if origin is None:
        raise _malformed("no o= line")
    name = rest.take("s")
    connection = rest.take("c")
    return SessionDescription(
        origin=_parse_origin(origin),
        media=media,
        name="-" if name is None else name,
        connection=None if connection is None else _parse_connection(connection),
        times=tuple(rest.take_all("t")),
        attributes=tuple(_parse_attribute(value) for value in rest.take_all("a")),
        other=tuple(_in_order(rest.lines, _SESSION_ORDER)),
    )


def _parse_media(lines: list[Line]) -> MediaDescription:
    fields = lines[0].value.split()
    if len(fields) < 3:
        raise _malformed("m= without port or protocol")
    port_text, _, count_text = fields[1].partition("/")
    port = parse_number(port_text, 65535)
    port_count = parse_number(count_text, 65535) if count_text else 1
    if port is None or not port_count:
        raise _malformed("m= with a port that is no number from 0 to 65535")
    rest = _Section(lines[1:])
    connection = rest.take("c")
    return MediaDescription(
        kind=fields[0],
        port=port,
        port_count=port_count,
        protocol=fields[2],
        formats=tuple(fields[3:]),
        connection=None if connection is None else _parse_connection(connection),
        attributes=tuple(_parse_attribute(value) for value in rest.take_all("a")),
        other=tuple(_in_order(rest.lines, _MEDIA_ORDER)),
    )


def _parse_origin(value: str) -> Origin:
    # From the right, because user names with spaces are seen although they are forbidden.
    fields = value.strip(" ").rsplit(" ", 5)
    if len(fields) != 6 or not all(fields):
        raise _malformed("o= wants six fields")
    username, session_id, version, network_type, address_type, address = fields
    return Origin(username, session_id, version, address_type, address, network_type)


def _parse_connection(value: str) -> Connection:
    fields = value.split()
    if len(fields) != 3:
        raise _malformed("c= wants three fields")
    return Connection(fields[1], fields[2], fields[0])


def _parse_attribute(value: str) -> Attribute:
    name, colon, rest = value.partition(":")
    return Attribute(name, rest if colon else None)


class _Section:
    """The lines of one section that no field has taken yet."""

    __slots__ = ("lines",)

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines

    def take(self, letter: str) -> str | None:
        """Remove and give the first line of this letter; repetitions stay in ``lines``."""
        for index, line in enumerate(self.lines):
            if line.letter == letter:
                del self.lines[index]
                return line.value
        return None

    def take_all(self, letter: str) -> list[str]:
        values = [line.value for line in self.lines if line.letter == letter]
        self.lines = [line for line in self.lines if line.letter != letter]
        return values


def _in_order(lines: Iterable[Line], order: str) -> list[Line]:
    unknown = order.index("?")

    def position(line: Line) -> int:
        found = order.find(line.letter)
        return unknown if found < 0 else found

    return sorted(lines, key=position)


def _written(
    found: list[Line], other: tuple[Line, ...], attributes: Iterable[Attribute], order: str
) -> list[Line]:
    """Give the lines of a section, where ``found`` is in order."""
    last = [Line("a", name if value is None else f"{name}:{value}") for name, value in attributes]
    return _in_order([*found, *other, *last], order) if other else [*found, *last]


def _first(attributes: Iterable[Attribute], name: str) -> str | None:
    for key, value in attributes:
        if key == name:
            return value or ""
    return None


def _malformed(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"SDP: {what} (RFC 8866 section 5)", 400)
