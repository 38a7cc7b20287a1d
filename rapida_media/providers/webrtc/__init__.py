"""WebRTC: browsers, which call by ``POST /v1/webrtc`` (``docs/browser.md``)."""

from __future__ import annotations

from rapida_media.providers.base import ProviderSpec

SPEC = ProviderSpec(
    name="webrtc",
    audio="DTLS-SRTP: G722, PCMU, PCMA",
    digits="RFC 4733, both directions",
    verification="an API key, DTLS fingerprint",
    outbound=False,
)
