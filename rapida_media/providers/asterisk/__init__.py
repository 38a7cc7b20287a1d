"""Asterisk on premises: media by chan_websocket or AudioSocket, webhooks out of the dialplan, ARI.

See docs/providers/asterisk.md for the dialplan and the configuration of ARI.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rapida_media.providers.addresses import addresses_fault
from rapida_media.providers.asterisk.audiosocket import APPLICATION_HZ, KINDS, AudioSocketStream
from rapida_media.providers.asterisk.chan_websocket import FORMATS, ChanWebsocketStream
from rapida_media.providers.asterisk.feed import ari_feed
from rapida_media.providers.asterisk.telephony import AsteriskTelephony
from rapida_media.providers.asterisk.verification import verify
from rapida_media.providers.base import CredentialKey, ProviderSpec


def _endpoint_fault(text: str) -> str | None:
    if "/" in text and "{to}" in text:
        return None
    return 'expected one such as "PJSIP/{to}@trunk", where {to} stands for the number'


def _format_fault(text: str) -> str | None:
    return None if text in FORMATS else f"expected one of {', '.join(FORMATS)}"


SPEC = ProviderSpec(
    name="asterisk",
    audio="linear 8 to 192 kHz, μ-law, A-law, binary",
    digits="in: message, out: tones",
    formats=tuple(FORMATS.values()),
    lead_ms=200,
    transfers=True,
    credential_keys=(
        CredentialKey("username", required=False),
        CredentialKey("password", required=False, secret=True),
        CredentialKey("addresses", required=False, fault=addresses_fault),
        CredentialKey("ari_username", required=False),
        CredentialKey("ari_password", required=False, secret=True),
        CredentialKey("endpoint", required=False, fault=_endpoint_fault),
        CredentialKey("app", required=False),
        CredentialKey("connection", required=False),
        CredentialKey("format", required=False, fault=_format_fault),
        CredentialKey("transfer_context", required=False),
    ),
    verify=verify,
    telephony=AsteriskTelephony,
    stream=ChanWebsocketStream,
    feed=ari_feed,
)
# Nothing is buffered behind it: a frame is on the way while another is played, and Asterisk drops
# what comes much earlier.
AUDIOSOCKET = replace(SPEC, lead_ms=40, continuous=True, stream=AudioSocketStream)


def audiosocket(asked: str) -> ProviderSpec:
    """Give what carries a call over AudioSocket. asked: the format that the dialplan named, such
    as ``slin16``; the application's where it named none that is known."""
    audio = FORMATS.get(asked)
    rate_hz = audio.rate_hz if audio is not None and audio.rate_hz in KINDS else APPLICATION_HZ
    return replace(AUDIOSOCKET, stream=partial(AudioSocketStream, rate_hz))
