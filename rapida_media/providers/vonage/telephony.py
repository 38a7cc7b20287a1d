"""Vonage's webhooks, read and answered, and the calls resource of its Voice API.

Orders carry their NCCO with them, so that nothing has to be fetched when the callee picks up.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from rapida_media import clock
from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.ids import IdSource, SystemIds
from rapida_media.providers.base import CallInfo, CallOrder, CommonState, StatusInfo
from rapida_media.providers.http import (
    HttpClient,
    HttpReply,
    HttpRequest,
    Reply,
    WebhookRequest,
)
from rapida_media.providers.trace import redact
from rapida_media.providers.vonage import ncco
from rapida_media.providers.vonage.signature import (
    application_token,
    private_key,
    stream_authorization,
)

log = logging.getLogger(__name__)

API_BASE = "https://api.nexmo.com"
# Where a call lives that is not at the usual place; a webhook names nothing else.
REGION_URL = re.compile(r"https://api(-[a-z0-9]+)*\.(vonage|nexmo)\.com(?=/?$)")
STATES: Mapping[str, CommonState] = {
    "started": "initiated",
    "ringing": "ringing",
    "answered": "in-progress",
    "busy": "busy",
    "cancelled": "canceled",
    "canceled": "canceled",
    "unanswered": "no-answer",
    "timeout": "no-answer",
    "rejected": "failed",
    "failed": "failed",
    "completed": "completed",
    "ended": "completed",
}
# The SIP status nearest to what Vonage says in detail of a call that was not answered.
DETAILS: Mapping[str, int] = {
    "unavailable": 480,
    "timeout": 408,
    "restricted": 403,
    "declined": 603,
    "invalid_number": 404,
    "cannot_route": 404,
    "number_out_of_service": 410,
    "internal_error": 500,
}
# Members of an answer webhook that are Vonage's; the others of its query are the operator's.
OWN_MEMBERS = frozenset({
    "from", "to", "uuid", "conversation_uuid", "endpoint_type", "region_url", "status",
    "direction", "timestamp", "reason", "original_request", "conversation_uuid_from",
    "conversation_uuid_to", "network", "rate", "start_time",
})  # fmt: skip
# What a webhook says beyond the numbers that an agent may want to know.
CUSTOM_DATA = "custom_data"
TOLD = (CUSTOM_DATA, "from_user")
SIP_HEADER = "SipHeader_"
LONGEST_RING_S = 120
REFUSALS = {"busy": "All lines are busy. Please call again later."}
REFUSAL = "This call cannot be taken."
CONTEXT = "contextId"
# What later requests need to know of a call: our number where we placed it, and where it lives.
PLACED_FROM, REGION = "placed_from", "region_url"


class VonageTelephony:
    """``TransferringTelephony`` under one application.

    now, ids: of the tokens that requests show.
    """

    def __init__(
        self,
        credential: Credential | None,
        http: HttpClient,
        *,
        now: Callable[[], float] = clock.wall,
        ids: IdSource | None = None,
    ) -> None:
        assert credential is not None, "the spec says that an account is wanted"
        self._credential = credential
        self._http = http
        self._base = credential.api_base or API_BASE
        self._now = now
        self._ids = ids or SystemIds()

    # -- webhooks ------------------------------------------------------------------------------

    def receive_call(self, request: WebhookRequest) -> CallInfo:
        said = request.fields()
        if not said.get("uuid"):
            raise ProviderError("expected a uuid")
        region = self._region(said.get(REGION, ""))
        return CallInfo(
            said["uuid"],
            ncco.e164(said.get("from", "")),
            ncco.e164(said.get("to", "")),
            raw=said.get("status"),
            parameters=_parameters(request, said),
            facts={} if region is None else {REGION: region},
        )

    def inbound_call(self, call: CallInfo, media_url: str, event_url: str) -> Reply:
        handed = {CONTEXT: call.context_id, **call.parameters}
        return Reply.json(self._stream(media_url, event_url, _number(call), handed))

    def _stream(
        self, media_url: str, event_url: str, number: str, handed: Mapping[str, str]
    ) -> ncco.Ncco:
        authorization = stream_authorization(media_url, self._credential)
        return ncco.connect_stream(media_url, event_url, authorization, number, handed)

    def refuse_call(self, reason: str) -> Reply:
        return Reply.json(ncco.talk(REFUSALS.get(reason, REFUSAL)))

    def status_callback(self, request: WebhookRequest, call: CallInfo) -> StatusInfo | None:
        """Read news of the phone's leg. The stream is a leg of its own at Vonage, with news of its
        own: of these only a failure matters."""
        news = self.catch_all_status_callback(request)
        if news is None or not news.provider_call_id:
            return news
        if call.provider_call_id:
            of_stream = news.provider_call_id != call.provider_call_id
        else:  # Vonage has not named the phone's leg yet, or to another engine
            of_stream = request.fields().get("to", "").startswith(("wss://", "ws://"))
        if not of_stream:
            return news
        if news.state in ("failed", "no-answer"):
            raw = f"stream {news.raw}"
            return StatusInfo(call.provider_call_id, raw, cause=news.cause)
        return None

    def catch_all_status_callback(self, request: WebhookRequest) -> StatusInfo | None:
        """Read news of a leg, of who answered it, or of an error in an NCCO."""
        said = request.fields()
        call_id = said.get("uuid") or said.get("call_uuid") or ""
        detail = said.get("detail") or said.get("reason") or said.get("sub_state")
        if raw := said.get("status"):
            return StatusInfo(call_id, raw, STATES.get(raw), _code(said), detail)
        if detail:
            log.warning("Vonage reports: %s", redact(detail)[:200])
            return StatusInfo(call_id, f"error: {detail[:200]}", cause=detail)
        return None

    # -- orders --------------------------------------------------------------------------------

    async def outbound_call(self, order: CallOrder) -> CallInfo:
        number = ncco.digits_of(order.from_)
        caller = {"from": {"type": "phone", "number": number}}
        handed = {CONTEXT: order.context_id, **order.parameters}
        said = {
            "to": [_endpoint(order.to)],
            **(caller if number else {"random_from_number": True}),
            "ncco": self._stream(order.media_url, order.event_url, number, handed),
            "event_url": [order.event_url],
            "event_method": "POST",
            "ringing_timer": max(1, min(order.ring_seconds, LONGEST_RING_S)),
        }
        reply = await self._ask("POST", f"{self._base}/v1/calls", said)
        made = reply.json
        if reply.status >= 300:
            raise _refusal(reply)
        if not isinstance(made, dict) or not isinstance(made.get("uuid"), str):
            raise ProviderError("Vonage's answer names no call", code=reply.status)
        raw = made.get("status")
        raw = raw if isinstance(raw, str) else "started"
        state = STATES.get(raw, "initiated")
        facts = {PLACED_FROM: number}
        return CallInfo(made["uuid"], order.from_, order.to, state, raw, facts=facts)

    async def hang_up(self, call: CallInfo) -> None:
        """End the phone's leg, and with it the call."""
        if not call.provider_call_id:
            return
        reply = await self._change(call, {"action": "hangup"})
        # 404 and 400 are how Vonage says that the call is over.
        if reply.status >= 300 and reply.status not in (400, 404):
            raise _refusal(reply)

    async def transfer(self, call: CallInfo, target: str) -> None:
        try:
            document = ncco.connect_target(target, _number(call))
        except ValueError as error:
            raise ProviderError(f"Vonage cannot call that: {error}", code=400) from None
        if not call.provider_call_id:
            raise ProviderError("Vonage has not named the call yet", code=404)
        destination = {"type": "ncco", "ncco": document}
        reply = await self._change(call, {"action": "transfer", "destination": destination})
        if reply.status >= 300:
            raise _refusal(reply)

    # -- REST ----------------------------------------------------------------------------------

    async def _change(self, call: CallInfo, said: Mapping[str, object]) -> HttpReply:
        """Change a call, where it lives. Saying so twice does no harm."""
        base = call.facts.get(REGION, self._base)
        url = f"{base}/v1/calls/{quote(call.provider_call_id, safe='')}"
        return await self._ask("PUT", url, said, repeatable=True)

    async def _ask(
        self, method: str, url: str, said: Mapping[str, object], *, repeatable: bool = False
    ) -> HttpReply:
        application = self._credential.values["application_id"]
        token = application_token(application, self._key, int(self._now()), self._ids.token())
        headers = {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            "accept": "application/json",
        }
        body = json.dumps(said).encode()
        return await self._http.send(HttpRequest(method, url, headers, body, repeatable=repeatable))

    @cached_property
    def _key(self) -> RSAPrivateKey:
        return private_key(self._credential.values["private_key"])

    def _region(self, said: str) -> str | None:
        """Give the host a call lives at, where Vonage or the account names it: our token goes
        there."""
        if found := REGION_URL.match(said):
            return found[0]
        base = self._credential.api_base
        return base if base is not None and said.rstrip("/") == base else None


