"""Asterisk on premises: AudioSocket, and webhooks out of the dialplan.

See docs/providers/asterisk.md for the dialplan.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rapida_media.providers.asterisk.audiosocket import (
    APPLICATION_HZ,
    KINDS,
    RATES_HZ,
    AudioSocketStream,
)
from rapida_media.providers.asterisk.telephony import AsteriskTelephony
from rapida_media.providers.asterisk.verification import verify
from rapida_media.providers.base import CredentialKey, ProviderSpec
from rapida_media.providers.stream import AudioFormat

NETWORKS = r"[0-9A-Fa-f:./]+([ ,]+[0-9A-Fa-f:./]+)*"

SPEC = ProviderSpec(
    name="asterisk",
    outbound=False,
    audio="linear 8 to 192 kHz, binary",
    digits="in: message, out: tones",
    formats=tuple(AudioFormat("s16le", rate_hz) for rate_hz in RATES_HZ.values()),
    # A frame on the way while the next is being played; Asterisk drops what comes much earlier.
    lead_ms=40,
    continuous=True,
    socket_is_the_call=True,
    credential_keys=(
        CredentialKey("username", required=False),
        CredentialKey("password", required=False, secret=True),
        CredentialKey("hosts", required=False, shape=NETWORKS),
    ),
    verify=verify,
    telephony=AsteriskTelephony,
    stream=AudioSocketStream,
)


def audiosocket(asked: str) -> ProviderSpec:
    """Give what carries a call over AudioSocket. asked: the format that the dialplan named, such
    as ``slin16``; the application's where it named none that is known."""
    digits = asked.removeprefix("slin") if asked.startswith("slin") else ""
    khz = {rate_hz // 1000: rate_hz for rate_hz in KINDS}
    rate_hz = khz.get(int(digits), APPLICATION_HZ) if digits.isdecimal() else APPLICATION_HZ
    return replace(SPEC, stream=partial(AudioSocketStream, rate_hz))
