"""A call that the agent of another one orders: what is asked for, and what is told meanwhile.

``Call.dial`` gives the order to the shell, which owns the second leg for as long as the first call
lives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapida_media.agents.events import Ringing

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

    caller_id: the number or user that calls. headers: more of the INVITE.
    """

    uri: str
    trunk: str | None = None
    timeout_s: float = DIAL_S
    caller_id: str | None = None
    headers: Headers = ()
