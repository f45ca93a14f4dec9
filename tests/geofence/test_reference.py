"""The reference workloads: counts equal to their oracles'."""

from __future__ import annotations

import csv
import datetime as dt
import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from geofence.columns import Kind, Pings
from geofence.shapes import Area, Circle, Zone
from geofence.tracker import OFF, Tracker

pytestmark = pytest.mark.real_data


@pytest.fixture
def bench(bench_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the reference workloads by name."""
    monkeypatch.syspath_prepend(str(bench_dir))
    yield importlib.import_module
    for name in ("workload", "campaigns"):
        sys.modules.pop(name, None)


def polygon(v: np.ndarray) -> Area:
    return Area(parts=((tuple(map(tuple, v.tolist())),),))


def pings(who: np.ndarray, t: np.ndarray, xy: np.ndarray, accuracy: np.ndarray | float) -> Pings:
    n = len(who)
    return Pings(
        who.astype(np.int32), t.astype(np.int64), xy[:, 0].copy(), xy[:, 1].copy(),
        np.broadcast_to(accuracy, n).astype(np.float32), np.full(n, -1, np.float32),
        np.zeros(n, np.uint8),
    )  # fmt: skip


def count(tally: dict[Kind, int], kinds: np.ndarray) -> None:
    for kind in Kind:
        tally[kind] += int((kinds == kind).sum())


@pytest.mark.parametrize(
    ("n", "enters", "exits"), [(1_000, 6_335, 5_078), (10_000, 64_041, 50_820)]
)
def test_matching_finds_the_oracles_transitions(bench: Any, n: int, enters: int, exits: int):
    off, v, points = bench("workload").make(n)
    tracker = Tracker(OFF)
    tracker.put_zones(
        [Zone(id=str(k), shape=polygon(v[off[k] : off[k + 1]]), exit_margin_m=0.0)
         for k in range(n)], 0,
    )  # fmt: skip
    tracker.visitors_grow(points.shape[1])
    tally = dict.fromkeys(Kind, 0)
    who = np.arange(points.shape[1])
    for k in range(40):
        seen = tracker.observe(pings(who, np.full(len(who), k), points[k], -1.0), k)
        count(tally, seen.transitions.kind)
    assert (tally[Kind.ENTER], tally[Kind.EXIT]) == (enters, exits)


@pytest.mark.parametrize("batch", [1_000, 1_000_000])
@pytest.mark.parametrize(
    ("n", "figures"), [(1_000, (12_300, 7_454, 7_274)), (10_000, (48_518, 29_622, 25_994))]
)
def test_margins_accuracy_and_dwells_give_the_oracles_figures(
    bench: Any, n: int, figures: tuple[int, int, int], batch: int
):
    campaigns = bench("campaigns")
    off, v, points, accuracy, times = campaigns.fixes(n, 7)
    dwells: dict[int, set[int]] = {}
    for c in campaigns.campaigns(n, 7):
        for z in c["zones"] if c["trigger"] == "dwell" else ():
            dwells.setdefault(z, set()).add(c["dwell_s"] * 1000)
    tracker = Tracker(OFF)
    tracker.put_zones(
        [Zone(id=str(k), shape=polygon(v[off[k] : off[k + 1]]), exit_margin_m=20.0,
              accuracy_ceiling_m=100.0, dwells_ms=tuple(sorted(dwells.get(k, ()))))
         for k in range(n)], 0,
    )  # fmt: skip
    tracker.visitors_grow(points.shape[1])
    tally = dict.fromkeys(Kind, 0)
    for k in range(campaigns.ROUNDS):
        order = np.argsort(times[k], kind="stable")
        for start in range(0, len(order), batch):
            who = order[start : start + batch]
            t = times[k][who] * 1000
            seen = tracker.observe(pings(who, t, points[k][who], accuracy[k][who]), int(t[-1]))
            count(tally, seen.transitions.kind)
            count(tally, tracker.tick(int(t[-1])).kind)
    assert (tally[Kind.ENTER], tally[Kind.EXIT], tally[Kind.DWELL]) == figures


@pytest.mark.parametrize(
    ("settings", "figures"),
    [
        ({"exit_margin_m": 0.0}, (72, 72, 32)),
        ({"exit_margin_m": 25.0}, (63, 59, 32)),
        ({"exit_margin_m": 25.0, "confirm_ms": 30_000}, (35, 31, 30)),
    ],
)
def test_margin_and_confirmation_halve_the_noise_of_real_walks(
    data_dir: Path, settings: dict[str, Any], figures: tuple[int, int, int]
):
    path = data_dir / "barcelona" / "traces_beepath2016_ciutadella.csv"
    with path.open(newline="") as file:
        rows = sorted(
            (dt.datetime.fromisoformat(r["ts"]).timestamp(), r["visitor"], r["lon"], r["lat"])
            for r in csv.DictReader(file)
        )
    slots = {name: k for k, name in enumerate(sorted({r[1] for r in rows}))}
    tracker = Tracker(OFF)
    tracker.visitors_grow(len(slots))
    spot = Circle(lon=2.186029, lat=41.388141, radius_m=75)
    tracker.put_zones([Zone(id="spot", shape=spot, **settings)], 0)
    seen = tracker.observe(
        pings(
            np.array([slots[r[1]] for r in rows]), np.array([r[0] * 1000 for r in rows]),
            np.array([[float(r[2]), float(r[3])] for r in rows]), -1.0,
        ),
        int(rows[-1][0] * 1000),
    ).transitions  # fmt: skip
    enters = seen.kind == Kind.ENTER
    found = (int(enters.sum()), int((seen.kind == Kind.EXIT).sum()),
             len(set(seen.visitor[enters].tolist())))  # fmt: skip
    assert found == figures
