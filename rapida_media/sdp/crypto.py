"""``a=crypto``: the keys of an SRTP stream in its media description (SDES, RFC 4568).

Called by ``peer_audio`` and ``keying``. Each side names the key it *sends* with (section 6.1), so
one exchange makes two keys. Keys are never part of a ``repr``.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field

from rapida_media.sdp.description import Attribute, MediaDescription, parse_number

# Suite → bytes of master key and salt (RFC 4568 section 6.2, RFC 6188 section 4, RFC 7714 section
# 14.1); the strongest first.
SUITES = {
    "AEAD_AES_256_GCM": 32 + 12,
    "AEAD_AES_128_GCM": 16 + 12,
    "AES_256_CM_HMAC_SHA1_80": 32 + 14,
    "AES_CM_128_HMAC_SHA1_80": 16 + 14,
    "AES_256_CM_HMAC_SHA1_32": 32 + 14,
    "AES_CM_128_HMAC_SHA1_32": 16 + 14,
}
# What we offer: the strong one that hardware makes cheap, and the one that everybody has. All of
# ``SUITES`` in each INVITE would push it over what goes by UDP.
OFFERED_SUITES = ("AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80")

# RFC 3711 section 9.2: a master key is good for 2**48 SRTP packets.
_LIFETIME_MAX = 1 << 48
_MKI_BYTES_MAX = 128
# RFC 4568 section 6.3.6: the least a window size hint may ask for.
_WINDOW_MIN = 64
# Lines looked at in one media description; peers send up to a dozen.
_LINES_MAX = 32
_TAG = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_LIFETIME = re.compile(r"(?:2\^([0-9]{1,2})|([0-9]{1,15}))", re.ASCII)
_MKI = re.compile(r"([0-9]{1,400}):([0-9]{1,3})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Crypto:
    """One ``a=crypto`` line we can follow.

    key: master key and salt.  mki: what every packet under the key carries, empty for nothing.
    window: how many packets a late one may be late by, None for any.
    """

    tag: int
    suite: str
    key: bytes = field(repr=False)
    mki: bytes = b""
    window: int | None = None

    @property
    def source(self) -> tuple[str, bytes, bytes]:
        """What one unbroken run of packets has in common; the tag is only a name of it."""
        return self.suite, self.key, self.mki

    def attribute(self) -> Attribute:
        """Write the line. An MKI of ours there is none."""
        inline = b64encode(self.key).decode()
        return Attribute("crypto", f"{self.tag} {self.suite} inline:{inline}")


@dataclass(frozen=True, slots=True)
class SrtpKeys:
    """What offer and answer agreed on: ours to send with, the peer's to receive with."""

    suite: str
    send_key: bytes = field(repr=False)
    receive: Crypto


def parse_crypto(value: str) -> Crypto | None:
    """Read the value of an ``a=crypto`` line; None for one that we cannot follow or must not.

    Not followed: suites we do not have, several keys in one line, and session parameters that
    change what is on the wire: the UNENCRYPTED and UNAUTHENTICATED ones, KDR and FEC. One that is
    unknown makes the line invalid, too, unless it begins with "-" (RFC 4568 section 6.3.7).
    """
    fields = value.split()
    if len(fields) < 3 or not _TAG.fullmatch(fields[0]) or fields[1] not in SUITES:
        return None
    window: int | None = None
    for parameter in fields[3:]:
        if parameter.startswith("-"):
            continue
        name, _, text = parameter.partition("=")
        window = parse_number(text, 1 << 20) if name.upper() == "WSH" else None
        if window is None or window < _WINDOW_MIN:
            return None
    key = _parse_key(fields[2], SUITES[fields[1]])
    return None if key is None else Crypto(int(fields[0]), fields[1], *key, window)


def _parse_key(text: str, key_bytes: int) -> tuple[bytes, bytes] | None:
    """Read ``inline:key||salt["|"lifetime]["|"MKI:length]`` into key and MKI."""
    method, _, info = text.partition(":")
    encoded, *options = info.split("|")
    if method.lower() != "inline" or len(options) > 2:
        return None
    try:
        key = b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (Base64Error, ValueError):
        return None
    mki: bytes | None = b""
    if options and ":" in options[-1]:
        mki = _parse_mki(options.pop())
    if len(options) == 2 or not all(_lives(option) for option in options):
        return None
    # RFC 4568 section 6.1: a key that is not as long as the suite wants it makes the line invalid.
    return (key, mki) if mki is not None and len(key) == key_bytes else None


def _lives(text: str) -> bool:
    match = _LIFETIME.fullmatch(text)
    if match is None:
        return False
    packets = 1 << int(match[1]) if match[1] else int(match[2])
    return 1 <= packets <= _LIFETIME_MAX


def _parse_mki(text: str) -> bytes | None:
    match = _MKI.fullmatch(text)
    length = int(match[2]) if match else 0
    if match is None or not 1 <= length <= _MKI_BYTES_MAX or int(match[1]) >> 8 * length:
        return None
    return int(match[1]).to_bytes(length, "big")


def cryptos_of(media: MediaDescription) -> list[Crypto]:
    """Give the lines of a media description that we can follow, the peer's preferred first."""
    lines = media.attribute_values("crypto")[:_LINES_MAX]
    return [crypto for line in lines if (crypto := parse_crypto(line)) is not None]
