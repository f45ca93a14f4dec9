"""One simulated life of an instance: virtual time, faults by chance, and a judge.

Everything is a function of the seed: the engine runs on one thread, its disk is simulated, its
clock stands still between steps, and SQLite is called where it is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np
from sqlalchemy import select

from engine import database, limits, tables
from engine.clock import SystemClock
from engine.delivery import NOBODY, Delivery
from engine.effects import Visit
from engine.errors import Conflict, LogRefused, SnapshotRefused
from engine.ingest import Draft, Refusal
from engine.log import FileLog
from engine.motor import Motor
from engine.outbox_sql import row_of
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.records import Consent, Entry, Erasure
from engine.recovery import recover
from engine.saving import Saver
from engine.snapshots import SUFFIX, Snapshots
from engine.store import NAME, Store
from engine.ticks import TickSource
from notifier.channels.inbox import Hub, InboxChannel
from notifier.errors import StoreUnavailable
from tests.engine.worlds import START_MS
from tests.simulator.judge import Judge, Ping, accepted
from tests.simulator.provider import Provider
from tests.simulator.steps import Crash, DyingFiles, DyingStore, Inline, Steps
from tests.simulator.world import (
    CAMPAIGNS,
    ERASED,
    RESTRAINT,
    VISITORS,
    ZONES,
    Phones,
    chance_entry,
    draft,
    drafted,
    first_changes,
    introduced,
)

LOG, SNAPSHOTS = Path("/data/log"), Path("/data/snapshots")
CHANNELS = ("fcm", "inbox")
STEPS = 320
TRIES = 20  # starts in a row: a death while starting is likely to be followed by another
PATIENCE = 3_000  # turns of the loop: what has not come by then never will
T = TypeVar("T")


class Stuck(Exception):
    """The engine neither starts nor goes on."""


async def at_once(call: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """`asyncio.to_thread` without a thread, whose time nobody could foresee."""
    return call(*args, **kwargs)


class Wall:
    """A wall clock that somebody sets."""

    def __init__(self) -> None:
        self.true_ms = START_MS
        self.offset_ms = 0

    def now_ms(self) -> int:
        return self.true_ms + self.offset_ms

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(0)


class Simulation:
    """A run of `steps` things that happen."""

    def __init__(self, seed: int, folder: Path, *, steps: int = STEPS) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.folder = folder
        self.count = steps
        self.steps = Steps()
        self.files = DyingFiles(seed, self.steps)
        self.wall = Wall()
        self.provider = Provider(self.steps, random.Random(seed + 1))
        self.judge = Judge(CHANNELS)
        self.phones = Phones(self.chance)
        self.durability = self.chance.choice(("fsync", "fsync", "fsync", "interval"))
        self.crashes = 0
        self.saves = 0
        self.rotten = 0

    # -- lives -------------------------------------------------------------------------

    async def _open(self) -> None:
        """Start the engine on what is there."""
        sim = self

        class Read(FileLog):
            """A log that shows the judge what it is about to forget."""

            def trim(self, before: int) -> int:
                sim.judge.read(self.replay(max(sim.judge.end, self.first)))
                return super().trim(before)

        self.store = DyingStore(Store(self.folder, clock=SystemClock()), self.steps, self.chance)
        log = Read(
            LOG,
            files=self.files,
            durability=self.durability,  # type: ignore[arg-type]
            interval_ms=10**9,
            segment_bytes_max=6_000,
        )
        pipeline = Pipeline(restraint=RESTRAINT)
        planner = Planner(pipeline, CHANNELS)
        snapshots = Snapshots(SNAPSHOTS, self.files)
        recovered = await recover(
            log=log, store=self.store, pipeline=pipeline, planner=planner, snapshots=snapshots
        )
        if len(recovered.damaged) > self.rotten:
            self.judge.wrong(f"a finished snapshot is damaged: {recovered.damaged}")
        self.rotten = 0
        self.judge.read(log.replay(max(self.judge.end, log.first)))
        self.judge.catch_up()
        self.judge.same_state(pipeline, "after a restart")
        self.log = log
        self.motor = Motor(
            log=log, store=self.store, pipeline=pipeline, planner=planner, clock=self.wall
        )
        self.motor._threads = Inline()  # type: ignore[assignment]
        self.motor.start(ticking=False)
        self.saver = Saver(self.motor, snapshots, thread=Inline())
        self.ticks = TickSource(pipeline.now_ms or None)
        self.delivery = Delivery(
            self.motor,
            self.store.outbox,  # type: ignore[arg-type]
            [self.provider, InboxChannel(self.store.inner.inbox, Hub())],
            clock=self.wall,
            chance=self.chance.random,
        )
        await self.delivery.report(
            lambda: self.store.outbox.unreported(100, nobody=NOBODY)  # type: ignore[no-any-return]
        )
        await self.delivery.resume(await self.store.outbox.unfinished())

    async def _reopen(self) -> None:
        """Start again until it lives: it may die while it starts."""
        for _ in range(TRIES):
            try:
                await self._alive(self._open())
            except Crash:
                await self._die()
            except Stuck:
                raise
            except Exception as error:  # noqa: BLE001  # judged below
                # It may refuse to start on a failing disk; the next try finds it mended.
                refusal = error
                await self._die()
                self.files.heal()
            else:
                return
        raise Stuck(f"it does not start: {refusal!r}")

    async def _die(self) -> None:
        """The process is gone; perhaps the machine with it."""
        self.crashes += 1
        motor = getattr(self, "motor", None)
        if motor is not None:
            for task in motor._tasks:
                task.cancel()
            await asyncio.gather(*motor._tasks, return_exceptions=True)
        self.store.inner.close()
        self.steps.reborn()
        if self.durability == "fsync" and self.chance.random() < 0.5:
            self.files.power_loss()
        else:
            self.files.kill()
        kept = sorted(n for n in self.files.names(SNAPSHOTS) if n.endswith(SUFFIX))
        if len(kept) == limits.SNAPSHOTS_KEPT and self.chance.random() < 0.15:
            newest = self.files.content(SNAPSHOTS / kept[-1])
            newest[self.chance.randrange(len(newest))] ^= 0x40
            self.rotten = 1

    async def _alive(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for work of the living; raises Crash when the process dies meanwhile."""
        task = asyncio.create_task(work)
        for _ in range(PATIENCE):
            if task.done() or self.steps.dead:
                break
            await asyncio.sleep(0)
        else:
            task.cancel()
            raise Stuck("it does not go on")
        if self.steps.dead:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise Crash
        return task.result()

    # -- what happens ------------------------------------------------------------------

    async def run(self) -> Judge:
        """Run it all; the judge's `wrongs` are the result."""
        retry_s, pragmas = limits.LOG_RETRY_S, database._WRITER_PRAGMAS
        limits.LOG_RETRY_S = 0.0
        # SQLite's own promises are not what is on trial here, and its disk does not lose power.
        database._WRITER_PRAGMAS = (*pragmas, "PRAGMA synchronous=OFF")
        to_thread, asyncio.to_thread = asyncio.to_thread, at_once  # type: ignore[assignment]
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # tasks of dead processes
        try:
            await self._live()
        except Stuck as error:
            self.judge.wrong(str(error))
        finally:
            limits.LOG_RETRY_S, database._WRITER_PRAGMAS = retry_s, pragmas
            asyncio.to_thread = to_thread
            loop.set_exception_handler(None)
        return self.judge

    async def _live(self) -> None:
        await self._reopen()
        await self._act(self._tick)
        await self._act(lambda: self._change(first_changes()))
        for visitor in (*VISITORS, ERASED):
            for entry in introduced(visitor):
                await self._act(lambda entry=entry: self._submit(entry))  # type: ignore[misc]
        for _ in range(self.count):
            await self._happen()
            if self.judge.wrongs:
                return
        await self._end()

    async def _happen(self) -> None:
        acts: tuple[tuple[int, Callable[[], Awaitable[None]]], ...] = (
            (40, self._pings),
            (32, self._tick),
            (14, self._pump),
            (6, lambda: self._submit(chance_entry(self.chance, self.wall.true_ms))),
            (4, self._consent),
            (1, lambda: self._erase(self.chance.choice(VISITORS))),
            (4, self._edit),
            (4, self._save),
        )
        weights = [weight for weight, _ in acts]
        self._trouble()
        count = self.chance.choice((1, 1, 1, 2, 4))
        chosen = self.chance.choices(acts, weights, k=count)
        await self._act(*(act for _, act in chosen))

    def _trouble(self) -> None:
        """Faults to come: a death, a disk that fails or is full, a clock that is set."""
        chance = self.chance
        luck = chance.random()
        if luck < 0.04:
            self.steps.left = chance.randint(1, 30)
        elif luck < 0.07:
            call = chance.choice(("write", "fsync", "create", "rename", "truncate"))
            error = chance.choice((errno.ENOSPC, errno.EIO, errno.EROFS))
            self.files.fail(call, error, times=chance.randint(1, 4))
        elif luck < 0.09:
            self.store.refusals = chance.randint(1, 3)
        elif luck < 0.11:
            self.wall.offset_ms = chance.choice((0, 0, 4_000, -4_000, 120_000, -60_000, 3_600_000))

    async def _act(self, *acts: Callable[[], Awaitable[None]]) -> None:
        """Let things happen together; the dead are raised again."""

        async def together() -> None:
            await asyncio.gather(*(self._heard(act) for act in acts))
            await self.motor.settled()

        try:
            await self._alive(together())
        except Crash:
            await self._die()
            await self._reopen()

    async def _heard(self, act: Callable[[], Awaitable[None]]) -> None:
        # What was not acknowledged may come true or not.
        with contextlib.suppress(LogRefused, SnapshotRefused, StoreUnavailable, Conflict, OSError):
            await act()

    async def _pings(self) -> None:
        fixes = self.phones.some(self.wall.true_ms)
        if not fixes:
            return
        pings: list[Ping] = [(f.visitor, f.fix_ms, f.lon, f.lat) for f in fixes]
        self.judge.submitted.update(pings)
        receipt = await self.motor.ingest(drafted(fixes))
        logged = receipt.status != Refusal.NO_CONSENT
        self.judge.acknowledged.update(pings[i] for i in np.flatnonzero(logged).tolist())
        self.judge.accepted += accepted(receipt.status.tolist(), pings)

    async def _tick(self) -> None:
        elapsed_ms = self.chance.choice((1_000, 1_000, 2_000, 5_000, 20_000))
        self.wall.true_ms += elapsed_ms
        await self.motor.tick(self.ticks.next(self.wall.now_ms(), elapsed_ms))

    async def _pump(self) -> None:
        await self.delivery.dispatcher.pump()

    async def _submit(self, entry: Entry) -> None:
        encoded = msgspec.msgpack.encode(entry)
        if isinstance(entry, Consent) and all(entry.purposes.values()):
            self.provider.forbidden.pop(entry.visitor, None)
        await self.motor.submit(entry)
        self.judge.entries_acknowledged[encoded] += 1
        if isinstance(entry, Consent) and not all(entry.purposes.values()):
            self.provider.forbidden[entry.visitor] = "consent was withdrawn"
        if isinstance(entry, Erasure):
            self.provider.forbidden[entry.visitor] = "the visitor was erased"

    async def _consent(self) -> None:
        visitor = self.chance.choice(VISITORS)
        if self.chance.random() < 0.5:
            purpose = self.chance.choice(("location", "push"))
            withdrawn = Consent(
                visitor=visitor,
                purposes={purpose: False},
                at_ms=self.wall.true_ms,  # type: ignore[dict-item]
            )
            await self._submit(withdrawn)
        else:
            for entry in introduced(visitor):
                await self._submit(entry)

    async def _erase(self, visitor: str) -> None:
        await self._submit(Erasure(visitor=visitor))

    async def _change(self, drafts: Sequence[Draft]) -> None:
        versions = await self.motor.change(drafts, author="sim")
        self.judge.versions |= {
            (each.kind, each.id, version) for each, version in zip(drafts, versions, strict=True)
        }

    async def _edit(self) -> None:
        chance = self.chance
        if chance.random() < 0.6:
            zone_id = chance.choice(tuple(ZONES))
            body: Any = {**ZONES[zone_id]}
            if chance.random() < 0.3:
                body = None
            elif "radius_m" in body:
                body["radius_m"] = chance.choice((80.0, 150.0, 400.0))
            else:
                body["dwell_s"] = chance.choice((10, 20, 45))
            await self._change([draft("zone", zone_id, body)])
        else:
            campaign_id = chance.choice(tuple(CAMPAIGNS))
            status = chance.choice(("live", "live", "paused"))
            await self._change(
                [draft("campaign", campaign_id, {**CAMPAIGNS[campaign_id], "status": status})]
            )

    async def _save(self) -> None:
        if await self.saver.save() is not None:
            self.saves += 1

    # -- the end -----------------------------------------------------------------------

    async def _end(self) -> None:
        """All is well again; what was promised must come true within TTL and retries."""
        self.files.heal()
        self.steps.left, self.store.refusals, self.wall.offset_ms = None, 0, 0
        self.provider.healthy = True
        for _ in range(3):
            await self._act(self._tick)
        await self._act(lambda: self._erase(ERASED))
        for round_ in range(40):
            if self.motor.failed:
                raise Stuck(self.motor.blocked)
            self.wall.true_ms += 2_000 if round_ < 10 else 40_000
            now_ms = self.ticks.next(self.wall.now_ms(), 2_000)
            await self.motor.tick(now_ms)
            await self.delivery.dispatcher.pump()
            await self.motor.settled()
            if round_ % 13 == 12:
                await self.saver.save()
        await self.motor.settled()
        await self.saver.save()
        await self._check()
        for task in self.motor._tasks:
            task.cancel()
        await asyncio.gather(*self.motor._tasks, return_exceptions=True)
        self.store.inner.close()
        self._erased_is_nowhere()

    async def _check(self) -> None:
        judge = self.judge
        self._log_is_trimmed()
        judge.read(self.log.replay(max(judge.end, self.log.first)))
        judge.catch_up()
        judge.conservation()
        judge.no_fix_twice()
        judge.same_state(self.motor.pipeline, "at the end")
        judge.same_in_other_batches(self.chance.choice((1, 3, 64)))
        read_now = self.store.inner.database.read_now
        rows = read_now(
            lambda of: [row_of(row) for row in of.execute(select(tables.notifications))]
        )
        fcm = {row.notification.id: row for row in rows if row.notification.channel == "fcm"}
        judge.pushed_once(self.provider.taken, fcm)
        judge.caps_hold(self.provider.taken)
        judge.occupancy(self.motor.pipeline)
        for wrong in self.provider.wrongs:
            judge.wrong(wrong)
        stored = []
        before = None
        while True:
            page = await self.store.inner.decisions(before=before, limit=1000)
            stored += [row.decision for row in page.rows]
            before = page.next
            if before is None:
                break
        judge.same_decisions(stored)
        visits = read_now(lambda of: of.execute(select(tables.visits)).all())
        judge.same_visits(
            [
                Visit(visit=v.visit, visitor=v.visitor, zone=v.zone, enter_ms=v.enter_ms,
                      exit_ms=v.exit_ms, cause=v.cause)
                for v in visits
            ]
        )  # fmt: skip

    def _log_is_trimmed(self) -> None:
        """Fixes that are in two snapshots are in the log no more."""
        kept = self.saver.snapshots.positions
        if len(kept) != limits.SNAPSHOTS_KEPT or self.log.first < kept[-1]:
            self.judge.wrong(f"the log begins at {self.log.first}, with snapshots at {kept}")
        for position in kept:
            self.saver.snapshots.verify(position)

    def _erased_is_nowhere(self) -> None:
        """The name of a visitor erased three snapshots ago is in no file of ours, and in no row."""
        name = ERASED.encode()
        simulated = [folder / n for folder in (LOG, SNAPSHOTS) for n in self.files.names(folder)]
        found = [str(path) for path in simulated if name in bytes(self.files.content(path))]
        # Rows, not bytes: SQLite may leave a copy in the free part of a page until it is compacted.
        with contextlib.closing(sqlite3.connect(self.folder / NAME)) as rows:
            found += [line for line in rows.iterdump() if ERASED in line]
        for path in found:
            self.judge.wrong(f"the erased visitor is still in {path}")


async def simulate(seed: int, folder: Path, *, steps: int = STEPS) -> Simulation:
    """Run one seed in an empty folder; what is wrong is in `judge.wrongs`."""
    simulation = Simulation(seed, folder, steps=steps)
    await simulation.run()
    return simulation
