"""Fixed seeds of the simulator; `make soak` runs fresh ones.

A failure names its seed; `python -m tests.simulator --seed N` plays it again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.run import simulate

SEEDS = range(1, 17)


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_fails_the_promises_hold(seed: int, tmp_path: Path) -> None:
    found = await simulate(seed, tmp_path)
    again = f"replay it: python -m tests.simulator --seed {seed}"
    assert not found.judge.wrongs, "\n".join([*found.judge.wrongs, again])


async def test_the_seeds_are_worth_running(tmp_path: Path) -> None:
    """What a run is there for does happen in it."""
    crashes = saves = sends = pushes = 0
    for seed in (1, 2, 3):
        (tmp_path / str(seed)).mkdir()
        found = await simulate(seed, tmp_path / str(seed))
        crashes += found.crashes
        saves += found.saves
        sends += len(found.judge.ever_sent)
        pushes += len(found.provider.taken)
    assert crashes >= 10
    assert saves >= 10
    assert sends >= 30
    assert pushes >= 20


async def test_the_same_seed_is_the_same_run(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = await simulate(5, tmp_path / "a", steps=120)
    second = await simulate(5, tmp_path / "b", steps=120)
    assert first.judge.history == second.judge.history
    assert first.provider.taken == second.provider.taken
    assert first.steps.taken == second.steps.taken
