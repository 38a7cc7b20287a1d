"""The header fields of an INVITE that an agent may want: who is asserted to call, X-headers, …"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rapida_media.sip.message import Message

# What only moves the message, opens the door to it or describes its body (RFC 3261 section 20);
# lower-case long names.
MACHINERY = frozenset({
    "accept", "allow", "authorization", "call-id", "contact", "content-length", "content-type",
    "cseq", "from", "max-forwards", "proxy-authorization", "record-route", "route", "supported",
    "to", "via",
})  # fmt: skip


class CallHeaders(Mapping[str, str]):
    """Header values by name; "field names are always case-insensitive" (RFC 3261 section 7.3.1).

    A field that came on several lines is one value, joined by commas as section 7.3.1 allows.
    """

    def __init__(self, message: Message) -> None:
        self._values = {
            name: ", ".join(message.header_lines(name))
            for name in message.header_names()
            if name not in MACHINERY
        }

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
