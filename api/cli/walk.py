"""`balise walk`: a device along a recorded route, in real time or faster."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from api.cli import show
from api.cli.client import Client, segment
from api.cli.reach import DEFAULT_DATA, Data, Key, ServerOption, reach
from api.errors import Refused
from content.errors import FormatInvalid
from engine.clock import SystemClock
from engine.hold import holder

PACE_MPS: Final = 1.3
"""How visitors stroll."""

SPEED_MAX: Final = 50.0
"""A stroller as fast as an express train; beyond it fixes are taken for leaps."""

ACCURACY_M: Final = 5.0
DECISIONS_SHOWN: Final = 100

Position = Sequence[float]


class Step(NamedTuple):
    """Where the device is after walking `walked_m`."""

    walked_m: float
    lon: float
    lat: float


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("walk")(walk)


def walk(
    route: Annotated[
        Path, typer.Argument(help="A GPX file; its first track or route.", metavar="FILE")
    ],
    device: Annotated[str, typer.Option("--device", help="The device that walks: dev_...")],
    speed: Annotated[
        float, typer.Option("--speed", min=0.1, max=SPEED_MAX, help="So many times as fast.")
    ] = 1.0,
    every: Annotated[
        float, typer.Option("--every", min=0.1, max=60, help="Seconds between two pings.")
    ] = 1.0,
    data: Data = DEFAULT_DATA,
    server: ServerOption = "",
    key: Key = "",
) -> None:
    """Walk a device along a route, and show what is decided on the way.

    Its visitor must have consented to location. A key needs the role operator.
    """
    line = read_line(route)
    if not server and holder(data) is None:
        raise Refused(f"nobody serves {data}: start `balise serve` first")
    with reach(data, server, key) as client:
        visitor = client.get(f"/v1/devices/{segment(device)}")["visitor"]
        seen = {row["id"] for row in _decisions(client, visitor)}
        before, sent, told = SystemClock().now_ms(), 0, 0
        for step in steps(line, PACE_MPS * speed * every):
            if sent:
                threading.Event().wait(every)
            _send(client, visitor, step)
            sent += 1
            told += _tell(client, visitor, seen)
        took_s = (SystemClock().now_ms() - before) / 1000
        # The last fix is decided with the next tick.
        threading.Event().wait(min(2.0, 2 * every))
        told += _tell(client, visitor, seen)
    typer.echo(f"{step.walked_m:,.0f} m in {took_s:.0f} s: {sent} pings, {told} decisions")


def read_line(route: Path) -> list[Position]:
    """The positions of a GPX file's first track or route. Raises Refused."""
    from content.formats.gpx import read_circuits

    try:
        report = read_circuits(route.read_bytes(), language="en")
    except OSError as error:
        raise Refused(f"{route} cannot be read: {error.strerror}") from error
    except FormatInvalid as error:
        raise Refused(f"{route} {error}") from error
    line = report.records[0].geometry if report.records else None
    if line is None:
        raise Refused(f"{route} holds no track or route with two points")
    return list(line.coordinates)


def steps(line: Sequence[Position], step_m: float) -> Iterator[Step]:
    """Where a walker along a line (lon, lat) is at every `step_m` metres, and at its end."""
    from geofence.geodesy import distance_m

    legs_m = [distance_m(*a[:2], *b[:2]) for a, b in pairwise(line)]
    ends_m = [0.0, *accumulate(legs_m)]
    walked_m = 0.0
    while walked_m < ends_m[-1]:
        leg = bisect_right(ends_m, walked_m) - 1
        share = (walked_m - ends_m[leg]) / legs_m[leg]
        (lon_a, lat_a, *_), (lon_b, lat_b, *_) = line[leg], line[leg + 1]
        # Legs of recorded tracks are metres long, so straight in lon and lat is straight enough.
        lon_m = (lon_b - lon_a + 180) % 360 - 180
        lon = (lon_a + lon_m * share + 180) % 360 - 180
        yield Step(walked_m, lon, lat_a + (lat_b - lat_a) * share)
        walked_m += step_m
    yield Step(ends_m[-1], line[-1][0], line[-1][1])


def _send(client: Client, visitor: str, step: Step) -> None:
    ping = {
        "visitor": visitor,
        "fix_ms": SystemClock().now_ms(),
        "lon": step.lon,
        "lat": step.lat,
        "accuracy_m": ACCURACY_M,
        "speed_mps": PACE_MPS,
    }
    answer = client.send("POST", "/v1/pings", ping)
    if answer["discarded"]:
        raise Refused(f"{visitor} has not consented to location: nothing of the walk is kept")


def _decisions(client: Client, visitor: str) -> list[dict[str, Any]]:
    page = client.get("/v1/decisions", visitor=visitor, limit=DECISIONS_SHOWN)
    found: list[dict[str, Any]] = page["items"]
    return found


def _tell(client: Client, visitor: str, seen: set[str]) -> int:
    """Show what was decided since it was last asked; returns how many."""
    fresh = [row for row in _decisions(client, visitor) if row["id"] not in seen]
    for row in reversed(fresh):
        seen.add(row["id"])
        where = row["trigger"].get("zone") or row["trigger"]["kind"]
        typer.echo(
            f"{show.when(row['decided_ms'])}  {row['verdict']} ({row['reason']})  "
            f"{row['campaign']}  {where}"
        )
    return len(fresh)
