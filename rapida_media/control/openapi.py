"""OpenAPI 3.1 from the table of operations and the types that validate."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec

from rapida_media.control.operations import Operation
from rapida_media.control.problems import MEDIA_TYPE
from rapida_media.control.schema import Problem

REFERENCE = "#/components/schemas/{name}"
# What every operation may answer: rates, drains, slow bodies.
COMMON = (429, 503)
GUARDED = (401, 403)
WITH_BODY = (400, 408, 413, 415, 422)


def openapi(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """Describe the operations. version: of the engine."""
    listed = [each for each in operations if each.name]
    types = [Problem, *_types_of(listed)]
    _, components = msgspec.json.schema_components(types, ref_template=REFERENCE)
    paths: dict[str, Any] = {}
    for operation in listed:
        described = _describe(operation, components)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rapida-media",
            "version": version,
            "description": "Place, follow and steer phone calls.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _types_of(operations: Iterable[Operation]) -> list[Any]:
    types: list[Any] = []
    for operation in operations:
        types += [each for each in operation.replies.values() if not isinstance(each, str)]
        types += [each for each in (operation.body, operation.query) if each is not None]
    return types


def _describe(operation: Operation, components: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            **{str(status): _reply(status, what) for status, what in operation.replies.items()},
            **{str(status): _problem(status) for status in _problems(operation)},
        },
    }
    if not operation.open:
        described["security"] = [{"bearer": []}, {"key": []}]
    parameters = [_path_parameter(name) for name in re.findall(r"{(\w+)}", operation.path)]
    if operation.query is not None:
        parameters += _query_parameters(components[operation.query.__name__])
    parameters += [
        {"name": name, "in": "header", "description": words, "schema": {"type": "string"}}
        for name, words in operation.headers.items()
    ]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {
            "required": not operation.optional_body,
            "content": {"application/json": {"schema": _body_schema(operation)}},
        }
    return described


def _body_schema(operation: Operation) -> dict[str, Any]:
    """Describe the body; one of whose items each may be at fault alone takes any item."""
    described: dict[str, Any] = _schema(operation.body)
    if operation.read_as is not None:
        other = {"description": "What is none is answered with a problem in its place"}
        described = {**described, "items": {"anyOf": [described["items"], other]}}
    return described


def _problems(operation: Operation) -> list[int]:
    statuses = {*operation.problems, *COMMON}
    if not operation.open:
        statuses |= set(GUARDED)
    if operation.body is not None:
        statuses |= set(WITH_BODY)
    if operation.query is not None:
        statuses.add(422)
    if "{id}" in operation.path:
        statuses.add(404)
    if not operation.endless:
        statuses.add(504)
    return sorted(statuses - set(operation.replies))


def _schema(kind: Any) -> Any:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=REFERENCE)
    return schema


def _reply(status: int, what: type | str) -> dict[str, Any]:
    if isinstance(what, str):
        content = {what: {"schema": {"type": "string"}}} if what else {}
        return {"description": HTTPStatus(status).phrase, "content": content}
    words = inspect.getdoc(what) or HTTPStatus(status).phrase
    return {
        "description": words.split("\n\n")[0],
        "content": {"application/json": {"schema": _schema(what)}},
    }


def _problem(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(name="Problem")}}},
    }


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = schema.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": _plain(each)}
        for name, each in schema["properties"].items()
    ]


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A query field is absent rather than null: leave null out of its schema."""
    if "anyOf" in schema:
        kinds = [each for each in schema["anyOf"] if each != {"type": "null"}]
        if len(kinds) == 1:
            return dict(kinds[0])
    return schema
