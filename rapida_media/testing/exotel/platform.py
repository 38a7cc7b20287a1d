"""The account, the web side and the callees of a simulated Exotel: where its calls come from."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from rapida_media.providers.stream import AudioFormat
from rapida_media.testing.exotel.phone_call import PhoneCall
from rapida_media.testing.exotel.rest import ConnectApi
from rapida_media.testing.platform import Platform, RestServer

HANDSHAKE_S = 10.0
HANDSHAKES = 2


@dataclass
class ExotelPlatform(Platform[PhoneCall]):
    """method: how applets ask: GET, POST (a form), MULTIPART or JSON.  basic: user name and
    password of webhooks whose URL has none.  flows: the webhook of each flow's Voicebot applet.
    speaks: what streams carry, whatever they are asked for and say.  lose_handshakes: as many
    upgrades from now on are answered, and the answer is lost.
    """

    account_sid: str
    api_key: str
    api_token: str
    method: str = "GET"
    basic: tuple[str, str] | None = None
    flows: dict[str, str] = field(default_factory=dict)
    flow_id: str = "1001"
    speaks: AudioFormat | None = None
    lose_handshakes: int = 0

    def _rest(self) -> RestServer:
        return ConnectApi(self)

    # -- calls ---------------------------------------------------------------------------------

    def new_call(self, direction: str, from_: str, to: str) -> PhoneCall:
        return self.enlist(PhoneCall(self, self.sid(), direction, from_, to))

    def call(
        self,
        webhook_url: str,
        *,
        from_: str = "+14155550100",
        to: str = "+15005550006",
        status_callback: str | None = None,
        microphone: bytes = b"",
    ) -> PhoneCall:
        call = self.new_call("incoming", from_, to)
        call.microphone = microphone
        call.passthru = status_callback
        call.begin(lambda: call.ask_applet(webhook_url))
        return call

    def sid(self) -> str:
        return os.urandom(16).hex()

    # -- the web -------------------------------------------------------------------------------

    async def ask(
        self, url: str, fields: Mapping[str, str], method: str = "POST"
    ) -> tuple[int, str, bytes]:
        where, headers = self._where(url)
        kind: dict[str, Any] = {}
        if method == "GET":
            where = where.extend_query(dict(fields))
        elif method == "MULTIPART":
            kind["data"] = _multipart(fields)
        elif method == "JSON":
            kind["json"] = _nested(fields)
        else:
            kind["data"] = dict(fields)
        async with self.client.request(
            "GET" if method == "GET" else "POST", where, headers=headers, **kind
        ) as reply:
            return reply.status, reply.content_type, await reply.read()

    async def connect(self, url: str) -> aiohttp.ClientWebSocketResponse | None:
        """Open a stream, in two attempts; None where both came to nothing."""
        for _ in range(HANDSHAKES):
            try:
                socket = await self.open(url)
            except (aiohttp.ClientError, TimeoutError):
                continue
            if self.lose_handshakes == 0:
                return socket
            self.lose_handshakes -= 1
            abandon(socket)
        return None

    async def open(self, url: str) -> aiohttp.ClientWebSocketResponse:
        """Try once. A user name and password in the URL become HTTP Basic."""
        where, headers = self._where(url, of_stream=True)
        return await self.client.ws_connect(
            where, headers=headers, max_msg_size=0, timeout=aiohttp.ClientWSTimeout(HANDSHAKE_S)
        )

    def _where(self, url: str, *, of_stream: bool = False) -> tuple[URL, dict[str, str]]:
        parts = URL(url, encoded=True)
        pair = None if of_stream else self.basic
        if parts.user is not None:
            pair = parts.user, parts.password or ""
        reached = URL(self.reach(str(parts.with_user(None))), encoded=True)
        if pair is None:
            return reached, {}
        return reached, {"Authorization": f"Basic {b64encode(':'.join(pair).encode()).decode()}"}


def abandon(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Lose a connection without a word."""
    connection = socket._response.connection
    assert connection is not None, "it is connected"
    assert connection.transport is not None, "it is connected"
    connection.transport.abort()


def _multipart(fields: Mapping[str, str]) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        form.add_field(name, value)
    return form


def _nested(fields: Mapping[str, str]) -> dict[str, Any]:
    """Write the status of a leg as JSON has it: in an array."""
    said: dict[str, Any] = dict(fields)
    leg = said.pop("Legs[0][Status]", None)
    return said if leg is None else {**said, "Legs": [{"Status": leg}]}
