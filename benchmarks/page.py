"""docs/benchmarks.md, made of the figures that the benchmarks printed.

`python -m benchmarks.page` writes the page from docs/figures/*.json, each of which is what one
command printed with `--json`; a test holds the page to them. With `--measure` it runs the commands
first, one at a time: about ten minutes, on a machine that should have nothing else to do.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]

DOCS = Path(__file__).parent.parent / "docs"
FOLDER = DOCS / "figures"
PAGE = DOCS / "benchmarks.md"

# Options of each command, and their defaults: what is not said in a command.
DEFAULTS: dict[str, Figures] = {
    "match": {"visitors": 20_000, "rounds": 40, "hot": 0.0, "batch": 10_000, "seed": 7,
              "repeats": 3},
    "campaigns": {"batch": 10_000, "seed": 7, "repeats": 3},
    "serve": {"visitors": 20_000, "rounds": 40, "hot": 0.0, "batch": 1_000, "connections": 8,
              "seed": 7, "repeats": 1},
}  # fmt: skip

# What is measured for the page, by the name of its file.
RUNS: dict[str, tuple[str, ...]] = {
    "match-1000": ("match", "--zones", "1000"),
    "match-10000": ("match", "--zones", "10000"),
    "match-10000-hot": ("match", "--zones", "10000", "--hot", "0.8"),
    "match-10000-batch-1024": ("match", "--zones", "10000", "--batch", "1024"),
    "campaigns-1000": ("campaigns", "--zones", "1000"),
    "campaigns-10000": ("campaigns", "--zones", "10000"),
    "serve-1000": ("serve", "--zones", "1000", "--repeats", "3"),
    "serve-10000": ("serve", "--zones", "10000", "--repeats", "3"),
}

INTRO = """# Benchmarks

