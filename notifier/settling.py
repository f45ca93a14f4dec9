"""What becomes of a notification after an attempt: from outcome to settlements. Pure."""

from __future__ import annotations

import msgspec

from notifier import limits
from notifier.lifecycle import Event
from notifier.notifications import (
    Accepted,
    Failed,
    InDoubt,
    Notification,
    Outcome,
    Retired,
    Retry,
)
from notifier.outbox import Row, Settlement, step


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """When an attempt was dispatched and answered, ms since 1970."""

    dispatched_ms: int
    answered_ms: int


def settle(
    notification: Notification,
    outcome: Outcome,
    attempt: Attempt,
    *,
    chance: float,
    idempotent: bool,
) -> tuple[Settlement, ...]:
    """The settlements of one attempt, in order: one, or two where its answer was lost.

    chance: in [0, 1), for the jitter. idempotent: sending twice on this channel is harmless.
    """
    first = _first(notification, outcome, attempt.answered_ms, chance)
    first = msgspec.structs.replace(
        first, dispatched_ms=attempt.dispatched_ms, answered_ms=attempt.answered_ms
    )
    if not isinstance(outcome, InDoubt):
        return (first,)
    return first, _resolved(notification, outcome.reason, attempt.answered_ms, chance, idempotent)


def recover(row: Row, now_ms: int, *, chance: float, idempotent: bool) -> tuple[Settlement, ...]:
    """The settlements of a row that a crash left in `sending` or `in_doubt`."""
    notification = msgspec.structs.replace(row.notification, attempt=row.attempts)
    reason = row.reason if row.state == "in_doubt" else "interrupted"
    resolved = _resolved(notification, reason, now_ms, chance, idempotent)
    if row.state == "in_doubt":
        return (resolved,)
    return step(notification, "sending", "lose", now_ms, reason), resolved


def wait_ms(attempt: int, after_ms: int | None, chance: float) -> int:
    """How long to wait after the attempt of that number (1 for the first).

    Doubles from RETRY_BASE_MS up to RETRY_MAX_MS, of which a random half is left off, so that what
    failed together does not come back together. A provider's own wish is a floor, spread by at
    most a tenth.
    """
    grown_ms = min(limits.RETRY_MAX_MS, limits.RETRY_BASE_MS << min(attempt - 1, 20))
    if after_ms is None:
        return round(grown_ms * (0.5 + chance / 2))
    return round(min(max(after_ms, 0), limits.RETRY_AFTER_MAX_MS) * (1 + chance / 10))


def _first(notification: Notification, outcome: Outcome, now_ms: int, chance: float) -> Settlement:
    match outcome:
        case Accepted(provider_id=provider_id):
            accepted = step(notification, "sending", "accept", now_ms)
            return msgspec.structs.replace(accepted, provider_id=provider_id)
        case Retry(reason=reason, after_ms=after_ms):
            return _deferred(notification, reason, after_ms, now_ms, chance)
        case Retired(reason=reason):
            return step(notification, "sending", "retire", now_ms, _cut(reason))
        case Failed(reason=reason):
            return step(notification, "sending", "fail", now_ms, _cut(reason))
        case InDoubt(reason=reason):
            return step(notification, "sending", "lose", now_ms, _cut(reason))


def _deferred(
    notification: Notification, reason: str, after_ms: int | None, now_ms: int, chance: float
) -> Settlement:
    if notification.attempt >= limits.ATTEMPTS_MAX:
        why = _cut(f"gave up after {notification.attempt} attempts: {reason}")
        return step(notification, "sending", "fail", now_ms, why)
    due_ms = now_ms + wait_ms(notification.attempt, after_ms, chance)
    if due_ms >= notification.expires_ms:
        return step(notification, "sending", "expire", now_ms, _cut(f"no time left: {reason}"))
    deferred = step(notification, "sending", "defer", now_ms, _cut(reason))
    return msgspec.structs.replace(deferred, due_ms=due_ms)


def _resolved(
    notification: Notification, reason: str, now_ms: int, chance: float, idempotent: bool
) -> Settlement:
    event: Event = "resend" if idempotent or notification.in_doubt == "resend" else "drop"
    due_ms = now_ms + wait_ms(max(1, notification.attempt), None, chance)
    if event == "resend" and notification.attempt >= limits.ATTEMPTS_MAX:
        event = "drop"
    if event == "resend" and due_ms >= notification.expires_ms:
        event = "expire"
    resolved = step(notification, "in_doubt", event, now_ms, _cut(f"in doubt: {reason}"))
    return msgspec.structs.replace(resolved, due_ms=due_ms if event == "resend" else None)


def _cut(reason: str) -> str:
    return reason[: limits.REASON_CHARS_MAX]
