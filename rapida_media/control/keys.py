"""Who may operate the engine: API keys, compared in constant time, and how often each may ask."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import ip_address
from math import ceil

from aiohttp import web

from rapida_media import clock
from rapida_media.control.problems import ProblemError

# Seconds of requests that may come at once.
BURST_S = 2.0


class KeyRing:
    """keys: those that open; none lets this machine in, and nobody else.

    requests_per_second: of each key.
    """

    def __init__(self, keys: Sequence[str], requests_per_second: float) -> None:
        # Digests have one length: comparing them tells nothing of a key's.
        self._digests = [sha256(key.encode()).digest() for key in keys]
        self._rate = requests_per_second
        self._burst = max(1.0, requests_per_second * BURST_S)
        self._tokens = [self._burst] * max(1, len(keys))
        self._filled_at = clock.monotonic()

    def check(self, request: web.Request) -> None:
        """Let a request pass; ProblemError 401, 403 or 429 where it may not."""
        self._take(self._holder(request), clock.monotonic())

    def _holder(self, request: web.Request) -> int:
        """Give the number of the key that was shown.

        Of several credentials each has to be right: who sends a wrong one does not mean this
        server, or does not know that it is wrong.
        """
        if not self._digests:
            _check_local(request)
            return 0
        found = [self._number(key) for key in _shown(request)]
        if not found or found[0] is None or None in found:
            raise ProblemError(
                401,
                "unauthorized",
                "show an API key: Authorization: Bearer KEY, or X-API-Key: KEY",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return found[0]

    def _number(self, key: str) -> int | None:
        """Find a key; it takes as long for a wrong one."""
        shown = sha256(key.encode("utf-8", "surrogateescape")).digest()
        found = None
        for index, digest in enumerate(self._digests):
            if hmac.compare_digest(digest, shown):
                found = index
        return found

    def _take(self, holder: int, now: float) -> None:
        earned = (now - self._filled_at) * self._rate
        self._tokens = [min(self._burst, each + earned) for each in self._tokens]
        self._filled_at = now
        if self._tokens[holder] < 1:
            wait = ceil((1 - self._tokens[holder]) / self._rate)
            raise ProblemError(
                429,
                "too-many-requests",
                f"more than {self._rate:g} requests a second",
                headers={"Retry-After": str(wait)},
            )
        self._tokens[holder] -= 1


def _shown(request: web.Request) -> list[str]:
    """Give all keys of a request, and "" for a credential that is none."""
    keys = []
    for credential in request.headers.getall("Authorization", []):
        scheme, _, key = credential.partition(" ")
        keys.append(key.strip() if scheme.lower() == "bearer" else "")
    return [*keys, *request.headers.getall("X-API-Key", [])]


def _check_local(request: web.Request) -> None:
    """Without keys, only who sits at this machine is an operator.

    A tunnel or a proxy brings strangers to the loopback address, and so does a browser whose name
    server lies (DNS rebinding); both show in the header fields.
    """
    forwarded = any(
        name in request.headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")
    )
    if forwarded or not _is_loopback(request.remote or "") or not _names_loopback(request.host):
        raise ProblemError(
            403, "forbidden", "without api_keys under [http] only this machine may ask"
        )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _names_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name == "localhost" or _is_loopback(name.strip("[]"))
