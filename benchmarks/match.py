"""`balise bench match`: fixes to transitions in memory, beside what others would use.

Every contestant does the same job (which zones hold each fix, who entered and left since the
visitor's last one) on the same walks, in turns within each round, so that what the machine does
meanwhile falls on all of them. Counts must agree round by round, or there is no result.
"""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import workloads
from benchmarks.errors import CountsDiffer, WorkloadInvalid
from benchmarks.machine import load_average, machine
from benchmarks.oracle import Oracle
from benchmarks.ours import BaliseTracker
from benchmarks.rivals.port import Matcher
from benchmarks.rivals.rtree_prepared import RtreePrepared
from benchmarks.rivals.shapely_strtree_bulk import ShapelyBulk
from benchmarks.workloads import Walks
from geofence.columns import F64, I64

BATCH = 10_000
REPEATS = 3

# Batches that shapely's bulk query is tried with; its best one counts.
SHAPELY_BATCHES = (250, 1_000, 4_000, 20_000)

# The loop over points is some hundred times slower: it takes every so-manieth visitor, so many in
# all, for the whole of their walk.
RTREE_VISITORS = 1_000

WARM_UP = (50, 200, 3)  # zones, visitors, rounds

CLOCK = "process CPU time (time.process_time_ns), median of the repeats"


class Turn(NamedTuple):
    """A contestant, the visitors it takes (every `stride`th), and the nanoseconds it has used."""

    matcher: Matcher
    stride: int
    spent_ns: list[int]  # one sum a repeat

    def pings(self, walks: Walks) -> int:
        """Fixes that it takes in one repeat."""
        rounds, visitors, _ = walks.fixes.shape
        return int(rounds * len(range(0, visitors, self.stride)))


def run(
    zones: int,
    *,
    rounds: int = workloads.ROUNDS,
    visitors: int = workloads.VISITORS,
    batch: int = BATCH,
    hot: float = 0.0,
    seed: int = workloads.SEED,
    repeats: int = REPEATS,
    progress: bool = False,
) -> dict[str, Any]:
    """Measure and return the figures, as `--json` prints them.

    batch: pings that Balise gets in one call. progress: show a bar on stderr. Rates are fixes per
    second of CPU time; ratios are Balise's rate over the rival's, in the same repeat.

    Raises:
        WorkloadInvalid: an option is out of range.
        CountsDiffer: a contestant disagrees with the oracle (benchmarks.oracle).
    """
    for name, value in (("zones", zones), ("rounds", rounds), ("visitors", visitors),
                        ("batch", batch), ("repeats", repeats)):  # fmt: skip
        if value < 1:
            raise WorkloadInvalid(name, "must be at least 1")
    if not 0 <= hot <= 1:
        raise WorkloadInvalid("hot", "must be a share, 0 to 1")
    load_before = load_average()
    small_zones, small_visitors, small_rounds = WARM_UP
    small = workloads.walks(small_zones, visitors=small_visitors, rounds=small_rounds, hot=1.0)
    _race(small, _turns(small, batch), repeats=1)
    walks = workloads.walks(zones, visitors=visitors, rounds=rounds, seed=seed, hot=hot)
    turns = _turns(walks, batch)
    with Progress(console=Console(stderr=True), auto_refresh=False, disable=not progress) as bar:
        task = bar.add_task("match", total=repeats * rounds)
        enter, leave = _race(walks, turns, repeats=repeats, advance=(bar, task))
    figures: dict[str, Any] = {
        "benchmark": "match", "zones": zones, "visitors": visitors, "rounds": rounds,
        "hot": hot, "seed": seed, "batch": batch, "repeats": repeats,
        "pings": rounds * visitors, "enter": enter, "exit": leave,
    }  # fmt: skip
    return figures | _figures(walks, turns) | {
        "clock": CLOCK,
        "warm_up": "excluded: compilation, building of every index, and a small workload run first",
        "load_before": load_before, "machine": machine(),
    }  # fmt: skip


