"""`balise bench`: how fast it is here, beside what others would use."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from api.cli import show
from api.cli.reach import Json
from api.errors import Refused
from benchmarks.errors import BenchmarkError

app = typer.Typer(help="Measure on this machine.", no_args_is_help=True)
Zones = Annotated[int, typer.Option("--zones", min=1, max=100_000, help="How many zones.")]
Visitors = Annotated[int, typer.Option("--visitors", min=1, max=1_000_000, help="Who walk.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="Fixes of each visitor.")]
Hot = Annotated[
    float, typer.Option("--hot", min=0, max=1, help="Share of visitors who start near a zone.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of zones, walks and campaigns.")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="The median counts.")]


class Durability(StrEnum):
    """Of the log; see the setting of that name."""

    FSYNC = "fsync"
    INTERVAL = "interval"
    BOTH = "both"


def _run(
    race: Callable[..., dict[str, Any]],
    render: Callable[[dict[str, Any], Console], None],
    zones: int,
    *,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a benchmark and show its figures."""
    try:
        result = race(zones, progress=sys.stderr.isatty(), **options)
    except BenchmarkError as error:
        raise Refused(str(error)) from error
    if as_json:
        show.json(result)
    else:
        render(result, Console())


@app.command()
def match(
    zones: Zones = 10_000,
    visitors: Visitors = 20_000,
    rounds: Rounds = 40,
    hot: Hot = 0.0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pings in one call.")] = 10_000,
    seed: Seed = 7,
    repeats: Repeats = 3,
    as_json: Json = False,
) -> None:
    """Fixes to transitions in memory, beside shapely and rtree, in turns on the same walks."""
    from benchmarks import match as race

    _run(
        race.run, race.render, zones, as_json=as_json,
        visitors=visitors, rounds=rounds, hot=hot, batch=batch, seed=seed, repeats=repeats,
    )  # fmt: skip


@app.command()
def campaigns(
    zones: Zones = 10_000,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Most pings of one record; a second has 667.")
    ] = 10_000,
    seed: Seed = 7,
    repeats: Repeats = 3,
    as_json: Json = False,
) -> None:
    """Logged pings to decisions: the whole engine in process, with 1,000 campaigns."""
    from benchmarks import campaigns as race

    _run(race.run, race.render, zones, as_json=as_json, batch=batch, seed=seed, repeats=repeats)


@app.command()
def alert(
    devices: Annotated[
        int, typer.Option("--devices", min=1, max=100_000, help="Phones that are told.")
    ] = 100_000,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where the data are for the time.", file_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """A closure alert to everyone in a zone: from the change until the provider has it all."""
    from benchmarks import alert as race

    _run(race.run, race.render, devices, as_json=as_json, folder=folder)


@app.command()
def serve(
    zones: Zones = 10_000,
    visitors: Visitors = 20_000,
    rounds: Rounds = 40,
    hot: Hot = 0.0,
    batch: Annotated[
        int, typer.Option("--batch", min=1, max=10_000, help="Pings in one request.")
    ] = 1_000,
    connections: Annotated[
        int, typer.Option("--connections", min=1, help="Kept alive, all at once.")
    ] = 8,
    durability: Annotated[
        Durability, typer.Option("--durability", help="Of the server's log.")
    ] = Durability.BOTH,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", help="Where the server's data are for the time.", file_okay=False),
    ] = None,
    seed: Seed = 7,
    repeats: Repeats = 1,
    as_json: Json = False,
) -> None:
    """Pings over HTTP to durable acknowledgement: a server of its own, on loopback, log on."""
    from benchmarks import serve as race

    durabilities = race.DURABILITIES if durability is Durability.BOTH else (durability.value,)
    _run(
        race.run, race.render, zones, as_json=as_json,
        visitors=visitors, rounds=rounds, hot=hot, batch=batch, connections=connections,
        durabilities=durabilities, folder=folder, seed=seed, repeats=repeats,
    )  # fmt: skip
