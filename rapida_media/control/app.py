"""The HTTP interface as a whole: its application, and its life beside the engine.

``serve`` starts it once the engine runs, drains the engine while it goes on answering, and stops
it last.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from rapida_media import clock
from rapida_media.call.guard import DAY_S, REMEMBERED
from rapida_media.call.records import CallRecord
from rapida_media.config import Config, HttpListen
from rapida_media.config.reload import left_for_restart, taking_over
from rapida_media.control.calls import CallOperations, Records
from rapida_media.control.connection import connections
from rapida_media.control.console import add_console
from rapida_media.control.door import Door
from rapida_media.control.events import EventOperations
from rapida_media.control.keys import KeyRing
from rapida_media.control.openapi import openapi
from rapida_media.control.operations import BODY_LIMIT, Asked, Operation, add_operations
from rapida_media.control.problems import (
    ProblemError,
    of_http_error,
    of_refusal,
    of_unavailable,
)
from rapida_media.control.schema import Health
from rapida_media.control.webhooks import Webhooks
from rapida_media.control.webrtc import WebRtcOperations
from rapida_media.ids import SystemIds
from rapida_media.net.engine import Engine
from rapida_media.net.metrics import CONTENT_TYPE
from rapida_media.net.orders import Orders
from rapida_media.net.provider_lines import Refused
from rapida_media.net.record_store import RecordsUnavailable
from rapida_media.net.record_tables import RecordQuery

log = logging.getLogger(__name__)

# Records that are read at once at the start.
PAGE = 500
# How long requests in progress may take to end when the server stops.
SHUTDOWN_S = 2.0


@dataclass(frozen=True, slots=True)
class Folders:
    """recordings: where they go.  prompts: where files to play are taken from."""

    recordings: Path
    prompts: Path


class ControlServer:
    """problems: tells in words what is wrong with the engine; nothing while all is well.

    metrics: gives all figures in the format of Prometheus.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        records: Records,
        folders: Folders,
        *,
        problems: Callable[[], list[str]] = list,
        metrics: Callable[[], bytes] = bytes,
    ) -> None:
        self._config = config
        self._engine = engine
        self._problems = problems
        self._metrics = metrics
        self._door = Door(engine.counters)
        self._records = records
        self._orders = Orders(config, engine, records, SystemIds())
        self._calls = CallOperations(
            engine, self._orders, records, folders.recordings, folders.prompts
        )
        self._events = EventOperations(engine.journal, records)
        self._webrtc = WebRtcOperations(engine)
        self._runner: web.AppRunner | None = None
        self.address = HttpListen()

    async def start(self) -> None:
        """Listen; ConfigError when the address cannot be had."""
        await self._recall_costs()
        http = self._config.http
        port = self._door.listen(http.listen)
        self.address = HttpListen(http.listen.host, port)
        self._engine.provider_calls.public_url = http.public_url or f"http://{self.address}"
        self._runner = web.AppRunner(self._app(), shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        assert self._runner.server is not None, "it was set up"
        self._door.open(connections(self._runner.server, self._engine.counters))

    async def reload(self, newer: Config) -> list[str]:
        """Take over the assistants, accounts and trunks of another configuration, engine included.

        Gives what else differs and needs a restart. ConfigError: then nothing has changed.
        """
        config = taking_over(self._config, newer)
        prepared = await self._engine.prepare(config)
        # From here on nothing fails and nothing is waited for: no call sees half of it.
        self._config = config
        self._orders.use(config)
        self._engine.use(prepared)
        return left_for_restart(config, newer)

    async def _recall_costs(self) -> None:
        """Let a restart not forget what was spent today."""
        trunks, accounts = self._config.trunks.values(), self._config.credentials.values()
        prices = [each.price_per_minute for each in trunks]
        if not any((*prices, *(each.price_per_minute for each in accounts))):
            return
        query: RecordQuery | None = RecordQuery(since=clock.wall() - DAY_S, limit=PAGE)
        earlier: list[CallRecord] = []
        try:
            while query is not None and len(earlier) < REMEMBERED:
                page = await self._records.page(query)
                earlier += page.records
                query = None if page.cursor is None else replace(query, cursor=page.cursor)
        except RecordsUnavailable as error:
            log.warning("what was spent today is not known: %s", error)
        self._engine.guard.ledger.take_up(earlier)

    async def stop(self) -> None:
        """Answer what was asked and close everything."""
        self._orders.cancel()
        self._events.close()
        await self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _app(self) -> web.Application:
        http = self._config.http
        app = web.Application(
            middlewares=[self._door.middleware, self._behind_records, _problems],
            client_max_size=BODY_LIMIT,
        )
        operations = self._operations()
        keys = KeyRing(http.api_keys, http.requests_per_second)
        add_operations(app, operations, keys.check)
        Webhooks(self._engine.provider_calls).add_routes(app)
        add_console(app)
        return app

    @web.middleware
    async def _behind_records(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer about calls once what is told of them is kept, whatever happens then."""
        response = await handler(request)
        if request.path.startswith("/v1/"):
            await self._engine.journal.kept()
        return response

    def _operations(self) -> list[Operation]:
        tables = (self._calls, self._webrtc, self._events)
        listed = [each for table in tables for each in table.table()]
        listed += self._health_table()
        document = openapi(listed, _version())

        async def describe(asked: Asked[None, None]) -> dict[str, Any]:
            return document

        return [
            *listed,
            Operation(
                "GET", "/openapi.json", "", "This interface", describe, {200: dict}, open=True
            ),
        ]

    def _health_table(self) -> list[Operation]:
        return [
            Operation(
                "GET", "/healthz", "getHealth", "Whether the process lives", self._alive,
                {200: Health}, open=True,
            ),
            Operation(
                "GET", "/readyz", "getReadiness", "Whether calls are taken", self._ready,
                {200: Health, 503: Health}, open=True,
            ),
            Operation(
                "GET", "/metrics", "getMetrics", "All figures, for Prometheus", self._show_metrics,
                {200: "text/plain"},
            ),
        ]  # fmt: skip

    async def _show_metrics(self, asked: Asked[None, None]) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE})

    async def _alive(self, asked: Asked[None, None]) -> Health:
        return Health("ok")

    async def _ready(self, asked: Asked[None, None]) -> tuple[int, Health]:
        if self._engine.draining:
            return 503, Health("draining")
        problems = self._problems()
        return (503, Health("failing", problems)) if problems else (200, Health("ok"))


@web.middleware
async def _problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer everything that goes wrong with a problem; what is our fault is logged."""
    try:
        return await handler(request)
    except ProblemError as error:
        return error.response()
    except Refused as refused:
        return of_refusal(refused).response()
    except RecordsUnavailable as unavailable:
        return of_unavailable(unavailable).response()
    except web.HTTPException as error:
        return of_http_error(error).response()
    except Exception:
        # The pattern of the path: there may be a token in what stood for it.
        resource = request.match_info.route.resource
        path = "?" if resource is None else resource.canonical
        log.exception("a request failed: %s %s", request.method, path)
        return ProblemError(500, "internal", "it failed here; the log says why").response()


def _version() -> str:
    try:
        return version("rapida-media")
    except PackageNotFoundError:  # run from the source tree
        return "0"
