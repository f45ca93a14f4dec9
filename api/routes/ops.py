"""For those who run it: is it alive, is it ready, how fast is it, what can it do."""

from __future__ import annotations

import asyncio
import importlib.metadata

import msgspec
from aiohttp import web

from api.calls import Call, Route
from api.errors import Unavailable
from engine.log import LogInfo
from engine.saving import Saved
from engine.snapshots import SnapshotInfo

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
    """Ready, or a problem that says which part is not; the log has what the system said."""
    motor = call.service.motor
    if call.service.stopping.is_set():
        raise Unavailable("stopping")
    if motor.blocked:
        raise Unavailable("the log cannot be written" if not motor.failed else "the engine failed")
    if motor.store_blocked:
        raise Unavailable("the store cannot be written")
    dispatcher = call.service.dispatcher
    if dispatcher is not None and dispatcher.failure is not None:
        raise Unavailable("a channel has stopped to deliver; restart the server")
    return Ready(status="ready", now_ms=motor.pipeline.now_ms)


async def metrics(call: Call) -> web.Response:
    """Figures in Prometheus' text format."""
    return web.Response(
        body=call.service.figures.text(),
        headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
    )


class LogState(msgspec.Struct, frozen=True, kw_only=True):
    """The log and its snapshots, the newest first.

    taken: the newest one of this run. snapshots_refused: why none can be written, else empty.
    """

    log: LogInfo
    snapshots: tuple[SnapshotInfo, ...]
    taken: Saved | None
    snapshots_refused: str


async def log_state(call: Call) -> LogState:
    """The log at a glance."""
    saver = call.service.saver
    return LogState(
        log=await call.service.motor.with_log(lambda log: log.info()),
        snapshots=tuple(await asyncio.to_thread(saver.snapshots.info)),
        taken=saver.last,
        snapshots_refused=saver.refused,
    )


ROUTES = (
    Route(method="GET", path="/healthz", handler=health, tag="operations", open=True,
          summary="Is the process alive?", answer=Health),
    Route(method="GET", path="/readyz", handler=ready, tag="operations", open=True,
          summary="Does it take entries?", answer=Ready),
    Route(method="GET", path="/v1/log", handler=log_state, tag="operations", scopes=("ops:read",),
          summary="The log and its snapshots at a glance", answer=LogState),
    Route(method="GET", path="/metrics", handler=metrics, tag="operations", scopes=("ops:read",),
          summary="Figures for Prometheus", gives=TEXT, answer=str),
)  # fmt: skip
