"""Exotel's callbacks, read: news of a call, of its legs, and of a stream that is over.

Three kinds of requests say them, in a form, in JSON or in the query:

    StatusCallback     CallSid, Status; with events also EventType and Legs[0][Status]
    Passthru applet    CallSid, and Stream[Status] or Stream={"Status": …}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rapida_media.providers.base import CommonState, StatusInfo
from rapida_media.providers.http import WebhookRequest

# The common states are named after the same words.
STATES: Mapping[str, CommonState] = {
    "queued": "queued",
    "ringing": "ringing",
    "in-progress": "in-progress",
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
    "canceled": "canceled",
}
EVENTS: Mapping[str, CommonState] = {"answered": "in-progress", "ringing": "ringing"}
# A call that nobody was reached by, of which a leg may know that we took it back.
UNREACHED = (None, "failed", "no-answer")
NOTHING = ("", "null", "None")


def read_news(request: WebhookRequest) -> StatusInfo | None:
    """Give what a callback says; None where it is about no call, or tells nothing."""
    said = {name: text for name, text in request.fields().items() if text not in NOTHING}
    call_id = said.get("CallSid")
    if call_id is None:
        return None
    if stream := _nested(request, said, "Stream"):
        return _of_stream(call_id, stream)
    event, leg = said.get("EventType", "").lower(), _first_leg(request, said)
    if (state := EVENTS.get(event)) is not None:
        return StatusInfo(call_id, event, state)
    raw = said.get("Status") or leg
    if raw is None:
        return StatusInfo(call_id, event) if event else None
    state = STATES.get(raw.lower())
    if state in UNREACHED and leg is not None and leg.lower() == "canceled":
        return StatusInfo(call_id, leg, "canceled", cause=raw)
    return StatusInfo(call_id, raw, state)


def _of_stream(call_id: str, stream: Mapping[str, str]) -> StatusInfo:
    """Tell of a stream, which is no state of the call: the flow may go on without us."""
    words = [stream.get("Status", "ended"), stream.get("DisconnectedBy", "")]
    raw = " by ".join(word for word in words if word)
    return StatusInfo(call_id, f"stream {raw}", cause=stream.get("Error"))


def _first_leg(request: WebhookRequest, said: Mapping[str, str]) -> str | None:
    if (status := said.get("Legs[0][Status]")) is not None:
        return status
    body = request.json
    legs = body.get("Legs") if isinstance(body, dict) else None
    if not isinstance(legs, list) or not legs or not isinstance(legs[0], dict):
        return None
    status = legs[0].get("Status")
    return status if isinstance(status, str) and status not in NOTHING else None


def _nested(request: WebhookRequest, said: Mapping[str, str], name: str) -> dict[str, str]:
    """Give the members of one object: as bracketed fields, as JSON in a field, or in a body."""
    bracketed = {
        key[len(name) + 1 : -1]: text
        for key, text in said.items()
        if key.startswith(f"{name}[") and key.endswith("]")
    }
    if bracketed:
        return bracketed
    body = request.json
    value: Any = body.get(name) if isinstance(body, dict) else None
    if name in said:
        try:
            value = json.loads(said[name])
        except (ValueError, RecursionError):
            return {}
    if not isinstance(value, dict):
        return {}
    return {key: str(each) for key, each in value.items() if each is not None}
