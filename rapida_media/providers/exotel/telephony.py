"""Exotel's webhooks, read and answered, and its Connect API.

An order goes to the callee's phone and from there to our stream, in one of two ways:

    direct    StreamUrl is our media URL: the stream opens when the call is picked up
    flow      Url is a flow of the account (``app_id``) with a Voicebot applet, whose webhook asks
              us for the media URL and says by CustomField for which order
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.providers.base import CallInfo, CallOrder, StatusInfo
from rapida_media.providers.exotel.news import STATES, read_news
from rapida_media.providers.http import (
    HttpClient,
    HttpReply,
    HttpRequest,
    Pairs,
    Reply,
    WebhookRequest,
    basic_authorization,
)

# Mumbai; accounts of Singapore set api_base.
API_BASE = "https://api.in.exotel.com"
# Flows are named by this, wherever the account is.
FLOW_BASE = "http://my.exotel.com"
DEFAULT_RATE_HZ = "16000"
DEFAULT_COUNTRY = "91"
EVENTS = ("ringing", "answered", "terminal")
STREAM_URL_LIMIT = 600
LONGEST_RING_S = 600
# Says in CustomField that the rest is a context of ours: other systems use the field, too.
ORDER_MARK = "rapida:"
_ORDER = re.compile(f"{ORDER_MARK}([A-Za-z0-9_-]{{1,100}})")
# What a webhook says beyond the numbers that an agent may want to know, and what else it says.
TOLD = ("CallType", "DialWhomNumber", "flow_id", "tenant_id", "CustomField", "digits")
SAID = frozenset({
    "CallSid", "CallFrom", "CallTo", "From", "To", "Direction", "CallStatus", "Created",
    "CurrentTime", "StartTime", "EndTime", *TOLD,
})  # fmt: skip


class ExotelTelephony:
    """``Telephony`` under one account."""

    def __init__(self, credential: Credential | None, http: HttpClient) -> None:
        assert credential is not None, "the spec says that an account is wanted"
        values = credential.values
        self._http = http
        self._rate_hz = values.get("sample_rate", DEFAULT_RATE_HZ)
        self._country = values.get("country_code", DEFAULT_COUNTRY)
        account = quote(values["account_sid"], safe="")
        base = credential.api_base or API_BASE
        self._orders = f"{base}/v1/Accounts/{account}/Calls/connect.json"
        app = values.get("app_id")
        self._flow = None if app is None else f"{FLOW_BASE}/{account}/exoml/start_voice/{app}"
        self._authorization = basic_authorization(values["api_key"], values["api_token"])

    # -- webhooks ------------------------------------------------------------------------------

    def receive_call(self, request: WebhookRequest) -> CallInfo:
        """Read the request of an applet; of an ordered call it names the context."""
        said = request.fields()
        if not said.get("CallSid"):
            raise ProviderError("expected a CallSid")
        raw = said.get("CallStatus")
        order = _ORDER.fullmatch(said.get("CustomField", ""))
        return CallInfo(
            said["CallSid"],
            self._number(said.get("CallFrom") or said.get("From", "")),
            self._number(said.get("CallTo") or said.get("To", "")),
            STATES.get(raw or ""),
            raw,
            context_id=order[1] if order is not None else "",
            parameters=_parameters(request, said),
        )

    def inbound_call(self, call: CallInfo, media_url: str, event_url: str) -> Reply:
        return Reply.json({"url": self._stream_url(media_url)})

    def refuse_call(self, reason: str) -> Reply:
        """Answer without a URL, as there is no other refusal: the applet fails."""
        return Reply(503 if reason == "busy" else 403)

    def status_callback(self, request: WebhookRequest, call: CallInfo) -> StatusInfo | None:
        return read_news(request)

    def catch_all_status_callback(self, request: WebhookRequest) -> StatusInfo | None:
        return read_news(request)

    # -- orders --------------------------------------------------------------------------------

    async def outbound_call(self, order: CallOrder) -> CallInfo:
        fields = (
            ("From", order.to),  # the one who is called
            ("CallerId", order.from_),
            *self._way(order.media_url),
            ("CustomField", f"{ORDER_MARK}{order.context_id}"),
            ("TimeOut", str(max(1, min(order.ring_seconds, LONGEST_RING_S)))),
            ("StatusCallback", order.event_url),
            *(("StatusCallbackEvents[]", event) for event in EVENTS),
            ("StatusCallbackContentType", "application/json"),
        )
        reply = await self._http.send(
            HttpRequest(
                "POST",
                self._orders,
                {
                    "authorization": self._authorization,
                    "content-type": "application/x-www-form-urlencoded",
                    "accept": "application/json",
                },
                urlencode(fields).encode(),
            )
        )
        call_id, raw = _made(reply)
        # ``in-progress`` here says that Exotel dials, not that anybody answered.
        state = STATES.get(raw, "initiated")
        state = "initiated" if state == "in-progress" else state
        return CallInfo(call_id, order.from_, order.to, state, raw)

    async def hang_up(self, call: CallInfo) -> None:
        """Do nothing: closing the stream ends the call, and Exotel has no way to end another.

        A call that still rings is picked up without a stream: its context is refused by then.
        """

    def _way(self, media_url: str) -> Pairs:
        if self._flow is not None:
            return (("Url", self._flow),)
        url = self._stream_url(media_url)
        if len(url) > STREAM_URL_LIMIT:
            raise ProviderError(
                f"the media URL has {len(url)} characters, and Exotel takes {STREAM_URL_LIMIT}: "
                "shorten [http] public_url",
                code=400,
            )
        return (("StreamUrl", url), ("StreamType", "bidirectional"))

    def _stream_url(self, media_url: str) -> str:
        return f"{media_url}?sample-rate={self._rate_hz}"

    def _number(self, number: str) -> str:
        """Write a number of the country with its code: they come as 09876543210."""
        if re.fullmatch("0[1-9][0-9]{6,11}", number):
            return f"+{self._country}{number[1:]}"
        return number


def _parameters(request: WebhookRequest, said: Mapping[str, str]) -> dict[str, str]:
    """Give what the agent may want to know, and what was written into the webhook's query."""
    written = {name: value for name, value in request.query if name not in SAID}
    # The keys that were pressed stand in double quotes.
    told = {name: said[name].strip('"') for name in TOLD if said.get(name)}
    return {**written, **told}


def _made(reply: HttpReply) -> tuple[str, str]:
    """Give id and status of the call that was made. ProviderError for every other answer."""
    said = reply.json
    said = said if isinstance(said, dict) else {}
    if reply.status >= 300 or "RestException" in said:
        raise _refusal(reply, said)
    call = said.get("Call")
    if not isinstance(call, dict) or not isinstance(call.get("Sid"), str) or not call["Sid"]:
        raise ProviderError("Exotel's answer names no call", code=reply.status)
    raw = call.get("Status")
    return call["Sid"], raw if isinstance(raw, str) else ""


def _refusal(reply: HttpReply, said: Mapping[str, object]) -> ProviderError:
    status = reply.status
    exception = said.get("RestException")
    exception = exception if isinstance(exception, dict) else {}
    told, code = exception.get("Status"), exception.get("Code")
    if status < 300 and isinstance(told, int):
        status = told
    message = exception.get("Message")
    detail = str(message)[:200] if message else "no reason given"
    return ProviderError(
        f"Exotel answered {status}: {detail}",
        code=code if isinstance(code, int) else status,
        status=status,
        retryable=status == 429 or status >= 500,
        retry_after_s=reply.retry_after_s,
    )
