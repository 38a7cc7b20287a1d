"""The operation by which a browser calls: its offer in, our answer out (``docs/browser.md``)."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from rapida_media.control import schema
from rapida_media.control.operations import Asked, Operation
from rapida_media.net.engine import Engine
from rapida_media.net.webrtc_calls import BrowserOrder


class WebRtcOperations:
    """engine: takes the calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def table(self) -> list[Operation]:
        return [
            Operation(
                "POST", "/v1/webrtc", "callFromBrowser", "Call an agent from a browser",
                self._call, {201: schema.BrowserCallAccepted}, body=schema.BrowserCall,
            ),
        ]  # fmt: skip

    async def _call(self, asked: Asked[schema.BrowserCall, None]) -> tuple[int, Any]:
        order = BrowserOrder(
            sdp=asked.body.sdp,
            to=asked.body.to,
            reached_at=_own_address(asked.http),
            parameters=asked.body.parameters,
        )
        call_id, answer = await self._engine.webrtc_calls.take(order)
        return 201, schema.BrowserCallAccepted(call_id, answer)


def _own_address(request: web.Request) -> str:
    """Give which of our addresses the connection came to; "" for one that is gone."""
    transport = request.transport
    address = None if transport is None else transport.get_extra_info("sockname")
    return str(address[0]) if address else ""
