"""Effects into tables: what the log brought about, as it can be asked for.

All of it is a function of the log. The position that it goes up to is written in the same
transaction, and effects up to that position are passed over, so that replay writes nothing twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, select, true, update

from engine import tables
from engine.database import insert_new, upsert, write_rows
from engine.effects import Effects, Times
from notifier.notifications import Notification
from rules.decisions import Decision

APPLIED_THROUGH = "applied_through"
Rows = list[dict[str, Any]]

_json = msgspec.json.Encoder()


def text_of(value: Any) -> str:
    """A struct as the JSON of a `body` column."""
    return _json.encode(value).decode()


def applied_through(connection: Connection) -> int:
    """The log position up to which effects are in the tables."""
    query = select(tables.meta.c.value).where(tables.meta.c.name == APPLIED_THROUGH)
    return int(connection.execute(query).scalar() or 0)


def write_effects(connection: Connection, effects: Sequence[Effects]) -> int:
    """Write effects in order; those already in are skipped. Returns the position reached."""
    through = applied_through(connection)
    batch = _Batch(connection)
    for each in effects:
        if each.through > through:
            batch.add(each)
            through = each.through
    batch.flush()
    row = {"name": APPLIED_THROUGH, "value": str(through)}
    upsert(connection, tables.meta, [row])
    return through


class _Batch:
    """Rows gathered over many effects, so that each table is written in one go."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._start()

    def _start(self) -> None:
        self._decisions: Rows = []
        self._notifications: Rows = []
        self._catalogue: Rows = []
        self._devices: Rows = []
        self._consents: Rows = []
        self._profiles: Rows = []
        self._visits: Rows = []
        self._outcomes: Rows = []

    def add(self, effects: Effects) -> None:
        now_ms = effects.times.received_ms if effects.times is not None else 0
        times = None if effects.times is None else text_of(effects.times)
        waited = {key: text_of(each) for key, each in effects.waited.items()}
        self._decisions += [
            _decision_row(each, waited.get(each.id, times)) for each in effects.decisions
        ]
        self._notifications += [notification_row(each) for each in effects.notifications]
        self._add_catalogue(effects, now_ms)
        self._add_visitors(effects, now_ms)
        self._visits += [
            {
                "visitor": visit.visitor,
                "zone": visit.zone,
                "enter_ms": visit.enter_ms,
                "exit_ms": visit.exit_ms,
                "cause": visit.cause,
                "visit": visit.visit,
            }
            for visit in effects.visits
        ]
        self._outcomes += [
            {"which": outcome.notification, "was": outcome.state} for outcome in effects.outcomes
        ]
        if effects.erased:
            self.flush()
            for visitor in effects.erased:
                erase(self._connection, visitor)

    def _add_catalogue(self, effects: Effects, now_ms: int) -> None:
        self._catalogue += [
            {
                "kind": change.kind,
                "id": change.id,
                "version": change.version,
                "body": None if change.body is None else change.body.decode(),
                "updated_ms": now_ms,
            }
            for change in effects.changes
        ]

    def _add_visitors(self, effects: Effects, now_ms: int) -> None:
        self._devices += [
            {
                "id": device.device,
                "visitor": device.visitor,
                "retired": device.retired,
                "simulated": device.simulated,
                "body": text_of(device),
                "registered_ms": now_ms,
                "last_seen_ms": now_ms,
            }
            for device in effects.devices
        ]
        self._consents += [
            {
                "visitor": consent.visitor,
                "purpose": purpose,
                "allowed": allowed,
                "at_ms": consent.at_ms,
            }
            for consent in effects.consents
            for purpose, allowed in consent.purposes.items()
        ]
        self._profiles += [
            {"visitor": profile.visitor, "body": text_of(profile), "updated_ms": now_ms}
            for profile in effects.profiles
        ]

    def flush(self) -> None:
        """Write what was gathered."""
        to = self._connection
        upsert(to, tables.catalogue, self._catalogue)
        upsert(to, tables.devices, self._devices, keep=("registered_ms",))
        upsert(to, tables.consents, self._consents)
        upsert(to, tables.profiles, self._profiles)
        insert_new(to, tables.decisions, self._decisions)
        insert_new(to, tables.notifications, self._notifications)
        upsert(to, tables.visits, self._visits)
        write_rows(to, _REPORTED, self._outcomes)
        self._start()


_REPORTED = (
    update(tables.notifications)
    .where(
        tables.notifications.c.id == bindparam("which"),
        tables.notifications.c.state == bindparam("was"),
    )
    .values(reported=true())
)


def _decision_row(decision: Decision, times: str | None) -> dict[str, Any]:
    return {
        "id": decision.id,
        "position": decision.position,
        "visitor": decision.visitor,
        "campaign": decision.campaign,
        "version": decision.version,
        "kind": decision.trigger.kind,
        "zone": decision.trigger.zone,
        "verdict": decision.verdict,
        "reason": decision.reason.value,
        "at_ms": decision.trigger.at_ms,
        "decided_ms": decision.decided_ms,
        "times": times,
        "body": text_of(decision),
    }


def notification_row(notification: Notification, now_ms: int | None = None) -> dict[str, Any]:
    """A notification as it enters the outbox: queued, due at `now_ms` or when it was made."""
    due_ms = notification.created_ms if now_ms is None else now_ms
    return {
        "id": notification.id,
        "decision": notification.decision_id,
        "campaign": notification.campaign,
        "visitor": notification.visitor,
        "channel": notification.channel,
        "lang": notification.lang,
        "state": "queued",
        "due_ms": due_ms,
        "attempts": 0,
        "doubts": 0,
        "reason": "",
        "provider_id": "",
        "dispatched_ms": None,
        "answered_ms": None,
        "updated_ms": due_ms,
        "expires_ms": notification.expires_ms,
        "reported": True,
        "body": text_of(notification),
    }


_ERASED = tuple(
    delete(table).where(table.c.visitor == bindparam("whose"))
    for table in (
        tables.decisions,
        tables.notifications,
        tables.inbox,
        tables.visits,
        tables.consents,
        tables.profiles,
        tables.refresh_tokens,
        tables.feed_keys,
        tables.devices,
    )
)


def erase(connection: Connection, visitor: str) -> None:
    """Remove every row of a visitor."""
    for statement in _ERASED:
        connection.execute(statement, {"whose": visitor})


def times_of(text: str | None) -> Times | None:
    """The times of a decision's cause; None where they were not kept."""
    return None if text is None else msgspec.json.decode(text, type=Times)
