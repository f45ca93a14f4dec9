"""OpenAPI 3.1 from the table of routes and the types of bodies: it says what the doors check."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from api.calls import Route
from api.decode import Ping
from api.problems import CONTENT_TYPE, Problem
from api.routes.ops import version

_PART = re.compile(r"{(\w+)}")
_REF = "#/components/schemas/{name}"


def document(routes: Sequence[Route], *, server: str = "") -> dict[str, Any]:
    """The document that describes `routes`."""
    shown = [route for route in routes if not route.hidden]
    types = [Problem, Ping]
    for route in shown:
        types += [t for t in (_body_type(route), route.answer) if t not in (None, bytes, str)]
    schemas, components = msgspec.json.schema_components(
        types, schema_hook=_anything, ref_template=_REF
    )
    by_type = {id(t): schema for t, schema in zip(types, schemas, strict=True)}
    paths: dict[str, dict[str, Any]] = {}
    for route in shown:
        operation = _operation(route, by_type)
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    out: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Balise",
            "version": version(),
            "description": "Geofencing and push engine for tourist destinations.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {
                "Problem": {
                    "description": "What went wrong, as RFC 9457 has it.",
                    "content": {CONTENT_TYPE: {"schema": by_type[id(Problem)]}},
                }
            },
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "device": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A device's access token: its own visitor only.",
                },
            },
        },
    }
    if server:
        out["servers"] = [{"url": server}]
    return out


def _anything(kind: type) -> dict[str, Any]:
    """The schema of fields that take any JSON."""
    if kind in (object, msgspec.Raw):
        return {"description": "Any JSON value."}
    raise NotImplementedError(kind)


def _body_type(route: Route) -> Any:
    return route.describes if route.body is bytes else route.body


def _operation(route: Route, by_type: dict[int, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "operationId": _name(route),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route, by_type),
        "security": _security(route),
    }
    if route.scopes:
        out["description"] = f"Scope: {' or '.join(route.scopes)}."
    if route.feeder:
        out["description"] = "The device key in the path says who sends."
    if route.body is not None:
        kind = _body_type(route)
        schema = by_type[id(kind)] if kind is not None else {}
        out["requestBody"] = {
            "required": True,
            "content": {name: {"schema": schema} for name in route.takes},
        }
    return out


def _name(route: Route) -> str:
    words = re.findall(r"[A-Za-z0-9]+", route.path.removeprefix("/v1"))
    return route.method.lower() + "".join(word.capitalize() for word in words)


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PART.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    return [
        {
            "name": field.encode_name,
            "in": "query",
            "required": field.required,
            "schema": msgspec.json.schema(field.type),
        }
        for field in msgspec.structs.fields(route.query)
    ]


def _responses(route: Route, by_type: dict[int, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.answer is str:
        success["content"] = {route.gives: {"schema": {"type": "string"}}}
    elif route.answer is not None:
        success["content"] = {route.gives: {"schema": by_type[id(route.answer)]}}
    out = {str(route.status): success, "default": {"$ref": "#/components/responses/Problem"}}
    if route.method == "PUT" and route.describes is not None:
        out["201"] = success
    return out


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.open or route.feeder:
        return []
    out: list[dict[str, list[str]]] = []
    if route.scopes or route.any_caller:
        out.append({"key": []})
    if route.device or route.any_caller:
        out.append({"device": []})
    return out
