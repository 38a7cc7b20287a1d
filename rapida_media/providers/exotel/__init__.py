"""Exotel: the Voicebot applet, its dynamic URL, and calls out by the Connect API.

See docs/providers/exotel.md for the way from a fresh account to a talking phone.
"""

from __future__ import annotations

from rapida_media.config import Credential
from rapida_media.providers.addresses import addresses_fault
from rapida_media.providers.base import CredentialKey, ProviderSpec
from rapida_media.providers.exotel.access import token_fault, verify
from rapida_media.providers.exotel.stream import RATES_HZ, ExotelStream
from rapida_media.providers.exotel.telephony import ExotelTelephony
from rapida_media.providers.stream import PCMU, AudioFormat, StreamProtocol

# As much as may wait at Exotel; a quarter of its largest message at any rate.
LONGEST_CHUNK_MS = 500


def _rate_fault(text: str) -> str | None:
    known = [str(rate) for rate in RATES_HZ]
    return None if text in known else f"expected one of {', '.join(known)}, got {text!r}"


def _country_fault(text: str) -> str | None:
    is_code = text.isascii() and text.isdigit() and len(text) <= 3 and text[0] != "0"
    return None if is_code else f"expected 1 to 3 digits such as 91, got {text!r}"


def _chunk_fault(text: str) -> str | None:
    is_length = text.isascii() and text.isdigit() and len(text) < 5
    if is_length and int(text) % 20 == 0 and 20 <= int(text) <= LONGEST_CHUNK_MS:
        return None
    return f"expected a multiple of 20, at most {LONGEST_CHUNK_MS}, got {text!r}"


def _set_stream(stream: StreamProtocol, credential: Credential) -> None:
    assert isinstance(stream, ExotelStream), "the spec makes these"
    if (chunk_ms := credential.values.get("chunk_ms")) is not None:
        stream.wanted_chunk_ms = int(chunk_ms)


SPEC = ProviderSpec(
    name="exotel",
    audio="linear 8, 16 or 24 kHz, base64 in JSON",
    digits="in: message, out: tones",
    verification="a token in the path; HTTP Basic and an address list where configured",
    formats=(*(AudioFormat("s16le", rate) for rate in RATES_HZ), PCMU),
    lead_ms=500,
    socket_is_the_call=True,
    second_handshake=True,
    news_status=200,  # a Passthru applet goes by it
    webhook_token="path_token",  # noqa: S106 — the name of a key
    credential_keys=(
        CredentialKey("account_sid"),
        CredentialKey("api_key", shape="[0-9a-f]{48}"),
        CredentialKey("api_token", secret=True, shape="[0-9a-f]{48}"),
        CredentialKey("path_token", secret=True, fault=token_fault),
        CredentialKey("username", required=False),
        CredentialKey("password", required=False, secret=True),
        CredentialKey("addresses", required=False, fault=addresses_fault),
        CredentialKey("sample_rate", required=False, fault=_rate_fault),
        CredentialKey("chunk_ms", required=False, fault=_chunk_fault),
        CredentialKey("country_code", required=False, fault=_country_fault),
        CredentialKey("app_id", required=False, shape="[0-9]{1,10}"),
    ),
    verify=verify,
    telephony=ExotelTelephony,
    stream=ExotelStream,
    set_stream=_set_stream,
)
