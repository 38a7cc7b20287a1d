"""The operators' API as a table: each operation's path, what it takes, what it may answer.

``add_operations`` makes routes of it and ``openapi`` a document, so that neither can say what the
other does not. Bodies and queries are decoded into the types of the table; what does not fit is a
problem that names the field.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_type_hints

import msgspec
from aiohttp import web

from rapida_media.control.problems import ProblemError, of_status
from rapida_media.control.schema import IN_WORDS

# Bodies are orders for calls, not media.
BODY_LIMIT = 65_536
REQUEST_S = 10.0
# What aiohttp decodes by itself (RFC 9110 section 8.4.1).
ENCODINGS = ("identity", "gzip", "deflate")
WRONG_ENCODING = f"expected a Content-Encoding of {', '.join(ENCODINGS)}, or none"

_AT_FIELD = re.compile(r"^(.*?)(?: - at (?:`key` in )?`\$?\.?(.*?)`)?$", re.DOTALL)
_NAMED_FIELD = re.compile(r"field `([^`]+)`")

Body = TypeVar("Body")
Query = TypeVar("Query")


@dataclass(frozen=True, slots=True)
class Asked(Generic[Body, Query]):
    """A request that fits. id: of the call in the path."""

    body: Body
    query: Query
    id: str
    http: web.Request


@dataclass(frozen=True, slots=True)
class Operation:
    """replies: what each status that is no problem carries; a type, or a media type.

    problems: statuses of problems beyond those every operation has.
    optional_body: an absent body stands for all defaults.  read_as: what the body is decoded into
    where the handler decodes the rest itself, so that a part of it may be at fault.
    open: needs no key.  endless: goes on for as long as the client listens.
    """

    method: str
    path: str
    name: str
    summary: str
    handler: Callable[[Any], Awaitable[Any]]
    replies: Mapping[int, type | str]
    problems: tuple[int, ...] = ()
    body: Any = None
    query: type | None = None
    optional_body: bool = False
    read_as: Any = None
    open: bool = False
    endless: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


def add_operations(
    app: web.Application, operations: Iterable[Operation], check: Callable[[web.Request], None]
) -> None:
    """Route every operation, and HEAD where there is a GET that ends (RFC 9110 section 9.1 has all
    servers support both). check: who may ask; raises ProblemError."""
    for operation in operations:
        route = _route(operation, check)
        app.router.add_route(operation.method, operation.path, route)
        if operation.method == "GET" and not operation.endless:
            app.router.add_route("HEAD", operation.path, route)


def _route(
    operation: Operation, check: Callable[[web.Request], None]
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        if not operation.open:
            check(request)
        asked = await _asked(operation, request)
        if operation.endless:
            result = await operation.handler(asked)
        else:
            try:
                async with asyncio.timeout(REQUEST_S):
                    result = await operation.handler(asked)
            except TimeoutError:
                raise ProblemError(504, "timeout", "it was not done in time") from None
        if isinstance(result, web.StreamResponse):
            return result
        status, value = result if isinstance(result, tuple) else (min(operation.replies), result)
        return web.Response(
            status=status, body=msgspec.json.encode(value), content_type="application/json"
        )

    return answer


async def _asked(operation: Operation, request: web.Request) -> Asked[Any, Any]:
    body: Any = None
    if operation.body is not None:
        kind = operation.read_as or operation.body
        body = decoded(await _read_body(operation, request), kind)
    query: Any = None
    if operation.query is not None:
        query = _converted(dict(request.query), operation.query)
    return Asked(body, query, request.match_info.get("id", ""), request)


async def _read_body(operation: Operation, request: web.Request) -> bytes:
    raw = await read_bounded(request)
    if not raw and operation.optional_body:
        return b"{}"
    if request.content_type != "application/json":
        raise ProblemError(415, "unsupported-media-type", "expected Content-Type: application/json")
    return raw


async def read_bounded(request: web.Request) -> bytes:
    """Read a body of at most BODY_LIMIT bytes within REQUEST_S; ProblemError 400, 408, 413 or 415.

    The limit is that of the body as it is behind its Content-Encoding.
    """
    encoding = request.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ENCODINGS:
        raise ProblemError(415, "unsupported-media-type", WRONG_ENCODING)
    try:
        async with asyncio.timeout(REQUEST_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge as error:  # the application has a client_max_size
        sentence = f"the body is longer than {BODY_LIMIT} octets"
        raise of_status(error.status, sentence) from None
    except TimeoutError:
        raise ProblemError(408, "timeout", "the body did not come in time") from None
    except web.RequestPayloadError:
        raise ProblemError(400, "bad-request", f"the body is not {encoding}, or cut off") from None


def decoded(raw: bytes | msgspec.Raw, kind: Any) -> Any:
    """Decode JSON into a type; ProblemError 422 names the field at fault, 400: it is no JSON."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _unfit(error, kind) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "bad-json", f"the body is no JSON: {error}") from None


def _converted(values: Mapping[str, str], kind: type) -> Any:
    try:
        return msgspec.convert(values, type=kind, strict=False)
    except msgspec.ValidationError as error:
        raise _unfit(error, kind) from None


def _unfit(error: msgspec.ValidationError, kind: Any) -> ProblemError:
    """Take msgspec's sentence apart: what is wrong, and the path of the field."""
    match = _AT_FIELD.match(str(error))
    assert match is not None, "the pattern fits everything"
    detail, path = match.group(1), match.group(2) or ""
    if (named := _NAMED_FIELD.search(detail)) is not None:
        path = f"{path}.{named.group(1)}" if path else named.group(1)
    return ProblemError(422, "invalid", _in_words(detail, kind, path), field=path or None)


def _in_words(detail: str, kind: Any, path: str) -> str:
    """Say what is expected where msgspec shows a pattern, or only what it got."""
    for pattern, words in IN_WORDS.items():
        if repr(pattern) in detail:
            return f"expected {words}"
    if detail.startswith("Invalid enum value"):
        named = get_type_hints(kind, include_extras=True).get(path)
        choices = [each for one in (named, *get_args(named)) for each in get_args(one)]
        words = ", ".join(each for each in dict.fromkeys(choices) if isinstance(each, str))
        return f"expected one of {words}"
    return detail
