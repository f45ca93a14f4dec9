"""`balise serve`: run an instance."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api import logs
from api import settings as settings_
from api.cli import show
from api.cli.reach import DEFAULT_DATA, Data
from api.settings import Settings

if TYPE_CHECKING:
    from api.server import FirstKeys


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    data: Data = DEFAULT_DATA,
    config: Annotated[
        Path | None, typer.Option("--config", help="Settings file; else balise.toml in the data.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on [127.0.0.1].")
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", help="Port to listen on; 0: any that is free [8080].")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", help="Certificate chain (PEM).")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="The certificate's private key (PEM).")
    ] = None,
    public_url: Annotated[
        str | None, typer.Option("--public-url", help="The address that phones use.")
    ] = None,
    durability: Annotated[
        str | None, typer.Option("--durability", help="fsync or interval [fsync].")
    ] = None,
    fcm_service_account: Annotated[
        Path | None, typer.Option("--fcm-service-account", help="Firebase service account (JSON).")
    ] = None,
    log_level: Annotated[
        str | None, typer.Option("--log-level", help="debug, info, warning or error [info].")
    ] = None,
) -> None:
    """Serve a data directory, making it at the first run. Stops on Ctrl-C or SIGTERM.

    At the first run an admin key and the app's publishable key are made and shown once.
    """
    loaded = settings_.load(
        data=data,
        config=config,
        flags={
            "host": host,
            "port": port,
            "tls_cert": _text(tls_cert),
            "tls_key": _text(tls_key),
            "public_url": public_url,
            "durability": durability,
            "fcm_service_account": _text(fcm_service_account),
            "log_level": log_level,
        },
    )
    logs.configure(level=loaded.log_level, form=loaded.log_format)
    _run(data, loaded)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _run(data: Path, settings: Settings) -> None:
    try:
        import uvloop
    except ImportError:  # not on Windows
        asyncio.run(_serve(data, settings))
    else:
        uvloop.run(_serve(data, settings))


async def _serve(data: Path, settings: Settings) -> None:
    from api.server import Server  # the engine, which other commands do not need

    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    async with Server.open(data, settings, progress=show.Replay()) as server:
        await server.listen()
        first_keys = await server.make_first_keys()
        if first_keys is not None:
            _show(first_keys)
        show.note(f"Balise serves {data} at {server.address} (Ctrl-C stops it)")
        await asked.wait()
        show.note("stopping")


def _show(keys: FirstKeys) -> None:
    show.note("First run. These keys are shown this once; keep them:")
    typer.echo(f"admin key (everything)          {keys.admin}")
    typer.echo(f"app key (registers devices)     {keys.app}")
