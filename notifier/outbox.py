"""The outbox: notifications and where each stands, kept durably by whoever implements the port.

A claim is durable before anything is sent, so that after a crash every send that may have left is
found in state `sending`. A settlement says from which state it goes, and is applied only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from notifier import lifecycle
from notifier.lifecycle import Event, State
from notifier.notifications import Notification


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A notification as the outbox holds it.

    attempts: sends begun. doubts: times its answer was lost. due_ms: not to be claimed earlier.
    reason: of the last settlement; provider_id: once it was accepted. dispatched_ms, answered_ms:
    of the last attempt. updated_ms: of the last change.
    """

    notification: Notification
    state: State
    due_ms: int
    attempts: int = 0
    doubts: int = 0
    reason: str = ""
    provider_id: str = ""
    dispatched_ms: int | None = None
    answered_ms: int | None = None
    updated_ms: int


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """One step in a notification's life: applied to the row if it is in state `before`.

    after: what the lifecycle table says. due_ms: for `retry` and `queued`, when to claim it again.
    dispatched_ms, answered_ms: of the attempt that this settles, None where nothing was sent.
    undone: the claim did not lead to a send, so that its attempt does not count.
    """

    notification_id: str
    channel: str
    before: State
    event: Event
    after: State
    at_ms: int
    reason: str = ""
    provider_id: str = ""
    due_ms: int | None = None
    dispatched_ms: int | None = None
    answered_ms: int | None = None
    undone: bool = False


class Outbox(Protocol):
    """The port. Every implementation passes tests/notifier/outbox_contract.py.

    All methods may raise StoreUnavailable: nothing was changed then, and a later try may work.
    """

    async def put(self, notifications: Sequence[Notification], now_ms: int) -> int:
        """Add notifications in state `queued`, due at once; those whose id is there are left
        alone. Returns how many were new.
        """
        ...

    async def claim(self, channel: str, limit: int, now_ms: int) -> Sequence[Notification]:
        """Take at most `limit` notifications of a channel that wait and are due, the earliest due
        first, then by id. They are `sending`, durably, when this returns; `attempt` counts from 1.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """Apply settlements in order, all in one transaction; returns how many applied. One whose
        row is absent or not in state `before` is passed over.
        """
        ...

    async def orphans(self, channel: str) -> Sequence[Row]:
        """Rows of a channel in `sending` or `in_doubt`: on a start, before any claim, those whose
        send a crash interrupted.
        """
        ...

    async def next_due_ms(self, channel: str) -> int | None:
        """When the earliest waiting notification of a channel is due; None if none waits."""
        ...

    async def get(self, notification_id: str) -> Row | None:
        """One row."""
        ...

    async def requeue(self, notification_ids: Sequence[str], now_ms: int) -> int:
        """Queue ended notifications again where the lifecycle allows it and they have not
        expired; their attempts count from 0. Returns how many were.
        """
        ...

    async def counts(self) -> dict[tuple[str, State], int]:
        """Rows by channel and state; combinations without rows may be left out."""
        ...


def step(
    notification: Notification, before: State, event: Event, at_ms: int, reason: str = ""
) -> Settlement:
    """A settlement by the lifecycle table.

    The event has to apply to the state: anything else is a programmer's error.
    """
    after = lifecycle.after(before, event)
    assert after is not None, f"{event} does not apply to {before}"
    return Settlement(
        notification_id=notification.id,
        channel=notification.channel,
        before=before,
        event=event,
        after=after,
        at_ms=at_ms,
        reason=reason,
    )


def applied(row: Row, settlement: Settlement) -> Row | None:
    """The row after a settlement, or None where it does not apply: what implementations do."""
    if row.state != settlement.before:
        return None
    return msgspec.structs.replace(
        row,
        state=settlement.after,
        due_ms=row.due_ms if settlement.due_ms is None else settlement.due_ms,
        attempts=row.attempts - 1 if settlement.undone else row.attempts,
        doubts=row.doubts + (settlement.after == "in_doubt"),
        reason=settlement.reason,
        provider_id=settlement.provider_id or row.provider_id,
        dispatched_ms=_newer(row.dispatched_ms, settlement.dispatched_ms),
        answered_ms=_newer(row.answered_ms, settlement.answered_ms),
        updated_ms=settlement.at_ms,
    )


def _newer(old: int | None, new: int | None) -> int | None:
    return old if new is None else new
