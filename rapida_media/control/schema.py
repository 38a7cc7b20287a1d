"""What the operators' API takes and gives: types that validate, and that OpenAPI is made from.

msgspec: it checks types, ranges and lengths while decoding, names the field at fault, and gives the
JSON schema of the same types; one compiled package without dependencies of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rapida_media.call.records import CallRecord
from rapida_media.legs.base import Stats

_PARTY = r"^(\+?[0-9*#]{1,32}|sips?:[!-~]{1,250})$"
_WORD = "^[a-z][a-z0-9_]{0,63}$"
_FILE_NAME = r"^[^/\\\x00]+$"
_DIGITS = "^[0-9*#A-D]{1,64}$"
_FIELD = r"^[A-Za-z0-9.!%*_+`'~-]+$"
# What people are told in place of a pattern.
IN_WORDS: Mapping[str, str] = {
    _PARTY: 'a number such as "+15550100", or a SIP URI',
    _WORD: "a word of a-z, 0-9 and _, up to 64 of them, a letter first",
    _FILE_NAME: "the name of a file, without a folder",
    _DIGITS: "1 to 64 keys of 0-9 * # A-D",
    _FIELD: "the name of a header field",
}

Name = Annotated[str, Meta(min_length=1, max_length=128)]
FieldName = Annotated[str, Meta(pattern=_FIELD, max_length=64)]
FieldValue = Annotated[str, Meta(max_length=1024)]
Party = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        pattern=_PARTY,
        description="A number, +E.164 best, or a SIP URI",
        examples=["+15550100", "sip:echo@127.0.0.1:5060"],
    ),
]
Status = Literal[
    "queued",
    "initiated",
    "ringing",
    "in-progress",
    "completed",
    "busy",
    "no-answer",
    "failed",
    "canceled",
]


class CallOrder(
    msgspec.Struct, rename={"from_": "from"}, forbid_unknown_fields=True, omit_defaults=True
):
    """A call to place.

    provider: by which way; without it by the assistant's credential, else sip.  trunk: for sip,
    when ``to`` is a number; without it the only one there is.  parameters: handed to the agent.
    idempotency_key: the same key again gives the same call.  ring_seconds: how long it may ring.
    headers: for sip, header fields that the INVITE carries besides the engine's own.
    """

    assistant: Name
    to: Party
    from_: Party | None = None
    provider: Name | None = None
    trunk: Name | None = None
    parameters: Annotated[dict[Name, Any], Meta(max_length=64)] = {}
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    ring_seconds: Annotated[int, Meta(ge=1, le=600)] = 60
    headers: Annotated[dict[FieldName, FieldValue], Meta(max_length=32)] = {}


class CallAccepted(msgspec.Struct):
    """The call exists. context_id: of its media stream; null over SIP, which needs none."""

    call_id: str
    context_id: str | None
    status: Status


class BrowserCall(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A call from a browser.

    sdp: its offer, as ``RTCPeerConnection.localDescription.sdp`` has it; trickled candidates are
    not needed.  to: an assistant or a number, as the user part of a SIP URI would name it.
    parameters: handed to the agent.
    """

    sdp: Annotated[str, Meta(min_length=1)]
    to: Name
    parameters: Annotated[dict[Name, Any], Meta(max_length=64)] = {}


class BrowserCallAccepted(msgspec.Struct):
    """The call exists. sdp: the answer, for ``setRemoteDescription``."""

    call_id: str
    sdp: str


class Problem(msgspec.Struct, omit_defaults=True):
    """Why not; ``application/problem+json``. field: which one of the request is at fault.
    retry_after_s: as the Retry-After of the answer says, which one order of many has not."""

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    retry_after_s: int | None = None


class BulkItem(msgspec.Struct, omit_defaults=True):
    """What came of one order of many: the call, or the problem."""

    call: CallAccepted | None = None
    problem: Problem | None = None


class BulkResult(msgspec.Struct):
    """In the order of the request."""

    items: list[BulkItem]


class CallView(msgspec.Struct, rename={"from_": "from"}):
    """A call. Times are RFC 3339, null for what did not happen."""

    id: str
    provider: str
    direction: Literal["inbound", "outbound"]
    from_: str
    to: str
    status: Status
    raw_status: str | None
    assistant: str | None
    trunk: str | None
    credential: str | None
    provider_call_id: str | None
    parameters: dict[str, Any]
    idempotency_key: str | None
    created_at: str
    initiated_at: str | None
    ringing_at: str | None
    answered_at: str | None
    first_media_at: str | None
    ended_at: str | None
    reason: str | None
    code: int | None
    failure_class: str | None
    retryable: bool | None
    cause: str | None
    retry_after_s: int | None
    quality: dict[str, Any]


