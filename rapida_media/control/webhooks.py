"""The providers' side: webhooks and media streams, turned into data and back.

No key of ours here: each provider has its own verification, which is asked before anything else.
A media stream's context is claimed before its WebSocket is accepted.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from aiohttp import web

from rapida_media import clock
from rapida_media.control.operations import read_bounded
from rapida_media.control.problems import ProblemError
from rapida_media.net.provider_calls import ProviderCalls
from rapida_media.net.socket_wire import HEARTBEAT_S, MEDIA_PROTOCOLS, MESSAGE_LIMIT, SocketWire
from rapida_media.providers.http import Reply, WebhookRequest

CLOSE_S = 2.0
# What some proxies put before the path: a whole URL is a target, too (RFC 9112 section 3.2.2).
_AUTHORITY = re.compile(r"^https?://[^/?#]*", re.IGNORECASE)

# Of ``ProviderCalls``: provider, the assistant or context that the path names, request.
Verb = Callable[[str, str, WebhookRequest], Awaitable[Reply]]


class Webhooks:
    """public_url: what providers call us by."""

    def __init__(self, calls: ProviderCalls) -> None:
        self._calls = calls

    def add_routes(self, app: web.Application) -> None:
        talk = "/v1/talk/{provider}"
        context = f"{talk}/ctx/{{named}}"
        calls = self._calls
        for method in ("GET", "POST"):
            for path, verb in (
                (f"{talk}/call/{{named}}", calls.incoming),
                (f"{talk}/event/{{named}}", calls.catch_all),
                # With a token, which ``verify`` looks at, where the provider signs nothing.
                (f"{talk}/call/{{named}}/{{token}}", calls.incoming),
                (f"{talk}/event/{{named}}/{{token}}", calls.catch_all),
                (f"{context}/event", calls.status),
                (f"{context}/answer", calls.answer),
            ):
                app.router.add_route(method, path, self._webhook(verb))
        app.router.add_route("GET", context, self._media)
        # Where the URL of media is fixed, the context is in its query.
        app.router.add_route("GET", f"{talk}/media", self._media)

    def _webhook(self, verb: Verb) -> Callable[[web.Request], Awaitable[web.Response]]:
        """Give the handler that puts a request to a verb and answers what that says."""

        async def handle(request: web.Request) -> web.Response:
            path = request.match_info
            asked = self._data_of(request, await read_bounded(request))
            return _said(await verb(path["provider"], path["named"], asked))

        return handle

    async def _media(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info
        socket = web.WebSocketResponse(
            timeout=CLOSE_S,
            heartbeat=HEARTBEAT_S,
            compress=False,
            max_msg_size=MESSAGE_LIMIT,
            protocols=MEDIA_PROTOCOLS,
        )
        if not socket.can_prepare(request):
            raise ProblemError(
                426, "upgrade-required", "this is a WebSocket", headers={"Upgrade": "websocket"}
            )
        asked = self._data_of(request, b"", upgrade=True)
        # Written as a UUID, it is the same.
        context = (path.get("named") or request.query.get("context", "")).replace("-", "")
        call = await self._calls.claim(path["provider"], context, asked)
        await socket.prepare(request)
        await call.carry(SocketWire(socket))
        return socket

    def _data_of(
        self, request: web.Request, body: bytes, *, upgrade: bool = False
    ) -> WebhookRequest:
        base = self._calls.public_url
        if upgrade:
            base = f"ws{base.removeprefix('http')}"
        return WebhookRequest(
            method=request.method,
            # The path as it was sent: what is signed is what stood there.
            url=f"{base}{_AUTHORITY.sub('', request.raw_path)}",
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            remote=request.remote or "",
            received_at=clock.wall(),
        )


def _said(reply: Reply) -> web.Response:
    headers = dict(reply.headers)
    if reply.content_type:
        headers["Content-Type"] = reply.content_type
    return web.Response(status=reply.status, body=reply.body, headers=headers)
