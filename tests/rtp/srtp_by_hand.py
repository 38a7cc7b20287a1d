"""SRTP written out from the RFCs on AES and HMAC of another library: what libsrtp is held against.

RFC 3711 (counter mode, HMAC-SHA1), RFC 6188 (AES-256), RFC 7714 (GCM). One packet at a time; the
caller says which roll-over counter and SRTCP index it has.
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

# RFC 3711 section 4.3.2: encryption, authentication, salt; SRTP and SRTCP.
RTP_LABELS, RTCP_LABELS = (0, 1, 2), (3, 4, 5)


def keystream(key: bytes, counter: int, size: int) -> bytes:
    """AES in counter mode from a 128-bit initial block (RFC 3711 section 4.1.1)."""
    cipher = Cipher(algorithms.AES(key), modes.CTR(counter.to_bytes(16, "big")))
    return cipher.encryptor().update(bytes(size))


def derive(master_key: bytes, master_salt: bytes, label: int, size: int) -> bytes:
    """RFC 3711 section 4.3.1 with a key derivation rate of 0; a 96-bit salt is filled up with
    zeros (RFC 7714 section 11)."""
    salt = int.from_bytes(master_salt.ljust(14, b"\0"), "big")
    return keystream(master_key, (salt ^ label << 48) << 16, size)


def xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def header_bytes(packet: bytes) -> int:
    size = 12 + 4 * (packet[0] & 15)
    if packet[0] & 0x10:
        size += 4 + 4 * int.from_bytes(packet[size + 2 : size + 4], "big")
    return size


class CounterMode:
    """AES_CM_128_HMAC_SHA1_80/32 and AES_256_CM_HMAC_SHA1_80/32, by the size of the key."""

    def __init__(self, master: bytes, tag_bytes: int = 10) -> None:
        self.key, self.salt = master[:-14], master[-14:]
        self.tag_bytes = tag_bytes

    def _counter(self, salt: bytes, ssrc: int, index: int) -> int:
        return int.from_bytes(salt, "big") << 16 ^ ssrc << 64 ^ index << 16

    def _keys(self, labels: tuple[int, int, int]) -> tuple[bytes, bytes, bytes]:
        sizes = len(self.key), 20, 14
        cipher, auth, salt = (
            derive(self.key, self.salt, label, size)
            for label, size in zip(labels, sizes, strict=True)
        )
        return cipher, auth, salt

    def protect(self, packet: bytes, roc: int = 0, mki: bytes = b"") -> bytes:
        cipher, auth, salt = self._keys(RTP_LABELS)
        start = header_bytes(packet)
        ssrc = int.from_bytes(packet[8:12], "big")
        index = roc << 16 | int.from_bytes(packet[2:4], "big")
        counter = self._counter(salt, ssrc, index)
        plain = packet[start:]
        body = packet[:start] + xor(plain, keystream(cipher, counter, len(plain)))
        tag = hmac.digest(auth, body + roc.to_bytes(4, "big"), "sha1")[: self.tag_bytes]
        return body + mki + tag

    def protect_rtcp(self, packet: bytes, index: int, mki: bytes = b"") -> bytes:
        cipher, auth, salt = self._keys(RTCP_LABELS)
        counter = self._counter(salt, int.from_bytes(packet[4:8], "big"), index)
        plain = packet[8:]
        body = packet[:8] + xor(plain, keystream(cipher, counter, len(plain)))
        body += (1 << 31 | index).to_bytes(4, "big")
        return body + mki + hmac.digest(auth, body, "sha1")[:10]


class Gcm:
    """AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714)."""

    def __init__(self, master: bytes) -> None:
        self.key, self.salt = master[:-12], master[-12:]

    def _session(self, labels: tuple[int, int, int]) -> tuple[bytes, bytes]:
        cipher = derive(self.key, self.salt, labels[0], len(self.key))
        return cipher, derive(self.key, self.salt, labels[2], 12)

    def protect(self, packet: bytes, roc: int = 0, mki: bytes = b"") -> bytes:
        return seal_rtp(*self._session(RTP_LABELS), packet, roc) + mki

    def protect_rtcp(self, packet: bytes, index: int, mki: bytes = b"") -> bytes:
        return seal_rtcp(*self._session(RTCP_LABELS), packet, index) + mki


def seal_rtp(key: bytes, salt: bytes, packet: bytes, roc: int) -> bytes:
    """RFC 7714 section 8 with session keys."""
    start = header_bytes(packet)
    vector = bytes(2) + packet[8:12] + roc.to_bytes(4, "big") + packet[2:4]
    return packet[:start] + AESGCM(key).encrypt(xor(salt, vector), packet[start:], packet[:start])


def seal_rtcp(key: bytes, salt: bytes, packet: bytes, index: int) -> bytes:
    """RFC 7714 section 9 with session keys."""
    vector = bytes(2) + packet[4:8] + bytes(2) + index.to_bytes(4, "big")
    word = (1 << 31 | index).to_bytes(4, "big")
    sealed = AESGCM(key).encrypt(xor(salt, vector), packet[8:], packet[:8] + word)
    return packet[:8] + sealed + word
