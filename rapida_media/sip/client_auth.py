"""Our credentials towards servers and proxies that challenge us (RFC 3261 section 22, RFC 8760).

One ``ClientAuth`` belongs to one call or one registration: it answers challenges and adds the
answer to every later request, so that a server asks once and not each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapida_media.sip.digest import (
    Authorization,
    Challenge,
    Credentials,
    format_authorization,
    parse_challenge,
    response_digest,
    strongest,
)

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.message import Response

# By the challenge's field, the field of its answer (RFC 3261 sections 22.2 and 22.3).
ANSWERS = {"WWW-Authenticate": "Authorization", "Proxy-Authenticate": "Proxy-Authorization"}
# Proxies that may challenge one request before it reaches the server.
MAX_REALMS = 4


class _Protection:
    """One realm's challenge and how often its nonce was used."""

    __slots__ = ("challenge", "cnonce", "count")

    def __init__(self, challenge: Challenge, cnonce: str) -> None:
        self.challenge = challenge
        self.cnonce = cnonce
        self.count = 0


class ClientAuth:
    """Answers challenges with one user's credentials."""

    __slots__ = ("_credentials", "_ids", "_protections")

    def __init__(self, credentials: Credentials, ids: IdSource) -> None:
        self._credentials = credentials
        self._ids = ids
        self._protections: dict[tuple[str, str], _Protection] = {}

    def take(self, response: Response, answered: set[tuple[str, str]]) -> bool:
        """Take the challenges of a 401 or 407; tell whether sending the request again is any use.

        answered: the realms this very request was already answered for. The same realm asking
        again has refused our credentials, unless it says that only the nonce was stale (RFC 7616
        section 3.3).
        """
        usable = False
        for field, answer in ANSWERS.items():
            realms: dict[str, list[Challenge]] = {}
            for text in response.header_values(field):
                if (challenge := parse_challenge(text)) is not None:
                    realms.setdefault(challenge.realm, []).append(challenge)
            for realm, challenges in realms.items():
                best = strongest(challenges)
                assert best is not None, "a realm is listed with its first challenge"
                key = answer, realm
                if key in answered and not best.stale:
                    return False
                if key not in self._protections and len(self._protections) >= MAX_REALMS:
                    continue
                answered.add(key)
                self._protections[key] = _Protection(best, self._ids.token())
                usable = True
        return usable

    def headers(self, method: str, uri: str, body: bytes) -> tuple[tuple[str, str], ...]:
        """Give the credentials for one request; none before the first challenge.

        uri: its Request-URI. Each call uses up one nonce count.
        """
        return tuple(
            (field, self._answer(protection, method, uri, body))
            for (field, _), protection in self._protections.items()
        )

    def _answer(self, protection: _Protection, method: str, uri: str, body: bytes) -> str:
        challenge = protection.challenge
        protection.count += 1
        cnonce = protection.cnonce if challenge.qop or "-sess" in challenge.algorithm else ""
        values = Authorization(
            self._credentials.username,
            challenge.realm,
            challenge.nonce,
            uri,
            "",
            challenge.algorithm,
            challenge.qop,
            f"{protection.count:08x}",
            cnonce,
        )
        response = response_digest(values, self._credentials.password, method, body)
        return format_authorization(values._replace(response=response), challenge.opaque)
