"""The HTTP client of the providers: one pool of connections, bounded in time and size.

aiohttp, because the server uses it as well and it has been kept well for ten years.
"""

from __future__ import annotations

from contextvars import ContextVar

import aiohttp

from rapida_media import clock
from rapida_media.errors import ProviderError
from rapida_media.providers.http import HttpReply, HttpRequest
from rapida_media.providers.trace import ProviderTrace

TIMEOUT = aiohttp.ClientTimeout(total=10.0, connect=5.0)
BODY_LIMIT = 262_144
# Of the call that the running task asks a provider for: telephony does not know of traces.
ASKING_FOR: ContextVar[ProviderTrace | None] = ContextVar("asking_for", default=None)
_FAILURES = (aiohttp.ClientError, TimeoutError, OSError)


class AiohttpClient:
    """``HttpClient`` for the providers' folders. Connects when it is first used.

    A repeatable request is tried twice: a pooled connection may just have been closed.
    """

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: HttpRequest) -> HttpReply:
        trace = ASKING_FOR.get()
        if trace is None:
            return await self._send_surely(request)
        trace.add(request, clock.monotonic(), sent=True)
        reply = await self._send_surely(request)
        trace.add(reply, clock.monotonic(), sent=False)
        return reply

    async def _send_surely(self, request: HttpRequest) -> HttpReply:
        try:
            return await self._send(request)
        except _FAILURES as error:
            if not request.repeatable:
                raise _no_answer(error) from None
        try:
            return await self._send(request)
        except _FAILURES as error:
            raise _no_answer(error) from None

    async def _send(self, request: HttpRequest) -> HttpReply:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=TIMEOUT)
        async with self._session.request(
            request.method,
            request.url,
            headers=request.headers,
            data=request.body or None,
            allow_redirects=False,
        ) as response:
            body = await response.content.read(BODY_LIMIT + 1)
            while len(body) <= BODY_LIMIT and (more := await response.content.read(BODY_LIMIT)):
                body += more
            if len(body) > BODY_LIMIT:
                raise ProviderError(f"the answer is longer than {BODY_LIMIT} bytes")
            headers = {name.lower(): value for name, value in response.headers.items()}
            return HttpReply(response.status, headers, body)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _no_answer(error: Exception) -> ProviderError:
    return ProviderError(f"no answer: {str(error) or type(error).__name__}", retryable=True)
