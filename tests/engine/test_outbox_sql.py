"""The outbox and the inbox in the database pass the notifier's contracts, and survive a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from engine.clock import StepClock
from engine.database import Database
from engine.effects import Effects
from engine.outbox_sql import SqlInbox, SqlOutbox, unfinished
from engine.outbox_sql import orphans as orphans_of
from engine.records import Outcome
from engine.store import Store
from notifier.channels.inbox import entry
from notifier.errors import StoreUnavailable
from notifier.lifecycle import State
from notifier.outbox import step
from tests.engine.decided import decided
from tests.notifier.inbox_contract import InboxContract
from tests.notifier.outbox_contract import OutboxContract
from tests.notifier.samples import NOW_MS, notification


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "balise.db")
    yield database
    database.close()


class TestSqlOutbox(OutboxContract):
    @pytest.fixture
    def outbox(self, database: Database) -> SqlOutbox:
        return SqlOutbox(database)


class TestSqlInbox(InboxContract):
    @pytest.fixture
    def inbox(self, database: Database) -> SqlInbox:
        return SqlInbox(database)


async def test_an_entry_is_marked_read_by_its_own_visitor(database: Database) -> None:
    inbox = SqlInbox(database)
    (stored,) = await inbox.put_entries([entry(notification(1, visitor="v"))])
    assert not await inbox.mark_read("w", stored.id, NOW_MS)
    assert not await inbox.mark_read("v", "none", NOW_MS)
    assert await inbox.mark_read("v", stored.id, NOW_MS)
    assert await inbox.mark_read("v", stored.id, NOW_MS + 1)
    read_ms = await database.read(lambda of: of.execute(text("SELECT read_ms FROM inbox")).scalar())
    assert read_ms == NOW_MS


async def test_many_entries_come_back_in_the_order_given(database: Database) -> None:
    made = [entry(notification(number)) for number in range(1200)]
    assert await SqlInbox(database).put_entries([]) == []
    stored = await SqlInbox(database).put_entries(made)
    assert [each.id for each in stored] == [each.id for each in made]


async def test_a_store_that_refuses_is_unavailable(database: Database) -> None:
    def drop(to: object) -> None:
        to.execute(text("DROP TABLE notifications"))  # type: ignore[attr-defined]

    await database.write(drop)
    outbox = SqlOutbox(database)
    with pytest.raises(StoreUnavailable):
        await outbox.claim("fcm", 1, NOW_MS)
    with pytest.raises(StoreUnavailable):
        await outbox.counts()


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            "SELECT id FROM notifications WHERE channel = ? AND state IN ('queued', 'retry') "
            "AND due_ms <= ? ORDER BY due_ms, id LIMIT 5",
            "notifications_waiting",
        ),
        (
            "SELECT id FROM notifications WHERE channel = ? "
            "AND state IN ('sending', 'in_doubt') ORDER BY id",
            "notifications_interrupted",
        ),
        ("SELECT id FROM notifications WHERE reported IS FALSE", "notifications_unreported"),
    ],
)
async def test_the_dispatcher_s_questions_are_answered_by_an_index(
    database: Database, query: str, index: str
) -> None:
    values = ("fcm", NOW_MS)[: query.count("?")]

    plan = await database.read(
        lambda of: [
            row.detail for row in of.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values or None)
        ]
    )
    assert any(f"INDEX {index}" in line for line in plan)
    assert not any("TEMP B-TREE" in line for line in plan)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path, clock=StepClock(start_ms=NOW_MS))
    yield store
    store.close()


async def _end(store: Store, channel: str, event: str) -> Outcome:
    """Claim one of a channel and end it by `event`; returns what the log has to hear."""
    (claimed,) = await store.outbox.claim(channel, 1, NOW_MS)
    settlement = step(claimed, "sending", event, NOW_MS + 1, "why")  # type: ignore[arg-type]
    await store.outbox.settle([settlement])
    return Outcome(
        notification=claimed.id,
        decision=claimed.decision_id,
        visitor=claimed.visitor,
        device=claimed.device_id,
        state=settlement.after,
        reason="why",
        at_ms=NOW_MS + 1,
        channel=channel,
    )


@pytest.mark.parametrize(
    ("fcm", "log", "releases"),
    [("fail", "accept", True), ("accept", "accept", False), ("fail", None, False)],
)
async def test_outcomes_that_the_log_has_not_heard_of_are_known(
    store: Store, fcm: str, log: str | None, releases: bool
) -> None:
    """A crash between settling and logging must not keep caps reserved for ever."""
    decision = decided(1)
    made = [
        notification(1, decision_id=decision.id),
        notification(1, decision_id=decision.id, channel="log"),
    ]
    await store.commit([Effects(through=1, decisions=(decision,), notifications=tuple(made))])
    assert await store.outbox.unreported(10, nobody="log") == []
    assert await store.outbox.unfinished() == [(decision, 2)]
    ended = [await _end(store, "fcm", fcm)]
    assert await store.outbox.unfinished() == [(decision, 1)]
    if log is not None:
        ended.append(await _end(store, "log", log))
        assert await store.outbox.unfinished() == []
    expected = [msgspec.structs.replace(each, releases=releases) for each in ended]
    found = await store.outbox.unreported(10, nobody="log")
    assert sorted(found, key=str) == sorted(expected, key=str)
    await store.commit([Effects(through=2, outcomes=tuple(found))])
    assert await store.outbox.unreported(10, nobody="log") == []


async def test_what_waits_or_was_interrupted_is_unfinished(store: Store) -> None:
    states: list[State] = []
    for number in range(1, 5):
        decision = decided(number)
        effects = Effects(
            through=number,
            decisions=(decision,),
            notifications=(notification(number, decision_id=decision.id),),
        )
        await store.commit([effects])
    claimed = await store.outbox.claim("fcm", 3, NOW_MS)
    await store.outbox.settle(
        [
            step(claimed[0], "sending", "lose", NOW_MS),
            step(claimed[1], "sending", "accept", NOW_MS),
        ]
    )
    for decision, count in await store.outbox.unfinished():
        assert count == 1
        (row,) = (await store.decision(decision.id)).notifications  # type: ignore[union-attr]
        states.append(row.state)
    assert sorted(states) == ["in_doubt", "queued", "sending"]
    assert len(await store.database.read(unfinished)) == 3


CHILD = """
import asyncio, sys
from pathlib import Path
from engine.database import Database
from engine.outbox_sql import SqlOutbox
from tests.notifier.samples import NOW_MS, notification

async def main():
    outbox = SqlOutbox(Database(Path(sys.argv[1])))
    await outbox.put([notification(i) for i in range(2000)], NOW_MS)
    while True:
        for claimed in await outbox.claim("fcm", 3, NOW_MS):
            print(claimed.id, flush=True)

asyncio.run(main())
"""


def test_what_was_claimed_before_a_kill_is_found_in_doubt(tmp_path: Path) -> None:
    path = tmp_path / "balise.db"
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    claimed = {child.stdout.readline().strip() for _ in range(40)}
    child.send_signal(signal.SIGKILL)
    claimed |= set(child.stdout.read().split("\n")[:-1])
    child.wait()
    child.stdout.close()
    database = Database(path)
    orphans = {row.notification.id for row in database.read_now(lambda of: orphans_of(of, "fcm"))}
    database.close()
    assert claimed <= orphans
    assert len(orphans - claimed) <= 3
