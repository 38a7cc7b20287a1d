"""SRTP and SRTCP contexts (RFC 3711, RFC 6188, RFC 7714) from libsrtp, by way of pylibsrtp.

The RTP leg makes a ``SrtpSender`` and a ``SrtpReceiver`` of the keys that offer and answer agreed
on and hands both to its compiled ``MediaStream``, which calls libsrtp itself, without Python, for
every packet. SRTCP is seldom enough for Python: ``protect_rtcp`` and ``unprotect_rtcp``.

libsrtp is used through the cffi module inside pylibsrtp: its public classes know neither addresses
nor AES-256 in counter mode. What is relied on is checked when this module is loaded.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any, NamedTuple

import pylibsrtp
from pylibsrtp._binding import ffi, lib

from rapida_media.errors import LocalProtocolError, RemoteProtocolError


class _Suite(NamedTuple):
    """profile: libsrtp's name for it, of the profile that ``aes_256`` turns into it.

    key_bytes: master key and master salt.  tag_bytes: what follows an MKI; the tag of the AEAD
    suites is part of the cipher text and stands before it (RFC 7714 section 8.1).
    """

    profile: str
    key_bytes: int
    tag_bytes: int
    rtcp_tag_bytes: int
    aes_256: bool = False

    @property
    def rtcp_least_bytes(self) -> int:
        """A header, the tag and the index (RFC 3711 figure 2, RFC 7714 figure 3)."""
        return 8 + (self.rtcp_tag_bytes or 16) + 4


_SUITES = {
    "AEAD_AES_256_GCM": _Suite("srtp_profile_aead_aes_256_gcm", 44, 0, 0),
    "AEAD_AES_128_GCM": _Suite("srtp_profile_aead_aes_128_gcm", 28, 0, 0),
    "AES_256_CM_HMAC_SHA1_80": _Suite("srtp_profile_aes128_cm_sha1_80", 46, 10, 10, True),
    "AES_CM_128_HMAC_SHA1_80": _Suite("srtp_profile_aes128_cm_sha1_80", 30, 10, 10),
    # RFC 4568 section 6.2.2: only the tag of SRTP is short, that of SRTCP has 80 bits.
    "AES_256_CM_HMAC_SHA1_32": _Suite("srtp_profile_aes128_cm_sha1_32", 46, 4, 10, True),
    "AES_CM_128_HMAC_SHA1_32": _Suite("srtp_profile_aes128_cm_sha1_32", 30, 4, 10),
}

# The fields of srtp_crypto_policy_t, which the module does not declare: cipher type, cipher key
# length, authentication type, its key length; tag length, services.
_AES_128_CM_HMAC_SHA1 = (1, 30, 3, 20)
_BOTH_SERVICES = 3
_AES_ICM_256, _AES_ICM_256_KEY_BYTES = 5, 46
# A peer's packet may be this much older than its newest; libsrtp's own value, and the least.
WINDOW = 128
WINDOW_MAX = 1 << 14
# Contexts a peer gets in one SRTCP session before the oldest of its SSRCs gives way.
RTCP_SOURCES = 8
# The longest compound packet a peer may send, and room for a tag, an index and an MKI behind ours.
_PACKET_BYTES = 2048
_TRAILER_BYTES = 16 + 4

_Function = Any  # cffi's, untyped
_REPLAYS = frozenset({9, 10})


def _check_binding() -> None:
    """Raise ImportError unless libsrtp's functions are what our C code calls."""
    for function, arguments in (
        (lib.srtp_protect, 3),
        (lib.srtp_unprotect, 3),
        (lib.srtp_remove_stream, 2),
    ):
        if len(ffi.typeof(function).args) != arguments:
            raise ImportError(f"pylibsrtp {pylibsrtp.__version__} is not built on libsrtp 2")


_check_binding()


def _address(name: str) -> int:
    return int(ffi.cast("uintptr_t", ffi.addressof(lib, name)))


def _set_aes_256(policy: Any, tag_bytes: int) -> bool:
    """Make a policy for AES-128 in counter mode one for AES-256 (RFC 6188).

    False when its fields are not where libsrtp 2 has them.
    """
    fields = ffi.cast("int *", ffi.addressof(policy))
    if tuple(fields[0:6]) != (*_AES_128_CM_HMAC_SHA1, tag_bytes, _BOTH_SERVICES):
        return False
    fields[0], fields[1] = _AES_ICM_256, _AES_ICM_256_KEY_BYTES
    return True


