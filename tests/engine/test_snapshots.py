"""Snapshots: a state comes back bit for bit, and a damaged file is known for what it is."""

from __future__ import annotations

import errno
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api import demo
from engine import records as entries_
from engine.catalogue import decode
from engine.errors import DataTooNew, SnapshotDamaged, SnapshotRefused
from engine.frozen import freeze, parts
from engine.pipeline import Pipeline
from engine.records import Device, Entry, Outcome, Record
from engine.snapshots import HEADER, MAGIC, Snapshots
from tests.engine.simulated_files import SimulatedFiles
from tests.engine.test_pipeline import evening
from tests.engine.worlds import (
    START_MS,
    campaign,
    catalogue,
    change,
    known,
    pings,
    records,
    square,
    tick,
)

FOLDER = Path("/data/snapshots")


def state(pipeline: Pipeline) -> dict[str, Any]:
    """Every bit of a pipeline's state, by part."""
    out: dict[str, Any] = {}
    for part in parts(freeze(pipeline)):
        value = part.value
        out[part.name] = (
            (value.dtype.str, value.shape, value.tobytes())
            if hasattr(value, "tobytes")
            else b"".join(value)
        )
    return out


def through_a_file(pipeline: Pipeline) -> Pipeline:
    """The pipeline that a snapshot of this one gives."""
    snapshots = Snapshots(FOLDER, SimulatedFiles(0))
    frozen = freeze(pipeline)
    snapshots.write(frozen)
    again = Pipeline()
    Snapshots(FOLDER, snapshots._files).load(frozen.end, again)
    return again


def decided(pipeline: Pipeline, log: Sequence[Record]) -> list[Any]:
    return [r.decision() for record in log for r in pipeline.apply(record).rulings]


def everything() -> list[Entry]:
    """A log with every kind of entry, several of them at work when it ends."""
    near = {"type": "near", "places": ["castle"], "within_m": 200}
    capped = {"quiet_hours": None, "per_visitor": {"count": 2, "period_s": 600}, "cooldown_s": 5}
    place = {"id": "castle", "name": {"en": "Castle"}, "lon": 6.0, "lat": 45.0}
    home = {"id": "d", "name": {"en": "There"}, "time_zone": "Europe/Paris", "lat": 45, "lon": 6,
            "default_language": "en", "languages": ["en"], "country": "FR"}  # fmt: skip
    world: list[Entry] = [
        tick(0),
        catalogue(change("destination", "d", home)),
        catalogue(
            change("zone", "lake", square("lake", capacity=10, penetration=0.5, dwell_s=30)),
            change("zone", "town", square("town", lon=6.005, tags=["shops"])),
            change("zone", "gone", square("gone", lon=6.1)),
            change("place", "castle", place),
            change("campaign", "hi", campaign("hi", {"type": "enter", "zones": ["lake"]},
                                              restraint=capped)),
            change("campaign", "stay", campaign("stay", {"type": "dwell", "zone_tags": ["shops"],
                                                         "after_s": 20})),
            change("campaign", "near", campaign("near", near)),
            change("campaign", "level", campaign(
                "level", {"type": "level_change", "zones": ["lake"], "to": ["full"]},
                kind="alert")),
            change("campaign", "later", campaign(
                "later", {"type": "enter", "zones": ["town"]},
                restraint={"quiet_hours": {"start": "00:00", "end": "23:59", "rule": "hold"}})),
        ),
        catalogue(change("zone", "gone", None, version=2)),
        *known("anna", "fr-CA"),
        *known("bert"),
        *known("cleo"),
        entries_.Profile(visitor="anna", segments=("family",), attributes={"age": 7.5, "vip": True},
                         stay_from="2026-07-17", stay_until="2026-07-20"),
        entries_.Feed(name="wind", value=12.5, at_ms=START_MS),
        entries_.Counter(zone="lake", persons=3, at_ms=START_MS),
    ]  # fmt: skip
    chance = random.Random(4)
    where = dict.fromkeys(("anna", "bert", "cleo", "dora"), (6.002, 45.005))
    for second in range(1, 150):
        fixes = []
        for name, (lon, lat) in where.items():
            if chance.random() < 0.4:
                where[name] = (
                    min(6.02, max(5.985, lon + chance.uniform(-0.004, 0.004))),
                    min(45.02, max(44.99, lat + chance.uniform(-0.003, 0.003))),
                )
                late = chance.choice((0, 0, 0, 5, 400))
                fixes += [(name, second - late, *where[name])] * chance.choice((1, 1, 2))
        if fixes:
            world.append(pings(*fixes))
        world.append(tick(second))
        world += {
            40: [entries_.Erasure(visitor="bert")],
            50: [entries_.Consent(visitor="cleo", purposes={"push": False}, at_ms=START_MS)],
            60: [
                entries_.Override(zone="lake", level="full", until_ms=START_MS + 90_000, author="t")
            ],
            70: [catalogue(change("zone", "lake", square("lake", lon=6.003, capacity=4), 2))],
            80: [
                Device(device="anna-phone", visitor="cleo", platform="ios", languages=("de",)),
                Device(device="anna-2", visitor="anna", platform="web", languages=("it",)),
            ],
            90: known("bert"),
            100: [catalogue(change("campaign", "near", None, version=2))],
            110: [catalogue(change("destination", "d", {**home, "time_zone": "Asia/Tokyo"}, 2))],
            120: [_failure("cleo")],
        }.get(second, [])
    return world


