"""The store: what the log brought about, kept in SQL for those who ask and for the dispatcher.

Its tables of the catalogue, of visitors, decisions and visits are projections of the log; the
outbox, the inbox, credentials and the audit trail are kept here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine import limits, queries
from engine.clock import Clock
from engine.credentials import Credentials
from engine.database import Database
from engine.effects import Effects
from engine.outbox_sql import SqlInbox, SqlOutbox
from engine.projection import applied_through, write_effects
from engine.queries import (
    AuditRow,
    CatalogueRow,
    DecisionFilter,
    DecisionRow,
    DeliveryFilter,
    DeliveryPage,
    DeviceRow,
    Page,
    PushCount,
    ReasonCount,
    VisitRow,
)
from engine.records import Profile
from notifier.channels.inbox import InboxEntry

NAME = "balise.db"


class Store:
    """The database of a data directory that this process holds.

    All coroutines may raise StoreRefused, nothing changed then, and Overloaded.
    """

    def __init__(self, folder: Path, *, clock: Clock) -> None:
        """Open the database in `folder`, making it where it is missing.

        Raises DataTooNew, StoreRefused.
        """
        self.database = Database(folder / NAME)
        self.outbox = SqlOutbox(self.database)
        self.inbox = SqlInbox(self.database)
        self.credentials = Credentials(self.database, clock)
        self._applied_through = self.database.read_now(applied_through)

    @property
    def applied_through(self) -> int:
        """The log position up to which effects are stored."""
        return self._applied_through

    @property
    def waiting(self) -> int:
        """Calls that wait for the writer."""
        return self.database.waiting

    async def commit(self, effects: Sequence[Effects]) -> None:
        """Write effects and the position they go up to in one transaction.

        Those whose position is in already are skipped.
        """
        if effects:
            self._applied_through = await self.database.write(lambda to: write_effects(to, effects))

    def close(self) -> None:
        """Write what waits, then close. Blocks; not to be called while coroutines still wait."""
        self.database.close()

    # -- decisions ----------------------------------------------------------

    async def decisions(
        self,
        which: DecisionFilter | None = None,
        *,
        before: int | None = None,
        limit: int = 100,
    ) -> Page[DecisionRow]:
        """Decisions, newest first; go on with `before` = the page's `next`."""
        asked = which or DecisionFilter()
        return await self.database.read(lambda of: queries.decisions(of, asked, before, limit))

    async def decision(self, decision_id: str) -> DecisionRow | None:
        """One decision with its trace, times and notifications."""
        return await self.database.read(lambda of: queries.decision(of, decision_id))

    async def reason_counts(self, which: DecisionFilter | None = None) -> list[ReasonCount]:
        """Decisions by campaign, verdict and reason."""
        asked = which or DecisionFilter()
        return await self.database.read(lambda of: queries.reason_counts(of, asked))

    async def push_counts(
        self, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[PushCount]:
        """Notifications by campaign, channel, language and state."""
        return await self.database.read(lambda of: queries.push_counts(of, since_ms, until_ms))

    async def deliveries(
        self,
        which: DeliveryFilter | None = None,
        *,
        before: tuple[int, str] | None = None,
        limit: int = 100,
    ) -> DeliveryPage:
        """Rows of the outbox, those that changed last first; go on behind (updated_ms, id)."""
        asked = which or DeliveryFilter()
        return await self.database.read(lambda of: queries.deliveries(of, asked, before, limit))

    # -- the catalogue ------------------------------------------------------

    async def catalogue_record(self, kind: str, record_id: str) -> CatalogueRow | None:
        """The newest version of one record."""
        return await self.database.read(lambda of: queries.catalogue_record(of, kind, record_id))

    async def catalogue_records(
        self, kind: str, *, after: str = "", limit: int = 100, deleted: bool = False
    ) -> list[CatalogueRow]:
        """Records of a kind by id, behind the id `after`."""
        return await self.database.read(
            lambda of: queries.catalogue_records(of, kind, after, limit, deleted=deleted)
        )

    # -- visitors -----------------------------------------------------------

    async def devices(self, visitor: str) -> list[DeviceRow]:
        """A visitor's devices, retired ones too."""
        return await self.database.read(lambda of: queries.devices(of, visitor))

    async def device(self, device_id: str) -> DeviceRow | None:
        """One device."""
        return await self.database.read(lambda of: queries.device(of, device_id))

    async def consents(self, visitor: str) -> dict[str, bool]:
        """What a visitor said, by purpose."""
        return await self.database.read(lambda of: queries.consents(of, visitor))

    async def profile(self, visitor: str) -> Profile | None:
        """A visitor's profile."""
        return await self.database.read(lambda of: queries.profile(of, visitor))

    async def visits(
        self,
        *,
        visitor: str | None = None,
        zone: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
        limit: int = limits.PAGE_ROWS_MAX,
    ) -> list[VisitRow]:
        """Visits that began in the time given, newest first."""
        return await self.database.read(
            lambda of: queries.visits(
                of,
                visitor=visitor,
                zone=zone,
                since_ms=since_ms,
                until_ms=until_ms,
                limit=limit,
            )
        )

    # -- the inbox ----------------------------------------------------------

    async def entries_since(
        self, visitor: str, position: int, limit: int, now_ms: int
    ) -> Sequence[InboxEntry]:
        """A visitor's entries behind a position. Raises StoreUnavailable."""
        return await self.inbox.entries_since(visitor, position, limit, now_ms)

    async def mark_read(self, visitor: str, entry_id: str, now_ms: int) -> bool:
        """Note that an entry was read; False for no such entry. Raises StoreUnavailable."""
        return await self.inbox.mark_read(visitor, entry_id, now_ms)

    # -- the audit trail ----------------------------------------------------

    async def audit_add(self, entry: AuditRow) -> None:
        """Append to the audit trail."""
        await self.database.write(lambda to: queries.audit_add(to, entry))

    async def audit(
        self, *, before: int | None = None, limit: int = 100, subject: str | None = None
    ) -> Page[AuditRow]:
        """The audit trail, newest first."""
        return await self.database.read(lambda of: queries.audit(of, before, limit, subject))