class CallPage(msgspec.Struct):
    """Calls, the youngest first. cursor: for the next page; null behind the last one."""

    calls: list[CallView]
    cursor: str | None


class CallQuery(msgspec.Struct):
    """Which calls. since: created then or later, RFC 3339, with its offset from UTC."""

    status: Status | None = None
    provider: Name | None = None
    assistant: Name | None = None
    since: Annotated[str, Meta(extra_json_schema={"format": "date-time"})] | None = None
    cursor: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 50


class EventQuery(msgspec.Struct):
    """after: the number of the last event known, for clients that cannot set Last-Event-ID."""

    after: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class HangUpOrder(msgspec.Struct, forbid_unknown_fields=True):
    """reason: a word for the record, such as ``operator``."""

    reason: Annotated[str, Meta(pattern=_WORD)] = "operator"


class PlayOrder(msgspec.Struct, forbid_unknown_fields=True):
    """file: a WAV file in the folder of prompts ([store] prompts)."""

    file: Annotated[str, Meta(min_length=1, max_length=255, pattern=_FILE_NAME)]


class Played(msgspec.Struct):
    """What waits to be heard by now."""

    queued_ms: int


class Cleared(msgspec.Struct):
    """How much of the current utterance was heard."""

    played_ms: int


class DigitsOrder(msgspec.Struct, forbid_unknown_fields=True):
    """Keys to press, in order."""

    digits: Annotated[str, Meta(pattern=_DIGITS)]


class Accepted(msgspec.Struct):
    """It is being done."""

    status: Literal["accepted"] = "accepted"


class Agreed(msgspec.Struct):
    """Whether the far end agreed; it refused, or the call ended, otherwise."""

    agreed: bool


class TransferOrder(msgspec.Struct, forbid_unknown_fields=True):
    """to: a SIP URI, or for some providers a number. Wants to be allowed as a call there would."""

    to: Party


class Transferred(msgspec.Struct):
    """status: of SIP, as the target answered; reason: in words."""

    succeeded: bool
    status: int
    reason: str


class RecordOrder(msgspec.Struct, forbid_unknown_fields=True):
    """start: record both sides from now on; stop: close the file. pause: record silence, also of a
    recording that the agent or the configuration began; resume: record again."""

    action: Literal["start", "stop", "pause", "resume"] = "start"


class Recorded(msgspec.Struct):
    """Whether the call is being recorded now."""

    recording: bool


class Statistics(msgspec.Struct):
    """Counts and quality of both directions, by name; of the whole call once it is over."""

    call_id: str
    live: bool
    quality: dict[str, Any]


class Health(msgspec.Struct):
    """problems: why not, in words."""

    status: Literal["ok", "draining", "failing"]
    problems: list[str] = []


def view(record: CallRecord) -> CallView:
    """Give a record as the API shows it."""
    return CallView(
        id=record.id,
        provider=record.provider,
        direction="inbound" if record.direction == "inbound" else "outbound",
        from_=record.caller,
        to=record.called,
        status=record.state.value,
        raw_status=record.raw_status,
        assistant=record.assistant,
        trunk=record.trunk,
        credential=record.credential,
        provider_call_id=record.provider_call_id,
        parameters=dict(record.parameters),
        idempotency_key=record.idempotency_key,
        created_at=instant(record.created_at),
        initiated_at=_instant(record.initiated_at),
        ringing_at=_instant(record.ringing_at),
        answered_at=_instant(record.answered_at),
        first_media_at=_instant(record.first_media_at),
        ended_at=_instant(record.ended_at),
        reason=record.reason,
        code=record.code,
        failure_class=record.failure_class,
        retryable=record.retryable,
        cause=record.cause,
        retry_after_s=record.retry_after_s,
        quality=dict(record.quality),
    )


def statistics(call_id: str, quality: Stats | Mapping[str, Any], *, live: bool) -> Statistics:
    return Statistics(call_id, live, dict(quality))


def instant(seconds: float) -> str:
    """Write seconds since the epoch as RFC 3339, in UTC and to the millisecond."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _instant(seconds: float | None) -> str | None:
    return None if seconds is None else instant(seconds)