def _number(call: CallInfo) -> str:
    """Give our number in a call."""
    return call.facts.get(PLACED_FROM, call.called)


def _endpoint(target: str) -> dict[str, str]:
    try:
        return ncco.endpoint_of(target)
    except ValueError as error:
        raise ProviderError(f"Vonage cannot call that: {error}", code=400) from None


def _parameters(request: WebhookRequest, said: Mapping[str, str]) -> dict[str, str]:
    """Give what the agent may want to know, and what was written into the webhook's query."""
    query = {
        name: value
        for name, value in request.query
        if name not in (*OWN_MEMBERS, *TOLD) and not name.startswith(SIP_HEADER)
    }
    told = {
        name: value
        for name, value in said.items()
        if value and (name in TOLD or name.startswith(SIP_HEADER))
    }
    posted = request.json
    custom = posted.get(CUSTOM_DATA) if isinstance(posted, dict) else None
    if isinstance(custom, dict | list) and custom:  # in a query it is the same, as a text
        told[CUSTOM_DATA] = json.dumps(custom, separators=(",", ":"))
    return {**query, **told}


def _code(said: Mapping[str, str]) -> int | None:
    """Give a SIP status: what Vonage says or, for its words, the nearest."""
    text = said.get("sip_code", "")
    if len(text) == 3 and text.isascii() and text.isdigit():
        return int(text)
    return DETAILS.get(said.get("detail", ""))


def _refusal(reply: HttpReply) -> ProviderError:
    said: Any = reply.json
    words = []
    if isinstance(said, dict):
        words = [str(said[name]) for name in ("title", "detail", "error_title") if said.get(name)]
    detail = ": ".join(words)[:200] or "no reason given"
    return ProviderError(
        f"Vonage answered {reply.status}: {detail}",
        code=reply.status,
        retryable=reply.status == 429 or reply.status >= 500,
        retry_after_s=reply.retry_after_s,
    )
