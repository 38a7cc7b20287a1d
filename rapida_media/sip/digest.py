"""Digest authentication: the arithmetic and the header values (RFC 7616, RFC 8760, RFC 3261 §22).

Both directions use these: ``client_auth`` answers challenges, ``digest_server`` makes and checks
them. Nothing here keeps state.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from rapida_media.sip.syntax import QUOTED_TEXT, TCHARS, quote

# The strongest first. RFC 8760 section 2.1 takes the names from the registry of RFC 7616; each also
# exists as a "-sess" variant.
ALGORITHMS = ("SHA-256", "MD5")
_HASHES = {"SHA-256": hashlib.sha256, "MD5": hashlib.md5}
_CANONICAL = {
    f"{name}{suffix}".lower(): f"{name}{suffix}" for name in ALGORITHMS for suffix in ("", "-sess")
}

_SCHEME = re.compile(r"[ \t]*+digest[ \t]++", re.IGNORECASE)
# The comma is optional: RFC 3665 itself prints credentials that lack one.
_PARAM = re.compile(
    rf'[ \t]*+([{TCHARS}]++)[ \t]*+=[ \t]*+(?:"({QUOTED_TEXT})"|([^\s,"]++))[ \t]*+,?+', re.DOTALL
)
_COUNT = re.compile(r"[0-9A-Fa-f]{8}")
_NEEDED = {"username", "realm", "nonce", "uri", "response"}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we say we are. The password is never printed."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One WWW-Authenticate or Proxy-Authenticate value we can answer.

    realm, nonce and opaque are kept as written between their quotes. qop: the one to use, "" where
    the server offers none (RFC 2069).
    """

    realm: str
    nonce: str
    algorithm: str
    qop: str
    opaque: str | None
    stale: bool


class Authorization(NamedTuple):
    """One Authorization or Proxy-Authorization value as received; nc as its eight digits."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str
    qop: str
    nc: str
    cnonce: str


def parse_challenge(text: str) -> Challenge | None:
    """Read a challenge; None for one that cannot be answered: no Digest, no nonce, an unknown
    algorithm, or none of the qop values known here."""
    params = _parse(text)
    algorithm = _CANONICAL.get(params.get("algorithm", "MD5").lower())
    if "nonce" not in params or "realm" not in params or algorithm is None:
        return None
    offered = [each.strip(" \t").lower() for each in params.get("qop", "").split(",")]
    # auth-int fails wherever something on the way rewrites the SDP, as many gateways do; it is
    # used where it is the only offer.
    qop = next((each for each in ("auth", "auth-int") if each in offered), "")
    if not qop and "qop" in params:
        return None
    return Challenge(
        params["realm"],
        params["nonce"],
        algorithm,
        qop,
        params.get("opaque"),
        params.get("stale", "").lower() == "true",
    )


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """Choose the challenge with the best hash; of equal ones the topmost, which the server prefers
    (RFC 8760 section 2.3)."""
    return min(challenges, key=_rank, default=None)


def _rank(challenge: Challenge) -> int:
    return ALGORITHMS.index(challenge.algorithm.removesuffix("-sess"))


def parse_authorization(text: str) -> Authorization | None:
    """Read credentials; None when they are no complete Digest ones."""
    params = _parse(text)
    algorithm = _CANONICAL.get(params.get("algorithm", "MD5").lower())
    if algorithm is None or not params.keys() >= _NEEDED:
        return None
    qop, nc, cnonce = params.get("qop", "").lower(), params.get("nc", ""), params.get("cnonce", "")
    if qop not in ("", "auth", "auth-int") or (qop and not _COUNT.fullmatch(nc)):
        return None
    return Authorization(
        params["username"],
        params["realm"],
        params["nonce"],
        params["uri"],
        params["response"],
        algorithm,
        qop,
        nc,
        cnonce,
    )


def format_authorization(values: Authorization, opaque: str | None) -> str:
    """Write credentials. "qop", "nc" and "algorithm" are not quoted (RFC 7616 section 3.4)."""
    text = (
        f'Digest username={quote(values.username)}, realm="{values.realm}", '
        f'nonce="{values.nonce}", uri="{values.uri}", response="{values.response}", '
        f"algorithm={values.algorithm}"
    )
    if values.qop:
        text += f', qop={values.qop}, nc={values.nc}, cnonce="{values.cnonce}"'
    elif values.cnonce:  # a "-sess" algorithm without qop hashes it all the same
        text += f', cnonce="{values.cnonce}"'
    return text if opaque is None else f'{text}, opaque="{opaque}"'


def response_digest(values: Authorization, password: str, method: str, body: bytes) -> str:
    """Compute what ``values.response`` has to be (RFC 7616 section 3.4.1).

    body: counted with qop "auth-int". Texts are hashed as UTF-8.
    """
    new = _HASHES[values.algorithm.removesuffix("-sess")]

    def h(data: bytes) -> str:
        return new(data, usedforsecurity=False).hexdigest()

    def joined(*parts: str) -> str:
        return h(":".join(parts).encode("utf-8", "surrogateescape"))

    a1 = joined(values.username, values.realm, password)
    if values.algorithm.endswith("-sess"):
        a1 = joined(a1, values.nonce, values.cnonce)
    integrity = (h(body),) if values.qop == "auth-int" else ()
    a2 = joined(method, values.uri, *integrity)
    if not values.qop:
        return joined(a1, values.nonce, a2)  # RFC 2069, kept by RFC 3261 section 22.4
    return joined(a1, values.nonce, values.nc, values.cnonce, values.qop, a2)


def _parse(text: str) -> dict[str, str]:
    """Cut a Digest value into its parameters; quoted values stay as written between the quotes."""
    start = _SCHEME.match(text)
    if start is None:
        return {}
    params: dict[str, str] = {}
    position = start.end()
    while (match := _PARAM.match(text, position)) is not None:
        name, quoted, bare = match.groups()
        params.setdefault(name.lower(), bare if quoted is None else quoted)
        position = match.end()
    return params if position == len(text) else {}