class _Session:
    """One libsrtp session of one direction, for one key and any SSRC."""

    def __init__(self, suite: str, key: bytes, kind: int, window: int = WINDOW) -> None:
        chosen = _SUITES.get(suite)
        if chosen is None:
            raise LocalProtocolError(f"suite: expected one of {', '.join(_SUITES)}, got {suite!r}")
        if len(key) != chosen.key_bytes:
            raise LocalProtocolError(f"key: {suite} wants {chosen.key_bytes} bytes, not {len(key)}")
        policy = ffi.new("srtp_policy_t *")
        profile = getattr(lib, chosen.profile)
        failed = lib.srtp_crypto_policy_set_from_profile_for_rtp(
            ffi.addressof(policy.rtp), profile
        ) or lib.srtp_crypto_policy_set_from_profile_for_rtcp(ffi.addressof(policy.rtcp), profile)
        if chosen.aes_256:
            failed = failed or not (
                _set_aes_256(policy.rtp, chosen.tag_bytes)
                and _set_aes_256(policy.rtcp, chosen.rtcp_tag_bytes)
            )
        key_copy = ffi.new("unsigned char[]", key)
        policy.key = key_copy
        policy.ssrc.type = kind
        policy.window_size = max(WINDOW, min(window, WINDOW_MAX))
        handle = ffi.new("srtp_t *")
        if failed or lib.srtp_create(handle, policy):
            raise LocalProtocolError(f"suite: this libsrtp cannot do {suite}")
        self.chosen = chosen
        self._handle = ffi.gc(handle, _deallocate)

    @property
    def pointer(self) -> Any:
        return self._handle[0]

    @property
    def address(self) -> int:
        return int(ffi.cast("uintptr_t", self._handle[0]))

    def apply(self, function: _Function, packet: bytes, room: int) -> tuple[int, bytes]:
        """Give libsrtp's status and what it made of the packet."""
        buffer = ffi.new("char[]", len(packet) + room)
        ffi.memmove(buffer, packet, len(packet))
        size = ffi.new("int *", len(packet))
        status = int(function(self.pointer, buffer, size))
        return status, bytes(ffi.buffer(buffer)[0 : size[0]])


def _deallocate(handle: Any) -> None:
    lib.srtp_dealloc(handle[0])


class SrtpSender:
    """What we send, under our key: one roll-over counter from its first packet on."""

    function = _address("srtp_protect")

    def __init__(self, suite: str, key: bytes) -> None:
        self._rtp = _Session(suite, key, lib.ssrc_any_outbound)
        # A session of its own: SRTCP has its own index and its own keys (RFC 3711 section 4.3),
        # and so the media need not be kept from it.
        self._rtcp = _Session(suite, key, lib.ssrc_any_outbound)
        self.suite = suite

    @property
    def session(self) -> int:
        return self._rtp.address

    def protect_rtcp(self, packet: bytes) -> bytes:
        """Encrypt and sign a compound packet. LocalProtocolError when it is none."""
        status, protected = self._rtcp.apply(lib.srtp_protect_rtcp, packet, _TRAILER_BYTES)
        if status:
            raise LocalProtocolError(f"packet: libsrtp does not protect it (status {status})")
        return protected


class SrtpReceiver:
    """What the peer sends, under its key. window: packets that a late one may be late by."""

    function = _address("srtp_unprotect")
    remove_function = _address("srtp_remove_stream")

    def __init__(self, suite: str, key: bytes, mki: bytes = b"", window: int = WINDOW) -> None:
        self._rtp = _Session(suite, key, lib.ssrc_any_inbound, window)
        self._rtcp = _Session(suite, key, lib.ssrc_any_inbound, window)
        self._rtcp_sources: OrderedDict[bytes, None] = OrderedDict()
        self.suite = suite
        self.mki = mki

    @property
    def session(self) -> int:
        return self._rtp.address

    @property
    def tag_bytes(self) -> int:
        return self._rtp.chosen.tag_bytes

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """Give the compound packet inside; RemoteProtocolError when it is not authentic, or comes
        a second time ("replay" in its text)."""
        if not self._rtcp.chosen.rtcp_least_bytes <= len(packet) <= _PACKET_BYTES:
            raise RemoteProtocolError("SRTCP: too short or too long")
        status, plain = self._rtcp.apply(lib.srtp_unprotect_rtcp, self._without_mki(packet), 0)
        if status in _REPLAYS:
            raise RemoteProtocolError("SRTCP: a replay")
        if status:
            raise RemoteProtocolError(f"SRTCP: not authentic (status {status})")
        self._remember(plain[4:8])
        return plain

    def _without_mki(self, packet: bytes) -> bytes:
        """Take the MKI out, which stands before the tag (RFC 3711 section 3.4)."""
        if not self.mki:
            return packet
        end = len(packet) - self._rtcp.chosen.rtcp_tag_bytes
        start = end - len(self.mki)
        if start < 0 or packet[start:end] != self.mki:
            raise RemoteProtocolError("SRTCP: not under the key that was agreed")
        return packet[:start] + packet[end:]

    def _remember(self, ssrc: bytes) -> None:
        """Keep libsrtp, which makes a context for each SSRC, from growing."""
        self._rtcp_sources[ssrc] = None
        self._rtcp_sources.move_to_end(ssrc)
        if len(self._rtcp_sources) > RTCP_SOURCES:
            oldest, _ = self._rtcp_sources.popitem(last=False)
            lib.srtp_remove_stream(self._rtcp.pointer, int.from_bytes(oldest, sys.byteorder))


def _works(suite: str) -> bool:
    try:
        _Session(suite, bytes(_SUITES[suite].key_bytes), lib.ssrc_any_inbound)
    except LocalProtocolError:
        return False
    return True


# What this libsrtp can do, the strongest first; GCM needs one that was built with OpenSSL.
AVAILABLE_SUITES = tuple(suite for suite in _SUITES if _works(suite))
