"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# A slow machine fails no property; in CI the examples are the same every time.
settings.register_profile(
    "balise",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("balise")

# Plain lines: a traceback drawn with all locals takes seconds, and shows what logs must not.
structlog.configure(
    processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info,
                structlog.processors.KeyValueRenderer()]
)  # fmt: skip


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The public data sets; a test that needs them skips where they are absent."""
    found = os.environ.get("BALISE_TEST_DATA")
    if not found:
        pytest.skip("BALISE_TEST_DATA does not name the folder of public data sets")
    return Path(found)


@pytest.fixture(scope="session")
def bench_dir(data_dir: Path) -> Path:
    """The reference workloads, beside the data sets."""
    return data_dir.parent / "bench"
