"""Snapshots of a running engine: what recovery makes of them, and what leaves the log."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.clock import StepClock
from engine.effects import Effects
from engine.errors import LogRefused, SnapshotRefused, SnapshotsLost
from engine.frozen import freeze, parts
from engine.ingest import Draft
from engine.log import FileLog
from engine.motor import Motor
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.records import Erasure
from engine.recovery import Recovered, recover
from engine.saving import Saver
from engine.snapshots import Snapshots
from tests.engine.simulated_files import SimulatedFiles
from tests.engine.test_motor import HI, Kept, _json, fixes, introduce
from tests.engine.worlds import START_MS, square

LOG, SNAPSHOTS = Path("/data/log"), Path("/data/snapshots")


def state(pipeline: Pipeline) -> list[Any]:
    return [
        (part.name, part.value.tobytes() if hasattr(part.value, "tobytes") else list(part.value))
        for part in parts(freeze(pipeline))
    ]


class Engine:
    """A motor, its saver and what recovery said."""

    def __init__(self, motor: Motor, saver: Saver, recovered: Recovered) -> None:
        self.motor, self.saver, self.recovered = motor, saver, recovered

    @property
    def pipeline(self) -> Pipeline:
        return self.motor.pipeline


@asynccontextmanager
async def engine(files: SimulatedFiles, store: Kept, **more: Any) -> AsyncIterator[Engine]:
    log = FileLog(LOG, files=files, **more)
    snapshots = Snapshots(SNAPSHOTS, files)
    pipeline = Pipeline()
    planner = Planner(pipeline, ("inbox",))
    try:
        recovered = await recover(
            log=log, store=store, pipeline=pipeline, planner=planner, snapshots=snapshots
        )
    except BaseException:
        log.close()
        raise
    clock = StepClock(start_ms=START_MS)
    motor = Motor(log=log, store=store, pipeline=pipeline, planner=planner, clock=clock)
    motor.start(ticking=False)
    saver = Saver(motor, snapshots)
    yield Engine(motor, saver, recovered)
    await saver.stop()
    await motor.stop()


async def populate(motor: Motor) -> None:
    await motor.tick(START_MS)
    await motor.change(
        [
            Draft(kind="zone", id="lake", body=_json(square("lake"))),
            Draft(kind="campaign", id="hi", body=_json(HI)),
        ],
        author="test",
    )
    await introduce(motor, "anna", "bert")


async def live(motor: Motor, first: int, last: int) -> None:
    for second in range(first, last):
        await motor.ingest(fixes("anna", second=second, lon=6.0 + 0.0001 * second))
        await motor.tick(START_MS + second * 1000)


async def three_snapshots(files: SimulatedFiles, store: Kept) -> list[Any]:
    """A life with three snapshots and a tail; returns the state at its end."""
    async with engine(files, store) as balise:
        await populate(balise.motor)
        for part in range(3):
            await live(balise.motor, 10 * part + 1, 10 * part + 10)
            assert await balise.saver.save() is not None
        await live(balise.motor, 40, 50)
        await balise.motor.settled()
        return state(balise.pipeline)


async def test_recovery_takes_the_newest_snapshot_and_replays_the_tail_only() -> None:
    files, store = SimulatedFiles(0), Kept()
    expected = await three_snapshots(files, store)
    stored = len(store.effects)
    async with engine(files, store) as balise:
        assert state(balise.pipeline) == expected
        assert balise.recovered.snapshot == balise.saver.snapshots.positions[0]
        assert balise.recovered.entries == 20
        assert await balise.saver.save() is not None
        assert await balise.saver.save() is None
    assert len(store.effects) == stored


async def test_a_damaged_snapshot_falls_back_to_the_one_before_and_is_reported() -> None:
    files, store = SimulatedFiles(0), Kept()
    expected = await three_snapshots(files, store)
    newest, older = Snapshots(SNAPSHOTS, files).positions
    files.content(Snapshots(SNAPSHOTS, files).path(newest))[-1] ^= 1
    async with engine(files, store) as balise:
        assert state(balise.pipeline) == expected
        assert balise.recovered.snapshot == older
        assert len(balise.recovered.damaged) == 1
        # The damaged one is none of the two behind which the log is trimmed.
        assert balise.saver.snapshots.positions == [older]
        await live(balise.motor, 50, 52)
        await balise.saver.save()
        assert balise.saver.snapshots.trimmable == older


async def test_without_a_good_snapshot_a_trimmed_log_refuses_to_start_and_says_why() -> None:
    files, store = SimulatedFiles(0), Kept()
    await three_snapshots(files, store)
    snapshots = Snapshots(SNAPSHOTS, files)
    for position in snapshots.positions:
        files.content(snapshots.path(position))[20] ^= 1
    before = {name: bytes(files.content(LOG / name)) for name in files.names(LOG)}
    with pytest.raises(SnapshotsLost, match=r"begins at position \d+.*Restore a backup"):
        async with engine(files, store):
            pass
    assert {n: bytes(files.content(LOG / n))[: len(before[n])] for n in before} == before
    assert len(Snapshots(SNAPSHOTS, files).positions) == 2


async def test_without_a_good_snapshot_a_whole_log_is_replayed_from_its_start() -> None:
    files, store = SimulatedFiles(0), Kept()
    async with engine(files, store) as balise:
        await populate(balise.motor)
        await live(balise.motor, 1, 9)
        await balise.saver.save()
        await live(balise.motor, 10, 20)
        expected = state(balise.pipeline)
    snapshots = Snapshots(SNAPSHOTS, files)
    files.content(snapshots.path(snapshots.positions[0]))[20] ^= 1
    async with engine(files, store) as balise:
        assert state(balise.pipeline) == expected
        assert balise.recovered.snapshot is None
        assert balise.recovered.entries == balise.pipeline.end


async def test_a_snapshot_ahead_of_the_database_is_not_taken() -> None:
    """A database put back from a backup: what it lacks must come from the log."""
    files, store = SimulatedFiles(0), Kept()
    expected = await three_snapshots(files, store)
    newest, older = Snapshots(SNAPSHOTS, files).positions
    behind = Kept()
    await behind.commit([e for e in store.effects if e.through <= newest - 3])
    async with engine(files, behind) as balise:
        assert state(balise.pipeline) == expected
        assert balise.recovered.snapshot == older
        await balise.motor.settled()
    assert behind.applied_through >= store.applied_through


async def test_nothing_that_snapshots_hold_stays_in_the_log_for_long() -> None:
    """Three intervals after it came, a fix is in no file; an erased visitor neither."""
    files, store = SimulatedFiles(0), Kept()
    async with engine(files, store) as balise:
        await populate(balise.motor)
        secret = 6.00512345
        await balise.motor.ingest(fixes("anna", second=1, lon=secret))
        needles = (struct.pack("<d", secret), b"bert")
        assert all(found(files, needle) for needle in needles)
        await balise.motor.submit(Erasure(visitor="bert"))
        for part in range(3):
            await live(balise.motor, 10 * part + 2, 10 * part + 10)
            ends = balise.pipeline.end
            saved = await balise.saver.save()
            assert saved is not None
            assert saved.position == ends
        assert not any(found(files, needle) for needle in needles)
        assert saved.log_first <= balise.saver.snapshots.trimmable
        await live(balise.motor, 40, 42)
        expected = state(balise.pipeline)
    async with engine(files, store) as balise:
        assert state(balise.pipeline) == expected


def found(files: SimulatedFiles, needle: bytes) -> list[Path]:
    paths = [folder / name for folder in (LOG, SNAPSHOTS) for name in files.names(folder)]
    return [path for path in paths if needle in bytes(files.content(path))]


class SlowStore(Kept):
    """A store that takes nothing until it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = asyncio.Event()
        self.may.set()

    async def commit(self, effects: Sequence[Effects]) -> None:
        await self.may.wait()
        await super().commit(effects)


