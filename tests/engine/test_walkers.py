"""Simulated visitors: the same for a seed, on their ways, at their speeds."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from api.demo import ways
from engine.walkers import EARTH_M_PER_DEG, Walkers, Way

START_MS = 1_784_394_000_000
SQUARE = [
    Way(kind="walk", line=((6.0, 45.0), (6.01, 45.0))),
    Way(kind="walk", line=((6.01, 45.0), (6.01, 45.01))),
    Way(kind="cycle", line=((6.01, 45.01), (6.0, 45.0))),
]


def test_the_same_seed_gives_the_same_fixes() -> None:
    def run(seed: int) -> bytes:
        walkers = Walkers(SQUARE, count=50, seed=seed, start_ms=START_MS)
        fixes = [walkers.step(START_MS + s * 1000) for s in range(60)]
        return b"".join(column.tobytes() for fix in fixes for column in fix)

    assert run(7) == run(7)
    assert run(7) != run(8)


def test_visitors_stay_on_their_ways() -> None:
    annecy = ways()
    walkers = Walkers(annecy, count=300, seed=3, start_ms=START_MS)
    lines = shapely.union_all([shapely.LineString(way.line) for way in annecy])
    shapely.prepare(lines)
    for second in range(0, 1200, 60):
        walkers.step(START_MS + second * 1000)
        away_m = shapely.distance(lines, shapely.points(*walkers.positions())) * EARTH_M_PER_DEG
        assert away_m.max() < 15.0  # their sway


def test_nobody_jumps() -> None:
    walkers = Walkers(SQUARE, count=100, seed=3, start_ms=START_MS)
    lon, lat = walkers.positions()
    for second in range(1, 120):
        walkers.step(START_MS + second * 1000)
        lon_now, lat_now = walkers.positions()
        step_m = np.hypot(lon_now - lon, lat_now - lat) * EARTH_M_PER_DEG
        assert step_m.max() < 25.0
        lon, lat = lon_now, lat_now


def test_everybody_sends_every_few_seconds() -> None:
    walkers = Walkers(SQUARE, count=100, seed=3, start_ms=START_MS)
    sent = np.zeros(100, int)
    for second in range(120):
        sent[walkers.step(START_MS + second * 1000).walker] += 1
    assert sent.min() >= 120 // 12
    assert sent.max() <= 120 // 4


def test_visitors_need_ways() -> None:
    with pytest.raises(ValueError, match="ways"):
        Walkers([], count=1, seed=1, start_ms=START_MS)
