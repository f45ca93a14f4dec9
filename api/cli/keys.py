"""`balise keys`: API keys."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from api.cli import show
from api.cli.client import segment
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach
from engine.clock import SystemClock

app = typer.Typer(help="API keys: add, list, revoke.", no_args_is_help=True)
DAY_MS = 86_400_000


class RoleName(StrEnum):
    """Roles of keys."""

    VIEWER = "viewer"
    EDITOR = "editor"
    APPROVER = "approver"
    OPERATOR = "operator"
    PARTNER = "partner"
    ADMIN = "admin"
    APP = "app"


@app.command()
def add(
    role: Annotated[RoleName, typer.Argument(help="What the key may do.")],
    name: Annotated[str, typer.Option("--name", help="A label for the list.")] = "",
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="Narrow the role to these scopes; may be repeated."),
    ] = None,
    days: Annotated[
        int, typer.Option("--days", min=0, help="End the key after so many days; 0: never.")
    ] = 0,
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Make a key. It is shown once."""
    body: dict[str, object] = {"role": role.value, "name": name}
    if scope:
        body["scopes"] = scope
    if days:
        body["expires_ms"] = SystemClock().now_ms() + days * DAY_MS
    with reach(data, server, key) as client:
        made = client.send("POST", "/v1/keys", body)
    if as_json:
        show.json(made)
        return
    show.note(f"{made['id']}: a key for the role {made['role']}. Keep it: it is not shown again.")
    typer.echo(made["key"])


@app.command("list")
def list_(
    data: Data = DEFAULT_DATA, server: ServerOption = "", key: Key = "", as_json: Json = False
) -> None:
    """List keys, without their secrets."""
    with reach(data, server, key) as client:
        items = client.get("/v1/keys")["items"]
    if as_json:
        show.json(items)
        return
    show.table(
        ("id", "role", "name", "made", "ends", "revoked"),
        (
            (
                row["id"],
                row["role"],
                row["name"],
                show.when(row["created_ms"]),
                show.when(row.get("expires_ms")),
                show.when(row.get("revoked_ms")),
            )
            for row in items
        ),
    )


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id (key_...).", metavar="ID")],
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
) -> None:
    """End a key at once."""
    with reach(data, server, key) as client:
        client.send("DELETE", f"/v1/keys/{segment(key_id)}")
    show.note(f"{key_id} is revoked")
