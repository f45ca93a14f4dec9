"""`balise replay`: recorded traces through the same tracker that live pings go through."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from api import resources
from api.cli import show
from api.cli.imports import read
from api.cli.reach import Json
from api.errors import Refused
from engine.errors import TracesInvalid


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay_)


def replay_(
    traces: Annotated[
        Path, typer.Argument(help="CSV: visitor, time, lat, lon[, accuracy, speed].", metavar="CSV")
    ],
    zones: Annotated[
        Path,
        typer.Option(
            "--zones",
            help="GeoJSON. Points with radius_m are circles; exit_margin_m, confirm_s and "
            "dwell_s are read.",
        ),
    ],
    repair: Annotated[bool, typer.Option("--repair", help="Mend invalid polygons.")] = False,
    as_json: Json = False,
) -> None:
    """Count what zones would have seen of recorded traces: enter, exit, dwell, visitors."""
    from engine.replay import replay
    from engine.traces import read_traces

    report = resources.read_file("zone", read(zones), mend=repair, destination=None)
    if report.problems:
        first = report.problems[0]
        raise Refused(
            f"{zones}: {len(report.problems)} problems, the first in feature {first.index} "
            f"({first.id or 'no id'}): {first.field}: {first.reason}"
        )
    try:
        recorded = read_traces(traces)
    except TracesInvalid as error:
        raise Refused(f"{traces} {error.reason}") from error
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("replay", total=len(recorded.pings.fix_ms))
        counted = replay(
            recorded, report.records, advance=lambda count: bar.update(task, advance=count)
        )
    if as_json:
        show.json(counted)
        return
    for name in ("enter", "exit", "dwell", "cross"):
        typer.echo(f"{name:<8} {counted[name]:>9,}")
    typer.echo(f"{'visitors':<8} {counted['visitors']:>9,} of {counted['visitors_seen']:,}")
    typer.echo(f"{'pings':<8} {counted['pings']:>9,}")
    show.note(f"{counted['duplicates']:,} duplicates, {counted['rejected']:,} rejected")
    for problem in counted["problems"]:
        show.note(f"  row {problem['row']}: {problem['column']}: {problem['reason']}")