<!-- Made from docs/figures/*.json by `python -m benchmarks.page`; a test holds it. -->

Every figure here is what one command printed, and every command checks its own result: a
contestant that finds other transitions than the oracle (shapely's predicate, visit by visit) ends
the run without a figure. Rivals take turns with Balise on the same walks within each round, so that
what the machine does meanwhile falls on all; the ratios are taken within a repeat. Ratios travel to
other machines; rates are of this one, and CPU seconds are of one core.

The workload is synthetic and seeded: zones of 12 to 40 vertices, 100 m to 1 km across, in 50 by
50 km; 20,000 visitors who walk at random, 40 fixes each; 800,000 pings in all. `hot` is the share
of visitors who start near a zone instead of anywhere.
"""

MATCH = """
## Match and transitions

Fixes in arrays to transitions in arrays, in one process: which zones hold each fix, who entered and
who left since the visitor's fix before. Balise does more than that here (accuracy, hysteresis,
dwell timers and visits are kept), the rivals no more than that.

- **shapely STRtree bulk**: candidates for a whole batch from the tree, `contains_xy` on all pairs,
  sorted arrays compared for who came and went; the best of four batch sizes counts.
- **rtree, prepared**: the loop that one writes first, a point at a time: `rtree`'s index, prepared
  polygons, a set of zones a visitor. It takes a sample of the visitors, for their whole walk.

Not included, for anybody: building the index, compiling kernels, decoding input.
"""

CAMPAIGNS = """
## The whole engine in process

A log made beforehand goes through the pipeline that a server runs, a tick each second of event
time: tracking with accuracies and exit margins, dwell timers, 1,000 campaigns with weekly windows
and cooldowns, a rolling cap over all of them. The workload is dense on purpose: at 10,000 zones a
ping in eight leads to a decision. *To decisions* ends with rulings, which hold all that was seen;
*written out in full* adds the trace of each as the store keeps it.
"""

SERVE = """
## End to end over loopback

A server process of its own with its log on; zones and consents through its API; then JSON arrays
over keep-alive connections, each waiting for its answer. A ping counts when its answer is in: it
was logged (`fsync`: on disk, in groups; `interval`: handed to the system, on disk within a second)
and matched. Visits follow into SQLite; the server's CPU time is taken until nothing is left to do.
The load runs on the same machine. *A batch* is the time from a request to its answer with all
connections busy, which says how long queues are rather than how quick an answer can be.
"""

BOUNDS = """
## What bounds them

- **Match.** Nearly all of the time is inside one compiled call a batch. Its cost grows with the
  zones that lie over each fix, of which there are ten times as many at 10,000 zones. What
  accuracies, timers and visits cost beside the search itself is not measured yet.
- **The whole engine.** By profile at 10,000 zones, the tracker's compiled call takes about a
  quarter, finding the slots of visitors' ids (each ping of a log carries a string to be hashed) a
  sixth, and Python in the rules most of the rest: 95,255 decisions at some 8 microseconds. Ticks
  and crowd figures are a few hundredths. With 1,000 zones there are a quarter as many decisions,
  and finding slots takes more than the tracker.
- **End to end.** At 10,000 zones about 2 microseconds a ping are the engine's: decoding JSON 0.6,
  asking for consent 0.6, packing for the log 0.3, matching 0.6. The other half of the server's
  time is HTTP, sockets, and visits written to SQLite. All of it but the log's writes and syncs and
  SQLite runs in one interpreter, so a second core helps little.
"""


def command(figures: Figures) -> str:
    """The command that prints such figures."""
    name = figures["benchmark"]
    words = [f"balise bench {name} --zones {figures['zones']}"]
    words += [
        f"--{option} {figures[option]:g}"
        for option, usual in DEFAULTS[name].items()
        if figures[option] != usual
    ]
    return " ".join([*words, "--json"])


def markdown(figures: Sequence[Figures]) -> str:
    """The page of some figures, in their order within each benchmark."""
    by_name: dict[str, list[Figures]] = {name: [] for name in DEFAULTS}
    for each in sorted(figures, key=lambda f: (f["zones"], len(command(f)), command(f))):
        by_name[each["benchmark"]].append(each)
    parts = [INTRO, _measured(figures)]
    for name, text, table in (
        ("match", MATCH, _match), ("campaigns", CAMPAIGNS, _campaigns), ("serve", SERVE, _serve)
    ):  # fmt: skip
        if by_name[name]:
            parts += [text, table(by_name[name]), _commands(by_name[name])]
    return "".join([*parts, BOUNDS])


def _measured(figures: Sequence[Figures]) -> str:
    """When and on what; under load only if there was some."""
    machines = [each["machine"] for each in figures]
    versions: Figures = {}
    for each in machines:
        versions |= each["versions"]
    first = machines[0]
    loads = [each["load_before"] for each in figures if each["load_before"] is not None]
    busy = ""
    if loads and max(loads) > 0.5:
        busy = (
            f" The machine had other work at the time: {min(loads):g} to {max(loads):g} processes "
            "wanted to run just before each command, so take the ratios and the rates per CPU "
            "second, and the rates by the wall clock as lower bounds."
        )
    dates = sorted({each["date"] for each in machines})
    shown = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    return (
        f"\nMeasured {' and '.join(dates)}: {first['cpu']}, {first['cores']} cores, "
        f"{first['system']}, {first['python']}; {shown}.{busy}\n"
    )


def _commands(figures: Sequence[Figures]) -> str:
    lines = "\n".join(command(each) for each in figures)
    return f"\n```sh\n{lines}\n```\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n" + "\n".join(lines) + "\n"


def _kind(figures: Figures) -> str:
    """What is unusual about a run."""
    usual = DEFAULTS[figures["benchmark"]]
    said = [
        f"{name} {figures[name]:g}" for name in ("hot", "batch") if figures[name] != usual[name]
    ]
    return ", ".join(said) or "as above"


def _match(figures: Sequence[Figures]) -> str:
    bulk, loop = "shapely_strtree_bulk", "rtree_prepared"
    return _table(
        ("zones", "workload", "times shapely STRtree bulk", "times rtree, prepared",
         "Balise, pings per CPU s", "shapely", "rtree", "enter", "exit"),
        (
            (f"{f['zones']:,}", _kind(f), f"**{f['ratios'][bulk]:.1f}**",
             f"**{f['ratios'][loop]:.0f}**", f"{f['pings_per_cpu_s']:,}",
             f"{f['rivals'][bulk]['pings_per_cpu_s']:,}",
             f"{f['rivals'][loop]['pings_per_cpu_s']:,}", f"{f['enter']:,}", f"{f['exit']:,}")
            for f in figures
        ),
    )  # fmt: skip


def _campaigns(figures: Sequence[Figures]) -> str:
    keys = ("enter", "exit", "dwell", "sent", "window", "cooldown", "cap")
    rates = _table(
        ("zones", "batches of at most", "decisions a ping", "to decisions, pings per CPU s",
         "written out in full"),
        (
            (f"{f['zones']:,}", f"{f['batch']:,}", f"{f['decisions_per_ping']:.3f}",
             f"{f['pings_per_cpu_s']:,}", f"{f['pings_per_cpu_s_full']:,}")
            for f in figures
        ),
    )  # fmt: skip
    counts = _table(
        ("zones", "seed", *keys),
        ((f"{f['zones']:,}", str(f["seed"]), *(f"{f[key]:,}" for key in keys)) for f in figures),
    )
    return f"{rates}\nThe counts are the published ones, the same in batches of any size:\n{counts}"


def _serve(figures: Sequence[Figures]) -> str:
    rows = []
    for f in figures:
        for durability, found in ((f["durability"], f), *f["variants"].items()):
            rows.append(
                (f"{f['zones']:,}", durability, f"{found['pings_per_s']:,}",
                 f"{found.get('pings_per_server_cpu_s', 0):,}", f"{f['batch']:,}",
                 str(f["connections"]), f"{found['batch_ms_p50']:.0f} ms",
                 f"{found['batch_ms_p99']:.0f} ms", f"{found['bytes_per_ping']:.0f}")
            )  # fmt: skip
    return _table(
        ("zones", "durability", "pings per s", "per CPU s of the server", "pings a request",
         "connections", "a batch, p50", "p99", "bytes a ping"),
        rows,
    )  # fmt: skip


def read(folder: Path = FOLDER) -> list[Figures]:
    """The figures kept in a folder, a file each."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))]


def measure(folder: Path = FOLDER, runs: dict[str, tuple[str, ...]] = RUNS) -> None:
    """Run the commands one after the other and keep what each prints."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in runs.items():
        print(name, file=sys.stderr)
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-m", "api", "bench", *words, "--json"],
            check=True,
            stdout=subprocess.PIPE,
        )
        figures = json.loads(done.stdout)
        (folder / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if "--measure" in sys.argv[1:]:
        measure()
    PAGE.write_text(markdown(read()), encoding="utf-8")
