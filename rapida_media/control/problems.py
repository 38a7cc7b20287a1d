"""What goes wrong, as ``application/problem+json`` (RFC 9457), with the field at fault."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from aiohttp import web

from rapida_media.control.schema import Problem
from rapida_media.net.provider_lines import Refused
from rapida_media.net.record_store import RecordsUnavailable

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """Answers the request with a problem. kind: a stable word for programs, made a URI."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.field = field
        self.headers = headers or {}

    def problem(self) -> Problem:
        wait = self.headers.get("Retry-After")
        return Problem(
            type=f"urn:rapida-media:{self.kind}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            field=self.field,
            retry_after_s=None if wait is None else int(wait),
        )

    def response(self) -> web.Response:
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(self.problem()),
            headers=self.headers,
            content_type=MEDIA_TYPE,
        )


def of_refusal(refused: Refused) -> ProblemError:
    """Give the problem that says what the engine refused."""
    headers = {}
    if refused.retry_after_s is not None:
        headers["Retry-After"] = str(refused.retry_after_s)
    kind = refused.kind or _kind(refused.status)
    return ProblemError(refused.status, kind, str(refused), field=refused.field, headers=headers)


def of_unavailable(error: RecordsUnavailable) -> ProblemError:
    """Give the problem for a store of records that is away."""
    return ProblemError(503, "records-unavailable", str(error), headers={"Retry-After": "5"})


def of_http_error(error: web.HTTPException) -> ProblemError:
    """Give the problem for what aiohttp refuses itself: no such path, no such method, too long."""
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    return ProblemError(error.status, _kind(error.status), error.reason, headers=headers)


def of_status(status: int, detail: str) -> ProblemError:
    """Give the problem of a status that says all there is to tell programs."""
    return ProblemError(status, _kind(status), detail)


def _kind(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "-")
