"""The reference workloads, drawn from a seed: zones, walks, and campaigns that watch them.

Their counts are published (docs/benchmarks.md), so the order of the random draws is part of
what they are: it must not change.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from content.zones import ZoneRecord
from geofence.columns import F64, I64
from geofence.shapes import Area, Zone

SEED = 7
VISITORS = 20_000
ROUNDS = 40

REGION_M = 50_000.0
WEST, SOUTH = 12.50, 41.90
LAT_DEG_M = 111_320.0
LON_DEG_M = LAT_DEG_M * np.cos(np.radians(SOUTH))

# How far a visitor walks in one round, along each axis; and how far from its zone a visitor
# starts who starts near one.
STEP_M = 25.0
NEAR_M = 200.0

ACCURACY_CEILING_M = 100.0

START_S = 1_750_000_000  # 2025-06-15 15:06:40 UTC
ROUND_S = 30


class Walks(NamedTuple):
    """Zones and walks.

    offsets: [zones + 1], where the ring of each zone starts in `vertices`, [all, 2] lon/lat
    degrees, rings open. fixes: [rounds, visitors, 2] lon/lat degrees.
    """

    offsets: I64
    vertices: F64
    fixes: F64

    def rings(self) -> list[F64]:
        """One open ring a zone, [k, 2]."""
        return np.split(self.vertices, self.offsets[1:-1])


class Journeys(NamedTuple):
    """Walks with an accuracy and a time of each fix: [rounds, visitors], metres and seconds."""

    walks: Walks
    accuracy_m: F64
    time_s: I64


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign of the workload: what it listens to, when it may speak, how often.

    trigger: enter, exit or dwell; window: start and end in minutes of the day (UTC), end excluded.
    """

    number: int
    trigger: str
    zones: tuple[int, ...]
    dwell_s: int
    window: tuple[int, int]
    cooldown_s: int


def walks(
    zones: int,
    *,
    visitors: int = VISITORS,
    rounds: int = ROUNDS,
    seed: int = SEED,
    hot: float = 0.0,
) -> Walks:
    """`zones` star-shaped polygons of 12-40 vertices, 100-1,000 m across, and random walks.

    hot: the share of visitors that start near a zone, 0-1.
    """
    rng = np.random.default_rng(seed)
    centre_x, centre_y = rng.uniform(0, REGION_M, zones), rng.uniform(0, REGION_M, zones)
    across_m = rng.uniform(100, 1000, zones)
    counts = rng.integers(12, 41, zones)
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    outline_m = np.empty((offsets[-1], 2))
    for i, count in enumerate(counts):
        angle = np.sort(rng.uniform(0, 2 * np.pi, count))
        reach = across_m[i] / 2 * rng.uniform(0.55, 1.0, count)
        ring = outline_m[offsets[i] : offsets[i + 1]]
        ring[:, 0] = centre_x[i] + reach * np.cos(angle)
        ring[:, 1] = centre_y[i] + reach * np.sin(angle)
    x, y = rng.uniform(0, REGION_M, visitors), rng.uniform(0, REGION_M, visitors)
    if hot > 0:
        near, home = rng.random(visitors) < hot, rng.integers(0, zones, visitors)
        x[near] = centre_x[home[near]] + rng.normal(0, NEAR_M, near.sum())
        y[near] = centre_y[home[near]] + rng.normal(0, NEAR_M, near.sum())
    fixes = np.empty((rounds, visitors, 2))
    for number in range(rounds):
        if number:
            x = np.clip(x + rng.normal(0, STEP_M, visitors), 0, REGION_M)
            y = np.clip(y + rng.normal(0, STEP_M, visitors), 0, REGION_M)
        fixes[number] = _degrees(x, y)
    vertices = _degrees(outline_m[:, 0], outline_m[:, 1])
    return Walks(offsets, np.round(vertices, 7), np.round(fixes, 7))


def _degrees(x_m: F64, y_m: F64) -> F64:
    return np.column_stack((WEST + x_m / LON_DEG_M, SOUTH + y_m / LAT_DEG_M))


def zones_of(drawn: Walks, *, exit_margin_m: float = 0.0) -> list[Zone]:
    """The zones as the tracker takes them; ids are their numbers.

    The walks are counted with a margin of 0 m, the journeys with 20 m.
    """
    return [
        Zone(
            id=str(number),
            shape=Area(parts=((tuple(map(tuple, np.vstack((ring, ring[:1])).tolist())),),)),
            exit_margin_m=exit_margin_m,
            accuracy_ceiling_m=ACCURACY_CEILING_M,
        )
        for number, ring in enumerate(drawn.rings())
    ]


def zone_records(drawn: Walks, *, exit_margin_m: float = 0.0) -> list[ZoneRecord]:
    """The same zones as the catalogue takes them."""
    return [
        ZoneRecord(
            id=str(number),
            name={"en": f"zone {number}"},
            geometry={"type": "Polygon", "coordinates": [np.vstack((ring, ring[:1])).tolist()]},
            exit_margin_m=exit_margin_m,
            accuracy_ceiling_m=ACCURACY_CEILING_M,
        )
        for number, ring in enumerate(drawn.rings())
    ]


def journeys(zones: int, *, seed: int = SEED) -> Journeys:
    """The walks of half-hot visitors with accuracies (log-normal, median 10 m) and times.

    Visitor i's fix of round t is at START_S + 30 t + (i mod 30), so no two rounds overlap.
    """
    drawn = walks(zones, rounds=ROUNDS, seed=seed, hot=0.5)
    rng = np.random.default_rng(seed + 1)
    rounds, visitors, _ = drawn.fixes.shape
    accuracy_m = np.asarray(np.exp(rng.normal(2.3, 0.9, (rounds, visitors))), np.float64)
    delay_s = np.arange(visitors) % ROUND_S
    time_s = START_S + ROUND_S * np.arange(rounds)[:, None] + delay_s[None, :]
    return Journeys(drawn, np.round(accuracy_m, 1), time_s)


def watches(zones: int, *, seed: int = SEED, count: int = 1000) -> list[Watch]:
    """`count` campaigns, each with one trigger and up to half a percent of the zones."""
    rng = np.random.default_rng(seed + 2)
    return [_watch(rng, number, zones) for number in range(count)]


def _watch(rng: np.random.Generator, number: int, zones: int) -> Watch:
    start_minute = int(rng.integers(0, 1440))
    trigger = ("enter", "exit", "dwell")[int(rng.integers(0, 3))]
    size = int(rng.integers(1, max(2, zones // 200)))
    watched = rng.choice(zones, size=size, replace=False)
    dwell_s = int(rng.choice([60, 120, 300]))
    end_minute = (start_minute + int(rng.integers(60, 1440))) % 1440
    return Watch(
        number=number,
        trigger=trigger,
        zones=tuple(sorted(watched.tolist())),
        dwell_s=dwell_s,
        window=(start_minute, end_minute),
        cooldown_s=int(rng.choice([0, 120, 600])),
    )
