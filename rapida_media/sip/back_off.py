"""How long to wait after a failure, and how to spread what repeats (RFC 5626 section 4.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapida_media.errors import RemoteProtocolError

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.message import Response

BASE_SECONDS = 30.0
MAX_SECONDS = 1800.0


def back_off(failures: int, ids: IdSource) -> float:
    """Give the wait after so many failures in a row: the bound doubles up to half an hour, and the
    wait is a random part of it between 50 and 100 %."""
    bound: float = min(MAX_SECONDS, BASE_SECONDS * 2 ** min(failures, 16))
    return between(0.5 * bound, bound, ids)


def between(low: float, high: float, ids: IdSource) -> float:
    """Give a random number of seconds, so that a thousand clients do not act as one."""
    return low + (high - low) * ids.number(16) / 0xFFFF


def retry_after(response: Response) -> int | None:
    """Give the seconds of Retry-After, None when it is missing or malformed."""
    try:
        return response.retry_after
    except RemoteProtocolError:
        return None
