"""Who asks: Asterisk signs nothing, so what counts is where it asks from and what it knows.

    an account with password    HTTP Basic on webhooks and on the upgrade of media streams
    an account with addresses   only these addresses
    neither                     this machine alone

AudioSocket has no place for a password: beside the address, the call's unguessable id is the proof.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from urllib.parse import urlsplit

from rapida_media.config import Credential
from rapida_media.providers.addresses import is_listed
from rapida_media.providers.http import WebhookRequest

# The scheme of an AudioSocket connection, which is no HTTP and has no header fields.
AUDIOSOCKET = "audiosocket"
THIS_MACHINE = "127.0.0.0/8 ::1"
# A proxy hides whose the address is.
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def verify(request: WebhookRequest, credential: Credential | None) -> str | None:
    """Tell why a request is not our Asterisk's; None where it is. Compares in constant time."""
    values = {} if credential is None else credential.values
    addresses, password = values.get("addresses", ""), values.get("password", "")
    by_password = bool(password) and urlsplit(request.url).scheme != AUDIOSOCKET
    if addresses or not password:
        why = _refuse_address(request, addresses or THIS_MACHINE)
        if why is not None:
            return why
    if by_password:
        pair = f"{values.get('username', '')}:{password}".encode()
        expected = b"basic " + b64encode(pair)
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        said = f"{scheme.lower()} {shown.strip()}".encode("utf-8", "replace")
        if not hmac.compare_digest(said, expected):
            return "the name or the password is missing or wrong"
    return None


def _refuse_address(request: WebhookRequest, listed: str) -> str | None:
    if any(name in request.headers for name in FORWARDED):
        return "it came through a proxy, which hides its address: give the account a password"
    if is_listed(request.remote, listed):
        return None
    return f"it comes from {request.remote}, which is none of the account's addresses"
