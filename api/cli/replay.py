"""`balise replay`: recorded traces through the same engine that live pings go through."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress

from api.cli import show
from api.cli.imports import read
from api.cli.reach import Json
from api.errors import Refused
from content.errors import FormatInvalid
from content.formats.ids import slug
from content.texts import pick
from engine.errors import TracesInvalid
from geofence.errors import GeofenceError

if TYPE_CHECKING:
    from content.zones import ZoneRecord

SHOWN_MAX = 20
"""Zones and problems shown to people; `--json` has all zones, stderr all problems of zones."""

KINDS = ("enter", "exit", "dwell", "cross")


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay")(replay_)


def replay_(
    traces: Annotated[
        Path,
        typer.Argument(help="CSV: visitor, time, lat, lon[, accuracy, speed].", metavar="TRACES"),
    ],
    zones: Annotated[
        list[Path],
        typer.Option(
            "--zones",
            help="GeoJSON; may be given several times. Points with radius_m are circles; "
            "exit_margin_m, confirm_s and dwell_s are read.",
        ),
    ],
    exit_margin_m: Annotated[
        float | None,
        typer.Option(
            "--exit-margin-m", min=0, help="Margin of zones that say none [by their size]."
        ),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend invalid polygons, and say what was changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Count what zones would have seen of recorded traces: enter, exit, dwell, cross, visitors.

    Fixes are taken as they were recorded: no fix is too old or too fast, silence ends no visit,
    and visits open at the end stay open.
    """
    from engine.replay import replay
    from engine.traces import read_traces

    records = _zones(zones, repair=repair, exit_margin_m=exit_margin_m)
    try:
        recorded = read_traces(traces)
    except TracesInvalid as error:
        raise Refused(f"{traces} {error.reason}") from error
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("replay", total=len(recorded.pings.fix_ms))
        try:
            found = replay(recorded, records, advance=lambda count: bar.advance(task, count))
        except GeofenceError as error:
            raise Refused(str(error)) from error
    _say_rows(traces, found)
    if as_json:
        show.json(found)
    else:
        _print(found, {record.id: record for record in records})


def _zones(
    files: list[Path], *, repair: bool, exit_margin_m: float | None
) -> tuple[ZoneRecord, ...]:
    """The zones of all files; ids of several files are kept apart by the files' names.

    Raises Refused where a file or a feature of it cannot be used, each named on stderr.
    """
    from content.formats.geojson import read_zones  # geometry, which other commands do not need

    out: list[ZoneRecord] = []
    problems = 0
    for number, file in enumerate(files):
        prefix = ""
        if len(files) > 1:
            again = any(file.stem == other.stem for other in files[:number])
            prefix = f"{slug(file.stem)}{number + 1 if again else ''}:"
        try:
            report = read_zones(read(file), language="en", mend=repair, id_prefix=prefix)
        except FormatInvalid as error:
            raise Refused(f"{file} {error}") from error
        for change in report.changes:
            show.note(f"{file}: feature {change.index} ({change.id}) {change.field}: {change.what}")
        for problem in report.problems:
            where = "" if problem.lon is None else f" at {problem.lon}, {problem.lat}"
            show.note(
                f"{file}: feature {problem.index} ({problem.id or 'no id'}) "
                f"{problem.field}: {problem.reason}{where}"
            )
        problems += len({problem.index for problem in report.problems})
        out += report.records
    if problems:
        advice = "" if repair else "; --repair mends what can be mended"
        raise Refused(f"{problems} of {problems + len(out)} zones cannot be used{advice}")
    return tuple(
        record
        if exit_margin_m is None or record.exit_margin_m is not None
        else msgspec.structs.replace(record, exit_margin_m=exit_margin_m)
        for record in out
    )


def _say_rows(traces: Path, found: dict[str, Any]) -> None:
    """Name the rows that were left out."""
    for problem in found["problems"]:
        show.note(f"{traces}: line {problem['row']} {problem['column']}: {problem['reason']}")
    more = found["rejected"] - len(found["problems"])
    if more > 0:
        show.note(f"{traces}: and {more:,} more rows left out")


def _print(found: dict[str, Any], records: dict[str, ZoneRecord]) -> None:
    busiest = sorted(found["zones"].items(), key=lambda zone: (-zone[1]["enter"], zone[0]))
    seen = [(zone_id, counts) for zone_id, counts in busiest if any(counts.values())]
    rows = [
        (zone_id, _name(records[zone_id]), *_row(counts)) for zone_id, counts in seen[:SHOWN_MAX]
    ]
    show.table(("zone", "name", *KINDS, "visitors"), [*rows, ("all", "", *_row(found))])
    if len(seen) > SHOWN_MAX:
        typer.echo(f"... and {len(seen) - SHOWN_MAX} more zones (--json has all)")
    typer.echo(
        f"{found['pings']:,} fixes of {found['visitors_seen']:,} visitors, "
        f"{found['duplicates']:,} of them duplicates; {found['rejected']:,} rows left out"
    )


def _name(record: ZoneRecord) -> str:
    found = pick(record.name, (), "en")
    return found[1] if found else ""


def _row(counts: dict[str, int]) -> tuple[str, ...]:
    return tuple(f"{counts[name]:,}" for name in (*KINDS, "visitors"))
