"""Faults planted in the product: each must be found, or the simulator is not worth its time.

A mutation changes the product for as long as its patch lasts, as a mistake in its code would.
"""
# ruff: noqa: ARG005  # stand-ins take what they stand in for takes

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection

from engine import frozen as frozen_
from engine import log as log_
from engine import outbox_sql, projection
from engine.database import upsert
from engine.delivery import Delivery
from engine.effects import Effects
from engine.log import FileLog
from engine.motor import Motor
from engine.pipeline import Pipeline
from engine.saving import Saver
from engine.snapshots import Snapshots
from engine.tables import meta
from engine.ticks import TickSource
from geofence.columns import Status, Transitions
from geofence.tracker import Tracker
from notifier import settling
from rules import decider as decider_
from rules.decider import Decider
from rules.restraint import RestraintBook
from tests.simulator.steps import DyingStore

Patch = pytest.MonkeyPatch
Mutation = Callable[[Patch], None]
ALL: dict[str, Mutation] = {}


def mutation(plant: Mutation) -> Mutation:
    """Keep a mutation by its name."""
    ALL[plant.__name__] = plant
    return plant


class Without:
    """Files without some calls."""

    def __init__(self, files: Any, *calls: str) -> None:
        self._files, self._calls = files, calls

    def __getattr__(self, name: str) -> Any:
        return (lambda *_: None) if name in self._calls else getattr(self._files, name)


# -- the log and its files ---------------------------------------------------------------


@mutation
def the_log_is_not_synced(patch: Patch) -> None:
    def flush(self: Any) -> None:
        if self._unsynced:
            self._durable_size = self._size
            self._settle(log_._end_of(self._unsynced, self._durable_end))

    patch.setattr(FileLog, "_flush", flush)


@mutation
def names_of_segments_are_not_synced(patch: Patch) -> None:
    begin = FileLog._begin_segment

    def begin_segment(self: Any, *args: Any) -> None:
        files, self._files = self._files, Without(self._files, "fsync_folder")
        try:
            begin(self, *args)
        finally:
            self._files = files

    patch.setattr(FileLog, "_begin_segment", begin_segment)


@mutation
def the_log_is_never_trimmed(patch: Patch) -> None:
    patch.setattr(Snapshots, "trimmable", 0)


@mutation
def the_log_is_trimmed_behind_the_newest_snapshot(patch: Patch) -> None:
    patch.setattr(Snapshots, "trimmable", property(lambda self: self.positions[0]))


@mutation
def segments_do_not_end_at_snapshots(patch: Patch) -> None:
    patch.setattr(FileLog, "roll", lambda self: None)


# -- snapshots ---------------------------------------------------------------------------


@mutation
def snapshots_are_not_synced(patch: Patch) -> None:
    write = Snapshots.write

    def unsynced(self: Any, frozen: Any) -> int:
        files, self._files = self._files, Without(self._files, "fsync")
        try:
            return write(self, frozen)
        finally:
            self._files = files

    patch.setattr(Snapshots, "write", unsynced)


@mutation
def snapshots_forget_what_was_sent(patch: Patch) -> None:
    loaded = decider_.loaded

    def forgetful(*args: Any) -> Any:
        memory = loaded(*args)
        memory.book.ledgers.clear()
        return memory

    patch.setattr(decider_, "loaded", forgetful)


@mutation
def snapshots_forget_who_is_suspect(patch: Patch) -> None:
    named = frozen_._named

    def forgetful(arrays: Any, prefix: str) -> Any:
        found = named(arrays, prefix)
        if "rings" in found:
            found["rings"][:] = 0
        return found

    patch.setattr(frozen_, "_named", forgetful)


@mutation
def a_frozen_state_goes_on_moving(patch: Patch) -> None:
    """Ledgers are shared with the engine, which goes on while a snapshot is written."""
    patch.setattr(RestraintBook, "_own", lambda self, visitor: self.ledgers.get(visitor))

    async def save(self: Any) -> Any:
        frozen = frozen_.freeze(self._motor.pipeline)
        for _ in range(60):  # enough for the store too
            await asyncio.sleep(0)
        self.snapshots.write(frozen)
        await self._motor.with_log(lambda log: log.roll())
        await self._motor.with_log(lambda log: log.trim(self.snapshots.trimmable))

    patch.setattr(Saver, "save", save)


# -- the motor and the store -------------------------------------------------------------


@mutation
def pings_are_acknowledged_before_their_commit(patch: Patch) -> None:
    pump = Motor._pump

    def hasty(self: Any) -> None:
        pump(self)
        for job in self._group.jobs:
            if not job.done.done():
                job.done.set_result(job.result)

    patch.setattr(Motor, "_pump", hasty)


