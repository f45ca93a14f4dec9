"""A command that only talks to a server starts without the engine, which takes seconds to load."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("numba", "numpy", "shapely", "sqlalchemy", "aiohttp", "firebase_admin", "engine.motor")


def test_the_command_line_loads_the_engine_only_where_it_runs_it() -> None:
    code = f"import sys, api.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