def _failure(visitor: str) -> Entry:
    outcome = Outcome(notification="n", decision="d", visitor=visitor, device=f"{visitor}-phone",
                      state="retired", reason="UNREGISTERED", at_ms=START_MS)  # fmt: skip
    return entries_.Outcomes(outcomes=(outcome,))


def test_a_restored_state_is_the_state_before_at_every_position() -> None:
    log = records(everything())
    kinds = {type(record.entry) for record in log}
    assert kinds == set(Pipeline()._apply)
    uninterrupted = Pipeline()
    at_end = decided(uninterrupted, log)
    assert {d.verdict for d in at_end} == {"send", "suppressed"}
    going = Pipeline()
    made: list[Any] = []
    for record in log:
        made += decided(going, [record])
        before = state(going)
        going = through_a_file(going)
        assert state(going) == before, record
    assert made == at_end
    assert state(going) == state(uninterrupted)


@pytest.mark.parametrize("cut", [0.02, 0.3, 0.61, 0.9])
def test_an_evening_cut_by_a_snapshot_goes_on_as_if_it_had_not_been(cut: float) -> None:
    log = list(evening())
    at = int(len(log) * cut)
    uninterrupted = Pipeline()
    expected = decided(uninterrupted, log)
    first = Pipeline()
    made = decided(first, log[:at])
    second = through_a_file(first)
    made += decided(second, log[at:])
    assert made == expected
    assert state(second) == state(uninterrupted)


