"""Questions to the tables: decisions and what became of them, and the rest of the history.

Pages go from newest to oldest by a number that grows with each row, the cursor; a page's `next`
is what to ask for as `before`, None on the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, Table, func, select, tuple_
from sqlalchemy import Row as SqlRow

from engine import limits, tables
from engine.effects import Times
from engine.outbox_sql import row_of
from engine.projection import text_of, times_of
from engine.records import Device, Profile
from notifier.lifecycle import State
from notifier.outbox import Row
from rules.decisions import Decision

T = TypeVar("T")
_decisions = tables.decisions
_notifications = tables.notifications
_decision = msgspec.json.Decoder(Decision)
_device = msgspec.json.Decoder(Device)


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some rows, and the cursor of those that follow."""

    rows: tuple[T, ...]
    next: int | None


class DecisionFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which decisions; what is None does not ask. Times bound `decided_ms`, `until_ms` excluded."""

    visitor: str | None = None
    campaign: str | None = None
    zone: str | None = None
    kind: str | None = None
    verdict: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; what is None does not ask, but without a state: those that reached nobody
    and were not meant to end so.
    """

    state: State | None = None
    channel: str | None = None
    campaign: str | None = None
    visitor: str | None = None


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of the outbox, and whether others follow."""

    rows: tuple[Row, ...]
    more: bool


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with the times of its cause and its notifications, which carry their own."""

    seq: int
    decision: Decision
    times: Times | None
    notifications: tuple[Row, ...]


