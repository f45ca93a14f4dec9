"""Ports kept in memory: what the contract suites are tried on, and what other tests use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from notifier import lifecycle
from notifier.channels.inbox import InboxEntry
from notifier.errors import StoreUnavailable
from notifier.lifecycle import State
from notifier.notifications import Notification
from notifier.outbox import Row, Settlement, applied


class MemoryOutbox:
    """An outbox as the port's text has it, and nothing more. `broken`: calls fail while it is."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.broken = False
        self.claims = 0

    def _check(self) -> None:
        if self.broken:
            raise StoreUnavailable(reason="disk full")

    async def put(self, notifications: Sequence[Notification], now_ms: int) -> int:
        self._check()
        new = {each.id: each for each in notifications if each.id not in self.rows}
        for each in new.values():
            self.rows[each.id] = Row(
                notification=each, state="queued", due_ms=now_ms, updated_ms=now_ms
            )
        return len(new)

    async def claim(self, channel: str, limit: int, now_ms: int) -> Sequence[Notification]:
        self._check()
        self.claims += 1
        due = [
            row
            for row in self.rows.values()
            if row.notification.channel == channel
            and row.state in lifecycle.WAITING
            and row.due_ms <= now_ms
        ]
        due.sort(key=lambda row: (row.due_ms, row.notification.id))
        out = []
        for row in due[:limit]:
            after = lifecycle.after(row.state, "claim")
            assert after is not None
            self.rows[row.notification.id] = msgspec.structs.replace(
                row, state=after, attempts=row.attempts + 1, updated_ms=now_ms
            )
            out.append(msgspec.structs.replace(row.notification, attempt=row.attempts + 1))
        return out

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        self._check()
        count = 0
        for each in settlements:
            row = self.rows.get(each.notification_id)
            after = applied(row, each) if row is not None else None
            if after is not None:
                self.rows[each.notification_id] = after
                count += 1
        return count

    async def orphans(self, channel: str) -> Sequence[Row]:
        self._check()
        return [
            row
            for row in self.rows.values()
            if row.notification.channel == channel and row.state in ("sending", "in_doubt")
        ]

    async def next_due_ms(self, channel: str) -> int | None:
        self._check()
        return min(
            (
                row.due_ms
                for row in self.rows.values()
                if row.notification.channel == channel and row.state in lifecycle.WAITING
            ),
            default=None,
        )

    async def get(self, notification_id: str) -> Row | None:
        self._check()
        return self.rows.get(notification_id)

    async def requeue(self, notification_ids: Sequence[str], now_ms: int) -> int:
        self._check()
        count = 0
        for each in notification_ids:
            row = self.rows.get(each)
            after = lifecycle.after(row.state, "requeue") if row is not None else None
            if row is None or after is None or row.notification.expires_ms <= now_ms:
                continue
            self.rows[each] = msgspec.structs.replace(
                row, state=after, attempts=0, due_ms=now_ms, updated_ms=now_ms
            )
            count += 1
        return count

    async def counts(self) -> dict[tuple[str, State], int]:
        self._check()
        return dict(Counter((row.notification.channel, row.state) for row in self.rows.values()))


class MemoryInbox:
    """An inbox store."""

    def __init__(self) -> None:
        self.entries: dict[str, InboxEntry] = {}
        self.broken = False

    async def put_entries(self, entries: Sequence[InboxEntry]) -> Sequence[InboxEntry]:
        if self.broken:
            raise StoreUnavailable(reason="disk full")
        for each in entries:
            if each.id not in self.entries:
                position = len(self.entries) + 1
                self.entries[each.id] = msgspec.structs.replace(each, position=position)
        return [self.entries[each.id] for each in entries]

    async def entries_since(
        self, visitor: str, position: int, limit: int, now_ms: int
    ) -> Sequence[InboxEntry]:
        if self.broken:
            raise StoreUnavailable(reason="disk full")
        return [
            each
            for each in self.entries.values()
            if each.visitor == visitor and each.position > position and each.expires_ms > now_ms
        ][:limit]
