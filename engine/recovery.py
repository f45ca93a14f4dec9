"""Starting: the state is what the log says, and the store takes what it had not yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from engine import limits
from engine.effects import Effects, Times
from engine.log import Log
from engine.motor import Projection, completed
from engine.pipeline import Pipeline
from engine.planner import Planner

Progress = Callable[[int, int], None]
"""Told of the position reached and of the end."""


class Recoverable(Projection, Protocol):
    """A store that knows how far it has come."""

    @property
    def applied_through(self) -> int:
        """The log position up to which effects are stored."""


async def recover(
    *,
    log: Log,
    store: Recoverable,
    pipeline: Pipeline,
    planner: Planner,
    progress: Progress | None = None,
) -> int:
    """Replay the log into the pipeline; store what an interrupted run had logged and not stored.

    Effects the store has already are rebuilt in memory and go nowhere, so nothing is decided or
    pushed twice. Returns the entries replayed. Raises LogDamaged.
    """
    waiting: list[Effects] = []
    first = log.first
    for count, record in enumerate(log.replay(first)):
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
    if log.end < store.applied_through:
        # The store is ahead of a log that lost its tail to a power failure: what it did stands.
        log.skip(store.applied_through)
        pipeline.end = store.applied_through
    if waiting:
        await store.commit(waiting)
    return log.end - first
