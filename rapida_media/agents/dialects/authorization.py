"""How a bot knows that it is its vendor who calls: what the upgrade request carries.

twilio   X-Twilio-Signature: HMAC-SHA1 over the URL under the account's auth token
vonage   Authorization: Bearer JWT, HS256 under the account's signature secret
all      Authorization: Basic, where the URL has a user and a password
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

import jwt

from rapida_media.config import Credential
from rapida_media.providers.http import basic_authorization
from rapida_media.providers.twilio.signature import SIGNATURE, sign


def authorization(
    dialect: str, url: str, credential: Credential | None, *, now: float, token: str
) -> tuple[str, dict[str, str]]:
    """Give the URL without its user and password, and the header fields that prove who calls.

    credential: with the vendor's secrets; of another vendor it signs nothing.  now: seconds since
    the Unix epoch.  token: unguessable, never used before.
    """
    parts = urlsplit(url)
    user_info, at, host = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=host)) if at else url
    headers: dict[str, str] = {}
    if at:
        user, _, password = user_info.partition(":")
        headers["Authorization"] = basic_authorization(unquote(user), unquote(password))
    if credential is None or credential.provider != dialect:
        return bare, headers
    values = credential.values
    if dialect == "twilio" and "auth_token" in values:
        headers[SIGNATURE.title()] = sign(bare, (), values["auth_token"])
    if dialect == "vonage" and "signature_secret" in values:
        headers["Authorization"] = f"Bearer {_vonage_token(values, now, token)}"
    if dialect == "exotel" and "password" in values and not at:
        headers["Authorization"] = basic_authorization(
            values.get("username", ""), values["password"]
        )
    return bare, headers


def _vonage_token(values: Mapping[str, str], now: float, token: str) -> str:
    claims: dict[str, object] = {"iat": int(now), "jti": token, "iss": "Vonage"}
    for name in ("api_key", "application_id"):
        if name in values:
            claims[name] = values[name]
    return jwt.encode(claims, values["signature_secret"], algorithm="HS256")
