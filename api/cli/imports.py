"""`balise import` and `balise export`: files into the catalogue, with a report of every record left
out or changed, and out of it."""

from __future__ import annotations

import contextlib
import io
import sys
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from api.cli import show
from api.cli.client import Client
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach
from api.errors import Refused

JSON = "application/json"
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


class Format(StrEnum):
    """How the file is written."""

    AUTO = "auto"
    JSON = "json"
    GEOJSON = "geojson"
    DATATOURISME = "datatourisme"
    SCHEMAORG = "schemaorg"
    CSV = "csv"
    GPX = "gpx"
    ICAL = "ical"
    OSM = "osm"


class Exported(StrEnum):
    """What can be exported."""

    ZONES = "zones"
    PLACES = "places"
    EVENTS = "events"
    CIRCUITS = "circuits"
    OFFERS = "offers"


class Written(StrEnum):
    """How an export is written."""

    GEOJSON = "geojson"
    SCHEMAORG = "schemaorg"
    ICAL = "ical"
    GPX = "gpx"


ENDINGS = {
    Written.GEOJSON: "geojson",
    Written.SCHEMAORG: "jsonld",
    Written.ICAL: "ics",
    Written.GPX: "gpx",
}
"""The ending of an export's route."""


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_)
    app.command("export")(export)


def import_(
    collection: Annotated[Collection, typer.Argument(help="What is to be read of the file.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="A file of a known format, also gzipped, or the folder of a DATAtourisme flux.",
            metavar="FILE",
        ),
    ],
    form: Annotated[
        Format, typer.Option("--format", help="Found out by what the file holds, if not given.")
    ] = Format.AUTO,
    columns: Annotated[
        Path | None,
        typer.Option("--columns", help="Of CSV: a JSON file that says which column fills what."),
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="Of texts without one; else the destination's.")
    ] = "",
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
    body = packed(file) if file.is_dir() else read(file)
    query: dict[str, Any] = {"repair": repair, "dry_run": dry_run, "language": language}
    if form is not Format.AUTO:
        query["format"] = form
    if columns is not None:
        query["columns"] = read(columns).decode("utf-8", "replace")
    with reach(data, server, key) as client:
        report = _sent(client, collection, query, body, file)
    if as_json:
        show.json(report)
    else:
        _print(report, collection)
    if report["problems"]:
        raise typer.Exit(1)


def export(
    collection: Annotated[Exported, typer.Argument(help="What is to be written.")],
    form: Annotated[Written, typer.Option("--format", help="How.")] = Written.GEOJSON,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; else it goes to stdout.")
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="Of GPX and iCalendar; else the destination's.")
    ] = "",
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
) -> None:
    """Export a collection: GeoJSON, schema.org JSON-LD, iCalendar (events) or GPX (circuits)."""
    ending = ENDINGS[form]
    with reach(data, server, key) as client:
        written = client.download(f"/v1/{collection}.{ending}", lang=language)
    if output is None:
        typer.echo(written.decode(), nl=False)
        return
    try:
        output.write_bytes(written)
    except OSError as error:
        raise Refused(f"{output} cannot be written: {error.strerror}") from error


def _sent(
    client: Client, collection: str, query: dict[str, Any], body: bytes, file: Path
) -> dict[str, Any]:
    """Send a file, and show how far the server is with it. Raises Refused."""
    kind = "application/octet-stream"
    if file.suffix in (".json", ".geojson", ".ndjson", ".jsonl"):
        kind = "application/x-ndjson" if file.suffix in (".ndjson", ".jsonl") else JSON
    bar = Progress(console=Console(stderr=True), transient=True)
    with bar if sys.stderr.isatty() else contextlib.nullcontext():
        task = bar.add_task(f"importing {file.name}", total=None)
        for line in client.lines(
            "POST", f"/v1/{collection}/import", query=query, body=body, content_type=kind
        ):
            if isinstance(line, dict) and "report" in line:
                report: dict[str, Any] = line["report"]
                return report
            if isinstance(line, dict) and "of" in line:
                bar.update(task, completed=line["done"], total=line["of"])
    raise Refused("the server ended the import early: what was written is written, run it again")


def packed(folder: Path) -> bytes:
    """The JSON files of a folder as a zip archive. Raises Refused."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*.json")):
            archive.writestr(str(file.relative_to(folder)), read(file))
    return out.getvalue()


def read(file: Path) -> bytes:
    """A file's bytes. Raises Refused."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


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
    others = f" ({report['others']} of other kinds passed over)" if report["others"] else ""
    typer.echo(
        f"{report['read']} {collection} read{others}: {counts}, {left_out} left out{nothing}"
    )
