"""What the end of a call is called, and what the far end is told about it.

Used by the shell's ``SipCall``.
"""

from __future__ import annotations

# What an unanswered outbound call is called, by its final status; all else is "rejected".
FAILURES = {
    404: "not_found",
    408: "no_answer",
    480: "no_answer",
    486: "busy",
    487: "canceled",
    503: "unavailable",
    600: "busy",
    603: "declined",
}

# What a call that its caller gave up, or a limit, is called.
CANCELED = {"ring_timeout": "no_answer", "prack_timeout": "prack_timeout"}

# Ends of ours that are no ordinary hanging up, as Q.850 names them: gateways hand it on.
_CAUSES = {
    "agent_error": (41, "Temporary failure"),
    "engine_stopping": (41, "Temporary failure"),
    "media_timeout": (102, "Recovery on timer expiry"),
    "max_duration": (102, "Recovery on timer expiry"),
    "no_common_codec": (88, "Incompatible destination"),
}
_NORMAL = (16, "Normal call clearing")


def reason_header(reason: str) -> tuple[str, str]:
    """Give the Reason header (RFC 3326) of the BYE or CANCEL that ends a call for ``reason``."""
    cause, text = _CAUSES.get(reason, _NORMAL)
    return "Reason", f'Q.850;cause={cause};text="{text}"'
