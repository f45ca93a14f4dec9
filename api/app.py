"""The application: routes, middlewares, pages, and an orderly start and stop."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from api import limits, logs, openapi, problems, proxies, sockets
from api.calls import Call, Route, register
from api.errors import NotFound
from api.problems import REQUEST_ID
from api.routes import (
    campaigns,
    catalogue,
    crowd,
    decisions,
    deliveries,
    devices,
    feeders,
    fences,
    inbox,
    keys,
    live,
    ops,
    pings,
    preview,
    stream,
)
from api.service import CALLER, SERVICE, Service
from engine import clock as system

STATIC: Final = Path(__file__).parent / "static"
REQUEST_ID_HEADER: Final = "X-Request-Id"
_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

API_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
PAGE_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; worker-src 'self'; "
        "connect-src 'self'; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(self)",
}

_log = structlog.get_logger("balise.api")


def routes() -> list[Route]:
    """The whole table."""
    return [
        *pings.ROUTES,
        *devices.ROUTES,
        *feeders.ROUTES,
        *fences.ROUTES,
        *stream.ROUTES,
        *catalogue.ROUTES,
        *campaigns.ROUTES,
        *preview.ROUTES,
        *crowd.ROUTES,
        *decisions.ROUTES,
        *deliveries.ROUTES,
        *inbox.ROUTES,
        *keys.ROUTES,
        *ops.ROUTES,
        *live.ROUTES,
    ]


def create_app(service: Service, *, basemap: Any = None) -> web.Application:
    """The application of a service whose motor runs. basemap: GeoJSON under the live map."""
    # Bodies are bounded route by route, as they are read (api.bodies); this is the outer bound.
    app = web.Application(
        middlewares=[_context, problems.middleware],
        client_max_size=max(service.settings.body_bytes_max, service.settings.import_bytes_max),
    )
    app[SERVICE] = service
    app[feeders.BOOK] = feeders.FeederBook()
    app[live.LIVE] = live.LiveHub(service.motor, basemap)
    table = routes()
    described = msgspec.json.encode(openapi.document(table, server=service.settings.public_url))

    async def show_openapi(_: Call) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    document = Route(
        method="GET",
        path="/v1/openapi.json",
        handler=show_openapi,
        tag="operations",
        summary="This API, as OpenAPI 3.1",
        open=True,
        hidden=True,
    )
    register(app, [*table, document])
    _add_pages(app)
    app.on_response_prepare.append(_finish)
    app.on_shutdown.append(_stop)
    app.on_cleanup.append(_finish_work)
    return app


async def _stop(app: web.Application) -> None:
    app[SERVICE].stopping.set()
    await sockets.close_all(app[SERVICE])


async def _finish_work(app: web.Application) -> None:
    await app[SERVICE].work_done(limits.SHUTDOWN_S)


@web.middleware
async def _context(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, and count and log its answer."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    request[REQUEST_ID] = given if _GIVEN_ID.fullmatch(given) else system.new_id("req")
    started_s = system.monotonic_s()
    status = 499  # the caller went away
    try:
        answer = _preflight(request) or await handler(request)
        status = answer.status
        return answer
    finally:
        resource = request.match_info.route.resource
        pattern = resource.canonical if resource is not None else "none"
        duration_s = system.monotonic_s() - started_s
        service = request.app[SERVICE]
        service.figures.answered(
            method=request.method, route=pattern, status=status, duration_s=duration_s
        )
        if status >= 400 or logs.is_debug():
            _note(request, pattern, status, duration_s)


def _note(request: web.Request, pattern: str, status: int, duration_s: float) -> None:
    """One line a request: debug where it went well; the pattern, never ids, query or headers."""
    caller = request.get(CALLER)
    level = "debug" if status < 400 else "info" if status < 500 else "error"
    getattr(_log, level)(
        "request",
        method=request.method,
        route=pattern,
        status=status,
        ms=round(duration_s * 1000, 2),
        request_id=request[REQUEST_ID],
        caller=caller.id if caller is not None else "",
        address=proxies.address_of(request, request.app[SERVICE].settings),
    )


async def _finish(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer has."""
    settings = request.app[SERVICE].settings
    is_page = request.path.startswith(("/console", "/static"))
    for name, value in (PAGE_HEADERS if is_page else API_HEADERS).items():
        response.headers.setdefault(name, value)
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]
    if settings.https:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    origin = request.headers.get("Origin")
    if origin is not None and origin in settings.cors_origins:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Vary"] = "Origin"
    if request.path.startswith("/console/assets/") and response.status == 200:
        # Their names change with their content.
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers.popall("Server", None)
    if request.content.exception() is not None:
        # A body that broke off: nobody can tell where the next request of the connection begins,
        # and the server, which would read on, is told that there is nothing left.
        request.content.feed_eof()
        response.headers["Connection"] = "close"
        response.force_close()


# -- pages ----------------------------------------------------------------------


def _add_pages(app: web.Application) -> None:
    """The console's pages and their assets, where they have been built."""
    assets = STATIC / "console" / "assets"
    if assets.is_dir():
        app.router.add_static("/console/assets", assets)
    app.router.add_get("/", _to_console)
    app.router.add_get("/console", _to_console)
    app.router.add_get("/console/{page:[a-z]+}", _page)


async def _to_console(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/console/live")


async def _page(request: web.Request) -> web.StreamResponse:
    """A page; who may see data is decided where the data is."""
    file = STATIC / "console" / f"{request.match_info['page']}.html"
    if not await asyncio.to_thread(file.is_file):
        raise NotFound(kind="page", record_id=request.path)
    return web.FileResponse(file)


# -- other origins ----------------------------------------------------------------


def _preflight(request: web.Request) -> web.Response | None:
    """The answer to a browser that asks whether a page of another origin may call."""
    origins = request.app[SERVICE].settings.cors_origins
    asked = "Access-Control-Request-Method" in request.headers
    if request.method != "OPTIONS" or not asked or request.headers.get("Origin") not in origins:
        return None
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match, If-None-Match",
            "Access-Control-Max-Age": "600",
        },
    )
