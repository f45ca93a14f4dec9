"""How the command line prints: JSON for programs, plain tables for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table


def json(value: Any) -> None:
    """Print a value as one line of JSON."""
    typer.echo(msgspec.json.encode(value).decode())


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under their columns, as wide as they are where nobody looks."""
    out = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        out.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        console = Console(width=250)
    console.print(out, markup=False)


def note(text: str) -> None:
    """Say something to the person at the terminal, beside the result."""
    typer.echo(text, err=True)


def when(at_ms: int | None) -> str:
    """An instant in local time, to the second."""
    if at_ms is None:
        return ""
    return dt.datetime.fromtimestamp(at_ms / 1000).astimezone().isoformat(" ", "seconds")
