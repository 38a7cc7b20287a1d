"""ARI, Asterisk's REST interface: requests as data, and what one call is named there.

Every id is made of the call's context, so that nothing has to be remembered from one request or
event to the next, and no event comes before its id is known:

    rapida-CONTEXT           the phone's channel, and the bridge it is in
    rapida-CONTEXT-media     the channel that brings the media to us
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.providers.base import CallOrder
from rapida_media.providers.http import HttpReply, HttpRequest, basic_authorization

PREFIX, MEDIA = "rapida-", "-media"
APP, CONNECTION, FORMAT = "rapida-media", "rapida", "slin16"
# The connection of a media channel that waits for us, and its id among what Asterisk answers.
INCOMING, CONNECTION_ID = "INCOMING", "MEDIA_WEBSOCKET_CONNECTION_ID"
TRANSFERS = "rapida-transfers"
LONGEST_RING_S = 600
# What may stand for the number in an endpoint: nothing that Asterisk splits at.
_CALLEE = re.compile(r"[0-9A-Za-z+*#._-]{1,64}")


def phone_of(context_id: str) -> str:
    """Name the channel of the one who is called."""
    return PREFIX + context_id


def media_of(context_id: str) -> str:
    """Name the channel that brings the media here."""
    return PREFIX + context_id + MEDIA


def context_of(channel_id: str) -> tuple[str, bool]:
    """Give the context of one of our channels, and whether it is the one with the media; "" for
    the channels of others."""
    if not channel_id.startswith(PREFIX):
        return "", False
    context_id, is_media = channel_id.removeprefix(PREFIX), channel_id.endswith(MEDIA)
    return context_id.removesuffix(MEDIA), is_media


class Ari:
    """Makes the requests of one account. LookupError where it is not meant for ARI."""

    def __init__(self, credential: Credential | None) -> None:
        values: Mapping[str, str] = {} if credential is None else credential.values
        if credential is None or not credential.api_base or not values.get("ari_password"):
            raise LookupError("the account has no api_base, ari_username and ari_password")
        self._server = credential.api_base
        self._base = f"{credential.api_base}/ari"
        shown = basic_authorization(values.get("ari_username", ""), values["ari_password"])
        self.headers = {"authorization": shown}
        self._endpoint = values.get("endpoint", "")
        self.app = values.get("app", APP)
        self._connection = values.get("connection", CONNECTION)
        self.waits = self._connection == INCOMING
        self._format = values.get("format", FORMAT)
        self._transfers = values.get("transfer_context", TRANSFERS)

    # -- one call ------------------------------------------------------------------------------

    def originate(self, order: CallOrder) -> HttpRequest:
        """Call somebody, and have the app told when he answers. ProviderError for an odd number."""
        if not self._endpoint:
            raise ProviderError('the account has no endpoint such as "PJSIP/{to}@trunk"', code=400)
        if not _CALLEE.fullmatch(order.to):
            raise ProviderError("Asterisk cannot dial that: expected a number or a name", code=400)
        return self._request(
            "POST",
            "/channels",
            endpoint=self._endpoint.replace("{to}", order.to),
            app=self.app,
            appArgs=order.context_id,
            callerId=order.from_,
            timeout=max(1, min(order.ring_seconds, LONGEST_RING_S)),
            channelId=phone_of(order.context_id),
        )

    def attach(self, context_id: str) -> tuple[HttpRequest, ...]:
        """Put the phone into a bridge, and have Asterisk open the media to us or wait for us."""
        bridge = f"/bridges/{phone_of(context_id)}"
        options = {"connection_type": "server"} if self.waits else {}
        told = "f(json)" if self.waits else f"f(json)v(context={context_id})"
        return (
            self._request("POST", bridge, type="mixing"),
            self.join(phone_of(context_id), context_id),
            self._request(
                "POST",
                "/channels/externalMedia",
                app=self.app,
                channelId=media_of(context_id),
                external_host=self._connection,
                transport="websocket",
                encapsulation="none",
                format=self._format,
                transport_data=told,
                **options,
            ),
        )

    def join(self, channel_id: str, context_id: str) -> HttpRequest:
        return self._request(
            "POST", f"/bridges/{phone_of(context_id)}/addChannel", channel=channel_id
        )

    def media(self, connection_id: str) -> HttpRequest:
        """The upgrade to the WebSocket of a media channel that waits for us; its id is all."""
        url = f"ws{self._server.removeprefix('http')}/media/{quote(connection_id, safe='')}"
        return HttpRequest("GET", url)

    def hang_up(self, channel_id: str, reason: str = "normal") -> HttpRequest:
        return self._request("DELETE", f"/channels/{quote(channel_id, safe='')}", reason=reason)

    def close_bridge(self, context_id: str) -> HttpRequest:
        return self._request("DELETE", f"/bridges/{phone_of(context_id)}")

    def send_on(self, channel_id: str, target: str) -> HttpRequest:
        """Let a channel go on in the dialplan. ProviderError for an odd extension."""
        if not _CALLEE.fullmatch(target):
            raise ProviderError(f"expected an extension of [{self._transfers}]", code=400)
        return self._request(
            "POST",
            f"/channels/{quote(channel_id, safe='')}/continue",
            context=self._transfers,
            extension=target,
            priority=1,
        )

    # -- the account ---------------------------------------------------------------------------

    def look(self, channel_id: str) -> HttpRequest:
        """Ask for a channel: 404 once it is gone."""
        return self._request("GET", f"/channels/{quote(channel_id, safe='')}")

    def look_at_app(self) -> HttpRequest:
        """Ask for our app, which there is while its events are listened to."""
        return self._request("GET", f"/applications/{quote(self.app, safe='')}")

    @property
    def events(self) -> HttpRequest:
        """The upgrade to the WebSocket of the app's events; to listen is what makes the app."""
        asked = self._request("GET", "/events", app=self.app, subscribeAll="false")
        return HttpRequest("GET", f"ws{asked.url.removeprefix('http')}", self.headers)

    def _request(self, method: str, path: str, **fields: object) -> HttpRequest:
        query = f"?{urlencode(fields, quote_via=quote)}" if fields else ""
        return HttpRequest(
            method,
            f"{self._base}{path}{query}",
            self.headers,
            # A channel of an id of ours exists once: what was done is not done again.
            repeatable=method != "POST",
        )


def refusal(reply: HttpReply) -> ProviderError:
    """Give what Asterisk did not do."""
    said = reply.json
    message = said.get("message") or said.get("error") if isinstance(said, dict) else None
    detail = str(message)[:200] if message else "no reason given"
    return ProviderError(
        f"Asterisk answered {reply.status}: {detail}",
        code=reply.status,
        status=reply.status,
        retryable=reply.status in (429, 503),
        retry_after_s=reply.retry_after_s,
    )