@mutation
def effects_are_stored_before_the_log_has_their_cause(patch: Patch) -> None:
    write = Motor._write

    async def hasty(self: Any, loop: Any, group: Any) -> None:
        await self._store.commit(group.effects)
        await write(self, loop, group)

    patch.setattr(Motor, "_write", hasty)


@mutation
def the_position_is_not_in_the_transaction(patch: Patch) -> None:
    async def commit(self: DyingStore, effects: Sequence[Effects]) -> None:
        self.steps.take("store")
        if not effects:
            return
        before = self.inner.applied_through

        def position(to: Connection, through: int) -> None:
            upsert(to, meta, [{"name": projection.APPLIED_THROUGH, "value": str(through)}])

        await self.inner.database.write(lambda to: position(to, effects[-1].through))
        self.steps.take("between")

        def rows(to: Connection) -> int:
            position(to, before)
            return projection.write_effects(to, effects)

        self.inner._applied_through = await self.inner.database.write(rows)

    patch.setattr(DyingStore, "commit", commit)


@mutation
def consent_is_not_asked_for(patch: Patch) -> None:
    patch.setattr(Motor, "_consenting", lambda self, visitors: [True] * len(visitors))


@mutation
def rows_of_the_erased_are_kept(patch: Patch) -> None:
    patch.setattr(projection, "erase", lambda connection, visitor: None)


@mutation
def ticks_follow_the_wall_clock_blindly(patch: Patch) -> None:
    patch.setattr(TickSource, "next", lambda self, wall_ms, elapsed_ms: wall_ms)


# -- what the engine makes of it ---------------------------------------------------------


@mutation
def the_erased_stay_where_they_were(patch: Patch) -> None:
    def erasure(self: Any, record: Any, erasure: Any) -> Effects:
        self.visitors.erase(erasure.visitor)
        return Effects(through=record.end, erased=(erasure.visitor,))

    patch.setattr(Pipeline, "_erasure", erasure)


@mutation
def duplicates_are_accepted(patch: Patch) -> None:
    observe = Tracker.observe

    def credulous(self: Any, pings: Any, now_ms: int) -> Any:
        seen = observe(self, pings, now_ms)
        seen.status[seen.status == Status.DUPLICATE] = Status.ACCEPTED
        return seen

    patch.setattr(Tracker, "observe", credulous)


@mutation
def who_was_in_a_removed_zone_never_leaves(patch: Patch) -> None:
    remove = Tracker.remove_zones

    def silent(self: Any, ids: Any, now_ms: int) -> Transitions:
        done = remove(self, ids, now_ms)
        return Transitions(*(column[:0] for column in done))

    patch.setattr(Tracker, "remove_zones", silent)


@mutation
def crowds_are_read_between_ticks(patch: Patch) -> None:
    pings = Pipeline._pings

    def eager(self: Any, record: Any, rows: Any) -> Effects:
        effects = pings(self, record, rows)
        self.crowd.tick(self.now_ms, self.tracker.occupancy())
        self.facts.levels = self.crowd.levels.tobytes()
        return effects

    patch.setattr(Pipeline, "_pings", eager)


@mutation
def caps_are_not_reserved(patch: Patch) -> None:
    patch.setattr(RestraintBook, "reserve", lambda self, ruling, *, real: None)


@mutation
def what_was_sent_is_given_back_to_the_caps(patch: Patch) -> None:
    outcome = Delivery._outcome

    def generous(self: Any, each: Any) -> Any:
        return msgspec.structs.replace(outcome(self, each), releases=True)

    patch.setattr(Delivery, "_outcome", generous)


@mutation
def old_fixes_push(patch: Patch) -> None:
    init = Decider.__init__

    def patient(self: Any, *args: Any) -> None:
        init(self, *args)
        self._fix_age_ms_max = 10**12

    patch.setattr(Decider, "__init__", patient)


# -- delivery ------------------------------------------------------------------------------


@mutation
def what_is_in_doubt_is_always_sent_again(patch: Patch) -> None:
    resolved = settling._resolved

    def insistent(notification: Any, *args: Any) -> Any:
        return resolved(msgspec.structs.replace(notification, in_doubt="resend"), *args)

    patch.setattr(settling, "_resolved", insistent)


@mutation
def a_claim_is_not_written_down(patch: Patch) -> None:
    claim = outbox_sql.claim

    def absent_minded(to: Connection, channel: str, limit: int, now_ms: int) -> Any:
        savepoint = to.begin_nested()
        found = claim(to, channel, limit, now_ms)
        savepoint.rollback()
        return found

    patch.setattr(outbox_sql, "claim", absent_minded)


@mutation
def nothing_is_checked_again_before_a_send(patch: Patch) -> None:
    patch.setattr(Delivery, "_recheck", lambda self, notification, now_ms: None)
