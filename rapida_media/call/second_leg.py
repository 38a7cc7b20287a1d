"""A call that the agent of another one orders: what is asked for, and what is told meanwhile.

``Call.dial`` gives the order to the shell, which owns the second leg for as long as the first call
lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapida_media.agents.events import Ringing
from rapida_media.config.trunk import header_fault
from rapida_media.errors import LocalProtocolError

if TYPE_CHECKING:
    from rapida_media.call.call import Call

Headers = Sequence[tuple[str, str]]
# How long a second leg rings unless the agent says otherwise.
DIAL_S = 60.0
# Hears what the second leg does before it is answered.
OnRinging = Callable[["Call", Ringing], None]


@dataclass(frozen=True, slots=True)
class DialOrder:
    """uri: a SIP URI; with trunk a number or user there. timeout_s: how long it may ring.

    caller_id: the number or user that calls. headers: more of the INVITE, in pairs of name and
    value. LocalProtocolError for what cannot be dialled so by anybody.
    """

    uri: str
    trunk: str | None = None
    timeout_s: float = DIAL_S
    caller_id: str | None = None
    headers: Headers = ()

    def __post_init__(self) -> None:
        if not isinstance(self.uri, str):
            raise LocalProtocolError(
                f"expected a SIP URI or a number to call, got {type(self.uri).__name__}"
            )
        if not (isinstance(self.timeout_s, int | float) and self.timeout_s >= 0):
            raise LocalProtocolError(f"expected seconds to ring for, got {self.timeout_s!r}")
        for field in self.headers:
            if not (isinstance(field, tuple) and len(field) == 2):
                raise LocalProtocolError(
                    'headers: expected pairs of name and value, such as [("X-Ticket", "7")]'
                )
            if (fault := header_fault(*field)) is not None:
                raise LocalProtocolError(f"headers: {fault}")
