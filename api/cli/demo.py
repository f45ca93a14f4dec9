"""`balise demo`: Annecy and its lake, with simulated visitors, before your eyes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from api import logs
from engine import clock as system
from engine.clock import FastClock

if TYPE_CHECKING:
    from api.demo import DemoOptions
    from api.server import Server

UNITS_S = {"s": 1, "m": 60, "h": 3600}


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo_)


def demo_(
    duration: Annotated[
        str, typer.Option("--for", help="Virtual time to run, such as 20s, 15m or 2h.")
    ] = "",
    headless: Annotated[
        bool, typer.Option("--headless", help="No page, no terminal: as fast as it goes.")
    ] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the visitors.")] = 7,
    visitors: Annotated[
        int, typer.Option("--visitors", min=1, max=100_000, help="Simulated visitors.")
    ] = 2_000,
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=600, help="Virtual seconds a second.")
    ] = 5.0,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Of the page.")] = 8080,
) -> None:
    """Run the demonstration: the page on 127.0.0.1, the figures here. Ctrl-C stops it.

    With --headless it runs the virtual time given by --for and prints what happened; `totals`
    depend on the seed alone.
    """
    from api.demo import DemoOptions  # the engine, which other commands do not need

    options = DemoOptions(visitors=visitors, seed=seed, speed=speed, port=0 if headless else port)
    duration_s = _seconds(duration)
    logs.configure(level="error", form="auto")
    if headless:
        if duration_s is None:
            raise typer.BadParameter("--headless needs --for, such as --for 20s")
        _headless(options, duration_s, as_json=json_)
    else:
        # Ctrl-C is how a demonstration ends.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(_watched(options, duration_s))


def _seconds(text: str) -> int | None:
    """Seconds of `20s`, `15m` or `2h`."""
    if not text:
        return None
    number, unit = text[:-1], text[-1]
    if unit not in UNITS_S or not number.isdigit() or not int(number):
        raise typer.BadParameter(f"{text!r} is no duration: write 20s, 15m or 2h")
    return int(number) * UNITS_S[unit]


def _headless(options: DemoOptions, duration_s: int, *, as_json: bool) -> None:
    from api import demo

    progress = Progress(
        TextColumn("virtual time"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with progress:
        bar = progress.add_task("", total=duration_s)
        result = asyncio.run(
            demo.headless(options, duration_s, lambda done: progress.update(bar, completed=done))
        )
    if as_json:
        typer.echo(msgspec.json.encode(result).decode())
    else:
        typer.echo(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())


async def _watched(options: DemoOptions, duration_s: int | None) -> None:
    from api import demo

    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    console = Console()
    console.print("Balise: opening Annecy and its lake (the first time, kernels are compiled) ...")
    with contextlib.suppress(asyncio.CancelledError):
        await demo.watched(options, lambda server, clock: _show(console, server, clock), duration_s)
    console.print("stopped")


async def _show(console: Console, server: Server, clock: FastClock) -> None:
    """Draw the figures twice a second."""
    with Live(_picture(server, clock), console=console, refresh_per_second=4) as screen:
        while True:
            await asyncio.sleep(0.5)
            screen.update(_picture(server, clock))


def _picture(server: Server, clock: FastClock) -> Panel:
    motor = server.service.motor
    figures, pipeline = motor.figures, motor.pipeline
    latency = figures.match_latency()
    zone = ZoneInfo(pipeline.facts.destination.time_zone)
    now = datetime.fromtimestamp(clock.now_ms() / 1000, tz=zone)
    running = Table.grid(padding=(0, 2))
    for name, value in (
        ("local time", f"{now:%a %d %b %H:%M:%S}   {clock.speed:g} times as fast"),
        ("visitors", f"{len(pipeline.visitors):,} (simulated)"),
        ("pings/s", f"{figures.pings_per_s(system.monotonic_s()):,.0f}"),
        ("match latency", f"p50 {latency.p50_us:,.0f} us   p99 {latency.p99_us:,.0f} us"),
        ("transitions", _counts(figures.transitions)),
        ("pushes sent", f"{figures.pushes:,}   {_counts(figures.languages)}"),
        ("held back", _counts(figures.held)),
    ):
        running.add_row(f"[bold]{name}[/bold]", value)
    campaigns = Table("campaign", "pushes", box=None, padding=(0, 2))
    for campaign, count in figures.sent.most_common(8):
        found = pipeline.catalogue.find("campaign", campaign)
        campaigns.add_row(found.name if found else campaign, f"{count:,}")
    return Panel(
        Group(running, "", campaigns),
        title="Balise",
        subtitle=f"live map: {server.address}/console/live   (Ctrl-C stops)",
    )


def _counts(counter: dict[str, int]) -> str:
    largest = sorted(counter.items(), key=lambda item: -item[1])[:8]
    return "  ".join(f"{name} {count:,}" for name, count in largest) or "none yet"
