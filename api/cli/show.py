"""How the command line prints: JSON for programs, plain tables for people."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from engine.clock import monotonic_s

SAY_S = 2.0
"""Between two lines about a replay that nobody watches."""


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


class Replay:
    """Told how far a replay of the log has come: a bar on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._from = 0
        self._said_s = monotonic_s()

    def __call__(self, position: int, end: int) -> None:
        if sys.stderr.isatty():
            self._draw(position, end)
        elif position < end and monotonic_s() - self._said_s >= SAY_S:
            self._said_s = monotonic_s()
            note(f"replaying the log: {position:,} of {end:,}")

    def _draw(self, position: int, end: int) -> None:
        if self._bar is None and position < end:
            self._bar = Progress(console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("replaying the log", total=end - position)
            self._from = position
            self._bar.start()
        if self._bar is not None:
            self._bar.update(self._task, completed=position - self._from)
            if position >= end:
                self._bar.stop()
                self._bar = None
