"""For those who run it: is it alive, is it ready, how fast is it, what can it do."""

from __future__ import annotations

import importlib.metadata

import msgspec
from aiohttp import web

from api.calls import Call, Route
from api.errors import Unavailable

TEXT = "text/plain"


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: str
    version: str


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The engine takes entries; now_ms is its last tick."""

    status: str
    now_ms: int


def version() -> str:
    """The installed version."""
    return importlib.metadata.version("balise")


async def health(_: Call) -> Health:
    """Alive."""
    return Health(status="ok", version=version())


async def ready(call: Call) -> Ready:
    """Ready, or a problem that says why not."""
    motor = call.service.motor
    if call.service.stopping.is_set():
        raise Unavailable("stopping")
    if motor.blocked:
        raise Unavailable(f"the log cannot be written: {motor.blocked}")
    if motor.store_blocked:
        raise Unavailable(f"the store cannot be written: {motor.store_blocked}")
    return Ready(status="ready", now_ms=motor.pipeline.now_ms)


async def metrics(call: Call) -> web.Response:
    """Figures in Prometheus' text format."""
    return web.Response(
        body=call.service.figures.text(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


ROUTES = (
    Route(method="GET", path="/healthz", handler=health, tag="operations", open=True,
          summary="Is the process alive?", answer=Health),
    Route(method="GET", path="/readyz", handler=ready, tag="operations", open=True,
          summary="Does it take entries?", answer=Ready),
    Route(method="GET", path="/metrics", handler=metrics, tag="operations", scopes=("ops:read",),
          summary="Figures for Prometheus", gives=TEXT, answer=str),
)  # fmt: skip