def _turns(walks: Walks, batch: int) -> list[Turn]:
    """The contestants: Balise, shapely with each batch size, the loop."""
    rings = walks.rings()
    visitors = walks.fixes.shape[1]
    bulk = sorted({min(size, visitors) for size in SHAPELY_BATCHES}, reverse=True)
    stride = max(1, visitors // RTREE_VISITORS)
    return [
        Turn(BaliseTracker(workloads.zones_of(walks), batch=batch), 1, []),
        *(Turn(ShapelyBulk(rings, batch=size), 1, []) for size in bulk),
        Turn(RtreePrepared(rings), stride, []),
    ]


def _race(
    walks: Walks,
    turns: list[Turn],
    *,
    repeats: int,
    advance: tuple[Progress, Any] | None = None,
) -> tuple[int, int]:
    """All repeats; returns how many entered and left in one of them."""
    zones = len(walks.offsets) - 1
    enters = exits = 0
    for repeat in range(repeats):
        oracle = Oracle(walks.rings())
        enters = exits = 0
        for turn in turns:
            turn.spent_ns.append(0)
            if repeat:
                turn.matcher.reset()
        gc.collect()
        for number, fixes in enumerate(walks.fixes):
            entered, left = oracle.step(fixes)
            enters, exits = enters + len(entered), exits + len(left)
            first = (number + repeat) % len(turns)
            for turn in turns[first:] + turns[:first]:
                found = _timed(turn, fixes)
                expected = _of_visitors(entered, zones, turn), _of_visitors(left, zones, turn)
                if found != expected:
                    raise CountsDiffer(turn.matcher.name, number, found, expected)
            if advance is not None:
                bar, task = advance
                bar.update(task, advance=1)
                bar.refresh()
    return enters, exits


def _timed(turn: Turn, fixes: F64) -> tuple[int, int]:
    mine = fixes if turn.stride == 1 else fixes[:: turn.stride].copy()
    start_ns = time.process_time_ns()
    found = turn.matcher.step(mine)
    turn.spent_ns[-1] += time.process_time_ns() - start_ns
    return found


def _of_visitors(pairs: I64, zones: int, turn: Turn) -> int:
    return int((pairs // zones % turn.stride == 0).sum())


def _figures(walks: Walks, turns: list[Turn]) -> dict[str, Any]:
    rates = {
        turn.matcher.name: [turn.pings(walks) * 1e9 / max(1, spent) for spent in turn.spent_ns]
        for turn in turns
    }
    bulk = {label: rate for label, rate in rates.items() if label.startswith("shapely")}
    best = max(bulk, key=lambda label: statistics.median(bulk[label]))
    sample = turns[-1]
    rivals: dict[str, dict[str, Any]] = {
        "shapely_strtree_bulk": {
            **_rate(rates[best]),
            "batch": int(best.rpartition("/")[2]),
            "by_batch": {
                label.rpartition("/")[2]: round(statistics.median(rate))
                for label, rate in bulk.items()
            },
            "pings": turns[1].pings(walks),
        },
        "rtree_prepared": {
            **_rate(rates["rtree_prepared"]),
            "pings": sample.pings(walks),
            "sample": f"one visitor in {sample.stride}, their whole walk",
        },
    }
    return {
        **_rate(rates["balise"]),
        "rivals": rivals,
        "ratios": {
            name: round(
                statistics.median(
                    ours / theirs
                    for ours, theirs in zip(rates["balise"], rates[label], strict=True)
                ),
                2,
            )
            for name, label in (("shapely_strtree_bulk", best), ("rtree_prepared",) * 2)
        },
    }


def _rate(rates: list[float]) -> dict[str, Any]:
    return {
        "pings_per_cpu_s": round(statistics.median(rates)),
        "spread": [round(min(rates)), round(max(rates))],
    }


def render(result: dict[str, Any], console: Console) -> None:
    """Show the figures of `run`: ratios first."""
    table = Table(title=f"match and transitions, {result['zones']:,} zones", title_justify="left")
    table.add_column("")
    for heading in ("Balise is", "pings per CPU second", "pings measured"):
        table.add_column(heading, justify="right")
    table.add_row("Balise", "", f"{result['pings_per_cpu_s']:,}", f"{result['pings']:,}")
    for name, rival in result["rivals"].items():
        detail = f"batches of {rival['batch']:,}" if "batch" in rival else rival["sample"]
        table.add_row(
            f"{name} ({detail})",
            f"{result['ratios'][name]:.1f} x",
            f"{rival['pings_per_cpu_s']:,}",
            f"{rival['pings']:,}",
        )
    console.print(table)
    here = result["machine"]
    console.print(
        f"{result['enter']:,} enter, {result['exit']:,} exit, the same for all. "
        f"Seed {result['seed']}, batches of {result['batch']:,}, {result['repeats']} repeats."
    )
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    console.print(f"{here['cpu']}, {here['cores']} cores, {here['python']}; {versions}")
