"""An application at a simulated Vonage, its web side and callees: where its calls come from."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from yarl import URL

from rapida_media import clock
from rapida_media.testing.platform import Platform, RestServer
from rapida_media.testing.vonage.phone_call import VonageCall
from rapida_media.testing.vonage.rest import CallsApi


@dataclass
class VonagePlatform(Platform[VonageCall]):
    """public_key: of the application; the private one is the deployment's.  api_key: of the
    account."""

    application_id: str
    public_key: RSAPublicKey
    signature_secret: str
    api_key: str = "a1b2c3d4"

    def _rest(self) -> RestServer:
        return CallsApi(self)

    # -- calls ---------------------------------------------------------------------------------

    def new_call(self, direction: str, from_: str, to: str) -> VonageCall:
        return self.enlist(VonageCall(self, direction, from_, to))

    def call(
        self,
        webhook_url: str,
        *,
        from_: str = "+14155550100",
        to: str = "+15005550006",
        method: str = "GET",
        status_callback: str | None = None,
        microphone: bytes = b"",
    ) -> VonageCall:
        call = self.new_call("inbound", from_.removeprefix("+"), to.removeprefix("+"))
        call.microphone = microphone
        call.event_url = status_callback
        call.tell_state()
        call.enter("ringing")
        call.begin(lambda: call.fetch(webhook_url, method))
        return call

    def uuid(self) -> str:
        return str(uuid.UUID(bytes=os.urandom(16), version=4))

    # -- the web -------------------------------------------------------------------------------

    async def ask(
        self, url: str, fields: Mapping[str, str], method: str = "POST"
    ) -> tuple[int, str, bytes]:
        body, headers = b"", {"User-Agent": "vonage-webhooks"}
        if method == "GET":
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(fields)}"
        else:
            body = json.dumps(fields, separators=(",", ":")).encode()
            headers["Content-Type"] = "application/json"
        headers["Authorization"] = f"Bearer {self.token(body)}"
        async with self.client.request(
            method, URL(self.reach(url), encoded=True), data=body or None, headers=headers
        ) as reply:
            return reply.status, reply.content_type, await reply.read()

    async def connect(self, endpoint: Mapping[str, Any]) -> aiohttp.ClientWebSocketResponse:
        """Open the WebSocket of an NCCO."""
        shown = endpoint.get("authorization")
        headers = {}
        if shown is not None:
            custom = shown["type"] == "custom"
            headers["Authorization"] = shown["value"] if custom else f"Bearer {self.token(b'')}"
        url = self.reach(endpoint["uri"])
        return await self.client.ws_connect(url, headers=headers, max_msg_size=0)

    def token(self, body: bytes, **other: Any) -> str:
        """Make the token of a webhook. other: claims that are not the usual ones."""
        claims = {
            "iat": int(clock.wall()),
            "jti": self.uuid(),
            "iss": "Vonage",
            "api_key": self.api_key,
            "application_id": self.application_id,
        }
        if body:
            claims["payload_hash"] = hashlib.sha256(body).hexdigest()
        return jwt.encode({**claims, **other}, self.signature_secret, algorithm="HS256")
