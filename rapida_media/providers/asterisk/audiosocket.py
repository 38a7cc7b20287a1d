"""AudioSocket: the media of a channel of Asterisk's over TCP, in binary messages.

    kind      1 byte
    length    2 bytes, big-endian: of the payload alone
    payload   audio is s16le mono, 20 ms a message

    from Asterisk    UUID, once and first; audio; DTMF. It ends by closing the connection
    to Asterisk      audio, from the first moment and every 20 ms; hang-up

Asterisk neither paces nor buffers, and it reads a header and waits 5 ms for its payload, so each
message is one write. Its read has no deadline: a channel that is sent nothing at its beginning may
stay mute on both sides, which is why silence is sent until there is something to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rapida_media.providers.stream import (
    AudioFormat,
    AudioReceived,
    DigitReceived,
    Malformed,
    Started,
    Stopped,
    StreamEvent,
    StreamMessage,
)

HEADER_BYTES = 3
UUID_BYTES = 16
DIGITS = frozenset(b"0123456789*#ABCD")
HANG_UP, UUID, DTMF, ERROR = 0x00, 0x01, 0x03, 0xFF
# The sample rate of each kind of audio. 0x11 is 12 kHz in Asterisk's source; a page of its
# documentation once called it 16 kHz.
RATES_HZ: Mapping[int, int] = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
KINDS = {rate_hz: kind for kind, rate_hz in RATES_HZ.items()}
# What the application ``AudioSocket()`` speaks, whatever the call's codec is.
APPLICATION_HZ = 8_000


def pack(kind: int, payload: bytes = b"") -> bytes:
    """Make a message. payload: at most 65,535 bytes."""
    return bytes((kind, *len(payload).to_bytes(2))) + payload


def uuid_of(message: bytes) -> bytes | None:
    """Give the 16 bytes of a UUID message; None where it is no such message."""
    payload = message[HEADER_BYTES:]
    return payload if message[:1] == bytes((UUID,)) and len(payload) == UUID_BYTES else None


class Framing:
    """Cuts a stream of bytes into messages. Holds less than one message, 65,538 bytes, back."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take what was read, and give each message that is complete, header included."""
        self._rest += data
        while len(self._rest) >= HEADER_BYTES:
            end = HEADER_BYTES + int.from_bytes(self._rest[1:HEADER_BYTES])
            if len(self._rest) < end:
                return
            message = bytes(self._rest[:end])
            del self._rest[:end]
            yield message


class AudioSocketStream:
    """``StreamProtocol`` of one connection. Each message is one of ``Framing``.

    rate_hz: what is sent before Asterisk has said anything; from then on as it does, for a channel
    drops audio of another rate than its own.
    """

    chunk_ms = 20

    def __init__(self, rate_hz: int = APPLICATION_HZ) -> None:
        self.receives = self.sends = AudioFormat("s16le", rate_hz)
        self._kind = KINDS[rate_hz]
        self._started = False

    def receive(self, message: StreamMessage) -> Iterable[StreamEvent]:
        if not isinstance(message, bytes) or len(message) < HEADER_BYTES:
            return (Malformed("expected a binary message with its header"),)
        payload = message[HEADER_BYTES:]
        if int.from_bytes(message[1:HEADER_BYTES]) != len(payload):
            return (Malformed("the header tells another length"),)
        if not self._started:
            return self._start(message)
        return self._follow(message[0], payload)

    def _start(self, message: bytes) -> tuple[StreamEvent, ...]:
        uuid = uuid_of(message)
        if uuid is None:
            return (Malformed("expected a UUID of 16 bytes first"),)
        self._started = True
        return (Started(stream_id=uuid.hex()),)

    def _follow(self, kind: int, payload: bytes) -> tuple[StreamEvent, ...]:
        if kind in RATES_HZ:
            if kind != self._kind:
                self._kind = kind
                self.receives = self.sends = AudioFormat("s16le", RATES_HZ[kind])
            return (AudioReceived(payload),) if payload else ()
        if kind == DTMF:
            if len(payload) != 1 or payload[0] not in DIGITS:
                return (Malformed("DTMF without a key"),)
            return (DigitReceived(payload.decode()),)
        if kind == UUID:
            return (Malformed("a second UUID"),)
        if kind == HANG_UP:
            return (Stopped("hang-up"),)
        if kind == ERROR:
            return (Stopped(f"error {payload.hex()}".strip()),)
        return ()

    def media(self, payload: bytes) -> bytes:
        return pack(self._kind, payload)

    def clear(self) -> None:
        """Nothing of ours waits in Asterisk."""

    def mark(self, name: str) -> None:
        """Asterisk does not tell what it played."""

    def goodbye(self) -> bytes:
        return pack(HANG_UP)
