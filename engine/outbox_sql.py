"""The notifier's outbox and inbox in the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    Connection,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy import Row as SqlRow

from engine import limits, tables
from engine.database import Database, insert_new, write_rows
from engine.errors import Overloaded, StoreRefused
from engine.projection import notification_row, text_of
from engine.records import Outcome
from notifier.channels.inbox import InboxEntry
from notifier.errors import StoreUnavailable
from notifier.lifecycle import ENDED, TRANSITIONS, UNSENT, State
from notifier.notifications import Notification
from notifier.outbox import Row, Settlement
from rules.decisions import Decision

T = TypeVar("T")
_table = tables.notifications
_notification = msgspec.json.Decoder(Notification)
_decision = msgspec.json.Decoder(Decision)
_entry = msgspec.json.Decoder(InboxEntry)

ENDED_STATES = tuple(sorted(ENDED))
UNSENT_STATES = tuple(sorted(UNSENT))
REQUEUED_FROM = tuple(sorted(state for state, event in TRANSITIONS if event == "requeue"))


async def _write(database: Database, call: Callable[[Connection], T]) -> T:
    try:
        return await database.write(call)
    except (StoreRefused, Overloaded) as error:
        raise StoreUnavailable(reason=str(error)) from error


async def _read(database: Database, call: Callable[[Connection], T]) -> T:
    try:
        return await database.read(call)
    except (StoreRefused, Overloaded) as error:
        raise StoreUnavailable(reason=str(error)) from error


class SqlOutbox:
    """notifier.outbox.Outbox over the table `notifications`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, notifications: Sequence[Notification], now_ms: int) -> int:
        rows = [notification_row(each, now_ms) for each in notifications]
        return await _write(self._database, lambda to: put(to, rows))

    async def claim(self, channel: str, limit: int, now_ms: int) -> Sequence[Notification]:
        return await _write(self._database, lambda to: claim(to, channel, limit, now_ms))

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        return await _write(self._database, lambda to: settle(to, settlements))

    async def orphans(self, channel: str) -> Sequence[Row]:
        return await _read(self._database, lambda of: orphans(of, channel))

    async def next_due_ms(self, channel: str) -> int | None:
        query = select(func.min(_table.c.due_ms)).where(_table.c.channel == channel, tables.WAITING)
        return await _read(self._database, lambda of: of.execute(query).scalar())

    async def get(self, notification_id: str) -> Row | None:
        query = select(_table).where(_table.c.id == notification_id)

        def first(of: Connection) -> Row | None:
            row = of.execute(query).first()
            return None if row is None else row_of(row)

        return await _read(self._database, first)

    async def requeue(self, notification_ids: Sequence[str], now_ms: int) -> int:
        return await _write(self._database, lambda to: requeue(to, notification_ids, now_ms))

    async def counts(self) -> dict[tuple[str, State], int]:
        query = select(_table.c.channel, _table.c.state, func.count()).group_by(
            _table.c.channel, _table.c.state
        )
        return await _read(
            self._database,
            lambda of: {(channel, state): n for channel, state, n in of.execute(query)},
        )

    async def unreported(self, limit: int, *, nobody: str) -> list[Outcome]:
        """Outcomes that were settled and that the log has not heard of: after a crash between
        the two, they are to be logged again. `nobody`: the channel that reaches nobody.

        Raises StoreUnavailable.
        """
        return await _read(self._database, lambda of: unreported(of, limit, nobody))

    async def unfinished(self) -> list[tuple[Decision, int]]:
        """Decisions with notifications that have not ended, and how many. Raises
        StoreUnavailable.
        """
        return await _read(self._database, unfinished)


def put(to: Connection, rows: list[dict[str, Any]]) -> int:
    """Add rows; returns how many were new."""
    return insert_new(to, _table, rows)


