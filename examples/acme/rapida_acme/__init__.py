"""ACME Telephony as a provider of rapida-media."""

from rapida_acme.stream import AcmeStream
from rapida_acme.telephony import AcmeTelephony, verify
from rapida_media.providers.base import CredentialKey, ProviderSpec
from rapida_media.providers.stream import PCMU

SPEC = ProviderSpec(
    name="acme",
    audio="μ-law 8 kHz, JSON",
    digits="in: message, out: tones",
    verification="HMAC-SHA256 over URL and body",
    formats=(PCMU,),
    lead_ms=200,
    credential_keys=(CredentialKey("secret", secret=True),),
    verify=verify,
    telephony=AcmeTelephony,
    stream=AcmeStream,
)
