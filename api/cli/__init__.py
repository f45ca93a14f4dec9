"""The command line: `balise`. Results on stdout, errors as one sentence on stderr.

Exit codes: 0 done, 1 it could not be done (or some records were left out), 2 wrong usage.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated

import typer

from api import logs
from api.cli import (
    bench,
    campaigns,
    decisions,
    deliveries,
    demo,
    imports,
    keys,
    log,
    message,
    replay,
    serve,
    walk,
)
from api.errors import ApiError
from engine.errors import EngineError

app = typer.Typer(
    name="balise",
    help="Geofencing and push engine for tourist destinations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
serve.add(app)
imports.add(app)
app.add_typer(campaigns.app, name="campaign")
app.add_typer(message.app, name="message")
app.add_typer(keys.app, name="keys")
app.add_typer(log.app, name="log")
decisions.add(app)
app.add_typer(deliveries.app, name="deliveries")
replay.add(app)
walk.add(app)
demo.add(app)
app.add_typer(bench.app, name="bench")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"balise {importlib.metadata.version('balise')}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Geofencing and push engine for tourist destinations."""
    logs.configure(level="warning", form="auto")


def main() -> None:
    """Run the command that was typed."""
    try:
        app()
    except (ApiError, EngineError) as error:
        typer.echo(f"balise: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