def claim(to: Connection, channel: str, limit: int, now_ms: int) -> list[Notification]:
    """Mark what waits and is due as `sending`."""
    query = (
        select(_table.c.id, _table.c.attempts, _table.c.body)
        .where(_table.c.channel == channel, tables.WAITING, _table.c.due_ms <= now_ms)
        .order_by(_table.c.due_ms, _table.c.id)
        .limit(limit)
    )
    found = to.execute(query).all()
    write_rows(to, _CLAIM, [{"which": row.id, "now_ms": now_ms} for row in found])
    return [
        msgspec.structs.replace(_notification.decode(row.body), attempt=row.attempts + 1)
        for row in found
    ]


_CLAIM = (
    update(_table)
    .where(_table.c.id == bindparam("which"))
    .values(
        state=literal_column("'sending'"),
        attempts=_table.c.attempts + literal_column("1"),
        updated_ms=bindparam("now_ms"),
    )
)

_SETTLE = (
    update(_table)
    .where(_table.c.id == bindparam("which"), _table.c.state == bindparam("before"))
    .values(
        state=bindparam("after"),
        due_ms=func.coalesce(bindparam("due"), _table.c.due_ms),
        attempts=_table.c.attempts - bindparam("undone"),
        doubts=_table.c.doubts + bindparam("doubt"),
        reason=bindparam("why"),
        provider_id=func.coalesce(bindparam("provider"), _table.c.provider_id),
        dispatched_ms=func.coalesce(bindparam("dispatched"), _table.c.dispatched_ms),
        answered_ms=func.coalesce(bindparam("answered"), _table.c.answered_ms),
        updated_ms=bindparam("at"),
        reported=bindparam("told"),
    )
)


def settle(to: Connection, settlements: Sequence[Settlement]) -> int:
    """Apply settlements in order; returns how many applied."""
    rows = [
        {
            "which": each.notification_id,
            "before": each.before,
            "after": each.after,
            "due": each.due_ms,
            "undone": int(each.undone),
            "doubt": int(each.after == "in_doubt"),
            "why": each.reason,
            "provider": each.provider_id or None,
            "dispatched": each.dispatched_ms,
            "answered": each.answered_ms,
            "at": each.at_ms,
            "told": each.after not in ENDED,
        }
        for each in settlements
    ]
    return write_rows(to, _SETTLE, rows)


def orphans(of: Connection, channel: str) -> list[Row]:
    """Rows whose send a crash interrupted."""
    query = (
        select(_table).where(_table.c.channel == channel, tables.INTERRUPTED).order_by(_table.c.id)
    )
    return [row_of(row) for row in of.execute(query)]


_REQUEUE = (
    update(_table)
    .where(
        _table.c.id == bindparam("which"),
        text(f"state IN ({', '.join(map(repr, REQUEUED_FROM))})"),
        _table.c.expires_ms > bindparam("now_ms"),
    )
    .values(
        state=literal_column("'queued'"),
        due_ms=bindparam("now_ms"),
        updated_ms=bindparam("now_ms"),
        attempts=literal_column("0"),
        reported=true(),
    )
)


def requeue(to: Connection, notification_ids: Sequence[str], now_ms: int) -> int:
    """Queue ended notifications again, from the start."""
    return write_rows(to, _REQUEUE, [{"which": i, "now_ms": now_ms} for i in notification_ids])


def unreported(of: Connection, limit: int, nobody: str) -> list[Outcome]:
    """What was settled and not yet logged, oldest first."""
    siblings = _table.alias()
    # One that was ever in doubt may have been seen, whatever came of it later.
    lost = (siblings.c.state.in_(UNSENT_STATES) & (siblings.c.doubts == 0)) | (
        (siblings.c.channel == nobody) & siblings.c.state.in_(ENDED_STATES)
    )
    reached = exists().where(siblings.c.decision == _table.c.decision, ~lost)
    query = (
        select(_table, (~reached).label("releases"))
        .where(tables.UNREPORTED)
        .order_by(_table.c.updated_ms, _table.c.id)
        .limit(limit)
    )
    return [
        Outcome(
            notification=row.id,
            decision=row.decision,
            visitor=row.visitor,
            device=_notification.decode(row.body).device_id,
            state=row.state,
            reason=row.reason,
            at_ms=row.updated_ms,
            releases=bool(row.releases),
            channel=row.channel,
        )
        for row in of.execute(query)
    ]


