"""Who asks, and who we are: the JSON Web Tokens of webhooks, media streams and the REST API.

webhook         Authorization: Bearer JWT, HS256 under the account's signature secret, with the
                SHA-256 of the body in ``payload_hash`` and an id of its own in ``jti``
media stream    Authorization: what our NCCO said, an HMAC over the stream's URL
REST API        Authorization: Bearer JWT, RS256 under the application's private key
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from rapida_media.config import Credential
from rapida_media.providers.http import WebhookRequest

ISSUER = "Vonage"
# How far Vonage's clock and ours, and the way of a request, may be apart. Vonage names no number.
FRESH_S = 300
# Tokens remembered, all of them genuine: 200 a second for as long as one is fresh.
REMEMBERED = 60_000
LONGEST_ID = 100
# The platform takes tokens of up to a day; its own library makes them for a quarter of an hour.
APPLICATION_TOKEN_S = 900
# Freshness is judged by when the request came in, not by the clock of the library.
_OPTIONS: Any = dict.fromkeys(("verify_aud", "verify_exp", "verify_iat", "verify_nbf"), False)


class Verifier:
    """``verify`` of the spec. Remembers the tokens it has seen for as long as they are fresh."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], float] = OrderedDict()  # until when

    def __call__(self, request: WebhookRequest, credential: Credential | None) -> str | None:
        """Tell why a request is not Vonage's; None where it is."""
        if credential is None:
            return "there is no account to verify it with"
        if request.url.startswith(("wss://", "ws://")):
            return _stream_fault(request, credential)
        words = request.headers.get("authorization", "").split()
        if len(words) != 2 or words[0].lower() != "bearer":
            return "there is no Authorization with one Bearer token"
        try:
            claims = jwt.decode(
                words[1],
                credential.values["signature_secret"],
                algorithms=["HS256"],
                issuer=ISSUER,
                options=_OPTIONS,
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
            return f"its token is refused: {str(error)[:100]}"
        return (
            _owner_fault(claims, credential)
            or _body_fault(claims, request.body)
            or self._replay_fault(claims, request.received_at)
        )

    def _replay_fault(self, claims: Mapping[str, Any], now: float) -> str | None:
        issued_at, name = claims.get("iat"), claims.get("jti")
        if not isinstance(issued_at, int | float) or not abs(now - issued_at) <= FRESH_S:
            return f"its token was not issued within {FRESH_S} s: is the clock right?"
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID:
            return "its token has no jti"
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        known = (str(claims.get("application_id")), name)
        if known in self._seen:
            return "its token was used before"
        # Until the token is stale whatever it said, so that the oldest is always the first.
        self._seen[known] = now + 2 * FRESH_S
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return None


def _owner_fault(claims: Mapping[str, Any], credential: Credential) -> str | None:
    for name in ("application_id", "api_key"):
        ours, said = credential.values.get(name), claims.get(name)
        if ours is not None and said is not None:
            return None if said == ours else f"it is for another {name}"
    return "its token names neither our application nor our account"


def _body_fault(claims: Mapping[str, Any], body: bytes) -> str | None:
    if not body:
        return None  # whether a GET has a hash, and of what, Vonage does not say
    said = claims.get("payload_hash")
    expected = hashlib.sha256(body).hexdigest()
    shown = said.lower().encode("utf-8", "replace") if isinstance(said, str) else b""
    return None if hmac.compare_digest(shown, expected.encode()) else "its body is another one"


def stream_authorization(media_url: str, credential: Credential) -> str:
    """Give what the upgrade of a media stream has to show: Vonage sends what the NCCO says.

    Made from the signature secret, so that every machine of a deployment knows it and it stands in
    no URL.
    """
    key = credential.values["signature_secret"].encode()
    mac = hmac.new(key, f"media stream {media_url}".encode(), hashlib.sha256)
    return f"Bearer {mac.hexdigest()}"


def _stream_fault(request: WebhookRequest, credential: Credential) -> str | None:
    shown = request.headers.get("authorization", "")
    if not shown and credential.values.get("socket_authorization") == "optional":
        return None  # the context in the path was for Vonage only, and works once
    expected = stream_authorization(request.url.partition("?")[0], credential)
    if hmac.compare_digest(shown.encode("utf-8", "replace"), expected.encode()):
        return None
    if shown:
        return "its Authorization is not the one of the NCCO"
    return (
        "the stream shows no Authorization; if Vonage never sends one to this account, "
        'socket_authorization = "optional" goes without'
    )


def private_key(text: str) -> RSAPrivateKey:
    """Read an application's key. ValueError where it is none."""
    # In the environment, line breaks may be written out.
    pem = text.replace("\\n", "\n").strip().encode()
    try:
        # To prove that the numbers are primes takes 80 ms in which no call is heard; the key is
        # the operator's own, and a wrong one is refused by Vonage.
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("expected an RSA key in PEM form, without a password")
    return key


def key_fault(text: str) -> str | None:
    """Tell what is wrong with an application's key; None where it can be used."""
    try:
        private_key(text)
    except ValueError as error:
        return str(error)
    return None


def application_token(
    application_id: str, key: RSAPrivateKey, issued_at: int, token_id: str
) -> str:
    """Make a token for one request to the REST API."""
    claims = {
        "iat": issued_at,
        "jti": token_id,
        "exp": issued_at + APPLICATION_TOKEN_S,
        "application_id": application_id,
    }
    return jwt.encode(claims, key, algorithm="RS256")
