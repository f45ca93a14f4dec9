"""`balise campaign`: campaigns as files, and their life."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from api.cli import show
from api.cli.client import Client, segment
from api.cli.imports import read
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach
from api.errors import Refused

app = typer.Typer(help="Campaigns: add, list, launch, pause, end.", no_args_is_help=True)
MADE_BY = {"live": "launch", "paused": "pause", "ended": "end"}
"""Statuses that files may ask for, and the command that makes each."""
Id = Annotated[str, typer.Argument(help="The campaign's id.", metavar="ID")]


@app.command()
def add(
    file: Annotated[
        Path, typer.Argument(help="JSON: one campaign, or an array of them.", metavar="FILE")
    ],
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Make campaigns, or replace those with the same id. One whose file says `live` is launched."""
    try:
        found = msgspec.json.decode(read(file))
    except msgspec.MsgspecError as error:
        raise Refused(f"{file} is not JSON: {error}") from error
    campaigns = found if isinstance(found, list) else [found]
    made: list[Any] = []
    with reach(data, server, key) as client:
        for at, campaign in enumerate(campaigns):
            record_id = campaign.get("id") if isinstance(campaign, dict) else None
            if not isinstance(record_id, str) or not record_id:
                raise Refused(f"{file}: campaign {at} has no id")
            made.append(_add(client, record_id, campaign))
    if as_json:
        show.json(made)
        return
    for campaign in made:
        typer.echo(f"{campaign['id']}: {campaign.get('status', 'draft')}")


def _add(client: Client, record_id: str, campaign: dict[str, Any]) -> Any:
    """Make or replace one, and launch it where its file asks for that."""
    path = f"/v1/campaigns/{segment(record_id)}"
    asked = campaign.get("status")
    if asked in MADE_BY:
        campaign = {name: value for name, value in campaign.items() if name != "status"}
    made = client.send("PUT", path, campaign)
    if asked == "live" and made["status"] != "live":
        return client.send("POST", f"{path}/launch")
    if asked in MADE_BY and made["status"] != asked:
        show.note(
            f"{record_id} is {made['status']}; `balise campaign {MADE_BY[asked]} {record_id}` "
            f"makes it {asked}"
        )
    return made


@app.command("list")
def list_(
    data: Data = DEFAULT_DATA, server: ServerOption = "", key: Key = "", as_json: Json = False
) -> None:
    """List campaigns."""
    items: list[Any] = []
    with reach(data, server, key) as client:
        cursor: str | None = ""
        while cursor is not None:
            page = client.get("/v1/campaigns", limit=1000, cursor=cursor)
            items += page["items"]
            cursor = page["next"]
    if as_json:
        show.json(items)
        return
    show.table(
        ("id", "status", "kind", "trigger", "name"),
        ((c["id"], c["status"], c["kind"], c["trigger"]["type"], c["name"]) for c in items),
    )


def _act(action: str, campaign: str, data: Path, server: str, key: str, as_json: bool) -> None:
    with reach(data, server, key) as client:
        changed = client.send("POST", f"/v1/campaigns/{segment(campaign)}/{action}")
    if as_json:
        show.json(changed)
    else:
        typer.echo(f"{changed['id']}: {changed['status']}")


@app.command()
def launch(
    campaign: Id, data: Data = DEFAULT_DATA, server: ServerOption = "", key: Key = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Let a campaign speak, if nothing is wrong with it."""
    _act("launch", campaign, data, server, key, as_json)


@app.command()
def pause(
    campaign: Id, data: Data = DEFAULT_DATA, server: ServerOption = "", key: Key = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Silence a campaign until it is launched again."""
    _act("pause", campaign, data, server, key, as_json)


@app.command()
def end(
    campaign: Id, data: Data = DEFAULT_DATA, server: ServerOption = "", key: Key = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """End a campaign for good."""
    _act("end", campaign, data, server, key, as_json)
