"""Errors as people and programs read them: problem documents (RFC 9457)."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from drivers.matching import wire
from firmware_py.matching_service.errors import Refused

RETRY_AFTER_S = 2


def problem(refused: Refused) -> Response:
    """Return the answer that tells why a request was refused."""
    body = wire.Problem(
        title=HTTPStatus(refused.status).phrase,
        status=refused.status,
        detail=refused.detail,
        value=refused.value,
        allowed=refused.allowed,
    )
    return Response(msgspec.json.encode(body), refused.status, refused.headers, wire.PROBLEM)


async def refused(_: Request, error: Any) -> Response:
    """Tell of a request that can't be answered."""
    return problem(error)


async def not_http(request: Request, error: Any) -> Response:
    """Tell of a path that there is not, or a method that it has not."""
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # As the router writes it, not in the order of a set.
        allow = headers["Allow"] = ", ".join(sorted(headers.get("Allow", "").split(", ")))
        return problem(
            Refused(405, "this path does not know that method", value=request.method, allowed=allow, headers=headers)
        )
    return problem(Refused(error.status_code, error.detail, value=request.url.path, allowed="the paths in /v1/openapi.json"))


async def unavailable(_: Request, error: Any) -> Response:
    """Tell that the database does not answer."""
    return problem(Refused(503, str(error), headers={"Retry-After": str(RETRY_AFTER_S)}))


async def gone(_: Request, __: Exception) -> Response:
    """Answer who went before the end of the body, and reads no answer."""
    return problem(Refused(400, "the body ended too early"))


async def our_mistake(_: Request, __: Exception) -> Response:
    """Say that it is nobody's fault but ours; what happened is in the log."""
    return problem(Refused(500, "a mistake of the service; nothing of this request was kept"))


def unreadable(body: bytes, error: Exception) -> Refused:
    """Return what is wrong with a body, with the value where there is one."""
    if not isinstance(error, msgspec.ValidationError):
        return Refused(400, f"the body is not JSON: {error}", allowed="JSON in UTF-8")
    expected, _, path = str(error).partition(" - at ")
    where = path.strip("`") or "$"
    return Refused(422, f"{where}: {expected}", value=_value_at(body, where), allowed=expected.removeprefix("Expected "))


def _value_at(body: bytes, path: str) -> str:
    """Return the value at a path such as $.presence.number or $[3].id, as JSON; nothing where there is none."""
    try:
        value = msgspec.json.decode(body)
        for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
            value = value[key] if key else value[int(index)]
    except (msgspec.DecodeError, LookupError, TypeError, RecursionError):
        return ""
    return json.dumps(value, ensure_ascii=False)
