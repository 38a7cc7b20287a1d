"""SIP: trunks, exchanges and phones, by the engine's own endpoint."""

from __future__ import annotations

from rapida_media.providers.base import ProviderSpec

SPEC = ProviderSpec(
    name="sip",
    audio="RTP: PCMU, PCMA, G722, L16/16000",
    digits="RFC 4733, both directions",
    verification="trunk hosts, digest authentication",
    transfers=True,
)
