"""Reaching an instance: the one that holds the data directory, one named, or, if nobody has the
directory, one of our own for as long as the command takes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api import settings as settings_
from api.cli.client import Client
from api.errors import Refused
from api.settings import TOKEN_FILE
from engine.hold import holder

DEFAULT_DATA = Path("balise-data")
START_S = 120.0
"""Opening a data directory replays the tail of its log."""

Data = Annotated[Path, typer.Option("--data", envvar="BALISE_DATA", help="The data directory.")]
ServerOption = Annotated[
    str,
    typer.Option("--server", envvar="BALISE_SERVER", help="A server elsewhere: http(s)://host."),
]
Key = Annotated[str, typer.Option("--key", envvar="BALISE_KEY", help="The API key for --server.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def reach(data: Path, server: str = "", key: str = "") -> Iterator[Client]:
    """A client of the instance meant. Raises Refused."""
    if server:
        if not key:
            raise Refused("--server needs --key (or BALISE_KEY)")
        yield Client(server, key)
        return
    if not data.is_dir():
        raise Refused(f"there is no data directory {data}: run `balise serve --data {data}` first")
    held = holder(data)
    if held is None:
        with _own(data) as client:
            yield client
        return
    if not held.address:
        raise Refused(f"{data} is in use by process {held.pid}, which does not serve (yet)")
    yield Client(held.address, key or _token(data), own=True)


def _token(data: Path) -> str:
    try:
        token: str = (data / TOKEN_FILE).read_text(encoding="ascii").strip()
    except OSError as error:
        raise Refused(
            f"{data / TOKEN_FILE} cannot be read ({error.strerror}): "
            "use --key, or run as the user who serves"
        ) from error
    return token


@contextmanager
def _own(data: Path) -> Iterator[Client]:
    """Serve the directory from a thread, to this process alone, without sending anything."""
    opened = threading.Event()
    closing: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
    failed: list[BaseException] = []
    found: list[Client] = []

    async def serve() -> None:
        from api.server import Server  # the engine, which commands that only talk do not need

        done = asyncio.Event()
        closing.append((asyncio.get_running_loop(), done))
        loaded = settings_.load(data=data, flags={"host": "127.0.0.1", "port": 0})
        quiet = settings_.without_tls(loaded)
        async with Server.open(data, quiet, sending=False) as server:
            await server.listen()
            found.append(Client(server.local_address, server.local_token))
            opened.set()
            await done.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except Exception as error:  # noqa: BLE001  # handed to the thread that waits
            failed.append(error)
        finally:
            opened.set()

    thread = threading.Thread(target=run, name="balise-own")
    thread.start()
    try:
        opened.wait(START_S)
        if failed:
            raise failed[0]
        if not found:
            raise Refused(f"{data} did not open within {START_S:g} s")
        yield found[0]
    finally:
        if closing:
            loop, done = closing[0]
            if not loop.is_closed():
                loop.call_soon_threadsafe(done.set)
        thread.join()
