"""The dialplan's webhooks, and calls of ours over ARI.

A dialplan announces a call by ``CURL()`` and may tell how it went. The answer to the first is the
call's id and nothing else, written as a UUID, so that the dialplan can hand it to ``AudioSocket()``
or put it into the URL of a WebSocket. What becomes of calls of ours, the feed tells.
"""

from __future__ import annotations

from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.providers.asterisk.ari import Ari, context_of, phone_of, refusal
from rapida_media.providers.asterisk.states import DIAL_STATES, state_of_cause
from rapida_media.providers.base import CallInfo, CallOrder, StatusInfo
from rapida_media.providers.http import HttpClient, Reply, WebhookRequest

# What the webhook says of the call itself; the rest is for the agent.
ID, CALLER, CALLED, FORMAT = "id", "from", "to", "format"
HUNG_UP = "HANGUP"


class AsteriskTelephony:
    """``TransferringTelephony`` of one Asterisk."""

    def __init__(self, credential: Credential | None, http: HttpClient) -> None:
        self._http = http
        self._credential = credential

    def receive_call(self, request: WebhookRequest) -> CallInfo:
        said = request.fields()
        channel = said.pop(ID, "")
        if not channel:
            raise ProviderError("expected the channel as id=${UNIQUEID}")
        caller, called = said.pop(CALLER, ""), said.pop(CALLED, "")
        facts = {FORMAT: said.pop(FORMAT)} if FORMAT in said else {}
        return CallInfo(channel, caller, called, "ringing", "ringing", parameters=said, facts=facts)

    def inbound_call(self, call: CallInfo, media_url: str, event_url: str) -> Reply:
        return Reply(200, "text/plain", dashed(call.context_id).encode())

    def refuse_call(self, reason: str) -> Reply:
        """Say nothing: the dialplan sees that there is no id."""
        return Reply(503 if reason == "busy" else 403, "text/plain")

    async def outbound_call(self, order: CallOrder) -> CallInfo:
        ari = self._ari()
        # Without its app Asterisk would call, and nobody would hear of the answer.
        app = await self._http.send(ari.look_at_app())
        if app.status == 404:
            raise ProviderError(
                f"nobody listens to the app {ari.app!r} of Asterisk yet",
                code=503,
                status=503,
                retryable=True,
            )
        if app.status >= 300:
            raise refusal(app)
        reply = await self._http.send(ari.originate(order))
        if reply.status >= 300:
            raise refusal(reply)
        channel = phone_of(order.context_id)
        return CallInfo(channel, order.from_, order.to, "initiated", "Down")

    def status_callback(self, request: WebhookRequest, call: CallInfo) -> StatusInfo | None:
        return self.catch_all_status_callback(request)

    def catch_all_status_callback(self, request: WebhookRequest) -> StatusInfo | None:
        """Read ``status=${DIALSTATUS}``, or ``status=HANGUP&cause=${HANGUPCAUSE}``."""
        said = request.fields()
        channel, raw, cause = said.get(ID, ""), said.get("status", ""), said.get("cause", "")
        if not channel or not raw:
            return None
        code = int(cause) if cause.isascii() and cause.isdigit() and len(cause) <= 3 else None
        if raw == HUNG_UP:
            return StatusInfo(channel, raw, state_of_cause(code or 16, answered=True), code)
        return StatusInfo(channel, raw, DIAL_STATES.get(raw), code)

    async def hang_up(self, call: CallInfo) -> None:
        """End a call of ours. For one out of the dialplan the end of the media is all: what follows
        is for the dialplan to say."""
        context_id, _ = context_of(call.provider_call_id)
        if not context_id:
            return
        ari = self._ari()
        # The bridge as well: the feed, which else sees to it, may be about to close.
        for request in (ari.hang_up(call.provider_call_id), ari.close_bridge(context_id)):
            reply = await self._http.send(request)
            if reply.status >= 300 and reply.status != 404:
                raise refusal(reply)

    async def transfer(self, call: CallInfo, target: str) -> None:
        """Have a call of ours go on at an extension of the dialplan."""
        if not context_of(call.provider_call_id)[0]:
            raise ProviderError("the call is in the dialplan: end, and let it go on", code=409)
        reply = await self._http.send(self._ari().send_on(call.provider_call_id, target))
        if reply.status >= 300:
            raise refusal(reply)

    def _ari(self) -> Ari:
        try:
            return Ari(self._credential)
        except LookupError as error:
            raise ProviderError(str(error), code=400) from None


def dashed(context_id: str) -> str:
    """Write 32 hexadecimal digits as a UUID."""
    parts = ((0, 8), (8, 12), (12, 16), (16, 20), (20, None))
    return "-".join(context_id[start:end] for start, end in parts)
