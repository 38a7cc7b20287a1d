"""Session timers (RFC 4028): a call whose far end vanished does not last forever.

Each session keeps one ``SessionTimer``. Every INVITE and UPDATE negotiates it anew, whoever sends
it: ``request_fields`` and ``answered`` as UAC, ``interval_refusal`` and ``accept`` as UAS.

    refresher      refresh at 1/2, again each 1/8, BYE shortly before the end
    other side     BYE shortly before the end

"Shortly before": "the minimum of 32 seconds and one third of the session interval" (section 10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol
from weakref import proxy

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import parse_delta_seconds
from rapida_media.sip.syntax import malformed, parse_params

if TYPE_CHECKING:
    from rapida_media.sip.message import Message, Request, Response
    from rapida_media.sip.timers import Timer, Timers
    from rapida_media.sip.user_agent import EndpointConfig, Headers

OPTION = "timer"
# "This minimum … MUST NOT be lower than 90 seconds", which is also what no Min-SE means.
LEAST_S = 90
LONGEST_S = 86_400  # nobody who asks for more needs a timer


class Interval(NamedTuple):
    """A Session-Expires. refresher: "uac", "uas" or None."""

    seconds: int
    refresher: str | None


def interval_of(message: Message) -> Interval | None:
    """Read Session-Expires, None without one. Raises RemoteProtocolError (400)."""
    if not message.has("Session-Expires"):
        return None
    text, semicolon, params = (message.header("Session-Expires") or "").partition(";")
    seconds = min(parse_delta_seconds(text.strip(), "Session-Expires"), LONGEST_S)
    refresher = parse_params(semicolon + params, "Session-Expires").get("refresher")
    refresher = None if refresher is None else refresher.lower()
    if seconds < 1 or refresher not in (None, "uac", "uas"):
        raise malformed("Session-Expires")
    return Interval(seconds, refresher)


def min_se_of(message: Message) -> int:
    """Read Min-SE; 90 without one. Raises RemoteProtocolError (400)."""
    if not message.has("Min-SE"):
        return LEAST_S
    return min(parse_delta_seconds(message.header("Min-SE") or "", "Min-SE"), LONGEST_S)


def interval_refusal(request: Request, least: int) -> tuple[int, Headers] | None:
    """Refuse a session interval below ours: "the UAS MAY reject the request with a 422 … The 422
    response MUST contain a Min-SE header field" (section 9). Raises RemoteProtocolError (400)."""
    interval = interval_of(request)
    min_se_of(request)
    if interval is None or interval.seconds >= least:
        return None
    return 422, (("Min-SE", str(least)),)


class Refresher(Protocol):
    """The session a timer belongs to."""

    def refresh_session(self, now: float) -> None: ...
    def session_expired(self, now: float) -> None: ...


class SessionTimer:
    """The interval agreed on, who refreshes, and the deadline.

    seconds: 0 while there is none.
    """

    __slots__ = ("_least", "_limit", "_owner", "_timer", "_timers", "_wanted", "ours", "seconds")

    def __init__(self, owner: Refresher, timers: Timers, config: EndpointConfig) -> None:
        self.seconds = 0
        self.ours = False  # the refreshing
        self._owner = proxy(owner)  # which holds us
        self._timers = timers
        self._timer: Timer | None = None
        self._limit = 0.0
        self._wanted = config.session_expires
        self._least = config.min_session_expires

    # As UAC.

    def request_fields(self) -> Headers:
        """Give what an INVITE or UPDATE of ours asks for.

        While a timer runs, who refreshes stays as it is, seen from this request: its sender is
        the uac.
        """
        if self.seconds:
            interval = f"{self.seconds};refresher={'uac' if self.ours else 'uas'}"
        elif self._wanted:
            interval = str(max(self._wanted, self._least))
        else:
            return ()
        fields = (("Session-Expires", interval),)
        return fields if self._least == LEAST_S else (*fields, ("Min-SE", str(self._least)))

    def answered(self, response: Response, now: float) -> None:
        """Follow the 2xx to an INVITE or UPDATE of ours; without Session-Expires "there is no
        session expiration" (section 7.2). A malformed one counts as none."""
        try:
            interval = interval_of(response)
        except RemoteProtocolError:
            interval = None
        if interval is None:
            self.stop()
        else:
            self._start(interval.seconds, interval.refresher != "uas", now)

    def raise_least(self, response: Response) -> bool:
        """Take the Min-SE of a 422; False when it does not help to ask again."""
        try:
            least = min_se_of(response)
        except RemoteProtocolError:
            return False
        if least <= max(self._least, self.seconds or self._wanted):
            return False
        self._least = least
        self.seconds = max(self.seconds, least) if self.seconds else 0
        return True

    # As UAS.

    def accept(self, request: Request, now: float) -> Headers:
        """Give the fields of our 2xx to an INVITE or UPDATE, and follow them (section 9).

        Where the choice is ours we refresh: then it does not depend on the peer's keeping its
        word, and the answers to our refreshes show that it still lives.
        """
        interval = interval_of(request)
        supported = request.supports(OPTION) or request.requires(OPTION)
        if interval is None and not (supported and self._wanted):
            self.stop()
            return ()
        # "MUST NOT be set to a duration lower than the value in the Min-SE header field in the
        # request", whether the UAS reduces what was asked for or asks itself.
        if interval is None:
            asked_least = min_se_of(request) if request.has("Min-SE") else self._least
            seconds = max(self._wanted, asked_least)
        elif self._wanted:
            seconds = min(interval.seconds, max(self._wanted, min_se_of(request), self._least))
        else:
            seconds = interval.seconds
        refresher = (interval.refresher if interval and supported else None) or "uas"
        self._start(seconds, refresher == "uas", now)
        fields = (("Session-Expires", f"{seconds};refresher={refresher}"),)
        # "If the refresher parameter … has a value of 'uac', the UAS MUST place a Require header
        # field into the response with the value 'timer'."
        return fields if refresher == "uas" else (*fields, ("Require", OPTION))

    # The deadline.

    def _start(self, seconds: int, ours: bool, now: float) -> None:
        self.stop()
        self.seconds, self.ours = seconds, ours
        self._limit = now + seconds - min(32, seconds / 3)
        first = now + seconds / 2 if ours else self._limit
        self._timer = self._timers.start(first, self, "session")

    def handle_timer(self, event: str, now: float) -> None:
        self._timer = None
        if now >= self._limit:
            self._owner.session_expired(now)
            return
        again = min(now + self.seconds / 8, self._limit)
        self._timer = self._timers.start(again, self, "session")
        self._owner.refresh_session(now)

    def stop(self) -> None:
        self._timers.cancel(self._timer)
        self._timer = None
        self.seconds = 0
