"""The tracker gives the published counts of both reference workloads, in any batch size.

The counts were found by shapely and by independent engines (docs/benchmarks.md).
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks import workloads
from benchmarks.oracle import Oracle
from benchmarks.ours import RULES, BaliseTracker
from benchmarks.workloads import Journeys
from geofence.columns import Kind, Pings, Transitions
from geofence.tracker import Tracker


@pytest.mark.parametrize(
    ("zones", "batch", "counts"),
    [
        (1_000, 64, (6_335, 5_078)),
        (1_000, 20_000, (6_335, 5_078)),
        (10_000, 10_000, (64_041, 50_820)),
    ],
)
def test_walks_make_the_published_enters_and_exits(
    zones: int, batch: int, counts: tuple[int, int]
) -> None:
    walks = workloads.walks(zones)
    tracker = BaliseTracker(workloads.zones_of(walks), batch=batch)
    found = [tracker.step(fixes) for fixes in walks.fixes]
    assert (sum(enter for enter, _ in found), sum(leave for _, leave in found)) == counts


@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_round_by_round_the_tracker_agrees_with_the_oracle(batch: int) -> None:
    walks = workloads.walks(300, visitors=1_000, rounds=8, seed=23, hot=0.8)
    tracker = BaliseTracker(workloads.zones_of(walks), batch=batch)
    oracle = Oracle(walks.rings())
    for fixes in walks.fixes:
        entered, left = oracle.step(fixes)
        assert tracker.step(fixes) == (len(entered), len(left))


@pytest.mark.parametrize(
    ("zones", "batch", "counts"),
    [
        (1_000, 64, {"enter": 12_300, "exit": 7_454, "dwell": 7_274}),
        (1_000, 10_000, {"enter": 12_300, "exit": 7_454, "dwell": 7_274}),
        (10_000, 10_000, {"enter": 48_518, "exit": 29_622, "dwell": 25_994}),
    ],
)
def test_journeys_make_the_published_enters_exits_and_dwells(
    zones: int, batch: int, counts: dict[str, int]
) -> None:
    journeys = workloads.journeys(zones)
    tracker = tracker_of(journeys, zones)
    found: Counter[Kind] = Counter()
    pings = in_time_order(journeys)
    for first in range(0, len(pings.visitor), batch):
        part = Pings(*(column[first : first + batch] for column in pings))
        found += tally(tracker.observe(part, int(part.fix_ms[-1])).transitions)
    found += tally(tracker.tick(int(pings.fix_ms[-1])))
    for kind, expected in counts.items():
        # The oracle compares distances in a plane, to 1e-5: a fix or two in a million may differ.
        assert found[Kind[kind.upper()]] == pytest.approx(expected, rel=2e-4)


def tracker_of(journeys: Journeys, zones: int) -> Tracker:
    """The workload's zones, their settings and the dwell times that its campaigns listen to."""
    dwells: dict[int, set[int]] = {}
    for watch in workloads.watches(zones):
        if watch.trigger == "dwell":
            for zone in watch.zones:
                dwells.setdefault(zone, set()).add(watch.dwell_s * 1000)
    tracker = Tracker(RULES)
    tracker.visitors_grow(journeys.walks.fixes.shape[1])
    tracker.put_zones(workloads.zones_of(journeys.walks, exit_margin_m=20.0), 0)
    for zone, wanted in dwells.items():
        tracker.put_dwells(str(zone), sorted(wanted), 0)
    return tracker


def in_time_order(journeys: Journeys) -> Pings:
    """All fixes by time; those of one instant by visitor."""
    rounds, visitors = journeys.time_s.shape
    order = np.argsort(journeys.time_s.ravel(), kind="stable")
    where = journeys.walks.fixes.reshape(-1, 2)[order]
    return Pings(
        visitor=np.tile(np.arange(visitors, dtype=np.int32), rounds)[order],
        fix_ms=journeys.time_s.ravel()[order] * 1000,
        lon=np.ascontiguousarray(where[:, 0]),
        lat=np.ascontiguousarray(where[:, 1]),
        accuracy_m=journeys.accuracy_m.ravel()[order].astype(np.float32),
        speed_mps=np.full(len(order), -1, np.float32),
        flags=np.zeros(len(order), np.uint8),
    )


def tally(transitions: Transitions) -> Counter[Kind]:
    kinds, counts = np.unique(transitions.kind, return_counts=True)
    return Counter({Kind(k): int(n) for k, n in zip(kinds, counts, strict=True)})
