"""The motor: takes entries in, logs them, applies them, and lets nothing out before its commit.

Entries wait in one queue. The loop's thread gives them positions and applies them; a commit thread
writes and syncs all that was applied meanwhile (group commit); only then are callers answered and
effects handed to the store, in one transaction with the position they go up to. Whoever listens
(dispatcher, sockets) sees effects after that transaction.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
import structlog

from content.errors import ContentError
from engine import clock as system
from engine import limits
from engine.clock import Clock
from engine.effects import Effects, Times, Visit
from engine.errors import Conflict, EngineError, LogRefused, Overloaded
from engine.figures import Figures
from engine.ingest import Draft, PingDraft, PingsReceipt, Refusal, rows_of
from engine.log import Log
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.records import (
    Catalogue,
    Change,
    Consent,
    Entry,
    Erasure,
    PingRows,
    Record,
    Tick,
    encode,
)
from engine.ticks import TickSource
from geofence.columns import Cause, Kind, Transitions
from geofence.errors import GeofenceError

T = TypeVar("T")
Listener = Callable[[Sequence[Effects]], None]
log = structlog.get_logger("engine.motor")

# What a catalogue change may be refused for; nothing has changed then.
REFUSALS = (GeofenceError, ContentError, msgspec.ValidationError)


class Projection(Protocol):
    """The store as the motor sees it."""

    async def commit(self, effects: Sequence[Effects]) -> None:
        """Write effects and their position in one transaction; those already in are skipped."""


class _Job:
    """One entry that waits for its commit."""

    __slots__ = ("done", "entry", "received_ms", "result")

    def __init__(self, entry: Any, received_ms: int, done: asyncio.Future[Any]) -> None:
        self.entry = entry
        self.received_ms = received_ms
        self.done = done
        self.result: Any = None


class _Group:
    """What one write of the log will commit together."""

    __slots__ = ("effects", "frames", "jobs", "syncs")

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.effects: list[Effects] = []
        self.jobs: list[_Job] = []
        self.syncs = False


def completed(effects: Effects, pipeline: Pipeline, planner: Planner) -> Effects:
    """Effects with what follows from decisions and transitions: notifications and visits."""
    decisions = tuple(ruling.decision() for ruling in effects.rulings)
    notifications = tuple(n for d in decisions for n in planner.notifications(d))
    visits = () if effects.transitions is None else visits_of(effects.transitions, pipeline)
    return effects._replace(decisions=decisions, notifications=notifications, visits=visits)


def visits_of(transitions: Transitions, pipeline: Pipeline) -> tuple[Visit, ...]:
    """Visits that began or ended, of those who consent to be counted.

    Circles that nobody drew are not visited.
    """
    out = []
    at = pipeline.visitors.at
    zones = pipeline.tracker.zone_ids
    known = pipeline.catalogue.all("zone")
    kinds = transitions.kind.tolist()
    for i, kind in enumerate(kinds):
        visitor = at(int(transitions.visitor[i]))
        if (
            kind > Kind.EXIT
            or zones[transitions.zone[i]] not in known
            or not visitor.allows("analytics")
        ):
            continue
        out.append(
            Visit(
                visit=int(transitions.visit[i]),
                visitor=visitor.id,
                zone=zones[transitions.zone[i]],
                enter_ms=int(transitions.enter_ms[i]),
                exit_ms=int(transitions.at_ms[i]) if kind == Kind.EXIT else None,
                cause=Cause(int(transitions.cause[i])).name.lower(),
            )
        )
    return tuple(out)


class Motor:
    """One engine over one log. All methods belong to the event loop's thread."""

    def __init__(
        self,
        *,
        log: Log,
        store: Projection,
        pipeline: Pipeline,
        planner: Planner,
        clock: Clock,
        sync_interval_ms: int = limits.LOG_INTERVAL_MS,
    ) -> None:
        self.pipeline = pipeline
        self.planner = planner
        self.clock = clock
        self.figures = Figures()
        self.blocked = ""
        self.store_blocked = ""
        self.failed = False
        self._sync_interval_ms = sync_interval_ms
        self._log = log
        self._store = store
        self._position = self._stored_through = log.end
        self._waiting: list[_Job] = []
        self._applying: list[_Job] = []
        self._waiting_pings = 0
        self._group = _Group()
        self._pump_scheduled = False
        self._wake = asyncio.Event()
        self._stored: list[Effects] = []
        self._wake_store = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._unsettled = 0
        self._causes: deque[tuple[int, Times]] = deque(maxlen=limits.CAUSES_KEPT)
        self._listeners: list[Listener] = []
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="balise-log")
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    # -- life ---------------------------------------------------------------

    def start(self, *, ticking: bool = True) -> None:
        """Begin to commit, and to tick once a second unless the caller ticks."""
        loops = [self._commit_loop(), self._store_loop()]
        if self._log.info().durability == "interval":
            loops.append(self._sync_loop())
        if ticking:
            loops.append(self._tick_loop())
        self._tasks = [asyncio.create_task(self._guarded(each)) for each in loops]

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a loop for ever; a fault of ours stops the engine rather than a part of it."""
        try:
            await work
        except Exception as error:
            self._stop_taking(error)
            raise

    def _stop_taking(self, error: Exception) -> None:
        """The state can no longer be trusted: take nothing more, and say so."""
        self.failed = True
        self.blocked = f"the engine failed ({type(error).__name__}); restart it"
        log.error("engine.failed", exc_info=error)
        for job in [*self._applying, *self._waiting, *self._group.jobs]:
            if not job.done.done():
                job.done.set_exception(LogRefused(reason=self.blocked))
        self._waiting, self._waiting_pings = [], 0
        self._idle.set()

    async def stop(self) -> None:
        """Refuse new entries, commit and store what was taken, then stop."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            # What a refusing store has not taken is in the log: the next start gives it again.
            async with asyncio.timeout(limits.STOP_S):
                await self.settled()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown()
        try:
            self._log.close()
        except LogRefused as error:
            log.error("log.not_closed", reason=error.reason)

    async def settled(self) -> None:
        """Wait until all that was taken is committed and stored, or the log refuses."""
        while (self._unsettled or self._stored) and not self.blocked:
            self._idle.clear()
            await self._idle.wait()

    @property
    def stored_through(self) -> int:
        """Position up to which all is in the log and its effects in the store."""
        return self._stored_through

    async def with_log(self, call: Callable[[Log], T]) -> T:
        """Run a call on the log, in the thread that it belongs to.

        The calls, and the writes of the log, take place in the order in which they were asked for.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, call, self._log)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with effects once they are stored; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def queue(self) -> int:
        """Entries and pings that wait for the engine's thread or for the store."""
        return len(self._waiting) + self._waiting_pings + len(self._stored)

    # -- doors --------------------------------------------------------------

    async def ingest(self, draft: PingDraft) -> PingsReceipt:
        """Take pings in; returns when they are as durable as configured.

        Raises Overloaded where too many wait, LogRefused where the log cannot be written.
        """
        count = len(draft.visitors)
        if not count:
            return PingsReceipt(np.empty(0, np.uint8))
        if self._waiting_pings + count > limits.WAITING_PINGS_MAX:
            raise Overloaded(queue="ingest", retry_after_s=limits.RETRY_AFTER_S)
        job = self._enqueue(draft)
        self._waiting_pings += count
        return PingsReceipt(await job.done)

    async def change(self, changes: Sequence[Draft], *, author: str) -> list[int]:
        """Make changes to the catalogue together; returns their new versions.

        Raises Conflict where one was based on a version that is not the newest.
        """
        self._pump_now()
        versioned, newest = [], dict[tuple[str, str], int]()
        for draft in changes:
            key = (draft.kind, draft.id)
            now = newest.get(key, self.pipeline.catalogue.version(*key))
            exists = self.pipeline.catalogue.find(*key) is not None
            if draft.if_version is not None and draft.if_version != (now if exists else 0):
                raise Conflict(kind=draft.kind, record_id=draft.id, newest=now if exists else 0)
            newest[key] = now + 1
            versioned.append(Change(kind=draft.kind, id=draft.id, version=now + 1, body=draft.body))
        # Nothing may run between reading the versions and applying the change: hence no await.
        job = self._enqueue(Catalogue(changes=tuple(versioned), author=author))
        self._pump_now()
        await job.done
        return [change.version for change in versioned]

    async def submit(self, entry: Entry) -> Effects:
        """Take one other entry in; returns its effects once it is durable."""
        effects: Effects = await self._submit(entry)
        return effects

    async def tick(self, now_ms: int) -> Effects:
        """Take a tick in; for callers that own the clock."""
        return await self.submit(Tick(now_ms=now_ms))

    def submit_soon(self, entry: Entry) -> None:
        """Take an entry in without waiting for its commit."""
        self._enqueue(entry)

    # -- the loop's thread --------------------------------------------------

    async def _submit(self, entry: Any) -> Any:
        return await self._enqueue(entry).done

    def _enqueue(self, entry: Any) -> _Job:
        if self._stopping:
            raise LogRefused(reason="the service is stopping")
        if self.blocked:
            raise LogRefused(reason=self.blocked)
        if len(self._waiting) >= limits.WAITING_ENTRIES_MAX or len(self._stored) >= (
            limits.STORE_EFFECTS_MAX
        ):
            raise Overloaded(queue="engine", retry_after_s=limits.RETRY_AFTER_S)
        job = _Job(entry, self.clock.now_ms(), asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._unsettled += 1
        self._schedule_pump()
        return job

    def _schedule_pump(self) -> None:
        if not self._pump_scheduled:
            self._pump_scheduled = True
            asyncio.get_running_loop().call_soon(self._pump_guarded)

    def _pump_guarded(self) -> None:
        """Pump; a fault of ours stops the engine, since its state can no longer be trusted."""
        try:
            self._pump()
        except Exception as error:
            self._stop_taking(error)
            raise

    def _pump_now(self) -> None:
        """Apply all that waits, however much: a versioned change stands at its end."""
        while self._waiting:
            self._pump_guarded()

    def _pump(self) -> None:
        """Apply what waits, runs of pings joined into one record."""
        self._pump_scheduled = False
        jobs, taken = self._waiting, 0
        self._applying = jobs
        run: list[_Job] = []
        for place, job in enumerate(jobs):
            if isinstance(job.entry, PingDraft):
                run.append(job)
                taken += len(job.entry.visitors)
            else:
                self._apply_run(run)
                run = []
                self._apply_job(job)
            if taken >= limits.PUMP_PINGS_MAX:
                self._waiting = jobs[place + 1 :]
                break
        else:
            self._waiting = []
        self._apply_run(run)
        if self._waiting:
            self._schedule_pump()
        self._wake.set()

    def _apply_job(self, job: _Job) -> None:
        """Apply one entry; a catalogue change may be refused, and then nothing is logged."""
        try:
            job.result = self._apply(job.entry, job.received_ms)
        except REFUSALS as error:
            if not job.done.done():
                job.done.set_exception(error)
            self._unsettled -= 1
        else:
            self._group.jobs.append(job)

    def _apply_run(self, run: list[_Job]) -> None:
        """Log and apply the pings of a run; those without consent go no further."""
        if not run:
            return
        allowed: list[PingDraft] = []
        masks = []
        for job in run:
            mask = self._consenting(job.entry.visitors)
            masks.append(mask)
            self._waiting_pings -= len(mask)
            if all(mask):
                allowed.append(job.entry)
            elif any(mask):
                kept = [i for i, ok in enumerate(mask) if ok]
                allowed.append(PingDraft(*([column[i] for i in kept] for column in job.entry)))
        status = np.empty(0, np.uint8)
        if allowed:
            effects = self._apply(rows_of(allowed), run[0].received_ms)
            assert effects.status is not None
            status = effects.status
        start = 0
        for job, mask in zip(run, masks, strict=True):
            kept_mask = np.asarray(mask, bool)
            job.result = np.full(len(mask), Refusal.NO_CONSENT, np.uint8)
            end = start + int(kept_mask.sum())
            job.result[kept_mask] = status[start:end]
            self.figures.discarded(len(mask) - (end - start))
            start = end
            self._group.jobs.append(job)

    def _consenting(self, visitors: list[str]) -> list[bool]:
        find = self.pipeline.visitors.find
        known = {v: find(v) for v in set(visitors)}
        return [(state := known[v]) is not None and state.allows("location") for v in visitors]

    def _apply(self, entry: Entry, received_ms: int) -> Effects:
        """Give the entry its position, apply it, and add it to the group to commit."""
        record = Record(position=self._position, received_ms=received_ms, entry=entry)
        frame = encode(record)
        started_s = system.monotonic_s()
        effects = self.pipeline.apply(record)
        if isinstance(entry, PingRows):
            self.figures.matched((system.monotonic_s() - started_s) * 1e6)
        effects = completed(effects, self.pipeline, self.planner)
        decided_ms = self.clock.now_ms()
        effects = effects._replace(
            times=Times(
                received_ms=received_ms,
                logged_ms=0,
                matched_ms=decided_ms,
                decided_ms=decided_ms,
            )
        )
        self._position = record.end
        self._group.frames.append(frame)
        # What a visitor has taken back must not come back with a power failure.
        self._group.syncs = self._group.syncs or isinstance(entry, Erasure | Consent)
        self._group.effects.append(effects)
        self.figures.applied(effects)
        self.figures.logged_bytes += len(frame)
        return effects

    # -- commits ------------------------------------------------------------

    async def _commit_loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            group, self._group = self._group, _Group()
            if group.frames:
                await self._write(loop, group)
            self._committed(group)

    async def _write(self, loop: asyncio.AbstractEventLoop, group: _Group) -> None:
        """Write a group, for as long as it takes; while it cannot be written nothing is taken."""
        while True:
            try:
                await loop.run_in_executor(self._threads, self._log.append, group.frames)
            except LogRefused as error:
                if not self.blocked:
                    log.error("log.refused", reason=error.reason)
                self.blocked = self.blocked if self.failed else error.reason
                self._fail(group, error)
                self._fail(self._group, error)
                self._idle.set()
                await asyncio.sleep(limits.LOG_RETRY_S)
            else:
                if self.blocked and not self.failed:
                    log.info("log.resumed")
                    self.blocked = ""
                break
        if group.syncs and self._log.info().durability == "interval":
            await self._sync(loop)

    def _fail(self, group: _Group, error: EngineError) -> None:
        """Tell callers that their entries are not durable; they may yet take effect."""
        for job in group.jobs:
            if not job.done.done():
                job.done.set_exception(error)

    def _committed(self, group: _Group) -> None:
        logged_ms = self.clock.now_ms()
        for effects in group.effects:
            assert effects.times is not None
            times = msgspec.structs.replace(effects.times, logged_ms=logged_ms)
            if effects.status is not None:
                self._causes.append((effects.through, times))
            waited = self._waited(effects, times) if effects.status is None else {}
            self._stored.append(effects._replace(times=times, waited=waited))
        for job in group.jobs:
            if not job.done.done():
                job.done.set_result(job.result)
        self._unsettled -= len(group.jobs)
        self._wake_store.set()

    def _waited(self, effects: Effects, times: Times) -> dict[str, Times]:
        """Times of decisions that a tick took about pings of some seconds before."""
        found = {}
        for decision in effects.decisions:
            at = bisect.bisect_right(self._causes, decision.position, key=lambda cause: cause[0])
            if at < len(self._causes) and decision.position < effects.through - 1:
                cause = self._causes[at][1]
                found[decision.id] = msgspec.structs.replace(cause, decided_ms=times.decided_ms)
        return found

    async def _store_loop(self) -> None:
        while True:
            await self._wake_store.wait()
            self._wake_store.clear()
            effects, self._stored = self._stored, []
            if effects:
                self._unsettled += 1
                await self._keep(effects)
                self._stored_through = effects[-1].through
                self._unsettled -= 1
                for listener in list(self._listeners):
                    listener(effects)
            if not self._unsettled and not self._stored:
                self._idle.set()

    async def _keep(self, effects: Sequence[Effects]) -> None:
        """Store effects, for as long as it takes: they are in the log, so none may be dropped."""
        while True:
            try:
                await self._store.commit(effects)
            except EngineError as error:
                self.store_blocked = str(error)
                log.error("store.refused", reason=self.store_blocked)
                await asyncio.sleep(limits.LOG_RETRY_S)
            else:
                self.store_blocked = ""
                return

    async def _sync_loop(self) -> None:
        """Under `interval` durability: what was appended is on disk at most an interval later."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._sync_interval_ms / 1000)
            await self._sync(loop)

    async def _sync(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            await loop.run_in_executor(self._threads, self._log.sync)
        except LogRefused as error:
            log.error("log.sync_refused", reason=error.reason)

    async def _tick_loop(self) -> None:
        ticks = TickSource(self.pipeline.now_ms or None)
        before_s = system.monotonic_s()
        while True:
            speed = getattr(self.clock, "speed", 1.0)
            elapsed_s = system.monotonic_s() - before_s
            before_s += elapsed_s
            now_ms = ticks.next(self.clock.now_ms(), int(elapsed_s * 1000 * speed))
            try:
                await self.submit(Tick(now_ms=now_ms))
            except (LogRefused, Overloaded):
                log.warning("tick.skipped", blocked=self.blocked)
            await self.clock.sleep(1.0)

    def catalogue(self, kind: str) -> Mapping[str, Any]:
        """Newest versions of one kind: id to (version, record)."""
        return self.pipeline.catalogue.all(kind)
