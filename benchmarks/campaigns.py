"""`balise bench campaigns`: the whole engine in one process, from logged pings to decisions.

A pipeline, as a server runs it, applies a log made beforehand: zones, consents and campaigns first
(untimed), then a tick each second of event time and the fixes of that second in batches. The
workload is dense on purpose, with 0.13 decisions a ping at 10,000 zones, and each of them is known:
counts that differ from the published ones are a fault, not a figure.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import workloads
from benchmarks.errors import WorkloadInvalid
from benchmarks.machine import load_average, machine
from benchmarks.workloads import Journeys, Watch
from engine.pipeline import Pipeline
from engine.records import Catalogue, Change, Consent, Entry, PingRows, Record, Tick
from geofence.columns import Kind, Pings
from geofence.tracker import OFF
from rules.campaigns import (
    Campaign,
    Cap,
    Dwell,
    Enter,
    Exit,
    Restraint,
    RestraintSettings,
    Trigger,
    Weekly,
)

BATCH = 10_000
REPEATS = 3
EXIT_MARGIN_M = 20.0

# As published for the workload at 20,000 visitors and 40 rounds, by (zones, seed).
KEYS = ("enter", "exit", "dwell", "sent", "window", "cooldown", "cap")
PUBLISHED: dict[tuple[int, int], tuple[int, ...]] = {
    (1_000, 7): (12_300, 7_454, 7_274, 11_569, 11_174, 702, 1_134),
    (10_000, 7): (48_518, 29_622, 25_994, 36_677, 47_486, 2_513, 8_579),
}

RESTRAINT = RestraintSettings(
    global_cap=Cap(count=3, period_s=600),
    per_visitor=None,
    quiet_hours=None,
    arbitration_window_ms=0,
)

INCLUDED = (
    "unpacking of logged batches, tracking, dwell timers, a tick a second with its crowd figures, "
    "campaigns, restraint, decision ids of what is sent"
)
NOT_INCLUDED = (
    "HTTP, JSON, writing and reading the log, decisions written out in full (pings_per_cpu_s_full "
    "has them), the store, messages"
)


def run(
    zones: int,
    *,
    seed: int = workloads.SEED,
    batch: int = BATCH,
    repeats: int = REPEATS,
    progress: bool = False,
) -> dict[str, Any]:
    """Measure and return the figures, as `--json` prints them.

    batch: most pings of one record; a second has 667 in all. enter, exit, dwell: transitions; sent,
    window, cooldown, cap: decisions by reason. pings_per_cpu_s: per second of CPU time, median of
    the repeats; pings_per_cpu_s_full: with every decision written out with its trace.

    Raises WorkloadInvalid where an option is out of range.
    """
    for name, value in (("zones", zones), ("batch", batch), ("repeats", repeats)):
        if value < 1:
            raise WorkloadInvalid(name, "must be at least 1")
    load_before = load_average()
    journeys = workloads.journeys(zones, seed=seed)
    first = list(_records(0, _beginning(journeys, workloads.watches(zones, seed=seed))))
    stream = list(_records(first[-1].end, _stream(journeys, batch)))
    races: list[_Race] = []
    with Progress(console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("campaigns", total=repeats * len(stream))
        for _ in range(repeats):
            race = _Race(first)
            for record in stream:
                race.take(record)
                bar.advance(task)
            races.append(race)
    counts = races[0].counts()
    assert all(race.counts() == counts for race in races), "the engine is deterministic"
    pings = journeys.accuracy_m.size
    return {
        "benchmark": "campaigns", "zones": zones, "seed": seed, "batch": batch,
        "visitors": journeys.accuracy_m.shape[1], "campaigns": len(races[0].pipeline.decider.slots),
        "repeats": repeats, "pings": pings, "ticks": len(stream) - _batches(stream),
        **counts,
        "published": _published(zones, seed, counts),
        "decisions_per_ping": round(races[0].rulings / pings, 4),
        **_rate("pings_per_cpu_s", pings, [race.applying_ns for race in races]),
        **_rate("pings_per_cpu_s_full", pings,
                [race.applying_ns + race.writing_ns for race in races]),
        "clock": "process CPU time (time.process_time_ns), median of the repeats",
        "included": INCLUDED, "not_included": NOT_INCLUDED,
        "load_before": load_before, "machine": machine(),
    }  # fmt: skip


def _batches(stream: list[Record]) -> int:
    return sum(isinstance(record.entry, PingRows) for record in stream)


def _published(zones: int, seed: int, counts: dict[str, int]) -> str:
    expected = PUBLISHED.get((zones, seed))
    if expected is None:
        return "no counts are published for this size and seed"
    return "equal" if expected == tuple(counts.values()) else "DIFFERENT"


def _rate(name: str, pings: int, spent_ns: list[int]) -> dict[str, Any]:
    rates = [pings * 1e9 / max(1, spent) for spent in spent_ns]
    spread = [round(min(rates)), round(max(rates))]
    return {name: round(statistics.median(rates)), f"{name}_spread": spread}


class _Race:
    """One run through the stream: what it cost and what came of it."""

    def __init__(self, first: list[Record]) -> None:
        self.pipeline = Pipeline(tracking=OFF, restraint=RESTRAINT)
        for record in first:
            self.pipeline.apply(record)
        self.applying_ns = self.writing_ns = 0
        self.rulings = 0
        self._kinds = np.zeros(len(Kind), np.int64)
        self._reasons: Counter[str] = Counter()
        gc.collect()

    def take(self, record: Record) -> None:
        """Apply a record, then write its decisions out, each on its own clock."""
        start_ns = time.process_time_ns()
        effects = self.pipeline.apply(record)
        applied_ns = time.process_time_ns()
        for ruling in effects.rulings:
            ruling.decision()
        self.writing_ns += time.process_time_ns() - applied_ns
        self.applying_ns += applied_ns - start_ns
        assert effects.transitions is not None
        self._kinds += np.bincount(effects.transitions.kind, minlength=len(Kind))
        self._reasons.update(str(ruling.reason) for ruling in effects.rulings)
        self.rulings += len(effects.rulings)

    def counts(self) -> dict[str, int]:
        """The oracle's keys; a reason that it does not have would show as a further one."""
        out = {kind.name.lower(): int(self._kinds[kind]) for kind in (Kind.ENTER, Kind.EXIT)}
        out["dwell"] = int(self._kinds[Kind.DWELL])
        reasons = dict(self._reasons)
        out |= {name: reasons.pop(name, 0) for name in ("sent", "window", "cooldown")}
        out["cap"] = reasons.pop("cap_global", 0)
        return out | reasons


