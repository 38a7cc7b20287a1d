"""How calls end: one table from what happened to what it is called, whose fault it is and whether
calling again may help. Also what the far end is told about it.

Used by the shell's ``SipCall``; ``HangUp``, the log and the report of ``rapida-media call`` carry
the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from rapida_media.errors import LocalProtocolError

# Where the fault lies. The vocabulary is closed: dashboards and retry rules are written for it.
#   caller          gave up, or is not wanted
#   callee          busy, away, unwilling, or no such number
#   network         nothing arrives, or a server on the way fails
#   media           no codec in common, or the audio stopped
#   capacity        somebody has no room for the call now
#   authentication  who calls is not known, or not allowed to
#   configuration   what was asked for is not supported, or a limit was set
#   agent           our agent failed or did not decide
#   engine          this process
FailureClass = Literal[
    "caller",
    "callee",
    "network",
    "media",
    "capacity",
    "authentication",
    "configuration",
    "agent",
    "engine",
]
FAILURE_CLASSES: tuple[str, ...] = get_args(FailureClass)
# Of an agent's own reason: a word, or a few.
LONGEST_REASON = 256


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    reason: a word of ours, or the agent's own. code: the SIP status, where there is one.
    failure_class: None where nothing failed. retryable: the same call may succeed later, with
    nothing changed.
    """

    reason: str
    code: int | None = None
    failure_class: FailureClass | None = None
    retryable: bool = False

    def facts(self) -> dict[str, Any]:
        """Give what a record keeps of it."""
        return {
            "reason": self.reason,
            "code": self.code,
            "failure_class": self.failure_class,
            "retryable": self.retryable,
        }

    def line(self, cause: str | None = None) -> str:
        """Say it in one line, for the log. cause: the far end's Reason, where a log may show it."""
        code = f" ({self.code})" if self.code else ""
        said = f", {cause}" if cause else ""
        failed = f", failed: {self.failure_class}" if self.failure_class else ""
        return f"ended: {self.reason}{code}{said}{failed}"


# What we ended, or the far end did after the answer.
_CAUSES: dict[str, Ending] = {
    "canceled": Ending("canceled", None, "caller"),
    "no_answer": Ending("no_answer", None, "callee", True),
    # Nobody decided about a call to us in ring_seconds.
    "ring_timeout": Ending("no_answer", None, "agent"),
    "prack_timeout": Ending("prack_timeout", None, "network", True),
    "ack_timeout": Ending("ack_timeout", None, "network", True),
    "refused": Ending("refused", None, "network", True),
    "session_expired": Ending("session_expired", None, "network", True),
    "media_timeout": Ending("media_timeout", None, "media", True),
    "no_common_codec": Ending("no_common_codec", None, "media"),
    "never_connected": Ending("never_connected", None, "network", True),
    "engine_restarted": Ending("engine_restarted", None, "engine", True),
    # The media stream of a provider: never opened, opened for nothing, lost, not read, nonsense.
    "media_never_came": Ending("media_never_came", None, "network", True),
    "media_not_started": Ending("media_not_started", None, "media", True),
    "media_lost": Ending("media_lost", None, "network", True),
    "media_stalled": Ending("media_stalled", None, "network", True),
    "protocol_error": Ending("protocol_error", None, "media"),
    "max_duration": Ending("max_duration", None, "configuration"),
    "rejected": Ending("rejected", None, "agent"),
    "agent_error": Ending("agent_error", None, "agent"),
    # A bot behind a WebSocket: no connection to it, or one that broke.
    "bot_unreachable": Ending("bot_unreachable", None, "agent", True),
    "bot_lost": Ending("bot_lost", None, "agent", True),
    # An order that came to no call: no way to its target, no port, a fault of ours.
    "unreachable": Ending("unreachable", None, "network", True),
    "no_capacity": Ending("no_capacity", None, "capacity", True),
    "engine_error": Ending("engine_error", None, "engine"),
    "engine_stopping": Ending("engine_stopping", None, "engine", True),
}

