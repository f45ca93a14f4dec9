"""What every handler reaches: the motor, the store, the gate and the settings."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from api.auth import Caller, Gate
from api.figures import HttpFigures
from api.ratelimit import Buckets
from api.settings import Settings
from engine.clock import Clock
from engine.motor import Motor
from engine.saving import Saver
from engine.store import Store
from notifier.channels.inbox import Hub
from notifier.dispatcher import Dispatcher


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
        self.hub = hub
        self.sockets: set[web.WebSocketResponse] = set()
        self.stopping = asyncio.Event()
        self.dispatcher: Dispatcher | None = None
        """None where nothing is sent."""
        self.web_push_key = ""
        """The applicationServerKey that pages subscribe with; empty without Web Push."""


SERVICE: Final = web.AppKey("service", Service)
CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
