"""A stand-in that really listens."""

from __future__ import annotations

from typing import Protocol

import msgspec
from aiohttp import web


class Standin(Protocol):
    """What can be served."""

    def app(self) -> web.Application:
        """The server's routes."""
        ...


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """A stand-in that listens at `url`, until `runner.cleanup()`."""

    url: str
    runner: web.AppRunner


async def serve(standin: Standin, host: str = "127.0.0.1", port: int = 0) -> Served:
    """Listen; port 0 takes any that is free. OSError if it is taken."""
    runner = web.AppRunner(standin.app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0]
    return Served(url=f"http://{bound[0]}:{bound[1]}", runner=runner)
