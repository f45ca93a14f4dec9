"""How kernels are compiled and kept: nothing stale, nothing by accident."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import numpy as np
import pytest

import geofence
from geofence import kernels, memory
from geofence.columns import Pings
from geofence.errors import PingsInvalid
from geofence.shapes import Circle, Zone
from geofence.tracker import OFF, Tracker

ROOM = Path(geofence.__file__).parent


def imports(name: str) -> set[str]:
    """The modules of the room that a module imports."""
    found = set()
    for node in ast.walk(ast.parse((ROOM / f"{name}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("geofence"):
            _, _, module = (node.module or "").partition(".")
            found |= {module} if module else {alias.name for alias in node.names}
    return found


def test_what_the_disk_keeps_is_as_old_as_every_source_that_kernels_are_made_of():
    with_kernels = {
        path.stem
        for path in ROOM.glob("*.py")
        if path.stem != "kernels"
        and any(mark in path.read_text() for mark in ("\n@kernel\n", "\n@inlined\n", "\n@entry("))
    }
    needed, fresh = set(), with_kernels
    while fresh:
        needed |= fresh
        fresh = set().union(*(imports(name) for name in fresh)) - needed
    assert needed <= set(kernels.SOURCES)


def test_the_digest_changes_with_any_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in kernels.SOURCES:
        (tmp_path / f"{name}.py").write_bytes((ROOM / f"{name}.py").read_bytes())
    monkeypatch.setattr(kernels.resources, "files", lambda _: tmp_path)
    digests = {kernels.sources_digest()}
    assert digests == {kernels._Stamp.digest}
    for name in kernels.SOURCES:
        with (tmp_path / f"{name}.py").open("a") as file:
            file.write("# changed\n")
        digests.add(kernels.sources_digest())
    assert len(digests) == len(kernels.SOURCES) + 1


def test_every_compiled_function_is_kept_under_that_digest():
    for name in kernels.SOURCES:
        module = importlib.import_module(f"geofence.{name}")
        for thing in vars(module).values():
            cache = getattr(thing, "_cache", None)
            if cache is not None and hasattr(cache, "_cache_file"):
                assert cache._cache_file._source_stamp == kernels._Stamp.digest


def one_ping(**columns: np.ndarray) -> Pings:
    ping = Pings(
        np.zeros(1, np.int32), np.ones(1, np.int64), np.array([6.0]), np.array([45.0]),
        np.full(1, -1, np.float32), np.full(1, -1, np.float32), np.zeros(1, np.uint8),
    )  # fmt: skip
    return ping._replace(**columns)


def tracker_of_one() -> Tracker:
    tracker = Tracker(OFF)
    tracker.put_zones([Zone(id="c", shape=Circle(lon=6.0, lat=45.0, radius_m=50))], 0)
    tracker.visitors_grow(1)
    return tracker


def test_read_only_and_strided_columns_are_taken_as_they_are():
    for lon in (np.frombuffer(np.array([6.0]).tobytes()), np.array([6.0, 7.0])[::2],
                np.array([[6.0, 45.0], [6.0, 45.0]])[:1, 0]):  # fmt: skip
        seen = tracker_of_one().observe(one_ping(lon=lon), 1)
        assert seen.transitions.zone.tolist() == [0]
    lon = np.array([[6.0, 45.0], [6.0, 45.0]])[:, 0]
    two = Pings(*(np.repeat(column, 2) for column in one_ping()))._replace(lon=lon)
    assert tracker_of_one().observe(two, 1).status.tolist() == [0, 1]


def test_columns_of_other_types_or_lengths_are_refused_not_compiled_for():
    with pytest.raises(PingsInvalid, match="lon"):
        tracker_of_one().observe(one_ping(lon=np.array([6])), 1)
    with pytest.raises(PingsInvalid, match="length"):
        tracker_of_one().observe(one_ping(lon=np.array([6.0, 6.0])), 1)


def test_memory_keeps_what_it_grows_and_begins_arrays_with_a_cache_line():
    held = memory.Memory()
    held.grow("members", 3)
    held["members"]["visit"] = [1, 2, 3]
    held.grow("members", 100)
    assert held["members"]["visit"][:4].tolist() == [1, 2, 3, 0]
    assert held["members"].__array_interface__["data"][0] % 64 == 0
    with pytest.raises(AssertionError):
        held.put("members", np.zeros(3))
