"""What every handler reaches: the motor, the store, the gate and the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiohttp import web

from api.auth import Caller, Gate
from api.figures import HttpFigures
from api.ratelimit import Buckets
from api.settings import Settings
from engine.clock import Clock
from engine.fences import FenceBook
from engine.motor import Motor
from engine.saving import Saver
from engine.store import Store
from notifier.channels.inbox import Hub
from notifier.dispatcher import Dispatcher

T = TypeVar("T")


class Service:
    """One running server. `clock` tells real time, the motor's may run faster."""

    def __init__(
        self,
        *,
        motor: Motor,
        store: Store,
        hub: Hub,
        gate: Gate,
        settings: Settings,
        clock: Clock,
        saver: Saver,
    ) -> None:
        self.motor = motor
        self.store = store
        self.gate = gate
        self.settings = settings
        self.clock = clock
        self.saver = saver
        self.buckets = Buckets()
        self.figures = HttpFigures(motor)
        self.fences = FenceBook(motor)
        self.hub = hub
        self.sockets: dict[web.WebSocketResponse, Caller] = {}
        self.dispatcher: Dispatcher | None = None
        self.stopping = asyncio.Event()
        self._work: set[asyncio.Task[Any]] = set()

    async def to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work, which goes on where whoever waits for it is cancelled."""
        return await asyncio.shield(self.soon(work))

    def soon(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin some work that nobody need wait for."""
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._work.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits is told; nobody else needs a warning

    async def work_done(self, within_s: float) -> None:
        """Wait for all work that has begun, within bounds."""
        if self._work:
            await asyncio.wait(set(self._work), timeout=within_s)
        """None where nothing is sent."""
        self.web_push_key = ""
        """The applicationServerKey that pages subscribe with; empty without Web Push."""


SERVICE: Final = web.AppKey("service", Service)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