# A call of ours that was not answered: status, reason, class, retryable.
_REFUSALS: tuple[tuple[int, str, FailureClass, bool], ...] = (
    (400, "rejected", "configuration", False),
    (401, "rejected", "authentication", False),
    (402, "rejected", "configuration", False),
    (403, "rejected", "authentication", False),
    (404, "not_found", "callee", False),
    (406, "rejected", "media", False),
    (407, "rejected", "authentication", False),
    (408, "no_answer", "callee", True),
    (410, "not_found", "callee", False),
    (415, "rejected", "media", False),
    (429, "rejected", "authentication", False),
    (433, "rejected", "caller", False),
    (480, "no_answer", "callee", True),
    (481, "rejected", "network", True),
    (482, "rejected", "network", False),
    (483, "rejected", "network", False),
    (484, "not_found", "callee", False),
    (485, "not_found", "callee", False),
    (486, "busy", "callee", True),
    (487, "canceled", "caller", False),
    (488, "rejected", "media", False),
    (491, "rejected", "network", True),
    (500, "rejected", "network", True),
    (502, "rejected", "network", True),
    (503, "unavailable", "capacity", True),
    (504, "rejected", "network", True),
    (580, "rejected", "media", False),
    (600, "busy", "callee", True),
    (603, "declined", "callee", False),
    (604, "not_found", "callee", False),
    (606, "rejected", "media", False),
    (607, "declined", "caller", False),  # RFC 8197: "the call is unwanted"
    (608, "declined", "caller", False),  # RFC 8688: rejected on the way as one of those
)
_STATUSES = {
    status: Ending(reason, status, failure_class, retryable)
    for status, reason, failure_class, retryable in _REFUSALS
}
# Of every other status: "treat any final response they do not recognize as being equivalent to the
# x00 response code of that class" (RFC 3261 section 8.1.3.2).
_HUNDREDS: dict[int, FailureClass] = {
    3: "callee",  # a redirection that led nowhere
    4: "configuration",
    5: "configuration",
    6: "callee",
}

# Ends of ours that are no ordinary hanging up, as Q.850 names them: gateways hand it on.
_Q850 = {
    "agent_error": (41, "Temporary failure"),
    "bot_unreachable": (41, "Temporary failure"),
    "bot_lost": (41, "Temporary failure"),
    "engine_stopping": (41, "Temporary failure"),
    "media_timeout": (102, "Recovery on timer expiry"),
    "max_duration": (102, "Recovery on timer expiry"),
    "no_common_codec": (88, "Incompatible destination"),
}
_NORMAL = (16, "Normal call clearing")


def ended(cause: str, code: int | None = None) -> Ending:
    """Say how a call ended for a cause of ours, or after its answer.

    An agent's own word is no failure.
    """
    ending = _CAUSES.get(cause)
    return Ending(cause, code) if ending is None else replace(ending, code=code)


def not_answered(status: int, *, heard: bool = True, retry_after_s: int | None = None) -> Ending:
    """Say how a call of ours ended that was not answered.

    heard: the far end sent that status; otherwise nothing came back (408) or nothing could be
    sent (503). retry_after_s: who names a time is worth calling again.
    """
    ending = _STATUSES.get(status)
    if ending is None:
        ending = Ending("rejected", status, _HUNDREDS[status // 100])
    if not heard and status in (408, 503):
        ending = replace(ending, failure_class="network")
    return ending if retry_after_s is None else replace(ending, retryable=True)


def order_refused(code: int | None, *, status: int | None = None, retryable: bool) -> Ending:
    """Say how a call ended that a telephony provider did not place.

    code: its HTTP status, or a code of its own; None when it did not answer. status: the HTTP
    status beside a code of its own. retryable: what the provider itself says of that.
    """
    status = code if status is None else status
    if status is None or 500 <= status <= 599:
        return Ending("provider_failed", code, "network", True)
    if status in (401, 403):
        return Ending("provider_refused", code, "authentication", retryable)
    if status == 429:
        return Ending("provider_refused", code, "capacity", True)
    return Ending("provider_refused", code, "configuration", retryable)


def turned_away(status: int) -> Ending:
    """Say how a call to us ended that we answered ``status``: the agent's choice, but for an offer
    that cannot be met."""
    known = _STATUSES.get(status)
    media = known is not None and known.failure_class == "media"
    return Ending("rejected", status, "media" if media else "agent")


def offer_refused(status: int) -> Ending:
    """Say how a call to us ended whose offer cannot be met, or read."""
    return Ending("rejected", status, not_answered(status).failure_class)


def reason_header(reason: str) -> tuple[str, str]:
    """Give the Reason header (RFC 3326) of the BYE or CANCEL that ends a call for ``reason``."""
    cause, text = _Q850.get(reason, _NORMAL)
    return "Reason", f'Q.850;cause={cause};text="{text}"'


def check_reason(reason: str) -> None:
    """Refuse a reason of the agent's that is not for a line of the log; LocalProtocolError."""
    if not (isinstance(reason, str) and reason.isprintable() and 0 < len(reason) <= LONGEST_REASON):
        raise LocalProtocolError(
            f"hang_up: expected a reason of one line, of 1 to {LONGEST_REASON} characters"
        )


def check_cause(cause: str | None) -> None:
    """Refuse what no Reason header can carry; LocalProtocolError."""
    if not (cause is None or (isinstance(cause, str) and not {"\r", "\n"} & set(cause))):
        raise LocalProtocolError("cause: expected the text of one Reason header")
