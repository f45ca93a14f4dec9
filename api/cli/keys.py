"""`balise keys`: API keys."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api.cli import show
from api.cli.client import segment
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach
from api.errors import Refused
from engine.clock import SystemClock
from notifier.signatures import new_secret

app = typer.Typer(
    help="API keys: add, list, revoke; keys of channels: vapid, webhook.", no_args_is_help=True
)
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


@app.command()
def vapid(
    out: Annotated[
        Path, typer.Option("--out", help="Where the private key is written.", dir_okay=False)
    ] = Path("vapid.pem"),
) -> None:
    """Make the key that web pushes are signed with; the page's applicationServerKey is printed.

    Browsers subscribe for this key: with another, they have to subscribe again.
    """
    from notifier.channels.webpush_wire import new_key  # HTTP, which other commands do not need

    private_key, public_key = new_key()
    _write_new(out, private_key)
    show.note(f"{out}: set vapid_private_key to it. The page subscribes with:")
    typer.echo(public_key)


@app.command()
def webhook(
    out: Annotated[
        Path, typer.Option("--out", help="Where the secret is written.", dir_okay=False)
    ] = Path("webhook.secret"),
) -> None:
    """Make a secret that webhooks are signed with; the receiver needs it too."""
    _write_new(out, new_secret() + "\n")
    show.note(f"{out}: set webhook_secrets to it, and give the receiver what it holds")


def _write_new(path: Path, secret: str) -> None:
    """A file that only we can read; one that is there is left alone. Raises Refused."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret)
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from error


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
