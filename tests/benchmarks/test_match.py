"""The match benchmark compares like with like, or fails."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest
from rich.console import Console

from benchmarks import machine, match, workloads
from benchmarks.errors import BenchmarkError, CountsDiffer, WorkloadInvalid
from benchmarks.oracle import Oracle, difference
from benchmarks.ours import BaliseTracker
from benchmarks.rivals.port import Matcher
from benchmarks.rivals.rtree_prepared import RtreePrepared
from benchmarks.rivals.shapely_strtree_bulk import ShapelyBulk

SMALL = {"rounds": 3, "visitors": 400, "batch": 150, "hot": 0.9, "repeats": 2}


def test_the_figures_have_the_keys_that_are_promised() -> None:
    result = match.run(60, seed=5, **SMALL)
    assert json.loads(json.dumps(result)) == result
    assert result["zones"] == 60
    assert result["pings"] == 1_200
    assert result["pings_per_cpu_s"] > 0
    for name in ("shapely_strtree_bulk", "rtree_prepared"):
        assert result["rivals"][name]["pings_per_cpu_s"] > 0
        assert result["ratios"][name] > 0
    oracle = Oracle(workloads.walks(60, visitors=400, rounds=3, seed=5, hot=0.9).rings())
    walks = workloads.walks(60, visitors=400, rounds=3, seed=5, hot=0.9)
    changes = [oracle.step(fixes) for fixes in walks.fixes]
    assert result["enter"] == sum(len(entered) for entered, _ in changes)
    assert result["exit"] == sum(len(left) for _, left in changes)
    assert result["machine"]["cores"] >= 1
    assert {"numpy", "numba", "shapely", "rtree"} <= result["machine"]["versions"].keys()


def test_the_table_shows_ratios_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    result = match.run(30, progress=True, **SMALL)
    out = io.StringIO()
    match.render(result, Console(file=out, width=160))
    shown = out.getvalue()
    assert f"{result['ratios']['rtree_prepared']:.1f} x" in shown
    assert machine.cpu_model() in shown
    assert "shapely_strtree_bulk" in shown
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "match" in captured.err


@pytest.mark.parametrize("batch", [1, 64, 400])
def test_every_contestant_finds_what_the_oracle_finds(batch: int) -> None:
    walks = workloads.walks(80, visitors=400, rounds=5, seed=3, hot=1.0)
    oracle = Oracle(walks.rings())
    contestants: list[Matcher] = [
        BaliseTracker(workloads.zones_of(walks), batch=batch),
        ShapelyBulk(walks.rings(), batch=batch),
        RtreePrepared(walks.rings()),
    ]
    expected = [(len(entered), len(left)) for entered, left in map(oracle.step, walks.fixes)]
    assert max(expected) > (0, 0)
    for contestant in contestants:
        assert [contestant.step(fixes) for fixes in walks.fixes] == expected
        contestant.reset()
        assert contestant.step(walks.fixes[0]) == expected[0]


def test_a_contestant_that_counts_wrong_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ShapelyBulk.step
    monkeypatch.setattr(
        ShapelyBulk, "step", lambda self, fixes: (right(self, fixes)[0] + 1, right(self, fixes)[1])
    )
    with pytest.raises(CountsDiffer, match=r"shapely_strtree_bulk/.*, round 0: ") as caught:
        match.run(30, **SMALL)
    assert caught.value.found != caught.value.expected
    assert isinstance(caught.value, BenchmarkError)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"zones": 0}, "zones"),
        ({"batch": 0}, "batch"),
        ({"rounds": -1}, "rounds"),
        ({"visitors": 0}, "visitors"),
        ({"repeats": 0}, "repeats"),
        ({"hot": 1.5}, "hot"),
    ],
)
def test_workloads_that_cannot_be_are_refused(options: dict[str, float], field: str) -> None:
    with pytest.raises(WorkloadInvalid) as caught:
        match.run(**({"zones": 5, **SMALL} | options))
    assert caught.value.field == field


def test_a_difference_of_sorted_arrays_is_that_of_sets() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        some, others = (np.unique(rng.integers(0, 30, rng.integers(0, 20))) for _ in range(2))
        assert difference(some, others).tolist() == sorted(set(some) - set(others))


def test_the_machine_is_described_also_where_the_kernel_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pathlib.Path.exists", lambda _: False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    described = machine.machine(("numpy",))
    assert described["cpu"]
    assert described["cores"] == (os.cpu_count() or 1)
    assert described["versions"] == {"numpy": np.__version__}
