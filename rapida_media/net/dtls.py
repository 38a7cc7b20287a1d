"""DTLS-SRTP (RFC 5764) by aiortc: the handshake whose outcome is the keys of the media.

The one module that needs aiortc, which takes a quarter of a second and 40 MB to load: nobody
imports it before a browser calls. Of aiortc's transport only the handshake and the end are used;
packets of the media never come here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from aiortc.rtcicetransport import RTCIceTransport

from rapida_media.errors import RemoteProtocolError
from rapida_media.sdp.crypto import Crypto, SrtpKeys

# RFC 5764 section 4.2.
_LABEL = b"EXTRACTOR-dtls_srtp"
# RFC 5764 section 4.1.2, RFC 7714 section 14.2: the suite, bytes of a key and of a salt.
_PROFILES = {
    b"SRTP_AES128_CM_SHA1_80": ("AES_CM_128_HMAC_SHA1_80", 16, 14),
    b"SRTP_AEAD_AES_128_GCM": ("AEAD_AES_128_GCM", 16, 12),
    b"SRTP_AEAD_AES_256_GCM": ("AEAD_AES_256_GCM", 32, 12),
}
# Datagrams that wait for the handshake's task: a flight and its repetition.
_WAITING_MAX = 32


class _Pipe:
    """What aiortc's transport takes for its ICE transport."""

    # By this it chooses to be the DTLS server, as our answer says (a=setup:passive).
    role = "controlling"

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.waiting: asyncio.Queue[bytes] = asyncio.Queue(_WAITING_MAX)
        self._send_now = send

    async def _recv(self) -> bytes:
        return await self.waiting.get()

    async def _send(self, data: bytes) -> None:
        self._send_now(data)


class Dtls:
    """One session, as the server, under a certificate of its own.

    send: sends a datagram. closed: called once the far end says that it closes.
    """

    def __init__(self, send: Callable[[bytes], None], closed: Callable[[], None]) -> None:
        self._pipe = _Pipe(send)
        self._closed = closed
        certificate = RTCCertificate.generateCertificate()
        self._transport = RTCDtlsTransport(cast(RTCIceTransport, self._pipe), [certificate])
        self._transport.on("statechange", self._state_changed)
        own = next(each for each in certificate.getFingerprints() if each.algorithm == "sha-256")
        self.fingerprint = own.algorithm, own.value

    def receive(self, data: bytes) -> None:
        """Take a datagram; those that nobody fetches are lost."""
        if not self._pipe.waiting.full():
            self._pipe.waiting.put_nowait(data)

    async def handshake(self, fingerprints: Iterable[tuple[str, str]]) -> SrtpKeys:
        """Wait for the far end, and shake hands; gives the keys of the media.

        fingerprints: (hash, digits) of its certificate, as its SDP has them. RemoteProtocolError
        when it shows another, or the handshake fails.
        """
        expected = [RTCDtlsFingerprint(*each) for each in fingerprints]
        await self._transport.start(RTCDtlsParameters(expected))
        if self._transport.state != "connected":
            raise RemoteProtocolError("the DTLS handshake failed, or another certificate was shown")
        return self._keys()

    def _keys(self) -> SrtpKeys:
        session = self._transport._ssl
        assert session is not None, "it is connected"
        suite, key_bytes, salt_bytes = _PROFILES[session.get_selected_srtp_profile()]
        material = session.export_keying_material(_LABEL, 2 * (key_bytes + salt_bytes))
        # Client key, server key, client salt, server salt.
        keys, salts = material[: 2 * key_bytes], material[2 * key_bytes :]
        theirs = keys[:key_bytes] + salts[:salt_bytes]
        return SrtpKeys(suite, keys[key_bytes:] + salts[salt_bytes:], Crypto(1, suite, theirs))

    async def close(self) -> None:
        """Tell the far end that it is over; returns once that is sent."""
        self._transport.remove_all_listeners()
        await self._transport.stop()

    def _state_changed(self) -> None:
        if self._transport.state == "closed":
            self._closed()
