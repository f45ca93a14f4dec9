"""A server that behaves like an integrator's: it trusts what is signed, and takes each id once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from aiohttp import web

from notifier import limits, signatures
from notifier.errors import SignatureRefused


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """How the next request is answered; `drop` cuts the connection once it was taken."""

    status: int = 200
    retry_after: str | None = None
    location: str | None = None
    delay_s: float = 0.0
    drop: bool = False


class HookStandin:
    """The integrator's state and handler. keys: of the secrets it accepts. now_s: its clock."""

    def __init__(self, keys: Sequence[bytes], *, now_s: Callable[[], float]) -> None:
        self.taken: dict[str, dict[str, Any]] = {}
        """Bodies by id."""
        self.refused: list[str] = []
        self.requests = 0
        self.faults: deque[Fault] = deque()
        self._keys = keys
        self._now_s = now_s

    def app(self) -> web.Application:
        """The server; the hook is /hook."""
        app = web.Application(client_max_size=limits.STANDIN_BODY_BYTES_MAX)
        app.router.add_post("/hook", self._hook)
        return app

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        fault = self.faults.popleft() if self.faults else Fault()
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.status >= 300:
            response = web.Response(status=fault.status, text="not now")
            if fault.retry_after is not None:
                response.headers["Retry-After"] = fault.retry_after
            if fault.location is not None:
                response.headers["Location"] = fault.location
            return response
        body = await request.read()
        try:
            message_id, _ = signatures.verify(self._keys, request.headers, body, self._now_s())
        except SignatureRefused as error:
            self.refused.append(error.reason)
            return web.Response(status=401, text=error.reason)
        self.taken.setdefault(message_id, msgspec.json.decode(body))
        if fault.drop and request.transport is not None:
            request.transport.abort()
        return web.Response(status=fault.status)
