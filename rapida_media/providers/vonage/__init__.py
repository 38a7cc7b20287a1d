"""Vonage: Voice API webhooks, calls and WebSockets.

See docs/providers/vonage.md for the way from a fresh account to a talking phone.
"""

from __future__ import annotations

from rapida_media.providers.base import CredentialKey, ProviderSpec
from rapida_media.providers.stream import BUS
from rapida_media.providers.vonage.signature import Verifier, key_fault
from rapida_media.providers.vonage.stream import VonageStream
from rapida_media.providers.vonage.telephony import VonageTelephony

SPEC = ProviderSpec(
    name="vonage",
    audio="linear 16 kHz, binary",
    digits="in: message, out: tones",
    verification="JWT, HMAC-SHA256, over the body; the stream by a key of its own",
    formats=(BUS,),
    # Vonage advises 0.2 to 2 s: less sounds robotic when a packet is late.
    lead_ms=400,
    transfers=True,
    credential_keys=(
        CredentialKey("application_id", shape="[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        CredentialKey("private_key", secret=True, fault=key_fault),
        CredentialKey("signature_secret", secret=True, shape=r"\S{32,}"),
        CredentialKey("api_key", required=False, shape="[0-9a-f]{8}"),
        CredentialKey("socket_authorization", required=False, shape="required|optional"),
    ),
    verify=Verifier(),
    telephony=VonageTelephony,
    stream=VonageStream,
)
