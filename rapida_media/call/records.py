"""What is known of one call, from its creation to its end: what operators list and stores keep.

Made and changed by the journal only; everybody else reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from rapida_media.call.state import CallState

if TYPE_CHECKING:
    from rapida_media.call.conversation import CallInfo

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class CallRecord(NamedTuple):
    """One call. Times are seconds since the Unix epoch, None for what did not happen.

    provider: ``sip``, ``twilio`` …  direction: ``inbound`` or ``outbound``.  credential, trunk: by
    which of the configuration's it goes.  provider_call_id: its name on the other side.
    raw_status: the provider's or SIP's own word for the latest state.
    reason, code, failure_class, retryable: how it ended (see ``endings``); code is the SIP status,
    or the provider's.  cause: the far end's Reason (RFC 3326).  retry_after_s: when it asks to be
    called again.  quality: counts and quality of both directions, by name.
    """

    id: str
    provider: str
    direction: str
    caller: str
    called: str
    created_at: float
    assistant: str | None = None
    credential: str | None = None
    trunk: str | None = None
    parameters: Mapping[str, Any] = _NOTHING
    context_id: str | None = None
    provider_call_id: str | None = None
    idempotency_key: str | None = None
    state: CallState = CallState.QUEUED
    raw_status: str | None = None
    initiated_at: float | None = None
    ringing_at: float | None = None
    answered_at: float | None = None
    first_media_at: float | None = None
    ended_at: float | None = None
    reason: str | None = None
    code: int | None = None
    failure_class: str | None = None
    retryable: bool | None = None
    cause: str | None = None
    retry_after_s: int | None = None
    quality: Mapping[str, Any] = _NOTHING

    @property
    def answered(self) -> bool:
        return self.answered_at is not None


def record_of(info: CallInfo, created_at: float, **facts: Any) -> CallRecord:
    """Begin the record of a call; facts: what of it ``info`` does not say."""
    return CallRecord(
        id=info.id,
        provider=info.provider,
        direction=info.direction,
        caller=info.caller,
        called=info.called,
        created_at=created_at,
        assistant=info.assistant,
        trunk=info.trunk,
        parameters=info.parameters,
        **facts,
    )
