"""Cut SIP messages out of a byte stream (RFC 3261 section 18.3, RFC 5626 section 4.4.1).

The TCP and TLS readers of ``net`` feed it what arrives and hand each message to the endpoint.
"""

from __future__ import annotations

import re

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.message import DEFAULT_LIMITS, Limits

_CONTENT_LENGTH = re.compile(
    rb"\r\n(?:content-length|l)[ \t]*+:(?:[ \t]|\r\n[ \t])*+([^\r\n]*+)", re.IGNORECASE
)
_LENGTH = re.compile(rb"([0-9]{1,128}+)[ \t]*+")


class StreamFramer:
    """The receiving half of one stream connection.

    pings: how many double CRLFs (RFC 5626 keep-alive) have come between messages; the owner
    answers with a single CRLF when the number has grown. A single CRLF (a pong) is skipped.
    keep_alives: how many CRLFs, of either kind.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.pings = self.keep_alives = 0
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._crlfs = 0
        self._size: int | None = None
        self._lost: RemoteProtocolError | None = None

    @property
    def pending_bytes(self) -> int:
        """Give how much of an unfinished message is held; a peer that leaves it so is timed out."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take received bytes, cut anywhere. After framing is lost they are ignored."""
        if self._lost is None:
            self._buffer += data

    def next_message(self) -> bytes | None:
        """Give the next complete message, None when more bytes are needed.

        Raises RemoteProtocolError when the stream cannot be followed any further: Content-Length
        missing, malformed, contradictory or beyond the limits. Where the header section can
        still be answered it is given once, without body (its ``validate`` finds the 400), and
        the next call raises. The connection is then to be closed.
        """
        if self._lost is not None:
            raise self._lost
        if self._size is None:
            self._skip_keep_alive()
            head_end = self._find_head()
            if head_end is None:
                return None
            self._size = self._measure(head_end)
        if len(self._buffer) < self._size:
            return None
        return self._take(self._size)

    def _take(self, size: int) -> bytes:
        message = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._size = None
        self._searched = self._crlfs = 0
        if self._lost is not None:
            self._buffer.clear()
        return message

    def _skip_keep_alive(self) -> None:
        """Drop CRLFs before a start line, and count the pings among them."""
        position = 0
        while self._buffer.startswith(b"\r\n", position):
            position += 2
        if position:
            del self._buffer[:position]
            self._searched = 0
            self.keep_alives += position // 2
            pairs, self._crlfs = divmod(self._crlfs + position // 2, 2)
            self.pings += pairs

    def _find_head(self) -> int | None:
        """Give where the body begins, None when the header section is not complete yet."""
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        self._searched = len(self._buffer)
        if (end if end >= 0 else len(self._buffer)) > self._limits.header_bytes:
            raise self._lose(f"header section of more than {self._limits.header_bytes} bytes", 513)
        return end + 4 if end >= 0 else None

    def _measure(self, head_end: int) -> int:
        """Give the size of the message whose header section ends there."""
        found = _CONTENT_LENGTH.findall(self._buffer, 0, head_end - 2)
        if not found:
            # "If a stream-based protocol (such as TCP) is used as transport, then the header field
            # MUST be used" (section 20.14).
            raise self._lose("missing Content-Length on a stream", 400)
        match = _LENGTH.fullmatch(found[0])
        if len(found) > 1 or match is None:
            self._lose("malformed or repeated Content-Length on a stream", 400)
            return head_end
        size = head_end + int(match.group(1))
        if size > self._limits.message_bytes:
            self._lose(f"message of more than {self._limits.message_bytes} bytes", 513)
            return head_end
        return size

    def _lose(self, detail: str, status: int) -> RemoteProtocolError:
        self._lost = RemoteProtocolError(detail, status)
        return self._lost
