"""`balise message`: what a message will look like."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from api.cli import show
from api.cli.imports import read
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach
from api.errors import Refused

app = typer.Typer(help="Messages: preview.", no_args_is_help=True)


@app.callback()
def root() -> None:
    """Messages."""


@app.command()
def preview(
    file: Annotated[
        Path, typer.Argument(help="JSON: a message, or a campaign with one.", metavar="FILE")
    ],
    visitor: Annotated[
        str, typer.Option("--visitor", help="Fill it in for this visitor, not a sample.")
    ] = "",
    zone: Annotated[str, typer.Option("--zone", help="Speak of this zone.")] = "",
    place: Annotated[str, typer.Option("--place", help="Speak of this place.")] = "",
    event: Annotated[str, typer.Option("--event", help="Speak of this occurrence.")] = "",
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Show a message in all its languages, cut as phones cut it; nobody is told."""
    try:
        found = msgspec.json.decode(read(file))
    except msgspec.MsgspecError as error:
        raise Refused(f"{file} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Refused(f"{file} holds no object")
    about = {"visitor": visitor, "zone": zone, "place": place, "event": event}
    body: dict[str, Any] = {name: value for name, value in about.items() if value}
    body["message"] = found if "texts" in found else found.get("message", {})
    with reach(data, server, key) as client:
        answer = client.send("POST", "/v1/messages/preview", body)
    if as_json:
        show.json(answer)
        return
    for each in answer["previews"]:
        _print(each, each["lang"] == answer["reads"])
    for problem in answer["problems"]:
        show.note(f"{problem['field']}: {problem['reason']}")
    if answer["problems"]:
        raise typer.Exit(1)


def _print(each: dict[str, Any], is_read: bool) -> None:
    typer.echo(f"{each['lang']}{' (what the visitor reads)' if is_read else ''}")
    if each["problem"]:
        typer.echo(f"  cannot be shown: {each['problem']}")
        return
    for platform, shown in each["platforms"].items():
        typer.echo(f"  {platform:<8} {shown['title']}")
        typer.echo(f"  {'':<8} {shown['body']}")
    if each["link"]:
        typer.echo(f"  {'link':<8} {each['link']}")
    typer.echo(f"  {'bytes':<8} {each['size_bytes']}")
