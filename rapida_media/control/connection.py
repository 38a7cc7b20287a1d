"""One HTTP connection as aiohttp serves it, with our limits and, below routing, our answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from rapida_media.control.operations import WRONG_ENCODING
from rapida_media.control.problems import of_status
from rapida_media.stats import Counters

# How long a connection may wait for its next request.
KEEP_ALIVE_S = 30.0
# How long what is left of a refused body is read, so that the client sees the answer.
LINGER_S = 1.0
# The request line and each header field, in octets; nginx and Apache take as much.
LINE_LIMIT = 8190

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """What cannot be read as a request gets a problem, too: no handler ever sees it.

    counters: ``http_malformed``.
    """

    def __init__(self, server: web.Server, counters: Counters, log: logging.Logger) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            logger=log,
            access_log=None,  # type: ignore[arg-type]
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=LINE_LIMIT,
            max_field_size=LINE_LIMIT,
        )
        self._counters = counters

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer instead of a handler. The message is left out: it may quote what was sent."""
        self._counters.add("http_malformed")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun")
        detail = f"this is no HTTP/1.1 request, or has a line of more than {LINE_LIMIT} octets"
        if isinstance(exc, ContentEncodingError):  # broken, or one that aiohttp knows and has not
            detail = f"the body is not in its Content-Encoding, or {WRONG_ENCODING}"
        answer = of_status(status, detail).response()
        answer.force_close()
        return answer


def connections(server: web.Server, counters: Counters) -> Callable[[], Connection]:
    """Give what makes a connection to this server."""
    server.request_handler = _meeting_expectations(server.request_handler)
    return partial(Connection, server, counters, _peers_log(counters))


def _meeting_expectations(handler: Answer) -> Answer:
    """aiohttp looks at Expect (RFC 9110 section 10.1.1) before any middleware of ours. The value is
    left out of the answer: it is what was sent."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPExpectationFailed as error:
            return of_status(error.status, "Expect: expected 100-continue or none").response()

    return answer


def _peers_log(counters: Counters) -> logging.Logger:
    """Make the log aiohttp writes to, which is of what peers send that is no HTTP, such as the rest
    of a body: what handlers raise never gets there. It is counted, since a stranger must not fill a
    disk with tracebacks."""

    def count(record: logging.LogRecord) -> bool:
        counters.add("http_malformed")
        return False

    made = logging.Logger("rapida_media.control.peers", logging.INFO)
    made.addFilter(count)
    return made
