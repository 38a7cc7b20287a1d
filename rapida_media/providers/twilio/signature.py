"""Who asks: Twilio's signature on webhooks, status callbacks and the upgrade of media streams.

    signature = base64(HMAC(key, URL as requested + each form field's name and values, sorted))

HMAC-SHA1 under the account's auth token; HMAC-SHA256 under a shared key where the request says so.
A body that is no form is covered by its SHA-256 in the URL (``bodySHA256``). The signature carries
no time: what guards against a replay is that contexts are used once and states only go forward.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import urlsplit

from rapida_media.config import Credential
from rapida_media.providers.http import Pairs, WebhookRequest

SIGNATURE = "x-twilio-signature"
SETTINGS = "x-twilio-webhooks-signature-settings"
BODY_HASH = "bodySHA256"
FORM = "application/x-www-form-urlencoded"
_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def verify(request: WebhookRequest, credential: Credential | None) -> str | None:
    """Tell why a request is not Twilio's; None where it is. Compares in constant time."""
    if credential is None:
        return "there is no account to verify it with"
    shown = request.headers.get(SIGNATURE, "").encode("utf-8", "replace")
    if not shown:
        return "there is no X-Twilio-Signature"
    digest, keys = _mode(request.headers.get(SETTINGS, ""), credential)
    if not keys:
        return "it is signed in a way that the account has no key for"
    is_form = request.content_type == FORM
    if request.body and not is_form and not _is_body_hashed(request):
        return "its body is neither a form nor the one whose hash is in the URL"
    fields = request.form if is_form else ()
    expected = [sign(url, fields, key, digest) for url in _spellings(request.url) for key in keys]
    # Every candidate is compared, so that the time tells nothing of which came near.
    matches = [hmac.compare_digest(each.encode(), shown) for each in expected]
    return None if any(matches) else "the signature is wrong"


def sign(url: str, fields: Pairs, key: str, digest: str = "sha1") -> str:
    """Sign a URL and form fields as Twilio does: names sorted, repeated values once and sorted."""
    values: dict[str, set[str]] = {}
    for name, value in fields:
        values.setdefault(name, set()).add(value)
    said = url + "".join(name + each for name in sorted(values) for each in sorted(values[name]))
    mac = hmac.new(key.encode(), said.encode("utf-8", "surrogatepass"), digest)
    return b64encode(mac.digest()).decode()


def _mode(settings: str, credential: Credential) -> tuple[str, list[str]]:
    """Give the digest and the keys the request may be signed with; no key for an unknown way.

    During a rotation of tokens either one is good.
    """
    names, digest = ["auth_token", "secondary_auth_token"], "sha1"
    if settings:
        known = "algorithm=HMAC_SHA256" in settings.replace(" ", "").split(",")
        names, digest = (["shared_key"] if known else []), "sha256"
    return digest, [credential.values[name] for name in names if credential.values.get(name)]


def _is_body_hashed(request: WebhookRequest) -> bool:
    shown = dict(request.query).get(BODY_HASH, "")
    expected = hashlib.sha256(request.body).hexdigest()
    return hmac.compare_digest(shown.lower().encode("utf-8", "replace"), expected.encode())


def _spellings(url: str) -> Iterator[str]:
    """Give the URL as it is, and with its port left out or spelled out.

    Twilio signs either form, whatever stood in the URL; nothing else of it may be touched.
    """
    yield url
    try:
        parts = urlsplit(url)
        port, default = parts.port, _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return
    before, after = f"{parts.scheme}://", url[len(parts.scheme) + 3 + len(parts.netloc) :]
    if port is not None:
        yield before + parts.netloc.rpartition(":")[0] + after
    elif default is not None:
        yield f"{before}{parts.netloc}:{default}{after}"