def unfinished(of: Connection) -> list[tuple[Decision, int]]:
    """Decisions with notifications that have not ended, and how many, in order."""
    left = func.count().label("open")
    waiting = select(_table.c.decision, left).where(tables.WAITING).group_by(_table.c.decision)
    cut = select(_table.c.decision, left).where(tables.INTERRUPTED).group_by(_table.c.decision)
    both = union_all(waiting, cut).subquery()
    query = (
        select(tables.decisions.c.body, func.sum(both.c.open))
        .join(both, both.c.decision == tables.decisions.c.id)
        .group_by(tables.decisions.c.seq, tables.decisions.c.body)
        .order_by(tables.decisions.c.seq)
    )
    return [(_decision.decode(body), int(count)) for body, count in of.execute(query)]


def row_of(row: SqlRow[Any]) -> Row:
    """A row of the table as the outbox shows it."""
    return Row(
        notification=_notification.decode(row.body),
        state=row.state,
        due_ms=row.due_ms,
        attempts=row.attempts,
        doubts=row.doubts,
        reason=row.reason,
        provider_id=row.provider_id,
        dispatched_ms=row.dispatched_ms,
        answered_ms=row.answered_ms,
        updated_ms=row.updated_ms,
    )


class SqlInbox:
    """notifier.channels.inbox.InboxStore over the table `inbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put_entries(self, entries: Sequence[InboxEntry]) -> Sequence[InboxEntry]:
        return await _write(self._database, lambda to: put_entries(to, entries))

    async def entries_since(
        self, visitor: str, position: int, limit: int, now_ms: int
    ) -> Sequence[InboxEntry]:
        query = (
            select(tables.inbox)
            .where(
                tables.inbox.c.visitor == visitor,
                tables.inbox.c.position > position,
                tables.inbox.c.expires_ms > now_ms,
            )
            .order_by(tables.inbox.c.position)
            .limit(limit)
        )
        return await _read(self._database, lambda of: [_entry_of(row) for row in of.execute(query)])

    async def mark_read(self, visitor: str, entry_id: str, now_ms: int) -> bool:
        """Note that the visitor has read an entry; False where there is none by that id."""
        mine = (tables.inbox.c.visitor == visitor) & (tables.inbox.c.id == entry_id)
        first = func.coalesce(tables.inbox.c.read_ms, now_ms)
        statement = update(tables.inbox).where(mine).values(read_ms=first)
        return await _write(self._database, lambda to: to.execute(statement).rowcount == 1)


def put_entries(to: Connection, entries: Sequence[InboxEntry]) -> list[InboxEntry]:
    """Store entries; those already there keep their place and content."""
    if not entries:
        return []
    rows = [
        {
            "id": entry.id,
            "visitor": entry.visitor,
            "expires_ms": entry.expires_ms,
            "read_ms": None,
            "body": text_of(entry),
        }
        for entry in entries
    ]
    insert_new(to, tables.inbox, rows)
    stored: dict[str, InboxEntry] = {}
    ids = [entry.id for entry in entries]
    for start in range(0, len(ids), limits.SQL_LIST_MAX):
        some = ids[start : start + limits.SQL_LIST_MAX]
        for row in to.execute(select(tables.inbox).where(tables.inbox.c.id.in_(some))):
            stored[row.id] = _entry_of(row)
    return [stored[each] for each in ids]


def _entry_of(row: SqlRow[Any]) -> InboxEntry:
    return msgspec.structs.replace(_entry.decode(row.body), position=row.position)
