"""`balise decisions`: what was decided, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli import show
from api.cli.client import segment
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("decisions")(decisions)


def decisions(
    decision: Annotated[
        str, typer.Argument(help="Show this one, with its trace and times.", metavar="[ID]")
    ] = "",
    visitor: Annotated[str, typer.Option("--visitor", help="Only this visitor's.")] = "",
    campaign: Annotated[str, typer.Option("--campaign", help="Only this campaign's.")] = "",
    zone: Annotated[str, typer.Option("--zone", help="Only about this zone.")] = "",
    verdict: Annotated[str, typer.Option("--verdict", help="send or suppressed.")] = "",
    reason: Annotated[str, typer.Option("--reason", help="Only with this reason.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 50,
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Show decisions, newest first: to send, or not and why."""
    with reach(data, server, key) as client:
        if decision:
            found = client.get(f"/v1/decisions/{segment(decision)}")
        else:
            found = client.get(
                "/v1/decisions", visitor=visitor, campaign=campaign, zone=zone, verdict=verdict,
                reason=reason, limit=limit,
            )["items"]  # fmt: skip
    if as_json:
        show.json(found)
    elif decision:
        _print(found)
    else:
        show.table(
            ("decided", "verdict", "reason", "campaign", "zone", "visitor", "id"),
            (
                (
                    show.when(row["decided_ms"]),
                    row["verdict"],
                    row["reason"],
                    row["campaign"],
                    row["trigger"].get("zone"),
                    row["visitor"],
                    row["id"],
                )
                for row in found
            ),
        )


def _print(found: dict[str, Any]) -> None:
    trigger = found["trigger"]
    typer.echo(f"{found['id']}: {found['verdict']} ({found['reason']})")
    typer.echo(f"campaign {found['campaign']} version {found['version']}, {found['visitor']}")
    typer.echo(f"trigger  {trigger['kind']} {trigger.get('zone') or ''}")
    for step in found["trace"]:
        seen = ", ".join(f"{name}={value}" for name, value in step["detail"].items())
        typer.echo(f"  {step['outcome']:<8} {step['name']} {seen}".rstrip())
    for name, time in found["times"].items():
        typer.echo(f"  {name:<10} {time['at'] if time else '-'}")
    for sent in found["notifications"]:
        why = f" ({sent['reason']})" if sent["reason"] else ""
        typer.echo(f"  {sent['channel']:<6} {sent['state']}{why} {sent['title']!r}")
