"""STUN as far as connectivity checks need it (RFC 8489, RFC 8445 section 7): Binding requests in,
their responses out, both signed with the ICE password of who is asked.

Pure functions; ``ice`` decides what a request is answered.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from struct import Struct
from zlib import crc32

# RFC 8489 section 5.
MAGIC_COOKIE = 0x2112A442
BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR = 0x0001, 0x0101, 0x0111

# RFC 8489 section 18.3 and RFC 8445 section 16.1.
USERNAME, MESSAGE_INTEGRITY, ERROR_CODE, UNKNOWN_ATTRIBUTES = 0x0006, 0x0008, 0x0009, 0x000A
XOR_MAPPED_ADDRESS, PRIORITY, USE_CANDIDATE = 0x0020, 0x0024, 0x0025
FINGERPRINT, ICE_CONTROLLED, ICE_CONTROLLING = 0x8028, 0x8029, 0x802A

# Section 14: an attribute that is not known has to be, below this number.
COMPREHENSION_OPTIONAL = 0x8000
# No check is longer than a datagram that is never fragmented (section 6.1).
MESSAGE_BYTES = 1280
_INTEGRITY_BYTES = 20
_FINGERPRINT_XOR = 0x5354554E

_HEADER = Struct("!HHI12s")
_ATTRIBUTE = Struct("!HH")
_U32 = Struct("!I")


@dataclass(frozen=True, slots=True)
class StunMessage:
    """attributes: by type, the first of each; those behind MESSAGE-INTEGRITY are not among them.

    signed: what its MESSAGE-INTEGRITY covers, with the length that was signed; None: it has none.
    """

    type: int
    transaction_id: bytes
    attributes: dict[int, bytes]
    signed: bytes | None

    def is_signed_with(self, password: bytes) -> bool:
        """Whether its MESSAGE-INTEGRITY is of this password (RFC 8489 section 14.5)."""
        if self.signed is None:
            return False
        made = hmac.digest(password, self.signed, "sha1")
        return hmac.compare_digest(self.attributes[MESSAGE_INTEGRITY], made)


def parse_stun(data: bytes) -> StunMessage | None:
    """Read a message; None for what is none, or has a wrong FINGERPRINT."""
    if not _HEADER.size <= len(data) <= MESSAGE_BYTES:
        return None
    kind, length, cookie, transaction_id = _HEADER.unpack_from(data)
    if cookie != MAGIC_COOKIE or length % 4 or _HEADER.size + length != len(data):
        return None
    attributes: dict[int, bytes] = {}
    signed: bytes | None = None
    at = _HEADER.size
    while at < len(data):
        name, size = _ATTRIBUTE.unpack_from(data, at)
        value = data[at + 4 : at + 4 + size]
        if len(value) != size:
            return None
        if name == FINGERPRINT:
            # Section 14.7: it "MUST be the last attribute in the message".
            if at + 8 != len(data) or value != _fingerprint(data[:at]):
                return None
        elif signed is None:  # section 14.5: what follows MESSAGE-INTEGRITY is to be ignored
            attributes.setdefault(name, value)
            if name == MESSAGE_INTEGRITY:
                if size != _INTEGRITY_BYTES:
                    return None
                signed = _with_length(data[:at], at - _HEADER.size + 4 + _INTEGRITY_BYTES)
        at += 4 + size + -size % 4
    return StunMessage(kind, transaction_id, attributes, signed)


def format_stun(
    kind: int, transaction_id: bytes, attributes: list[tuple[int, bytes]], password: bytes
) -> bytes:
    """Write a message that is signed with a password and has a FINGERPRINT."""
    body = b"".join(_written(name, value) for name, value in attributes)
    head = _HEADER.pack(kind, len(body) + 4 + _INTEGRITY_BYTES, MAGIC_COOKIE, transaction_id)
    integrity = hmac.digest(password, head + body, "sha1")
    message = head + body + _written(MESSAGE_INTEGRITY, integrity)
    message = _with_length(message, len(message) - _HEADER.size + 8)
    return message + _written(FINGERPRINT, _fingerprint(message))


def xor_mapped_address(address: tuple[str, int], transaction_id: bytes) -> bytes:
    """Write the value of XOR-MAPPED-ADDRESS (section 14.2)."""
    host, port = ip_address(address[0]), address[1]
    pad = _U32.pack(MAGIC_COOKIE) + transaction_id
    family = b"\0\x01" if host.version == 4 else b"\0\x02"
    xored = bytes(a ^ b for a, b in zip(host.packed, pad, strict=False))
    return family + (port ^ (MAGIC_COOKIE >> 16)).to_bytes(2, "big") + xored


def error_code(status: int, reason: str) -> bytes:
    """Write the value of ERROR-CODE (section 14.8)."""
    return bytes((0, 0, status // 100, status % 100)) + reason.encode()


def _written(name: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(name, len(value)) + value + bytes(-len(value) % 4)


def _with_length(message: bytes, length: int) -> bytes:
    return message[:2] + length.to_bytes(2, "big") + message[4:]


def _fingerprint(before: bytes) -> bytes:
    covered = _with_length(before, len(before) - _HEADER.size + 8)
    return _U32.pack(crc32(covered) ^ _FINGERPRINT_XOR)
