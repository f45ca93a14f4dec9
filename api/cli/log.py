"""`balise log`: what the log holds, and whether all of it can be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import typer
from rich.console import Console

from api import settings as settings_
from api.cli import show
from api.cli.reach import DEFAULT_DATA, Data, Json, Key, ServerOption, reach
from api.errors import Refused

app = typer.Typer(help="The log that everything is replayed from, and its snapshots.",
                  no_args_is_help=True)  # fmt: skip

TRIES = 5
"""A running server may trim a segment while it is read; the next look does without it."""


@app.command("info")
def info(
    data: Data = DEFAULT_DATA, server: ServerOption = "", key: Key = "", as_json: Json = False
) -> None:
    """Show the log at a glance: its positions, files, durability, and snapshots."""
    found = _state(data, server, key)
    if as_json:
        show.json(found)
        return
    log = found["log"]
    typer.echo(f"positions {log['first']:,} to {log['end']:,}, on disk to {log['durable_end']:,}")
    typer.echo(f"files     {log['segments']:,}, {log['size_bytes'] / 1e6:,.1f} MB")
    typer.echo(f"durable   {log['durability']}")
    if log["cut"]:
        cut = log["cut"]
        typer.echo(f"tail cut  {cut['size_bytes']:,} bytes of {cut['path']}: {cut['reason']}")
    if log["refused"]:
        typer.echo(f"refused   {log['refused']}")
    if found["snapshots_refused"]:
        typer.echo(f"snapshots {found['snapshots_refused']}")
    show.table(
        ("snapshot at", "engine time", "MB", "file"),
        (
            (
                f"{each['position']:,}",
                show.when(each["taken_ms"]) if each["taken_ms"] else "cannot be read",
                f"{each['size_bytes'] / 1e6:,.1f}",
                each["path"],
            )
            for each in found["snapshots"]
        ),
    )


@app.command("verify")
def verify(data: Data = DEFAULT_DATA, as_json: Json = False) -> None:
    """Read the log and the snapshots of a data directory to the end, and change nothing.

    Beside a running server all that is on disk is read. Fails with the file and the byte of the
    first damage.
    """
    from engine.errors import LogDamaged, SnapshotDamaged

    try:
        with Console(stderr=True).status("reading the log"):
            log, snapshots = _verified(data)
    except (LogDamaged, SnapshotDamaged) as error:
        raise Refused(str(error)) from error
    if as_json:
        show.json({"log": log, "snapshots": snapshots})
        return
    typer.echo(
        f"the log is sound: {log.entries:,} entries in {log.records:,} records, "
        f"positions {log.first:,} to {log.end:,}, {log.size_bytes / 1e6:,.1f} MB"
    )
    if log.tail is not None:
        typer.echo(
            f"the next start cuts {log.tail.size_bytes:,} bytes off its tail, of a write that a "
            f"crash cut short ({log.tail.path}, byte {log.tail.offset:,}: {log.tail.reason})"
        )
    typer.echo(f"snapshots read well: {len(snapshots)}")


def _state(data: Path, server: str, key: str) -> dict[str, Any]:
    from engine.hold import holder
    from engine.log import info_folder
    from engine.snapshots import Snapshots

    if not server:
        _folder(data)  # says what is missing
    if server or holder(data) is not None:
        with reach(data, server, key) as client:
            found: dict[str, Any] = client.get("/v1/log")
            return found
    with _held(data):
        loaded = settings_.load(data=data)
        log = info_folder(_folder(data), loaded.durability)
        snapshots = Snapshots(data / settings_.SNAPSHOT_FOLDER).info()
    empty = {"taken": None, "snapshots_refused": ""}
    return {**msgspec.to_builtins({"log": log, "snapshots": snapshots}), **empty}


def _verified(data: Path) -> tuple[Any, list[int]]:
    """The log, and the snapshots that read well. Raises LogDamaged, SnapshotDamaged."""
    from engine.hold import holder
    from engine.log import verify_folder

    folder = _folder(data)
    if holder(data) is None:
        with _held(data):
            return verify_folder(folder), _snapshots(data)
    for _ in range(TRIES):
        with reach(data) as client:
            end = client.get("/v1/log")["log"]["durable_end"]
        try:
            return verify_folder(folder, end=end), _snapshots(data)
        except FileNotFoundError:
            continue
    raise Refused(f"{folder} is trimmed again and again while it is read")


def _snapshots(data: Path) -> list[int]:
    from engine.snapshots import Snapshots

    if not (data / settings_.SNAPSHOT_FOLDER).is_dir():
        return []
    found = Snapshots(data / settings_.SNAPSHOT_FOLDER, held=False)
    for position in found.positions:
        found.verify(position)
    return found.positions


def _folder(data: Path) -> Path:
    folder = data / settings_.LOG_FOLDER
    if not data.is_dir():
        raise Refused(f"there is no data directory {data}: run `balise serve --data {data}` first")
    if not folder.is_dir():
        raise Refused(f"{data} holds no log")
    return folder


@contextmanager
def _held(data: Path) -> Iterator[None]:
    """Nobody else opens the directory meanwhile."""
    from engine.hold import Hold

    hold = Hold(data)
    try:
        yield
    finally:
        hold.close()
