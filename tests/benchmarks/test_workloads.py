"""Our workloads are the published ones, number by number."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from benchmarks import workloads
from geofence.shapes import Area


@pytest.fixture(scope="module")
def published(bench_dir: Path) -> Iterator[dict[str, ModuleType]]:
    """The reference scripts as modules."""
    modules = {}
    for name in ("workload", "campaigns"):
        spec = importlib.util.spec_from_file_location(name, bench_dir / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        # The second one imports the first by its bare name.
        modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    yield modules
    for name in modules:
        del sys.modules[name]


@pytest.mark.real_data
@pytest.mark.parametrize(("zones", "seed", "hot"), [(1_000, 7, 0.0), (300, 11, 0.8)])
def test_zones_and_walks_are_those_published(
    published: dict[str, ModuleType], zones: int, seed: int, hot: float
) -> None:
    off, vertices, pings = published["workload"].make(zones, rounds=5, seed=seed, hot=hot)
    ours = workloads.walks(zones, rounds=5, seed=seed, hot=hot)
    assert np.array_equal(ours.offsets, off)
    assert np.array_equal(ours.vertices, vertices)
    assert np.array_equal(ours.fixes, pings)


@pytest.mark.real_data
@pytest.mark.parametrize("seed", [7, 8])
def test_journeys_and_campaigns_are_those_published(
    published: dict[str, ModuleType], seed: int
) -> None:
    _, _, pings, accuracy, time = published["campaigns"].fixes(500, seed)
    ours = workloads.journeys(500, seed=seed)
    assert np.array_equal(ours.walks.fixes, pings)
    assert np.array_equal(ours.accuracy_m, accuracy)
    assert np.array_equal(ours.time_s, time)
    theirs = published["campaigns"].campaigns(500, seed)
    assert [
        {
            "id": w.number,
            "trigger": w.trigger,
            "zones": list(w.zones),
            "dwell_s": w.dwell_s,
            "window": w.window,
            "cooldown_s": w.cooldown_s,
        }
        for w in workloads.watches(500, seed=seed)
    ] == theirs


def test_zones_are_closed_rings_under_their_numbers() -> None:
    drawn = workloads.walks(20, visitors=3, rounds=1)
    zones = workloads.zones_of(drawn)
    assert [zone.id for zone in zones] == [str(i) for i in range(20)]
    for zone, ring in zip(zones, drawn.rings(), strict=True):
        assert zone.exit_margin_m == 0
        assert isinstance(zone.shape, Area)
        ((outer,),) = zone.shape.parts
        assert outer[0] == outer[-1]
        assert np.array_equal(np.array(outer[:-1]), ring)
