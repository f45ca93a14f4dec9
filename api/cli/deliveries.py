"""`balise deliveries`: what was sent, what failed and why, and sending it again."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli import show
from api.cli.client import segment
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach

app = typer.Typer(help="Deliveries: list, summary, requeue.", no_args_is_help=True)


@app.command("list")
def list_(
    state: Annotated[
        str,
        typer.Option("--state", help="queued, retry, sent, dead, ... Without it: what failed."),
    ] = "",
    channel: Annotated[str, typer.Option("--channel", help="Only this channel's.")] = "",
    campaign: Annotated[str, typer.Option("--campaign", help="Only this campaign's.")] = "",
    visitor: Annotated[str, typer.Option("--visitor", help="Only this visitor's.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 50,
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """List deliveries, those that changed last first; without --state, the dead letters."""
    with reach(data, server, key) as client:
        items = client.get(
            "/v1/deliveries", state=state, channel=channel, campaign=campaign, visitor=visitor,
            limit=limit,
        )["items"]  # fmt: skip
    if as_json:
        show.json(items)
        return
    show.table(
        ("changed", "state", "channel", "reason", "tries", "campaign", "visitor", "id"),
        (
            (
                show.when(row["updated_ms"]),
                row["state"],
                row["channel"],
                row["reason"],
                row["attempts"],
                row["campaign"],
                row["visitor"],
                row["id"],
            )
            for row in items
        ),
    )


@app.command()
def summary(
    data: Data = DEFAULT_DATA, server: ServerOption = "", key: Key = "", as_json: Json = False
) -> None:
    """Count deliveries by channel and state, and show how each channel stands."""
    with reach(data, server, key) as client:
        channels = client.get("/v1/deliveries/summary")["channels"]
    if as_json:
        show.json(channels)
        return
    show.table(
        ("channel", "gate", "until", "state", "count"),
        (
            (each["channel"], each["gate"], show.when(each.get("until_ms")), state, count)
            for each in channels
            for state, count in each["counts"].items()
            if count
        ),
    )


@app.command()
def requeue(
    ids: Annotated[list[str], typer.Argument(help="Deliveries (ntf_...).", metavar="ID...")],
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Send what ended as dead, dropped or retired once more, while its time to live lasts."""
    with reach(data, server, key) as client:
        made = [client.send("POST", f"/v1/deliveries/{segment(each)}/requeue") for each in ids]
    if as_json:
        show.json(made)
        return
    for row in made:
        typer.echo(f"{row['id']}: {row['state']}")
