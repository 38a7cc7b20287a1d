"""Lets new calls in, whichever way they come: one count, one rate and one drain for all of them."""

from __future__ import annotations

from collections.abc import Callable

from rapida_media import clock
from rapida_media.call.admission import Admission, Refusal
from rapida_media.config import LimitsConfig
from rapida_media.net.provider_lines import Refused
from rapida_media.sip.address import Address
from rapida_media.sip.message import Request
from rapida_media.sip.user_agent import Headers
from rapida_media.stats import Counters

SERVICE_UNAVAILABLE = 503


class Turnstile:
    """active: gives how many calls there are now."""

    def __init__(self, limits: LimitsConfig, active: Callable[[], int], counters: Counters) -> None:
        self._admission = Admission(limits.max_calls, limits.calls_per_second)
        self._active = active
        self._counters = counters

    @property
    def closed(self) -> bool:
        return self._admission.draining

    def close(self) -> None:
        """Let nobody in any more."""
        self._admission.draining = True

    def enter(self) -> Refusal | None:
        """Take one more call into account, or tell why it may not come in."""
        refusal = self._admission.admit(self._active(), clock.monotonic())
        if refusal is not None:
            self._counters.add(f"refused_{refusal.reason}")
        return refusal

    def order(self) -> None:
        """Take a call of ours into account; Refused while there is no room for it."""
        if (refusal := self.enter()) is not None:
            raise Refused(
                SERVICE_UNAVAILABLE,
                f"no calls now: {refusal.reason}",
                retry_after_s=refusal.retry_after_s,
            )

    def check(self, request: Request, source: Address) -> tuple[int, Headers] | None:
        """Let an INVITE in (None) or say how it is refused; an OPTIONS only asks."""
        invited = request.method == "INVITE"
        refusal = self.enter() if invited else self._admission.full(self._active())
        if refusal is None:
            return None
        return SERVICE_UNAVAILABLE, [("Retry-After", str(refusal.retry_after_s))]
