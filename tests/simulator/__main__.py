"""Run seeds by hand: `python -m tests.simulator --seed 7`, or fresh ones for so many minutes."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import structlog

from tests.simulator.run import STEPS, Simulation, simulate


def once(seed: int, steps: int) -> Simulation:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(simulate(seed, Path(folder), steps=steps))


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seed", type=int, help="just this one")
    asked.add_argument("--minutes", type=float, default=60.0, help="fresh seeds for so long")
    asked.add_argument("--steps", type=int, default=STEPS)
    given = asked.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    until_s = time.monotonic() + given.minutes * 60
    seed = time.time_ns() % 10**9 if given.seed is None else given.seed
    runs = 0
    while True:
        found = once(seed, given.steps)
        runs += 1
        if found.judge.wrongs or given.seed is not None:
            for wrong in found.judge.wrongs:
                sys.stdout.write(f"seed {seed}: {wrong}\n")
            sys.stdout.write(
                f"seed {seed}: {found.judge.end} entries, {found.crashes} crashes, "
                f"{found.saves} snapshots, {len(found.judge.made)} decisions, "
                f"{len(found.provider.taken)} pushes\n"
            )
        if found.judge.wrongs:
            sys.stdout.write(
                f"replay it: python -m tests.simulator --seed {seed} --steps {given.steps}\n"
            )
            return 1
        if given.seed is not None or time.monotonic() > until_s:
            break
        seed += 1
    sys.stdout.write(f"{runs} runs, nothing wrong\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
