"""What Asterisk says of how a call went: ``Dial`` statuses and Q.850 causes, and the states they
stand for."""

from __future__ import annotations

from collections.abc import Mapping

from rapida_media.providers.base import CommonState

# Of the channel variable DIALSTATUS, and of the event Dial.
DIAL_STATES: Mapping[str, CommonState] = {
    "RINGING": "ringing",
    "PROGRESS": "ringing",
    "PROCEEDING": "initiated",
    "ANSWER": "in-progress",
    "BUSY": "busy",
    "NOANSWER": "no-answer",
    "CANCEL": "canceled",
    "CONGESTION": "failed",
    "CHANUNAVAIL": "failed",
    "DONTCALL": "failed",
    "TORTURE": "failed",
    "INVALIDARGS": "failed",
}
CHANNEL_STATES: Mapping[str, CommonState] = {
    "Dialing": "initiated",
    "Ring": "initiated",
    "Ringing": "ringing",
    "Up": "in-progress",
}
# ITU-T Q.850; every other cause of a call that was not answered is a failure.
CAUSE_STATES: Mapping[int, CommonState] = {
    16: "canceled",
    17: "busy",
    18: "no-answer",
    19: "no-answer",
    26: "canceled",
    127: "canceled",
}


def state_of_cause(cause: int, *, answered: bool) -> CommonState:
    """Give the state of a call that is over."""
    return "completed" if answered else CAUSE_STATES.get(cause, "failed")
