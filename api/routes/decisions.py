"""Decisions: to send, or not and why; with the trace, and when each step happened."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api import limits
from api.calls import Call, Route
from api.errors import Invalid, NotFound
from content.fields import instant_ms
from engine.queries import AuditRow, DecisionFilter, DecisionRow
from notifier.outbox import Row
from rules.decisions import Cause, Step

Cursor = Annotated[int, Meta(ge=0, le=2**62)]
Instant = Annotated[int, Meta(ge=0, le=limits.FIX_MS_MAX)]


class DecisionQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decisions, newest first. since, until: ms since 1970 or RFC 3339, `until` excluded."""

    visitor: str | None = None
    campaign: str | None = None
    zone: str | None = None
    kind: str | None = None
    verdict: Literal["send", "suppressed"] | None = None
    reason: str | None = None
    since: Instant | dt.datetime | None = None
    until: Instant | dt.datetime | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which entries of the audit trail, newest first."""

    subject: str | None = None
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """An instant: ms since 1970 UTC, and the same in RFC 3339."""

    ms: int
    at: str


class DecisionTimes(msgspec.Struct, frozen=True, kw_only=True):
    """When each step happened; null where it has not, or where nothing was to be sent.

    received: the ping (or other cause) arrived. logged: it was durable. matched: its transitions
    were known. decided: the decision was taken. dispatched, answered: of the notification that got
    furthest first.
    """

    received: Moment | None
    logged: Moment | None
    matched: Moment | None
    decided: Moment | None
    dispatched: Moment | None
    answered: Moment | None


class NotificationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A rendered message for one device on one channel, and where it stands."""

    id: str
    channel: str
    device: str
    lang: str
    title: str
    body: str
    state: str
    reason: str
    attempts: int
    dispatched: Moment | None
    answered: Moment | None


class DecisionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A decision in full. `decided_ms` is the engine's now: the tick in which it was decided."""

    id: str
    campaign: str
    version: int
    visitor: str
    trigger: Cause
    verdict: str
    reason: str
    decided_ms: int
    expires_ms: int
    position: int
    variant: str | None
    channels: tuple[str, ...]
    collapse_key: str
    variables: dict[str, Any]
    trace: tuple[Step, ...]
    times: DecisionTimes
    notifications: list[NotificationAnswer]


class DecisionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions, newest first; go on with `next` as the cursor."""

    items: list[DecisionAnswer]
    next: int | None


class AuditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what to what, and when."""

    seq: int
    at_ms: int
    who: str
    what: str
    subject: str


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries of the audit trail, newest first; go on with `next` as the cursor."""

    items: list[AuditAnswer]
    next: int | None


async def list_(call: Call) -> DecisionPage:
    """Decisions that fit the query."""
    query = call.query(DecisionQuery)
    page = await call.service.store.decisions(
        DecisionFilter(
            visitor=query.visitor,
            campaign=query.campaign,
            zone=query.zone,
            kind=query.kind,
            verdict=query.verdict,
            reason=query.reason,
            since_ms=_ms("since", query.since),
            until_ms=_ms("until", query.until),
        ),
        before=query.cursor,
        limit=query.limit,
    )
    return DecisionPage(items=[_shown(row) for row in page.rows], next=page.next)


async def show(call: Call) -> DecisionAnswer:
    """One decision."""
    row = await call.service.store.decision(call.part("id"))
    if row is None:
        raise NotFound(kind="decision", record_id=call.part("id"))
    return _shown(row)


async def audit(call: Call) -> AuditPage:
    """Who changed what, and when."""
    query = call.query(AuditQuery)
    page = await call.service.store.audit(
        before=query.cursor, limit=query.limit, subject=query.subject
    )
    return AuditPage(items=[_entry(row) for row in page.rows], next=page.next)


def _entry(row: AuditRow) -> AuditAnswer:
    return AuditAnswer(
        seq=row.seq, at_ms=row.at_ms, who=row.who, what=row.what, subject=row.subject
    )


def _ms(field: str, at: int | dt.datetime | None) -> int | None:
    if isinstance(at, dt.datetime):
        if at.tzinfo is None:
            raise Invalid.one(field, "needs an offset from UTC, as in 2026-06-01T12:00:00Z")
        return instant_ms(at)
    return at


def _moment(at_ms: int | None) -> Moment | None:
    if not at_ms:
        return None
    at = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
    return Moment(ms=at_ms, at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def _earliest(values: list[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _shown(row: DecisionRow) -> DecisionAnswer:
    decision, times = row.decision, row.times
    sent = row.notifications
    return DecisionAnswer(
        id=decision.id,
        campaign=decision.campaign,
        version=decision.version,
        visitor=decision.visitor,
        trigger=decision.trigger,
        verdict=decision.verdict,
        reason=decision.reason.value,
        decided_ms=decision.decided_ms,
        expires_ms=decision.expires_ms,
        position=decision.position,
        variant=decision.variant,
        channels=decision.channels,
        collapse_key=decision.collapse_key,
        variables=decision.variables,
        trace=decision.trace,
        times=DecisionTimes(
            received=_moment(times.received_ms if times else None),
            logged=_moment(times.logged_ms if times else None),
            matched=_moment(times.matched_ms if times else None),
            decided=_moment(times.decided_ms if times else None),
            dispatched=_moment(_earliest([each.dispatched_ms for each in sent])),
            answered=_moment(_earliest([each.answered_ms for each in sent])),
        ),
        notifications=[_notification(each) for each in sent],
    )


def _notification(row: Row) -> NotificationAnswer:
    sent = row.notification
    return NotificationAnswer(
        id=sent.id,
        channel=sent.channel,
        device=sent.device_id,
        lang=sent.lang,
        title=sent.title,
        body=sent.body,
        state=row.state,
        reason=row.reason,
        attempts=row.attempts,
        dispatched=_moment(row.dispatched_ms),
        answered=_moment(row.answered_ms),
    )


ROUTES = (
    Route(method="GET", path="/v1/decisions", handler=list_, tag="decisions",
          scopes=("decisions:read",), summary="Decisions, newest first", query=DecisionQuery,
          answer=DecisionPage),
    Route(method="GET", path="/v1/decisions/{id}", handler=show, tag="decisions",
          scopes=("decisions:read",), summary="One decision with its trace and times",
          answer=DecisionAnswer),
    Route(method="GET", path="/v1/audit", handler=audit, tag="operations", scopes=("ops:read",),
          summary="Who changed what, newest first", query=AuditQuery, answer=AuditPage),
)  # fmt: skip
