"""Who asks: Exotel signs nothing, so a secret in the URL, a password and an address have to do.

    webhooks whose URL an operator pastes    the path token at the end of the path; and
                                             HTTP Basic, where the account names a password
    what belongs to one call                 the context id in the path, which the engine looks up;
                                             HTTP Basic may come, and is right then
    every request                            an address of the list, where the account has one

The URLs that the engine hands out carry no password: a context id is unguessable, opens one stream
and is over with its call, while a password in a URL would stand in every log on the way.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from rapida_media.config import Credential
from rapida_media.providers.addresses import is_listed
from rapida_media.providers.http import WebhookRequest, basic_authorization

TALK = "/v1/talk/exotel/"
TOKEN_SHAPE = "[A-Za-z0-9_-]{16,128}"  # noqa: S105 — what one looks like


def verify(request: WebhookRequest, credential: Credential | None) -> str | None:
    """Tell why a request is not Exotel's; None where it is. Compares in constant time."""
    if credential is None:
        return "there is no account to verify it with"
    values = credential.values
    path = urlsplit(request.url).path
    of_one_call = path.rpartition(TALK)[2].startswith("ctx/")
    # All are looked at, so that the time tells nothing of which was wrong.
    is_known = of_one_call or _equal(path.rpartition("/")[2], values["path_token"])
    is_allowed = _is_password_right(request, values, optional=of_one_call)
    if not is_listed(request.remote, values.get("addresses", "")):
        return f"it comes from {request.remote}, which is none of the account's addresses"
    if not is_known:
        return "the token at the end of its path is wrong"
    return None if is_allowed else "its user name or password is wrong"


def token_fault(text: str) -> str | None:
    """Say what is wrong with a path token of the configuration."""
    if re.fullmatch(TOKEN_SHAPE, text):
        return None
    return "expected 16 to 128 letters, digits, - and _, as `openssl rand -hex 16` gives"


def _is_password_right(
    request: WebhookRequest, values: Mapping[str, str], *, optional: bool
) -> bool:
    if "username" not in values and "password" not in values:
        return True
    shown = request.headers.get("authorization", "")
    wanted = basic_authorization(values.get("username", ""), values.get("password", ""))
    is_right = _equal(shown, wanted)
    return is_right or (optional and not shown)


def _equal(shown: str, expected: str) -> bool:
    return hmac.compare_digest(shown.encode("utf-8", "replace"), expected.encode())