def test_what_was_frozen_does_not_move_with_the_pipeline() -> None:
    log = records(everything())
    pipeline = Pipeline()
    for record in log[: len(log) // 2]:
        pipeline.apply(record)
    expected = state(pipeline)
    frozen = freeze(pipeline)
    for record in log[len(log) // 2 :]:
        pipeline.apply(record)
    snapshots = Snapshots(FOLDER, SimulatedFiles(0))
    snapshots.write(frozen)
    again = Pipeline()
    snapshots.load(frozen.end, again)
    assert state(again) == expected


def test_every_record_of_the_demonstration_is_the_same_after_json() -> None:
    for draft in demo.content():
        assert draft.body is not None
        record = decode(draft.kind, draft.body)
        assert decode(draft.kind, msgspec.json.encode(record)) == record


# -- the files ---------------------------------------------------------------------


def small(ticks: int) -> Pipeline:
    pipeline = Pipeline()
    world = [tick(0), catalogue(change("zone", "lake", square("lake"))), *known("anna"),
             pings(("anna", 1, 6.005, 45.005)), *(tick(s) for s in range(1, ticks))]  # fmt: skip
    for record in records(world):
        pipeline.apply(record)
    return pipeline


def test_the_newest_two_are_kept_and_named_by_position() -> None:
    files = SimulatedFiles(0)
    snapshots = Snapshots(FOLDER, files)
    assert snapshots.trimmable == 0
    ends = []
    for ticks in (2, 5, 9, 12):
        pipeline = small(ticks)
        snapshots.write(freeze(pipeline))
        ends.append(pipeline.end)
    assert snapshots.positions == Snapshots(FOLDER, files).positions == [ends[3], ends[2]]
    assert snapshots.trimmable == ends[2]
    assert len(files.names(FOLDER)) == 2
    (newest, _) = snapshots.info()
    assert (newest.position, newest.taken_ms) == (ends[3], START_MS + 11_000)
    assert newest.size_bytes == len(files.content(Path(newest.path)))


def test_any_flipped_bit_is_noticed() -> None:
    files = SimulatedFiles(0)
    snapshots = Snapshots(FOLDER, files)
    pipeline = small(5)
    snapshots.write(freeze(pipeline))
    content = files.content(snapshots.path(pipeline.end))
    sound = bytes(content)
    chance = random.Random(1)
    for at in [*range(HEADER.size), *(chance.randrange(len(sound)) for _ in range(300))]:
        content[at] ^= 1 << chance.randrange(8)
        with pytest.raises((SnapshotDamaged, DataTooNew)):
            snapshots.verify(pipeline.end)
        with pytest.raises((SnapshotDamaged, DataTooNew)):
            snapshots.load(pipeline.end, Pipeline())
        content[at] = sound[at]
    for size in (0, HEADER.size - 1, HEADER.size, len(sound) // 2, len(sound) - 1):
        content[:] = sound[:size]
        with pytest.raises(SnapshotDamaged):
            snapshots.verify(pipeline.end)
    content[:] = sound
    snapshots.verify(pipeline.end)


def test_a_snapshot_that_does_not_load_leaves_the_pipeline_empty() -> None:
    files = SimulatedFiles(0)
    snapshots = Snapshots(FOLDER, files)
    frozen = freeze(small(5))
    frozen.few["zone_ids"] = ["another"]
    snapshots.write(frozen)
    pipeline, empty = Pipeline(), state(Pipeline())
    with pytest.raises(SnapshotDamaged, match="other zones"):
        snapshots.load(frozen.end, pipeline)
    assert state(pipeline) == empty


@pytest.mark.parametrize("call", ["create", "write", "fsync", "rename", "fsync_folder"])
def test_a_snapshot_that_cannot_be_written_leaves_the_others(call: str) -> None:
    files = SimulatedFiles(0)
    snapshots = Snapshots(FOLDER, files)
    first = small(2)
    snapshots.write(freeze(first))
    files.fail(call, errno.ENOSPC)
    with pytest.raises(SnapshotRefused):
        snapshots.write(freeze(small(5)))
    assert snapshots.positions == [first.end]
    Snapshots(FOLDER, files).load(first.end, Pipeline())
    assert [name for name in files.names(FOLDER) if name.endswith(".new")] == []


@pytest.mark.parametrize("seed", range(20))
def test_a_power_failure_leaves_whole_snapshots(seed: int) -> None:
    """Under its name a snapshot is whole, whenever the machine dies; a finished one is there."""
    files = SimulatedFiles(seed)
    snapshots = Snapshots(FOLDER, files)
    first = small(2)
    snapshots.write(freeze(first))
    files.fail(random.Random(seed).choice(["write", "fsync", "rename", "fsync_folder", "remove"]))
    for ticks in (5, 9):
        try:
            snapshots.write(freeze(small(ticks)))
        except SnapshotRefused:
            break
    finished = snapshots.positions
    files.power_loss()
    again = Snapshots(FOLDER, files)
    assert set(finished) <= set(again.positions)
    for position in again.positions:
        again.verify(position)


def test_a_snapshot_of_a_later_format_is_refused() -> None:
    files = SimulatedFiles(0)
    snapshots = Snapshots(FOLDER, files)
    pipeline = small(2)
    import engine.snapshots as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "FORMAT", 2)
        snapshots.write(freeze(pipeline))
    assert files.content(snapshots.path(pipeline.end))[: len(MAGIC)] == MAGIC
    with pytest.raises(DataTooNew):
        snapshots.load(pipeline.end, Pipeline())
