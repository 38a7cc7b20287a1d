"""Twilio: Programmable Voice webhooks, the Calls API and bidirectional Media Streams.

See docs/providers/twilio.md for the way from a fresh account to a talking phone.
"""

from __future__ import annotations

from rapida_media.providers.base import CredentialKey, ProviderSpec
from rapida_media.providers.stream import PCMU
from rapida_media.providers.twilio.signature import verify
from rapida_media.providers.twilio.stream import TwilioStream
from rapida_media.providers.twilio.telephony import TwilioTelephony

SPEC = ProviderSpec(
    name="twilio",
    audio="μ-law 8 kHz, base64 in JSON",
    digits="in: message, out: tones",
    verification="X-Twilio-Signature: HMAC-SHA1, or HMAC-SHA256 with a shared key",
    formats=(PCMU,),
    lead_ms=200,
    transfers=True,
    credential_keys=(
        CredentialKey("account_sid", shape="AC[0-9a-f]{32}"),
        CredentialKey("auth_token", secret=True, shape="[0-9a-f]{32}"),
        CredentialKey("secondary_auth_token", required=False, secret=True, shape="[0-9a-f]{32}"),
        CredentialKey("shared_key", required=False, secret=True),
        CredentialKey("api_key", required=False, shape="SK[0-9a-f]{32}"),
        CredentialKey("api_secret", required=False, secret=True),
    ),
    verify=verify,
    telephony=TwilioTelephony,
    stream=TwilioStream,
)
