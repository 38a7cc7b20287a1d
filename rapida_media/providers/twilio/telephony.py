"""Twilio's webhooks, read and answered, and the Calls resource of its REST API.

Orders carry their TwiML with them, so that nothing has to be fetched when the callee picks up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.providers.base import CallInfo, CallOrder, CommonState, StatusInfo
from rapida_media.providers.http import (
    HttpClient,
    HttpReply,
    HttpRequest,
    Pairs,
    Reply,
    WebhookRequest,
    basic_authorization,
)
from rapida_media.providers.twilio import twiml

API_BASE = "https://api.twilio.com"
# The common states are named after Twilio's.
STATES: Mapping[str, CommonState] = {
    "queued": "queued",
    "initiated": "initiated",
    "ringing": "ringing",
    "in-progress": "in-progress",
    "completed": "completed",
    "busy": "busy",
    "no-answer": "no-answer",
    "failed": "failed",
    "canceled": "canceled",
}
# Without naming them, only the end of a call is told.
EVENTS = ("initiated", "ringing", "answered", "completed")
TWIML_LIMIT = 4000
LONGEST_RING_S = 600
# What a webhook says beyond the numbers that an agent may want to know.
TOLD = ("CallerName", "ForwardedFrom", "ParentCallSid", "StirVerstat")
NOT_FOUND, NOT_IN_PROGRESS = 20404, 21220
# Codes of Twilio's that pass: too many requests, and its own troubles.
PASSING = (20429, 20500, 20503)


class TwilioTelephony:
    """``TransferringTelephony`` under one account."""

    def __init__(self, credential: Credential | None, http: HttpClient) -> None:
        assert credential is not None, "the spec says that an account is wanted"
        values = credential.values
        self._http = http
        account = values["account_sid"]
        base = credential.api_base or API_BASE
        self._calls = f"{base}/2010-04-01/Accounts/{quote(account, safe='')}/Calls"
        pair = account, values["auth_token"]
        if values.get("api_key") and values.get("api_secret"):
            pair = values["api_key"], values["api_secret"]
        self._authorization = basic_authorization(*pair)

    # -- webhooks ------------------------------------------------------------------------------

    def receive_call(self, request: WebhookRequest) -> CallInfo:
        said = request.fields()
        if not said.get("CallSid"):
            raise ProviderError("expected a CallSid")
        raw = said.get("CallStatus")
        return CallInfo(
            said["CallSid"],
            said.get("From", ""),
            said.get("To", ""),
            STATES.get(raw or ""),
            raw,
            parameters=_parameters(request, said),
        )

    def inbound_call(self, call: CallInfo, media_url: str, event_url: str) -> Reply:
        return Reply.xml(
            twiml.connect_stream(media_url, event_url, call.context_id, call.parameters)
        )

    def refuse_call(self, reason: str) -> Reply:
        return Reply.xml(twiml.reject("busy" if reason == "busy" else "rejected"))

    def status_callback(self, request: WebhookRequest, call: CallInfo) -> StatusInfo | None:
        return self.catch_all_status_callback(request)

    def catch_all_status_callback(self, request: WebhookRequest) -> StatusInfo | None:
        """Read news of a call, of who answered it, or of an error of its stream."""
        said = request.fields()
        call_id = said.get("CallSid", "")
        if raw := said.get("CallStatus"):
            cause = said.get("ErrorMessage") or said.get("AnsweredBy")
            return StatusInfo(call_id, raw, STATES.get(raw), _sip_status(said), cause)
        if (event := said.get("StreamEvent")) == "stream-error":
            return StatusInfo(call_id, event, cause=said.get("StreamError"))
        # That a stream started or stopped, its socket tells better.
        return StatusInfo(call_id, raw) if (raw := said.get("AnsweredBy")) else None

    # -- orders --------------------------------------------------------------------------------

    async def outbound_call(self, order: CallOrder) -> CallInfo:
        fields = (
            ("To", order.to),
            ("From", order.from_),
            _instructions(order),
            ("StatusCallback", order.event_url),
            *(("StatusCallbackEvent", event) for event in EVENTS),
            ("StatusCallbackMethod", "POST"),
            ("Timeout", str(max(1, min(order.ring_seconds, LONGEST_RING_S)))),
        )
        made = _made(await self._post(f"{self._calls}.json", fields))
        raw = made.get("status")
        raw = raw if isinstance(raw, str) else "queued"
        return CallInfo(made["sid"], order.from_, order.to, STATES.get(raw, "queued"), raw)

    async def hang_up(self, call: CallInfo) -> None:
        """End the call in whatever state it is: ``canceled`` would spare one just picked up."""
        for status in ("completed", "canceled"):
            reply = await self._update(call, ("Status", status))
            if reply is None or reply.status < 300:
                return
            if _code(reply) != NOT_IN_PROGRESS:
                raise _refusal(reply)
        # Neither in progress nor still to come: it is over.

    async def transfer(self, call: CallInfo, target: str) -> None:
        try:
            document = twiml.dial(target)
        except ValueError as error:
            raise ProviderError(f"Twilio cannot dial that: {error}", code=400) from None
        reply = await self._update(call, ("Twiml", document))
        if reply is None:
            raise ProviderError("the call is over", code=NOT_FOUND)
        if reply.status >= 300:
            raise _refusal(reply)

    # -- REST ----------------------------------------------------------------------------------

    async def _update(self, call: CallInfo, field: tuple[str, str]) -> HttpReply | None:
        """Change a call; None where Twilio knows it no more. Saying so twice does no harm."""
        if not call.provider_call_id:
            return None
        url = f"{self._calls}/{quote(call.provider_call_id, safe='')}.json"
        reply = await self._post(url, (field,), repeatable=True)
        return None if reply.status == 404 else reply

    async def _post(self, url: str, fields: Pairs, *, repeatable: bool = False) -> HttpReply:
        return await self._http.send(
            HttpRequest(
                "POST",
                url,
                {
                    "authorization": self._authorization,
                    "content-type": "application/x-www-form-urlencoded",
                    "accept": "application/json",
                },
                urlencode(fields).encode(),
                repeatable=repeatable,
            )
        )


def _instructions(order: CallOrder) -> tuple[str, str]:
    """Give the TwiML itself; where it is too long for that, where Twilio gets it."""
    document = twiml.connect_stream(
        order.media_url, order.event_url, order.context_id, order.parameters
    )
    return ("Twiml", document) if len(document) <= TWIML_LIMIT else ("Url", order.answer_url)


def _parameters(request: WebhookRequest, said: Mapping[str, str]) -> dict[str, str]:
    """Give what the agent may want to know, and what was written into the webhook's query."""
    query = dict(request.query) if request.method == "POST" else {}
    query.pop("bodySHA256", None)
    return {**query, **{name: said[name] for name in TOLD if said.get(name)}}


def _sip_status(said: Mapping[str, str]) -> int | None:
    text = said.get("SipResponseCode", "")
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else None


def _made(reply: HttpReply) -> dict[str, Any]:
    made = reply.json
    if reply.status >= 300:
        raise _refusal(reply)
    if not isinstance(made, dict) or not isinstance(made.get("sid"), str):
        raise ProviderError("Twilio's answer names no call", code=reply.status)
    return made


def _code(reply: HttpReply) -> int | None:
    """Give Twilio's own number for what went wrong."""
    said = reply.json
    code = said.get("code") if isinstance(said, dict) else None
    return code if isinstance(code, int) else None


def _refusal(reply: HttpReply) -> ProviderError:
    said, code = reply.json, _code(reply)
    message = said.get("message") if isinstance(said, dict) else None
    detail = str(message)[:200] if message else "no reason given"
    return ProviderError(
        f"Twilio answered {reply.status}: {detail}",
        code=reply.status if code is None else code,
        status=reply.status,
        retryable=reply.status == 429 or reply.status >= 500 or code in PASSING,
        retry_after_s=reply.retry_after_s,
    )