async def test_a_snapshot_waits_for_the_store_and_the_stream_does_not_wait_for_it() -> None:
    files, store = SimulatedFiles(0), SlowStore()
    async with engine(files, store) as balise:
        await populate(balise.motor)
        await balise.motor.settled()
        store.may.clear()
        await live(balise.motor, 1, 3)
        taken_at = balise.pipeline.end
        saving = asyncio.create_task(balise.saver.save())
        await live(balise.motor, 3, 6)
        assert balise.saver.snapshots.positions == []
        store.may.set()
        saved = await saving
        assert saved is not None
        assert saved.position == taken_at < balise.pipeline.end


async def test_a_full_disk_costs_the_snapshot_only() -> None:
    files, store = SimulatedFiles(0), Kept()
    async with engine(files, store) as balise:
        await populate(balise.motor)
        await balise.saver.save()
        first = balise.saver.snapshots.positions
        await live(balise.motor, 1, 3)
        files.fail("create", times=2)
        with pytest.raises((SnapshotRefused, LogRefused)):
            await balise.saver.save()
        assert balise.saver.snapshots.positions == first
        files.heal()
        await live(balise.motor, 3, 6)
        assert await balise.saver.save() is not None
        expected = state(balise.pipeline)
    async with engine(files, store) as balise:
        assert state(balise.pipeline) == expected


async def test_a_failed_engine_is_not_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    files, store = SimulatedFiles(0), Kept()
    async with engine(files, store) as balise:
        await populate(balise.motor)
        await balise.motor.settled()

        def broken(*_: Any) -> Any:
            raise ZeroDivisionError

        balise.pipeline.decider.tick = broken  # type: ignore[method-assign]
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        with pytest.raises(LogRefused):
            await balise.motor.tick(START_MS + 1000)
        with pytest.raises(SnapshotRefused, match="failed"):
            await balise.saver.save()
        assert balise.saver.snapshots.positions == []


async def test_snapshots_are_taken_by_themselves_after_so_many_entries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.limits.SNAPSHOT_POLL_S", 0.01)
    monkeypatch.setattr("engine.limits.SNAPSHOT_ENTRIES", 20)
    files, store = SimulatedFiles(0), Kept()
    async with engine(files, store) as balise:
        balise.saver.start()
        await populate(balise.motor)
        second = 0
        async with asyncio.timeout(60):
            while balise.saver.last is None or not balise.saver.last.log_first:
                second += 1
                await live(balise.motor, second, second + 1)
                await asyncio.sleep(0.005)
        assert balise.saver.snapshots.trimmable >= balise.saver.last.log_first


@pytest.mark.parametrize("durability", ["fsync", "interval"])
async def test_after_a_power_failure_a_snapshot_is_never_ahead_of_log_and_store(
    durability: str,
) -> None:
    for seed in range(8):
        files, store = SimulatedFiles(seed), Kept()
        async with engine(files, store, durability=durability, interval_ms=10**6) as balise:
            await populate(balise.motor)
            await live(balise.motor, 1, 6)
            await balise.saver.save()
            await live(balise.motor, 6, 9)
            await balise.motor.settled()
            files.power_loss()
            balise.motor._log._handle = -1  # type: ignore[attr-defined]  # it died with the machine
        async with engine(files, store) as again:
            assert again.recovered.snapshot is not None
            assert again.pipeline.end >= store.applied_through