class ReasonCount(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of one campaign with one verdict and reason."""

    campaign: str
    verdict: str
    reason: str
    count: int


class PushCount(msgspec.Struct, frozen=True, kw_only=True):
    """Notifications of one campaign, channel and language in one state."""

    campaign: str
    channel: str
    lang: str
    state: str
    count: int


class CatalogueRow(msgspec.Struct, frozen=True, kw_only=True):
    """The newest version of a record; `body` is its JSON, None where it was deleted."""

    kind: str
    id: str
    version: int
    body: str | None
    updated_ms: int


class DeviceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A device, when it was first registered and when it last was heard of."""

    device: Device
    registered_ms: int
    last_seen_ms: int


class VisitRow(msgspec.Struct, frozen=True, kw_only=True):
    """A visit; `exit_ms` None while it lasts."""

    visitor: str
    zone: str
    enter_ms: int
    exit_ms: int | None
    cause: str


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what, and when. `detail` is JSON."""

    seq: int = 0
    at_ms: int
    who: str
    what: str
    subject: str
    detail: msgspec.Raw = msgspec.Raw(b"{}")


def decisions(
    of: Connection, which: DecisionFilter, before: int | None, limit: int
) -> Page[DecisionRow]:
    """Decisions, newest first."""
    query = select(_decisions).where(*_conditions(which))
    rows, following = _page(of, query, _decisions, before, limit)
    return Page(rows=_with_notifications(of, rows), next=following)


def decision(of: Connection, decision_id: str) -> DecisionRow | None:
    """One decision."""
    query = select(_decisions).where(_decisions.c.id == decision_id)
    return next(iter(_with_notifications(of, of.execute(query).all())), None)


def _conditions(which: DecisionFilter) -> list[ColumnElement[bool]]:
    equal = {
        name: value
        for name in ("visitor", "campaign", "zone", "kind", "verdict", "reason")
        if (value := getattr(which, name)) is not None
    }
    conditions: list[ColumnElement[bool]] = [
        _decisions.c[name] == value for name, value in equal.items()
    ]
    return [*conditions, *_between(_decisions.c.decided_ms, which.since_ms, which.until_ms)]


def _between(
    column: ColumnElement[Any], since_ms: int | None, until_ms: int | None
) -> list[ColumnElement[bool]]:
    bounds = []
    if since_ms is not None:
        bounds.append(column >= since_ms)
    if until_ms is not None:
        bounds.append(column < until_ms)
    return bounds


def _page(
    of: Connection, query: Select[Any], table: Table, before: int | None, limit: int
) -> tuple[Sequence[SqlRow[Any]], int | None]:
    """Rows of a page by `seq`, and the cursor behind it."""
    limit = max(1, min(limit, limits.PAGE_ROWS_MAX))
    if before is not None:
        query = query.where(table.c.seq < before)
    rows = of.execute(query.order_by(table.c.seq.desc()).limit(limit + 1)).all()
    page = rows[:limit]
    return page, page[-1].seq if len(rows) > limit else None


def _with_notifications(of: Connection, rows: Sequence[SqlRow[Any]]) -> tuple[DecisionRow, ...]:
    found: dict[str, list[Row]] = {}
    sends = [row.id for row in rows if row.verdict == "send"]
    for start in range(0, len(sends), limits.SQL_LIST_MAX):
        some = sends[start : start + limits.SQL_LIST_MAX]
        query = select(_notifications).where(_notifications.c.decision.in_(some))
        for row in of.execute(query.order_by(_notifications.c.id)):
            found.setdefault(row.decision, []).append(row_of(row))
    return tuple(
        DecisionRow(
            seq=row.seq,
            decision=_decision.decode(row.body),
            times=times_of(row.times),
            notifications=tuple(found.get(row.id, ())),
        )
        for row in rows
    )


def reason_counts(of: Connection, which: DecisionFilter) -> list[ReasonCount]:
    """Decisions by campaign, verdict and reason, the most frequent first."""
    by = (_decisions.c.campaign, _decisions.c.verdict, _decisions.c.reason)
    query = (
        select(*by, func.count().label("n"))
        .where(*_conditions(which))
        .group_by(*by)
        .order_by(func.count().desc(), *by)
    )
    return [
        ReasonCount(campaign=row.campaign, verdict=row.verdict, reason=row.reason, count=row.n)
        for row in of.execute(query)
    ]


def push_counts(
    of: Connection, since_ms: int | None = None, until_ms: int | None = None
) -> list[PushCount]:
    """Notifications by campaign, channel, language and state; times bound their last change."""
    table = _notifications
    by = (table.c.campaign, table.c.channel, table.c.lang, table.c.state)
    query = (
        select(*by, func.count().label("n"))
        .where(*_between(table.c.updated_ms, since_ms, until_ms))
        .group_by(*by)
        .order_by(*by)
    )
    return [
        PushCount(
            campaign=row.campaign,
            channel=row.channel,
            lang=row.lang,
            state=row.state,
            count=row.n,
        )
        for row in of.execute(query)
    ]


DEAD_LETTERS: tuple[State, ...] = ("dead", "dropped", "retired")


def deliveries(
    of: Connection, which: DeliveryFilter, before: tuple[int, str] | None, limit: int
) -> DeliveryPage:
    """Rows of the outbox, those that changed last first, behind (updated_ms, id)."""
    table = _notifications
    states = DEAD_LETTERS if which.state is None else (which.state,)
    query = select(table).where(table.c.state.in_(states))
    for name in ("channel", "campaign", "visitor"):
        if (value := getattr(which, name)) is not None:
            query = query.where(table.c[name] == value)
    if before is not None:
        query = query.where(tuple_(table.c.updated_ms, table.c.id) < before)
    limit = max(1, min(limit, limits.PAGE_ROWS_MAX))
    order = (table.c.updated_ms.desc(), table.c.id.desc())
    rows = of.execute(query.order_by(*order).limit(limit + 1)).all()
    return DeliveryPage(rows=tuple(row_of(row) for row in rows[:limit]), more=len(rows) > limit)


def catalogue_record(of: Connection, kind: str, record_id: str) -> CatalogueRow | None:
    """The newest version of one record."""
    table = tables.catalogue
    query = select(table).where(table.c.kind == kind, table.c.id == record_id)
    row = of.execute(query).first()
    return None if row is None else CatalogueRow(**row._mapping)


def catalogue_records(
    of: Connection, kind: str, after: str, limit: int, *, deleted: bool = False
) -> list[CatalogueRow]:
    """Records of a kind by id, behind the id `after`; `deleted`: those that are no more, too."""
    table = tables.catalogue
    query = select(table).where(table.c.kind == kind, table.c.id > after)
    if not deleted:
        query = query.where(table.c.body.is_not(None))
    limit = max(1, min(limit, limits.PAGE_ROWS_MAX))
    return [
        CatalogueRow(**row._mapping) for row in of.execute(query.order_by(table.c.id).limit(limit))
    ]


def devices(of: Connection, visitor: str) -> list[DeviceRow]:
    """A visitor's devices, retired ones too, by id."""
    table = tables.devices
    query = select(table).where(table.c.visitor == visitor).order_by(table.c.id)
    return [_device_row(row) for row in of.execute(query)]


def device(of: Connection, device_id: str) -> DeviceRow | None:
    """One device."""
    row = of.execute(select(tables.devices).where(tables.devices.c.id == device_id)).first()
    return None if row is None else _device_row(row)


def _device_row(row: SqlRow[Any]) -> DeviceRow:
    return DeviceRow(
        device=_device.decode(row.body),
        registered_ms=row.registered_ms,
        last_seen_ms=row.last_seen_ms,
    )


def consents(of: Connection, visitor: str) -> dict[str, bool]:
    """What a visitor said, by purpose; a purpose never asked about is absent."""
    table = tables.consents
    query = select(table.c.purpose, table.c.allowed).where(table.c.visitor == visitor)
    return {row.purpose: row.allowed for row in of.execute(query)}


def profile(of: Connection, visitor: str) -> Profile | None:
    """A visitor's profile."""
    table = tables.profiles
    body = of.execute(select(table.c.body).where(table.c.visitor == visitor)).scalar()
    return None if body is None else msgspec.json.decode(body, type=Profile)


def visits(
    of: Connection,
    *,
    visitor: str | None = None,
    zone: str | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    limit: int = limits.PAGE_ROWS_MAX,
) -> list[VisitRow]:
    """Visits that began in the time given, newest first."""
    table = tables.visits
    query = select(*(column for column in table.columns if column.name != "visit"))
    if visitor is not None:
        query = query.where(table.c.visitor == visitor)
    if zone is not None:
        query = query.where(table.c.zone == zone)
    query = query.where(*_between(table.c.enter_ms, since_ms, until_ms))
    limit = max(1, min(limit, limits.PAGE_ROWS_MAX))
    order = (table.c.enter_ms.desc(), table.c.visitor, table.c.zone)
    rows = of.execute(query.order_by(*order).limit(limit))
    return [VisitRow(**row._mapping) for row in rows]


def audit_add(to: Connection, entry: AuditRow) -> None:
    """Append to the audit trail; `seq` is given to it."""
    values = msgspec.structs.asdict(entry)
    del values["seq"]
    to.execute(tables.audit.insert(), [{**values, "detail": text_of(entry.detail)}])


def audit(
    of: Connection, before: int | None, limit: int, subject: str | None = None
) -> Page[AuditRow]:
    """The audit trail, newest first."""
    query = select(tables.audit)
    if subject is not None:
        query = query.where(tables.audit.c.subject == subject)
    rows, following = _page(of, query, tables.audit, before, limit)
    out = [AuditRow(**{**row._mapping, "detail": msgspec.Raw(row.detail.encode())}) for row in rows]
    return Page(rows=tuple(out), next=following)
