"""`balise import`: files into the catalogue, with a report of every record left out or changed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from api.cli import show
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach
from api.errors import Refused

SHOWN_MAX = 20
"""Problems printed for people; `--json` has them all."""


class Collection(StrEnum):
    """What can be imported."""

    ZONES = "zones"
    PLACES = "places"
    EVENTS = "events"
    CIRCUITS = "circuits"
    OFFERS = "offers"
    ALERTS = "alerts"
    CAMPAIGNS = "campaigns"


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_)


def import_(
    collection: Annotated[Collection, typer.Argument(help="What the file holds.")],
    file: Annotated[
        Path, typer.Argument(help="GeoJSON (zones, places), JSON or NDJSON.", metavar="FILE")
    ],
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend invalid polygons, and say what was changed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only report; change nothing.")
    ] = False,
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Import records. Good ones enter; bad ones are reported one by one, and the exit code is 1."""
    body = read(file)
    with reach(data, server, key) as client, Console(stderr=True).status(f"importing {file.name}"):
        report = client.call(
            "POST",
            f"/v1/{collection}/import",
            query={"repair": repair, "dry_run": dry_run},
            body=body,
            content_type="application/x-ndjson" if _is_lines(file) else "application/json",
        ).body
    if as_json:
        show.json(report)
    else:
        _print(report, collection)
    if report["problems"]:
        raise typer.Exit(1)


def read(file: Path) -> bytes:
    """A file's bytes. Raises Refused."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def _is_lines(file: Path) -> bool:
    return file.suffix in (".ndjson", ".jsonl")


def _print(report: dict[str, Any], collection: str) -> None:
    for change in report["changes"][:SHOWN_MAX]:
        typer.echo(f"  {change['index']:>5} {change['id']}: {change['field']}: {change['what']}")
    if len(report["changes"]) > SHOWN_MAX:
        typer.echo(f"  ... and {len(report['changes']) - SHOWN_MAX} more changes (--json has all)")
    for problem in report["problems"][:SHOWN_MAX]:
        where = f" at {problem['lon']}, {problem['lat']}" if problem.get("lon") is not None else ""
        show.note(
            f"  {problem['index']:>5} {problem.get('id') or '?'}: "
            f"{problem['field'] or 'record'}: {problem['reason']}{where}"
        )
    if len(report["problems"]) > SHOWN_MAX:
        show.note(f"  ... and {len(report['problems']) - SHOWN_MAX} more (--json has all)")
    left_out = len({problem["index"] for problem in report["problems"]})
    counts = ", ".join(f"{report[name]} {name}" for name in ("created", "updated", "unchanged"))
    nothing = " (dry run: nothing was changed)" if report["dry_run"] else ""
    typer.echo(f"{report['read']} {collection} read: {counts}, {left_out} left out{nothing}")
