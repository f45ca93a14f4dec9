"""`balise bench serve`: pings over HTTP to durable acknowledgement and matched, on loopback.

A server process as its users start it; zones and consents through its API; then the reference
walks in JSON batches over several keep-alive connections. Every ping must be accepted, and the
server's own counts of enters and exits must be the oracle's, or there is no figure.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import limits, workloads
from benchmarks.errors import CountsDiffer, InstanceFailed, WorkloadInvalid
from benchmarks.instance import Instance, filesystem, instance
from benchmarks.load import ROUND_MS, Request, requests, send
from benchmarks.machine import load_average, machine
from benchmarks.oracle import Oracle
from benchmarks.workloads import Walks

BATCH = 1_000
CONNECTIONS = 8
REPEATS = 1
DURABILITIES = ("fsync", "interval")
PACKAGES = ("balise", "numpy", "numba", "aiohttp", "msgspec", "uvloop", "sqlalchemy")

INCLUDED = (
    "HTTP/1.1 over loopback, JSON, authentication, consent, the log (written before the answer), "
    "matching, transitions, and visits stored in SQLite behind the answer"
)
NOT_INCLUDED = "TLS, campaigns, pushes; the load's own processor time, which shares the machine"


def run(
    zones: int,
    *,
    rounds: int = workloads.ROUNDS,
    visitors: int = workloads.VISITORS,
    batch: int = BATCH,
    connections: int = CONNECTIONS,
    hot: float = 0.0,
    seed: int = workloads.SEED,
    repeats: int = REPEATS,
    durabilities: Sequence[str] = DURABILITIES,
    folder: Path | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Measure and return the figures, as `--json` prints them.

    batch: pings to a request. durabilities: of the log; the first one's figures stand at the top,
    the others under `variants`, all in turns within each repeat. folder: where the data
    directories are made. pings_per_s: by the wall clock, from the first request to the last
    answer. pings_per_server_cpu_s: by the server's CPU time, until nothing is left to do.

    Raises:
        WorkloadInvalid: an option is out of range.
        InstanceFailed: the server did not start, or refused a ping.
        CountsDiffer: its transitions are not the oracle's.
    """
    for name, value in (("zones", zones), ("rounds", rounds), ("visitors", visitors),
                        ("batch", batch), ("repeats", repeats)):  # fmt: skip
        if value < 1:
            raise WorkloadInvalid(name, "must be at least 1")
    if not 1 <= connections <= min(visitors, limits.CONNECTIONS_MAX):
        raise WorkloadInvalid("connections", "must be from 1 to the number of visitors")
    if rounds * ROUND_MS > limits.AGE_S_MAX * 1000:
        raise WorkloadInvalid("rounds", f"at most {limits.AGE_S_MAX * 1000 // ROUND_MS}")
    if folder is not None and not folder.is_dir():
        raise WorkloadInvalid("folder", f"there is no folder {folder}")
    load_before = load_average()
    walks = workloads.walks(zones, visitors=visitors, rounds=rounds, seed=seed, hot=hot)
    expected = _expected(walks)
    taken: dict[str, list[dict[str, float]]] = {each: [] for each in durabilities}
    with Progress(console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("serve", total=repeats * len(durabilities) * rounds * visitors)
        for _ in range(repeats):
            for durability in durabilities:
                bar.update(task, description=f"serve, {durability}")
                with instance(durability=durability, folder=folder) as server:
                    _prepare(server, walks)
                    work = requests(walks, connections=connections, batch=batch, end_ms=_now_ms())
                    found = _measured(server, work, lambda done: bar.advance(task, done))
                    _check(server, rounds, expected)
                taken[durability].append(found)
    first, *others = durabilities
    return {
        "benchmark": "serve", "zones": zones, "visitors": visitors, "rounds": rounds, "hot": hot,
        "seed": seed, "batch": batch, "connections": connections, "format": "json",
        "repeats": repeats, "pings": rounds * visitors, "enter": expected[0], "exit": expected[1],
        "durability": first, **_figures(taken[first]),
        "variants": {each: _figures(taken[each]) for each in others},
        "clock": "wall clock and the server's CPU time (user and system), median of the repeats",
        "included": INCLUDED, "not_included": NOT_INCLUDED,
        "filesystem": filesystem(folder), "load_before": load_before, "machine": machine(PACKAGES),
    }  # fmt: skip


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _expected(walks: Walks) -> tuple[int, int]:
    oracle = Oracle(walks.rings())
    changes = [oracle.step(fixes) for fixes in walks.fixes]
    return sum(len(entered) for entered, _ in changes), sum(len(left) for _, left in changes)


def _prepare(server: Instance, walks: Walks) -> None:
    """Import the zones, and record that every visitor consents to location."""
    records = workloads.zone_records(walks)
    for first in range(0, len(records), limits.ZONES_A_REQUEST):
        part = records[first : first + limits.ZONES_A_REQUEST]
        report = server.call("POST", "/v1/zones/import", msgspec.json.encode(part))
        if report["created"] != len(part):
            raise InstanceFailed(f"took {report['created']} of {len(part)} zones")
    visitors = walks.fixes.shape[1]
    for first in range(0, visitors, limits.CONSENTS_A_REQUEST):
        numbers = range(first, min(visitors, first + limits.CONSENTS_A_REQUEST))
        consents = [{"visitor": f"v{n:06d}", "purposes": {"location": True}} for n in numbers]
        server.call("POST", "/v1/consents", consents)


def _measured(
    server: Instance, work: list[list[Request]], advance: Callable[[int], None]
) -> dict[str, float]:
    before_s = server.cpu_s()
    sent = send(server, work, advance)
    answered_s = server.cpu_s()
    settled_s = _settled(server)
    pings = sum(request.pings for line in work for request in line)
    p50_ms, p99_ms = (np.percentile(sent.batch_s, (50, 99)) * 1000).tolist()
    found = {
        "pings_per_s": pings / sent.duration_s,
        "duration_s": sent.duration_s,
        "bytes_per_ping": sent.bytes / pings,
        "requests": len(sent.batch_s),
        "refused": sent.refused,
        "batch_ms_p50": p50_ms,
        "batch_ms_p99": p99_ms,
    }
    if before_s is not None and answered_s is not None and settled_s is not None:
        found["server_cpu_s"] = settled_s - before_s
        found["server_cpu_s_at_last_answer"] = answered_s - before_s
        found["pings_per_server_cpu_s"] = pings / max(0.01, settled_s - before_s)
    return found


def _settled(server: Instance) -> float | None:
    """The server's CPU seconds once it has nothing left to do."""
    deadline_s = time.monotonic() + limits.SETTLE_S
    spent_s = server.cpu_s()
    while spent_s is not None and time.monotonic() < deadline_s:
        time.sleep(0.5)
        now_s = server.cpu_s()
        if now_s is None or now_s - spent_s < 0.05:
            return now_s
        spent_s = now_s
    return spent_s


def _check(server: Instance, rounds: int, expected: tuple[int, int]) -> None:
    counts = server.transitions()
    found = counts.get("enter", 0), counts.get("exit", 0)
    if found != expected:
        raise CountsDiffer("balise serve", rounds - 1, found, expected)


def _figures(taken: list[dict[str, float]]) -> dict[str, Any]:
    """The median of each figure; rates with their spread."""
    out: dict[str, Any] = {}
    for name in taken[0]:
        values = [each[name] for each in taken]
        middle = statistics.median(values)
        if name.startswith("pings_per"):
            out[name] = round(middle)
            out[f"{name}_spread"] = [round(min(values)), round(max(values))]
        else:
            out[name] = round(middle, 3)
    return out


def render(result: dict[str, Any], console: Console) -> None:
    """Show the figures of `run`."""
    title = f"end to end over loopback, {result['zones']:,} zones"
    table = Table(title=title, title_justify="left")
    table.add_column("durability")
    for heading in ("pings per second", "per CPU second of the server", "a batch, p50", "p99"):
        table.add_column(heading, justify="right")
    for name, found in ((result["durability"], result), *result["variants"].items()):
        table.add_row(
            name,
            f"{found['pings_per_s']:,}",
            f"{found['pings_per_server_cpu_s']:,}" if "pings_per_server_cpu_s" in found else "",
            f"{found['batch_ms_p50']:.1f} ms",
            f"{found['batch_ms_p99']:.1f} ms",
        )
    console.print(table)
    console.print(
        f"{result['pings']:,} pings, all accepted; {result['enter']:,} enter and "
        f"{result['exit']:,} exit, as the oracle has them. JSON batches of {result['batch']:,} "
        f"over {result['connections']} connections, {result['bytes_per_ping']:.0f} bytes a ping; "
        f"seed {result['seed']}, {result['repeats']} repeats; data on {result['filesystem']}."
    )
    here = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    console.print(f"{here['cpu']}, {here['cores']} cores, {here['python']}; {versions}")
