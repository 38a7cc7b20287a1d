"""The account, the web side and the callees of a simulated Twilio: where its calls come from."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from rapida_media.testing.twilio.phone_call import PhoneCall
from rapida_media.testing.twilio.rest import CallsApi

# Twilio waits about so long for the answer to a webhook.
WEBHOOK_TIMEOUT = aiohttp.ClientTimeout(total=15.0)


@dataclass
class Callee:
    """How whoever is called by an order behaves. state: ``in-progress`` answers; else how it ends:
    busy, no-answer or failed."""

    state: str = "in-progress"
    ring_s: float = 0.05
    microphone: bytes = b""


@dataclass
class TwilioPlatform:
    """One account. Use as an async context manager: it starts the REST API on this machine.

    reach: where a public URL is to be had; the signature is over the public one.  callee: answers
    orders.  numbers: that may be called from; any, when empty.  calls: by CallSid.  called: there
    is one.  callbacks: URL, fields and the status it was answered, as they were told.
    """

    account_sid: str
    auth_token: str
    reach: Callable[[str], str] = lambda url: url
    callee: Callee = field(default_factory=Callee)
    numbers: frozenset[str] = frozenset()
    calls: dict[str, PhoneCall] = field(default_factory=dict)
    callbacks: list[tuple[str, dict[str, str], int]] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    api_base: str = ""

    async def __aenter__(self) -> TwilioPlatform:
        # Every call holds a connection of its own.
        connector = aiohttp.TCPConnector(limit=0)
        self._client = aiohttp.ClientSession(connector=connector, timeout=WEBHOOK_TIMEOUT)
        self._api = CallsApi(self)
        self.api_base = await self._api.start("127.0.0.1", 0)
        return self

    async def listen(self, host: str, port: int) -> None:
        """Serve the REST API at a known address instead."""
        await self._api.stop()
        self.api_base = await self._api.start(host, port)

    async def __aexit__(self, *exception: object) -> None:
        for call in self.calls.values():
            call.hang_up()
        await asyncio.gather(*(call.over() for call in self.calls.values()))
        await self._api.stop()
        await self._client.close()

    # -- calls ---------------------------------------------------------------------------------

    def new_call(self, direction: str, from_: str, to: str) -> PhoneCall:
        call = PhoneCall(self, self.sid("CA"), direction, from_, to)
        self.calls[call.sid] = call
        self.called.set()
        return call

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
        """Have somebody call a number of the account. microphone: what they say (μ-law)."""
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
        """Call a webhook, signed; gives status, content type and body."""
        query = urlencode(fields) if method == "GET" else ""
        url = f"{url}{'&' if '?' in url else '?'}{query}" if query else url
        signed = self.signature(url, {} if query else fields)
        async with self._client.request(
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
        return await self._client.ws_connect(self.reach(url), headers=headers, max_msg_size=0)

    def signature(self, url: str, fields: Mapping[str, str]) -> str:
        said = url + "".join(name + fields[name] for name in sorted(fields))
        mac = hmac.new(self.auth_token.encode(), said.encode(), hashlib.sha1)
        return b64encode(mac.digest()).decode()
