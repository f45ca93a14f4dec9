"""The live picture: the scene once, then frames and pushes over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from api import limits, sockets
from api.calls import Call, Reply, Route
from api.errors import Unavailable
from engine import clock as system
from engine.effects import Effects
from engine.live import LivePicture
from engine.motor import Motor

EMPTY_MAP: Final = {"type": "FeatureCollection", "features": []}
log = structlog.get_logger("balise.live")


class LiveHub:
    """Builds each frame once for all who watch; works only while somebody does."""

    def __init__(self, motor: Motor, basemap: Any = None) -> None:
        self.basemap = EMPTY_MAP if basemap is None else basemap
        self._motor = motor
        self._picture = LivePicture(motor)
        self._queues: set[asyncio.Queue[bytes]] = set()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Any = None
        self._drawing = asyncio.Lock()
        self._drawn = b""
        self._drawn_version: tuple[int, bool] | None = None

    async def scene(self) -> bytes:
        """What does not move, as JSON; drawn in a thread, and once for all who ask."""
        async with self._drawing:
            version = self._picture.scene_version()
            if version != self._drawn_version:
                scenery = self._picture.scenery()
                self._drawn = await asyncio.to_thread(self._picture.draw, scenery, self.basemap)
                self._drawn_version = version
            return self._drawn

    @contextlib.contextmanager
    def watch(self) -> Any:
        """A queue of encoded messages for as long as the context lasts."""
        if len(self._queues) >= limits.LIVE_WATCHERS_MAX:
            raise Unavailable(f"{limits.LIVE_WATCHERS_MAX} pages are watching already")
        queue: asyncio.Queue[bytes] = asyncio.Queue(limits.LIVE_QUEUE_MAX)
        self._queues.add(queue)
        if self._task is None:
            self._unsubscribe = self._motor.subscribe(self._stored)
            self._task = asyncio.create_task(self._run())
        try:
            yield queue
        finally:
            self._queues.discard(queue)
            if not self._queues and self._task is not None:
                self._unsubscribe()
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        while True:
            self._tell(msgspec.json.encode(self._picture.frame(system.monotonic_s())))
            await asyncio.sleep(limits.LIVE_FRAME_S)

    def _stored(self, batch: Sequence[Effects]) -> None:
        """Show pushes, one a decision; of a burst only the first ones."""
        shown = 0
        for effects in batch:
            zones = {decision.id: decision.trigger.zone for decision in effects.decisions}
            told: set[str] = set()
            for notification in effects.notifications:
                if notification.decision_id in told or shown >= limits.LIVE_PUSHES_MAX:
                    continue
                told.add(notification.decision_id)
                shown += 1
                push = self._picture.push(notification, zones.get(notification.decision_id))
                self._tell(msgspec.json.encode(push))

    def _tell(self, message: bytes) -> None:
        for queue in self._queues:
            if queue.full():  # a slow page misses the oldest frame, and no memory is filled
                queue.get_nowait()
            queue.put_nowait(message)


LIVE: Final = web.AppKey("live", LiveHub)


def hub_of(app: web.Application) -> LiveHub:
    """The hub of an application."""
    return app[LIVE]


async def scene(call: Call) -> Reply:
    """Destination, zones, places, basemap and campaigns."""
    return Reply(body=msgspec.Raw(await hub_of(call.request.app).scene()))


async def stream(call: Call) -> web.StreamResponse:
    """A WebSocket: a frame about every quarter second, and pushes as they leave."""
    socket = sockets.fresh(call)
    with hub_of(call.request.app).watch() as queue:
        return await sockets.run(call, socket, lambda: _write(socket, queue))


async def _write(socket: web.WebSocketResponse, queue: asyncio.Queue[bytes]) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await socket.send_str((await queue.get()).decode())


ROUTES = (
    Route(method="GET", path="/v1/live/scene", handler=scene, tag="live", live=True,
          scopes=("live:read",), summary="What the live page draws once", answer=dict[str, Any]),
    Route(method="GET", path="/v1/live/stream", handler=stream, tag="live", live=True,
          scopes=("live:read",), summary="Frames and pushes, over a WebSocket"),
)  # fmt: skip
