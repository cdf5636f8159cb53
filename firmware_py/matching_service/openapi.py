"""Describes the service as OpenAPI 3.1, out of the types that it decodes and encodes."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Literal

import msgspec

from drivers.matching import wire
from firmware_py.matching_service import facts
from firmware_py.matching_service.errors import SHOWN

COMMON_PROBLEMS = (401, 403, 500, 503)
"""What any request of a terminal can come to."""
OPEN_PROBLEMS = (500, 503)


class Parameter(msgspec.Struct, frozen=True):
    """A parameter in the query or a header, with its schema."""

    name: str
    place: Literal["query", "header"]
    schema: dict[str, Any]
    required: bool = False
    about: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation takes and answers; a media type with a type each, None for no content."""

    parameters: tuple[Parameter, ...] = ()
    body: tuple[str, Any] | None = None
    answers: Mapping[int, tuple[str, Any] | None]
    headers: Mapping[str, Any] = {}
    """Of the first answer."""
    problems: tuple[int, ...] = ()


def describe(operations: Iterable[tuple[str, str, str, Operation]]) -> bytes:
    """Return the description of operations (path, method, sentence, content) as JSON, always the same bytes."""
    listed = list(operations)
    types: list[Any] = [wire.Problem, *facts.READS.values()]
    for _, _, _, operation in listed:
        contents = [operation.body, *operation.answers.values()]
        types += [content[1] for content in contents if content is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = {repr(each): schema for each, schema in zip(types, schemas, strict=True)}
    for schema in components.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    # On the wire the type of a fact is the event's, beside its content.
    for fact in facts.READS.values():
        content = components[fact.__name__]
        del content["properties"]["type"]
        content["required"].remove("type")
    known = [{"$ref": f"#/components/schemas/{fact.__name__}"} for fact in facts.READS.values()]
    components["CloudEvent"]["properties"]["data"] = {"anyOf": [*known, {}]}
    # What was shown of a value is cut there, with a mark of one character.
    components["Problem"]["properties"]["value"]["maxLength"] = SHOWN + 1
    paths: dict[str, Any] = {}
    for path, method, sentence, operation in listed:
        paths.setdefault(path, {})[method.lower()] = _operation(path, sentence, operation, schema_of)
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "Fikatap matching service",
            "version": version("fikatap"),
            "description": "What a terminal asks the shared matching service; docs/matching-service.md tells what it means.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {"certificate": {"type": "mutualTLS"}, "token": {"type": "http", "scheme": "bearer"}},
        },
    }
    return (json.dumps(whole, indent=1, ensure_ascii=False) + "\n").encode()


def _operation(path: str, sentence: str, operation: Operation, schema_of: Mapping[str, Any]) -> dict[str, Any]:
    of_a_venue = "{venue}" in path
    parameters = [_parameter(each) for each in operation.parameters]
    if of_a_venue:
        parameters.insert(0, {"name": "venue", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}})
    responses: dict[str, Any] = {}
    for status, content in operation.answers.items():
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        if content is not None:
            responses[str(status)]["content"] = {content[0]: {"schema": schema_of[repr(content[1])]}}
            if operation.headers:
                responses[str(status)]["headers"] = {
                    name: {"schema": schema, "required": True} for name, schema in operation.headers.items()
                }
    for status in sorted({*operation.problems, *(COMMON_PROBLEMS if of_a_venue else OPEN_PROBLEMS)}):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {wire.PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    described = {
        "summary": sentence,
        "parameters": parameters,
        "responses": responses,
        "security": [{"certificate": []}, {"token": []}] if of_a_venue else [],
    }
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {operation.body[0]: {"schema": schema_of[repr(operation.body[1])]}},
        }
    return described


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {"name": parameter.name, "in": parameter.place, "required": parameter.required, "schema": parameter.schema}
    return described | {"description": parameter.about} if parameter.about else described
