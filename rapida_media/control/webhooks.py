"""The providers' side: webhooks and media streams, turned into data and back.

No key of ours here: each provider has its own verification, which is asked before anything else.
A media stream's context is claimed before its WebSocket is accepted.
"""

from __future__ import annotations

from aiohttp import web

from rapida_media import clock
from rapida_media.control.operations import read_bounded
from rapida_media.control.problems import ProblemError
from rapida_media.net.provider_calls import ProviderCalls
from rapida_media.net.socket_wire import HEARTBEAT_S, MEDIA_PROTOCOLS, MESSAGE_LIMIT, SocketWire
from rapida_media.providers.http import Reply, WebhookRequest

CLOSE_S = 2.0


class Webhooks:
    """public_url: what providers call us by."""

    def __init__(self, calls: ProviderCalls) -> None:
        self._calls = calls

    def add_routes(self, app: web.Application) -> None:
        talk = "/v1/talk/{provider}"
        context = f"{talk}/ctx/{{context}}"
        for method in ("GET", "POST"):
            app.router.add_route(method, f"{talk}/call/{{assistant}}", self._incoming)
            app.router.add_route(method, f"{talk}/event/{{assistant}}", self._catch_all)
            # With a token, which ``verify`` looks at, where the provider signs nothing.
            app.router.add_route(method, f"{talk}/call/{{assistant}}/{{token}}", self._incoming)
            app.router.add_route(method, f"{talk}/event/{{assistant}}/{{token}}", self._catch_all)
            app.router.add_route(method, f"{context}/event", self._status)
            app.router.add_route(method, f"{context}/answer", self._answer)
        app.router.add_route("GET", context, self._media)
        # Where the URL of media is fixed, the context is in its query.
        app.router.add_route("GET", f"{talk}/media", self._media)

    async def _incoming(self, request: web.Request) -> web.Response:
        path = request.match_info
        asked = await self._asked(request)
        return _said(await self._calls.incoming(path["provider"], path["assistant"], asked))

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.match_info
        asked = await self._asked(request)
        return _said(await self._calls.answer(path["provider"], path["context"], asked))

    async def _status(self, request: web.Request) -> web.Response:
        path = request.match_info
        asked = await self._asked(request)
        return web.Response(status=self._calls.status(path["provider"], path["context"], asked))

    async def _catch_all(self, request: web.Request) -> web.Response:
        path = request.match_info
        asked = await self._asked(request)
        return web.Response(
            status=self._calls.catch_all(path["provider"], path["assistant"], asked)
        )

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
        context = (path.get("context") or request.query.get("context", "")).replace("-", "")
        call = await self._calls.claim(path["provider"], context, asked)
        await socket.prepare(request)
        await call.carry(SocketWire(socket))
        return socket

    async def _asked(self, request: web.Request) -> WebhookRequest:
        return self._data_of(request, await read_bounded(request))

    def _data_of(
        self, request: web.Request, body: bytes, *, upgrade: bool = False
    ) -> WebhookRequest:
        base = self._calls.public_url
        if upgrade:
            base = f"ws{base.removeprefix('http')}"
        return WebhookRequest(
            method=request.method,
            # The path as it was sent: what is signed is what stood there.
            url=f"{base}{request.raw_path}",
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
