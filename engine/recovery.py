"""Starting: the state is a snapshot's and what the log says since; the store takes what it lacks.

The newest snapshot that reads well is taken, of those that the store has caught up with and the
log goes on from. Without one the log is replayed from its first entry, if that is still there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from engine import limits
from engine.effects import Effects, Times
from engine.errors import SnapshotDamaged, SnapshotsLost
from engine.log import Log
from engine.motor import Projection, completed
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.snapshots import Snapshots

Progress = Callable[[int, int], None]
"""Told of the position reached and of the end."""

log_ = structlog.get_logger("engine.recovery")


class Recoverable(Projection, Protocol):
    """A store that knows how far it has come."""

    @property
    def applied_through(self) -> int:
        """The log position up to which effects are stored."""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What it took: the snapshot's position (None without), entries replayed, and why snapshots
    were passed over.
    """

    snapshot: int | None
    entries: int
    damaged: tuple[str, ...]


async def recover(
    *,
    log: Log,
    store: Recoverable,
    pipeline: Pipeline,
    planner: Planner,
    snapshots: Snapshots | None = None,
    progress: Progress | None = None,
) -> Recovered:
    """Bring an empty pipeline to the log's end; store what an interrupted run had logged only.

    Effects the store has already are rebuilt in memory and go nowhere, so nothing is decided or
    pushed twice. Raises LogDamaged, SnapshotsLost, DataTooNew; then nothing was changed.
    """
    snapshot: int | None = None
    damaged: dict[int, str] = {}
    if snapshots is not None:
        snapshot, damaged = await _load(log, store.applied_through, pipeline, snapshots)
    elif log.first:
        raise SnapshotsLost(folder="", first=log.first, reasons=())
    entries = await _replay(log, store, pipeline, planner, progress)
    if snapshots is not None:
        for position in damaged:
            # Gone, lest it count as one of the two that the log may be trimmed behind.
            await asyncio.to_thread(snapshots.discard, position)
    return Recovered(snapshot=snapshot, entries=entries, damaged=tuple(damaged.values()))


async def _load(
    log: Log, applied_through: int, pipeline: Pipeline, snapshots: Snapshots
) -> tuple[int | None, dict[int, str]]:
    """Take the newest snapshot that will do; returns its position, and those that are damaged."""
    damaged: dict[int, str] = {}
    reasons = []
    for position in snapshots.positions:
        if position < log.first:
            reasons.append(f"that at {position} ends before the log begins")
        elif position > applied_through:
            reasons.append(f"that at {position} is ahead of the database, at {applied_through}")
        else:
            try:
                await asyncio.to_thread(snapshots.load, position, pipeline)
            except SnapshotDamaged as error:
                damaged[position] = error.reason
                reasons.append(str(error))
                log_.error("snapshot.damaged", path=error.path, reason=error.reason)
            else:
                return position, damaged
    if log.first:
        raise SnapshotsLost(folder=str(snapshots.folder), first=log.first, reasons=tuple(reasons))
    return None, damaged


async def _replay(
    log: Log,
    store: Recoverable,
    pipeline: Pipeline,
    planner: Planner,
    progress: Progress | None,
) -> int:
    """Apply the entries from the pipeline's end on; returns how many there were."""
    waiting: list[Effects] = []
    first = pipeline.end
    for count, record in enumerate(log.replay(first) if first < log.end else ()):
        effects = pipeline.apply(record)
        if effects.through > store.applied_through:
            times = Times(
                received_ms=record.received_ms,
                logged_ms=record.received_ms,
                matched_ms=record.received_ms,
                decided_ms=record.received_ms,
            )
            waiting.append(completed(effects, pipeline, planner)._replace(times=times))
        if len(waiting) >= limits.RECOVERY_EFFECTS_MAX:
            await store.commit(waiting)
            waiting = []
        if count % limits.RECOVERY_PROGRESS_RECORDS == 0:
            if progress is not None:
                progress(record.end, log.end)
            await asyncio.sleep(0)
    entries = pipeline.end - first
    if log.end < store.applied_through:
        # The store is ahead of a log that lost its tail to a power failure: what it did stands.
        log.skip(store.applied_through)
        pipeline.end = store.applied_through
    if waiting:
        await store.commit(waiting)
    if progress is not None:
        progress(log.end, log.end)
    return entries
