"""The account, the web side and the callees of a simulated Twilio: where its calls come from."""

from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from rapida_media.testing.platform import Platform, RestServer
from rapida_media.testing.twilio.phone_call import PhoneCall
from rapida_media.testing.twilio.rest import CallsApi


@dataclass
class TwilioPlatform(Platform[PhoneCall]):
    """numbers: that may be called from; any, when empty."""

    account_sid: str
    auth_token: str
    numbers: frozenset[str] = frozenset()

    def _rest(self) -> RestServer:
        return CallsApi(self)

    # -- calls ---------------------------------------------------------------------------------

    def new_call(self, direction: str, from_: str, to: str) -> PhoneCall:
        return self.enlist(PhoneCall(self, self.sid("CA"), direction, from_, to))

    def call(
        self,
        webhook_url: str,
        *,
        from_: str = "+14155550100",
        to: str = "+15005550006",
        method: str = "POST",
        status_callback: str | None = None,
        microphone: bytes = b"",
    ) -> PhoneCall:
        call = self.new_call("inbound", from_, to)
        call.microphone = microphone
        if status_callback is not None:
            call.status_callback, call.events = status_callback, frozenset({"completed"})
        call.begin(lambda: call.fetch(webhook_url, method))
        return call

    def sid(self, prefix: str) -> str:
        return prefix + os.urandom(16).hex()

    # -- the web -------------------------------------------------------------------------------

    async def ask(
        self, url: str, fields: Mapping[str, str], method: str = "POST"
    ) -> tuple[int, str, bytes]:
        query = urlencode(fields) if method == "GET" else ""
        url = f"{url}{'&' if '?' in url else '?'}{query}" if query else url
        signed = self.signature(url, {} if query else fields)
        async with self.client.request(
            method,
            URL(self.reach(url), encoded=True),
            data=None if query else urlencode(fields).encode(),
            headers={
                "X-Twilio-Signature": signed,
                "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
                "User-Agent": "TwilioProxy/1.1",
            },
        ) as reply:
            return reply.status, reply.content_type, await reply.read()

    async def connect(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """Open a media stream: signed over the URL as it stood in the TwiML."""
        headers = {"X-Twilio-Signature": self.signature(url, {})}
        return await self.client.ws_connect(self.reach(url), headers=headers, max_msg_size=0)

    def signature(self, url: str, fields: Mapping[str, str]) -> str:
        said = url + "".join(name + fields[name] for name in sorted(fields))
        mac = hmac.new(self.auth_token.encode(), said.encode(), hashlib.sha1)
        return b64encode(mac.digest()).decode()
