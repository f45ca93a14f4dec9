"""`balise bench`: how fast it is here, beside what others would use."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

from api.cli import show
from api.cli.reach import Json
from api.errors import Refused
from benchmarks.errors import BenchmarkError

app = typer.Typer(help="Measure on this machine.", no_args_is_help=True)
Zones = Annotated[int, typer.Option("--zones", min=1, help="How many zones.")]


@app.command()
def match(
    zones: Zones = 10_000,
    visitors: Annotated[int, typer.Option("--visitors", min=1, help="Who walk.")] = 20_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Fixes of each visitor.")] = 40,
    hot: Annotated[
        float, typer.Option("--hot", min=0, max=1, help="Share of visitors inside zones.")
    ] = 0.0,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Pings in one call.")] = 10_000,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Of the whole race.")] = 3,
    as_json: Json = False,
) -> None:
    """Fixes to transitions in memory, beside shapely and rtree, in turns on the same walks."""
    from benchmarks import match as race

    try:
        result = race.run(
            zones,
            visitors=visitors,
            rounds=rounds,
            hot=hot,
            batch=batch,
            repeats=repeats,
            progress=sys.stderr.isatty(),
        )
    except BenchmarkError as error:
        raise Refused(str(error)) from error
    if as_json:
        show.json(result)
    else:
        race.render(result, Console())
