"""Challenge callers and check their credentials (RFC 3261 section 22, RFC 7616, RFC 8760).

A challenge costs no memory: its nonce carries the time and a MAC of it. Only a nonce that somebody
has used with the right password is remembered, to refuse its replay.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING

from rapida_media.sip.digest import (
    ALGORITHMS,
    Authorization,
    parse_authorization,
    response_digest,
)

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.message import Request

# RFC 7616 section 5.4 leaves the lifetime to the server: long enough for a call's later requests
# to go without a new challenge, short enough to be of little use to a thief.
NONCE_SECONDS = 300.0
MAX_USED_NONCES = 10_000

_TIME_DIGITS, _SALT_DIGITS, _MAC_DIGITS = 12, 16, 32


class Verdict(Enum):
    """What credentials are worth."""

    ACCEPTED = "accepted"
    MISSING = "missing"  # none for our realm
    STALE = "stale"  # the right password with a nonce too old, or used before
    WRONG = "wrong"  # unknown user or wrong password


class DigestServer:
    """The server's side for one realm and its users."""

    __slots__ = ("_algorithms", "_decoy", "_floor", "_ids", "_realm", "_secret", "_used", "_users")

    def __init__(
        self,
        realm: str,
        users: Mapping[str, str],
        ids: IdSource,
        algorithms: Sequence[str] = ALGORITHMS,
    ) -> None:
        """users: passwords by user name. realm: without quotes or backslashes.

        algorithms: some of ``digest.ALGORITHMS``, the preferred first; no other is accepted.
        """
        self._algorithms = algorithms
        self._realm = realm
        self._users = users
        self._ids = ids
        self._secret = bytes.fromhex(ids.token() + ids.token())
        self._decoy = ids.token()
        self._used: OrderedDict[str, int] = OrderedDict()  # nonce → highest count seen
        self._floor = -1  # nonces issued at this millisecond or before are no longer taken

    def use(self, users: Mapping[str, str]) -> None:
        """Ask for other passwords from now on. Challenges that are out stay good for them."""
        self._users = users

    def challenge(self, now: float, *, stale: bool = False) -> list[tuple[str, str]]:
        """Give the headers of a 401, one for each algorithm.

        The most preferred stands at the top (RFC 8760 section 2.3).
        """
        nonce = self._nonce(int(now * 1000))
        tail = ", stale=true" if stale else ""
        return [
            (
                "WWW-Authenticate",
                f'Digest realm="{self._realm}", nonce="{nonce}", algorithm={algorithm}, '
                f'qop="auth,auth-int"{tail}',
            )
            for algorithm in self._algorithms
        ]

    def check(self, request: Request, now: float) -> tuple[Verdict, str]:
        """Judge a request's credentials; gives the verdict and the user they name ("" if none)."""
        values = self._ours(request)
        if values is None:
            return Verdict.MISSING, ""
        password = self._users.get(values.username)
        # A stranger's name takes as long to refuse as a wrong password.
        expected = response_digest(
            values, self._decoy if password is None else password, request.method, request.body
        )
        same = hmac.compare_digest(
            expected.encode(), values.response.lower().encode("utf-8", "replace")
        )
        if not same or password is None:
            return Verdict.WRONG, values.username
        if not self._spend(values, now):
            return Verdict.STALE, values.username
        return Verdict.ACCEPTED, values.username

    def _ours(self, request: Request) -> Authorization | None:
        for text in request.header_values("Authorization"):
            values = parse_authorization(text)
            if values is None or values.realm != self._realm:
                continue
            if values.algorithm.removesuffix("-sess") in self._algorithms:
                return values
        return None

    def _nonce(self, issued_ms: int) -> str:
        start = f"{issued_ms:0{_TIME_DIGITS}x}{self._ids.number(64):0{_SALT_DIGITS}x}"
        return start + self._mac(start)

    def _mac(self, start: str) -> str:
        return hmac.new(self._secret, start.encode(), "sha256").hexdigest()[:_MAC_DIGITS]

    def _spend(self, values: Authorization, now: float) -> bool:
        """Use a nonce once at this count; False when it is not ours, too old or was used so."""
        issued = self._issued(values.nonce)
        oldest = int((now - NONCE_SECONDS) * 1000)
        if issued is None or issued <= max(oldest, self._floor) or issued > int(now * 1000):
            return False
        # Without qop there is no count: such a nonce serves once.
        count = int(values.nc, 16) if values.qop else 1
        if count <= self._used.get(values.nonce, 0):
            return False
        self._used[values.nonce] = count
        self._used.move_to_end(values.nonce)
        self._forget(oldest)
        return True

    def _issued(self, nonce: str) -> int | None:
        start, mac = nonce[: _TIME_DIGITS + _SALT_DIGITS], nonce[_TIME_DIGITS + _SALT_DIGITS :]
        if not hmac.compare_digest(self._mac(start).encode(), mac.encode("utf-8", "replace")):
            return None
        return int(start[:_TIME_DIGITS], 16)

    def _forget(self, oldest: int) -> None:
        """Drop what has expired; when there is still too much, expire the least used early."""
        while self._used:
            nonce = next(iter(self._used))
            issued = int(nonce[:_TIME_DIGITS], 16)
            if issued > oldest and len(self._used) <= MAX_USED_NONCES:
                return
            del self._used[nonce]
            if issued > oldest:
                self._floor = max(self._floor, issued)
