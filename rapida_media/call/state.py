"""Where a call is in its life, as records, events and the HTTP interface name it.

The words are closed and only move forward: a late or repeated report of a provider changes
nothing. Used by the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class CallState(StrEnum):
    """The closed vocabulary; the last five are ends."""

    QUEUED = "queued"
    INITIATED = "initiated"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    BUSY = "busy"
    NO_ANSWER = "no-answer"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def ended(self) -> bool:
        return not FOLLOWERS[self]


_UNANSWERED_ENDS = frozenset(
    {CallState.BUSY, CallState.NO_ANSWER, CallState.FAILED, CallState.CANCELED}
)

# What may follow what. A step may be left out, since not everyone reports each of them: a call can
# be answered without ever having rung. Who was answered is not busy any more.
FOLLOWERS: Mapping[CallState, frozenset[CallState]] = {
    CallState.QUEUED: _UNANSWERED_ENDS
    | {CallState.INITIATED, CallState.RINGING, CallState.IN_PROGRESS, CallState.COMPLETED},
    CallState.INITIATED: _UNANSWERED_ENDS
    | {CallState.RINGING, CallState.IN_PROGRESS, CallState.COMPLETED},
    CallState.RINGING: _UNANSWERED_ENDS | {CallState.IN_PROGRESS, CallState.COMPLETED},
    CallState.IN_PROGRESS: frozenset({CallState.COMPLETED, CallState.FAILED}),
    CallState.COMPLETED: frozenset(),
    CallState.BUSY: frozenset(),
    CallState.NO_ANSWER: frozenset(),
    CallState.FAILED: frozenset(),
    CallState.CANCELED: frozenset(),
}

_BY_REASON: Mapping[str, CallState] = {
    "busy": CallState.BUSY,
    "no_answer": CallState.NO_ANSWER,
    "canceled": CallState.CANCELED,
}


def may_follow(before: CallState, after: CallState) -> bool:
    """Tell whether a call in one state may come into another; never into the one it is in."""
    return after in FOLLOWERS[before]


def end_state(reason: str, *, answered: bool) -> CallState:
    """Give the end a reason stands for: an answered call is completed, whoever hung up."""
    if answered:
        return CallState.COMPLETED
    return _BY_REASON.get(reason, CallState.FAILED)
