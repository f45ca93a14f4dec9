"""The demonstration: Annecy and its lake, with simulated visitors, on the real path.

Everything is what `balise serve` runs: log, store, dispatcher, doors. Only the visitors, the
counters and the push provider (a stand-in for FCM, reached over real HTTP) are simulated, and so
is time, which runs at any speed or, without a page, as fast as it is computed.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from api.server import Server
from api.settings import Settings
from content import annecy
from engine import clock as system
from engine import limits as engine_limits
from engine.clock import Clock, FastClock, StepClock
from engine.figures import Figures
from engine.ingest import Draft
from engine.simulation import Simulation
from engine.walkers import Walkers, Way
from notifier.standin.fcm import FcmStandin
from notifier.standin.listening import serve


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a demonstration is run with. speed: virtual seconds a second."""

    visitors: int
    seed: int
    speed: float
    port: int


def content() -> list[Draft]:
    """Everything the demonstration publishes, as drafts for the motor."""
    place = annecy.load()
    records: dict[Any, Any] = {
        "destination": (place.destination,),
        "zone": place.zones,
        "place": place.places,
        "event": place.events,
        "circuit": place.circuits,
        "offer": place.offers,
        "alert": place.alerts,
    }
    drafts = [
        Draft(kind=kind, id=record.id, body=msgspec.json.encode(record))
        for kind, several in records.items()
        for record in several
    ]
    for campaign in msgspec.json.decode(place.campaigns, type=list[msgspec.Raw]):
        named = msgspec.json.decode(campaign, type=_Named)
        drafts.append(Draft(kind="campaign", id=named.id, body=bytes(campaign)))
    return drafts


class _Named(msgspec.Struct):
    id: str


def ways() -> list[Way]:
    """The ways that simulated visitors follow."""
    return [
        Way(
            kind=feature["properties"]["kind"],
            line=tuple((lon, lat) for lon, lat in feature["geometry"]["coordinates"]),
            weight=feature["properties"].get("weight", 1.0),
        )
        for feature in json.loads(annecy.read("ways.geojson"))["features"]
    ]


def start_ms() -> int:
    """When the demonstration's clock begins."""
    begins = annecy.load().destination.demo_start
    assert begins is not None, "destination.json says when the demonstration begins"
    return int(begins.timestamp() * 1000)


@asynccontextmanager
async def opened(
    options: DemoOptions, clock: Clock, *, stepped: bool
) -> AsyncIterator[tuple[Server, Simulation]]:
    """A server on a data directory of its own, with content, visitors and a stand-in for FCM.

    stepped: the caller ticks and delivers; else time passes by the clock.
    """
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="balise-demo-")))
        standin = FcmStandin(now_s=lambda: system.SystemClock().now_ms() / 1000)
        served = await serve(standin)
        stack.push_async_callback(served.runner.cleanup)
        account = folder / "service-account.json"
        await asyncio.to_thread(
            account.write_text, json.dumps(standin.service_account(served.url)), "utf-8"
        )
        settings = Settings(
            port=options.port,
            open_live=True,
            fcm_service_account=str(account),
            fcm_endpoint=served.url,
            log_level="error",
        )
        server = await stack.enter_async_context(
            Server.open(folder / "data", settings, clock=clock, stepped=stepped)
        )
        walkers = Walkers(ways(), count=options.visitors, seed=options.seed, start_ms=start_ms())
        simulation = Simulation(server.service.motor, walkers)
        await simulation.prepare(content(), start_ms())
        yield server, simulation


async def headless(options: DemoOptions, duration_s: int, tell: Callable[[int], None]) -> Any:
    """Run that much virtual time as fast as it goes; `tell` is told the seconds done.

    Returns `totals`, which depend on the seed alone, and `measured`, which do not.
    """
    began_ms = start_ms()
    clock = StepClock(start_ms=began_ms)
    async with opened(options, clock, stepped=True) as (server, simulation):
        motor = server.service.motor
        began_s = system.monotonic_s()
        for second in range(1, duration_s + 1):
            now_ms = began_ms + second * 1000
            clock.set(now_ms)
            await motor.tick(now_ms)
            await simulation.step(now_ms)
            await motor.settled()
            await server.deliver()
            tell(second)
        elapsed_s = system.monotonic_s() - began_s
        figures = motor.figures
        latency = figures.match_latency()
        return {
            "seed": options.seed,
            "visitors": options.visitors,
            "virtual_s": duration_s,
            "totals": totals(figures),
            "measured": {
                "match_p50_us": latency.p50_us,
                "match_p99_us": latency.p99_us,
                "pings_per_s": round(sum(figures.pings.values()) / elapsed_s),
                "elapsed_s": round(elapsed_s, 3),
            },
        }


def totals(figures: Figures) -> dict[str, Any]:
    """What happened, in an order that does not depend on when."""
    return {
        "pings": sum(figures.pings.values()),
        "pings_by_status": dict(sorted(figures.pings.items())),
        "transitions": {k: figures.transitions[k] for k in ("enter", "exit", "dwell", "cross")},
        "decisions": figures.decisions,
        "pushes": {
            "total": figures.pushes,
            "by_campaign": dict(sorted(figures.sent.items())),
            "by_language": dict(sorted(figures.languages.items())),
        },
        "suppressions": dict(sorted(figures.held.items())),
        "deliveries": dict(sorted(figures.outcomes.items())),
    }


async def watched(
    options: DemoOptions,
    show: Callable[[Server, FastClock], Coroutine[Any, Any, None]],
    duration_s: float | None = None,
) -> None:
    """Run with the page, until cancelled or for `duration_s` of virtual time.

    `show` is called beside the simulation, once the server listens, and cancelled at the end.
    """
    clock = FastClock(start_ms=start_ms(), speed=options.speed)
    async with opened(options, clock, stepped=False) as (server, simulation):
        await server.listen(basemap=json.loads(annecy.read("basemap.geojson")))
        clock.restart(start_ms())
        shown = asyncio.create_task(show(server, clock))
        try:
            await _walk(simulation, clock, duration_s)
        finally:
            shown.cancel()
            await asyncio.gather(shown, return_exceptions=True)


async def _walk(simulation: Simulation, clock: FastClock, duration_s: float | None) -> None:
    """Step the crowd once a virtual second, skipping seconds that there was no time for."""
    began_ms = now_ms = start_ms()
    while duration_s is None or now_ms < began_ms + duration_s * 1000:
        due_ms = max(now_ms + 1000, clock.now_ms() - engine_limits.SIMULATION_LAG_MS)
        await clock.sleep(max(0.0, (due_ms - clock.now_ms()) / 1000))
        now_ms = due_ms
        await simulation.step(now_ms)
