"""Who calls whom over a trunk: from which header fields, written how.

In: P-Asserted-Identity (RFC 3325), Remote-Party-ID, Diversion (RFC 5806), History-Info (RFC 7044),
and Privacy (RFC 3323). Out: From, P-Asserted-Identity, Privacy. Numbers are E.164: ``+`` and up to
fifteen digits.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import NameAddr, parse_name_addr
from rapida_media.sip.uri import unescape

if TYPE_CHECKING:
    from rapida_media.config import Trunk
    from rapida_media.sip.message import Request

# RFC 3966 section 5.1.1: what may stand between the digits for people's eyes.
_SEPARATORS = str.maketrans("", "", "-.() ")
_DIGITS = re.compile(r"\+?[0-9]{1,15}")
# What a call abroad begins with: ITU-T E.123's usual prefix, and that of the North American plan.
INTERNATIONAL = {"1": ("00", "011")}
USUAL_INTERNATIONAL = ("00",)
# What a national number begins with within its country and loses outside, where that is no zero
# (ITU-T's list of dialling procedures), and from how many digits on: Russia's and Kazakhstan's
# area codes may begin with an 8 themselves; Italy and San Marino keep their zero.
NATIONAL = {"7": ("8", 11), "36": ("06", 0), "39": ("", 0), "378": ("", 0)}
USUAL_NATIONAL = ("0", 0)
# Shorter ones are extensions and service numbers, which belong to no country.
SHORTEST_NATIONAL = 7
# Where the caller's identity stands, the most trustworthy first.
CALLER_FIELDS = ("P-Asserted-Identity", "Remote-Party-ID", "From")
# Who calls without showing who (RFC 3323 section 4.1.1.3).
ANONYMOUS = "sip:anonymous@anonymous.invalid"
# What of Privacy is about who calls: RFC 3323 section 4.2, RFC 3325 section 9.3.
_WITHHOLDING = {"user", "id"}


def normalise(number: str, country_code: str | None) -> str:
    """Write a telephone number as E.164; anything else, and a short number, stays as it is.

    country_code: digits that a national number is completed with, None leaves it national.
    """
    user, _, _ = unescape(number).partition(";")
    digits = user.translate(_SEPARATORS)
    if not _DIGITS.fullmatch(digits):
        return user
    if digits.startswith("+"):
        return digits
    for prefix in INTERNATIONAL.get(country_code or "", USUAL_INTERNATIONAL):
        if digits.startswith(prefix):
            return f"+{digits.removeprefix(prefix)}"
    if country_code is None or len(digits) < SHORTEST_NATIONAL:
        return digits
    national, least = NATIONAL.get(country_code, USUAL_NATIONAL)
    if national and digits.startswith(national) and len(digits) >= least:
        return f"+{country_code}{digits.removeprefix(national)}"
    # A number that is longer than a national one and begins with the code has it already.
    if digits.startswith(country_code) and len(digits) > 10:
        return f"+{digits}"
    return f"+{country_code}{digits}"


def is_number(text: str) -> bool:
    """Tell a telephone number, however it is written, from a name."""
    return _DIGITS.fullmatch(text.translate(_SEPARATORS)) is not None


def caller_of(request: Request, trunk: Trunk) -> str:
    """Give the calling number, or the URI where there is none.

    A trunk is believed what it asserts. Fields that cannot be read are passed over, and so is what
    Remote-Party-ID says of other parties than the calling one.
    """
    for field in CALLER_FIELDS:
        for value in _addresses(request, field):
            user = _user(value)
            party = (value.params.get("party") or "calling").lower()
            if user is not None and party == "calling":
                return normalise(user, trunk.country_code)
    return request.from_.uri_text


def is_private(request: Request) -> bool:
    """Tell whether a caller does not want the callee to learn who it is.

    It says so in Privacy, in its From, or its network does in Remote-Party-ID.
    """
    wishes = {each.strip().lower() for each in re.split("[;,]", request.header("Privacy") or "")}
    if "none" in wishes:
        return False
    hidden = (
        (value.params.get("privacy") or "").lower().startswith(("full", "uri"))
        for value in _addresses(request, "Remote-Party-ID")
        if (value.params.get("party") or "calling").lower() == "calling"
    )
    anonymous = (_user(request.from_) or "").lower() == "anonymous"
    return bool(wishes & _WITHHOLDING) or anonymous or any(hidden)


def called_of(request: Request, trunk: Trunk) -> str | None:
    """Give the called number or name from where the trunk says it stands, None for none.

    The number the caller dialled is the oldest one: the last Diversion, since each diverting party
    puts its own on top, and the first History-Info entry. Without such a field it is the
    Request-URI's.
    """
    value: NameAddr | None = None
    if trunk.called == "to":
        value = request.to
    elif trunk.called == "diversion":
        value = next(reversed(_addresses(request, "Diversion")), None)
    elif trunk.called == "history-info":
        value = next(iter(_addresses(request, "History-Info")), None)
    user = _user(value) if value is not None else None
    if user is None:
        user = request.uri.user
    return None if user is None else normalise(user, trunk.country_code)


def _addresses(request: Request, field: str) -> list[NameAddr]:
    try:
        return [parse_name_addr(text, field) for text in request.header_values(field)]
    except RemoteProtocolError:
        return []


def _user(value: NameAddr) -> str | None:
    """Give the user of a SIP URI, or the number of a tel URI (RFC 3966)."""
    if value.uri_text[:4].lower() == "tel:":
        return value.uri_text[4:]
    try:
        return value.uri.user
    except RemoteProtocolError:
        return None