# -- the log ------------------------------------------------------------------------------------


def _records(position: int, entries: Iterator[Entry]) -> Iterator[Record]:
    for entry in entries:
        record = Record(position=position, received_ms=0, entry=entry)
        position = record.end
        yield record


def _beginning(journeys: Journeys, watches: list[Watch]) -> Iterator[Entry]:
    """Zones, consents and campaigns, before the first fix."""
    start_ms = workloads.START_S * 1000 - 1000
    yield Tick(now_ms=start_ms)
    zones = workloads.zone_records(journeys.walks, exit_margin_m=EXIT_MARGIN_M)
    bodies = ((zone.id, msgspec.json.encode(zone)) for zone in zones)
    yield Catalogue(
        changes=tuple(Change(kind="zone", id=id_, version=1, body=body) for id_, body in bodies),
        author="bench",
    )
    for number in range(journeys.accuracy_m.shape[1]):
        purposes = {"location": True, "push": True}
        yield Consent(visitor=name_of(number), purposes=purposes, at_ms=start_ms)  # type: ignore[arg-type]
    campaigns = [campaign_of(watch) for watch in watches]
    yield Catalogue(
        changes=tuple(
            Change(kind="campaign", id=c.id, version=1, body=msgspec.json.encode(c))
            for c in campaigns
        ),
        author="bench",
    )


def _stream(journeys: Journeys, batch: int) -> Iterator[Entry]:
    """A tick each second, then the fixes of that second."""
    rounds, visitors = journeys.accuracy_m.shape
    every = np.arange(visitors)
    for number in range(rounds):
        for second in range(workloads.ROUND_S):
            at_s = workloads.START_S + workloads.ROUND_S * number + second
            yield Tick(now_ms=at_s * 1000)
            who = every[every % workloads.ROUND_S == second]
            for first in range(0, len(who), batch):
                yield _rows(journeys, number, who[first : first + batch])


def _rows(journeys: Journeys, number: int, who: np.ndarray[Any, Any]) -> PingRows:
    where = journeys.walks.fixes[number, who]
    count = len(who)
    pings = Pings(
        visitor=np.arange(count, dtype=np.int32),
        fix_ms=journeys.time_s[number, who] * 1000,
        lon=where[:, 0],
        lat=where[:, 1],
        accuracy_m=journeys.accuracy_m[number, who].astype(np.float32),
        speed_mps=np.full(count, -1, np.float32),
        flags=np.zeros(count, np.uint8),
    )
    return PingRows.of(tuple(map(name_of, who.tolist())), pings)


def name_of(number: int) -> str:
    """A visitor's id."""
    return f"v{number:05d}"


def campaign_of(watch: Watch) -> Campaign:
    """A campaign of the workload as the rules have it."""
    zones = tuple(str(zone) for zone in watch.zones)
    start, end = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in watch.window)
    triggers: dict[str, Trigger] = {
        "enter": Enter(zones=zones),
        "exit": Exit(zones=zones),
        "dwell": Dwell(zones=zones, after_s=watch.dwell_s),
    }
    return Campaign(
        id=f"c{watch.number:04d}",
        name=f"campaign {watch.number}",
        kind="promotion",
        status="live",
        trigger=triggers[watch.trigger],
        condition=Weekly(start=start, end=end),
        restraint=Restraint(cooldown_s=watch.cooldown_s, cooldown_from="send"),
        message={},
    )


def render(result: dict[str, Any], console: Console) -> None:
    """Show the figures of `run`."""
    table = Table(title=f"the whole engine, {result['zones']:,} zones", title_justify="left")
    table.add_column("")
    table.add_column("pings per CPU second", justify="right")
    table.add_row("to decisions", f"{result['pings_per_cpu_s']:,}")
    table.add_row("and written out in full", f"{result['pings_per_cpu_s_full']:,}")
    console.print(table)
    console.print(", ".join(f"{result[key]:,} {key}" for key in KEYS))
    console.print(
        f"{result['pings']:,} pings, {result['decisions_per_ping']} decisions a ping; "
        f"published counts: {result['published']}. Seed {result['seed']}, "
        f"batches of at most {result['batch']:,}, {result['repeats']} repeats."
    )
    here = result["machine"]
    console.print(f"{here['cpu']}, {here['cores']} cores, {here['python']}")
