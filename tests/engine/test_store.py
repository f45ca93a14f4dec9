"""The store: a projection that replay cannot double, read in pages, erased for good."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from blockbuster import blockbuster_ctx
from sqlalchemy import Connection, text

from engine import limits, tables
from engine.clock import StepClock
from engine.credentials import KeyRow, RefreshRow
from engine.database import Database
from engine.effects import Effects, Times, Visit
from engine.errors import DataTooNew, Overloaded, StoreRefused
from engine.queries import AuditRow, DecisionFilter, DecisionRow
from engine.records import Change, Consent, Device, Outcome, Profile
from engine.store import NAME, Store
from rules.decisions import Cause, Decision, Reason
from tests.engine.decided import NOW_MS, decided
from tests.notifier.samples import notification

TIMES = Times(received_ms=1, logged_ms=2, matched_ms=3, decided_ms=4)


@pytest.fixture
def clock() -> StepClock:
    return StepClock(start_ms=NOW_MS)


@pytest.fixture
def store(tmp_path: Path, clock: StepClock) -> Iterator[Store]:
    store = Store(tmp_path, clock=clock)
    yield store
    store.close()


def device(number: int, visitor: str, **changes: Any) -> Device:
    made = Device(
        device=f"device-{number}", visitor=visitor, platform="android", languages=("fr-CH", "en")
    )
    return msgspec.structs.replace(made, **changes)


def history(seed: int, count: int) -> list[Effects]:
    """Effects of all kinds over few visitors, as a log would bring them about."""
    chance = random.Random(seed)
    out = []
    for number in range(1, count + 1):
        visitor = f"visitor-{chance.randrange(4)}"
        at_ms = NOW_MS + number
        decision = decided(
            number, visitor=visitor, campaign=f"c{number % 3}", reason=chance.choice(list(Reason))
        )
        sends = chance.random() < 0.5
        made = notification(number, decision_id=decision.id, visitor=visitor)
        enter_ms = NOW_MS + 100 * (number % 5)
        visit = Visit(
            visit=number % 5,
            visitor=visitor,
            zone="lake",
            enter_ms=enter_ms,
            exit_ms=chance.choice([None, at_ms]),
            cause="fix",
        )
        version = Change(
            kind="zone",
            id=f"z{number % 4}",
            version=number,
            body=chance.choice([None, b'{"name":"\xc3\xa9"}']),
        )
        purpose = chance.choice(["location", "push"])
        consent = Consent(
            visitor=visitor,
            purposes={purpose: chance.random() < 0.5},  # type: ignore[dict-item]
            at_ms=at_ms,
        )
        effects = Effects(
            through=number * 10,
            decisions=(decision,) if chance.random() < 0.7 else (),
            notifications=(made,) if sends else (),
            changes=(version,),
            devices=(device(number % 3, visitor),),
            consents=(consent,),
            profiles=(Profile(visitor=visitor, segments=(str(number),)),),
            visits=(visit,),
            erased=(f"visitor-{chance.randrange(4)}",) if chance.random() < 0.1 else (),
            times=Times(received_ms=at_ms, logged_ms=at_ms, matched_ms=at_ms, decided_ms=at_ms),
        )
        out.append(effects)
    return out


def dump(of: Connection) -> dict[str, list[Any]]:
    """Every row of every table, but for numbers that only order them."""
    out = {}
    for table in tables.metadata.sorted_tables:
        columns = [column for column in table.columns if column.name not in ("seq", "position")]
        rows = of.execute(table.select().with_only_columns(*columns)).all()
        out[table.name] = sorted((tuple(row) for row in rows), key=repr)
    return out


async def dumped(store: Store) -> dict[str, list[Any]]:
    return await store.database.read(dump)


async def everything(store: Store, which: DecisionFilter, limit: int) -> list[DecisionRow]:
    """All pages."""
    out: list[DecisionRow] = []
    before = None
    while True:
        page = await store.decisions(which, before=before, limit=limit)
        assert len(page.rows) <= limit
        out += page.rows
        before = page.next
        if before is None:
            return out


async def test_a_decision_comes_back_whole_with_its_times_and_notifications(store: Store) -> None:
    decision = decided(1)
    made = notification(1, decision_id=decision.id)
    effects = Effects(through=5, decisions=(decision,), notifications=(made,), times=TIMES)
    await store.commit([effects])
    found = await store.decision(decision.id)
    assert found is not None
    assert found.decision == decision
    assert found.times == TIMES
    (row,) = found.notifications
    assert (row.notification, row.state, row.due_ms) == (made, "queued", made.created_ms)
    assert store.applied_through == 5
    assert await store.decision("none") is None
    assert [each.id for each in await store.outbox.claim("fcm", 9, NOW_MS)] == [made.id]


async def test_replay_writes_nothing_twice_however_it_is_cut(
    tmp_path: Path, clock: StepClock
) -> None:
    effects = history(seed=3, count=60)
    folders = [tmp_path / name for name in ("once", "many")]
    for folder in folders:
        folder.mkdir()
    loop = asyncio.get_running_loop()
    once = await loop.run_in_executor(None, lambda: Store(folders[0], clock=clock))
    await once.commit(effects)
    expected = await dumped(once)
    await loop.run_in_executor(None, once.close)

    chance = random.Random(5)
    done = 0
    while done < len(effects):
        store = await loop.run_in_executor(None, lambda: Store(folders[1], clock=clock))
        assert store.applied_through == (effects[done - 1].through if done else 0)
        start = chance.randint(0, done)  # from a snapshot before what is applied
        while start <= done < len(effects) and chance.random() < 0.8:
            end = min(len(effects), start + chance.randint(1, 15))
            await store.commit(effects[start:end])
            done = max(done, end)
            start = chance.randint(0, end)
        await loop.run_in_executor(None, store.close)
    store = await loop.run_in_executor(None, lambda: Store(folders[1], clock=clock))
    assert await dumped(store) == expected
    await store.commit(effects)
    await store.commit([])
    assert await dumped(store) == expected
    await loop.run_in_executor(None, store.close)


async def test_replay_leaves_a_claimed_notification_as_it_is(store: Store) -> None:
    effects = Effects(through=5, notifications=(notification(1),))
    await store.commit([effects])
    await store.outbox.claim("fcm", 1, NOW_MS)
    await store.commit([effects, effects._replace(through=6)])
    row = await store.outbox.get(notification(1).id)
    assert row is not None
    assert row.state == "sending"


async def test_pages_hold_each_decision_once_newest_first_whatever_is_asked(store: Store) -> None:
    chance = random.Random(1)
    made = [
        decided(
            number,
            visitor=f"visitor-{chance.randrange(3)}",
            campaign=f"c{chance.randrange(3)}",
            trigger=Cause(
                kind=chance.choice(["enter", "exit"]),
                zone=chance.choice([None, "lake"]),
                place=None,
                event=None,
                at_ms=NOW_MS,
            ),
            verdict=chance.choice(["send", "suppressed"]),
            reason=chance.choice([Reason.SENT, Reason.COOLDOWN]),
        )
        for number in range(200)
    ]
    await store.commit(
        [Effects(through=i + 1, decisions=(each,), times=TIMES) for i, each in enumerate(made)]
    )
    choices: dict[str, Sequence[Any]] = {
        "visitor": ["visitor-1"],
        "campaign": ["c0", "none"],
        "zone": ["lake"],
        "kind": ["enter"],
        "verdict": ["send"],
        "reason": ["cooldown"],
        "since_ms": [NOW_MS + 50_000],
        "until_ms": [NOW_MS + 150_000],
    }
    for _ in range(40):
        asked = {name: chance.choice(chosen) for name, chosen in choices.items()
                 if chance.random() < 0.35}  # fmt: skip
        which = DecisionFilter(**asked)
        found = [row.decision for row in await everything(store, which, chance.randint(1, 60))]
        assert found == [each for each in reversed(made) if _matches(each, which)]


def _matches(decision: Decision, which: DecisionFilter) -> bool:
    has = {
        "visitor": decision.visitor,
        "campaign": decision.campaign,
        "zone": decision.trigger.zone,
        "kind": decision.trigger.kind,
        "verdict": decision.verdict,
        "reason": decision.reason.value,
    }
    same = all(getattr(which, name) in (None, value) for name, value in has.items())
    since_ms = which.since_ms if which.since_ms is not None else 0
    until_ms = which.until_ms if which.until_ms is not None else 2**62
    return same and since_ms <= decision.decided_ms < until_ms


async def test_counts_add_up(store: Store) -> None:
    reasons = [Reason.SENT, Reason.SENT, Reason.CROWDED]
    effects = Effects(
        through=1,
        decisions=tuple(
            decided(i, reason=reason, verdict="send" if reason == Reason.SENT else "suppressed")
            for i, reason in enumerate(reasons)
        ),
        notifications=(notification(1), notification(2, lang="de"), notification(3, lang="de")),
    )
    await store.commit([effects])
    counts = await store.reason_counts()
    assert [(each.verdict, each.reason, each.count) for each in counts] == [
        ("send", "sent", 2),
        ("suppressed", "crowded", 1),
    ]
    assert await store.reason_counts(DecisionFilter(campaign="none")) == []
    await store.outbox.claim("fcm", 1, NOW_MS + 5)
    pushes = {(each.lang, each.state): each.count for each in await store.push_counts()}
    assert sum(pushes.values()) == 3
    assert sum(count for (lang, _), count in pushes.items() if lang == "de") == 2
    late = await store.push_counts(since_ms=NOW_MS + 1, until_ms=NOW_MS + 9)
    assert [each.count for each in late] == [1]


async def test_the_catalogue_holds_the_newest_versions(store: Store) -> None:
    def change(record_id: str, version: int, body: bytes | None) -> Change:
        return Change(kind="zone", id=record_id, version=version, body=body)

    await store.commit(
        [
            Effects(through=1, changes=(change("a", 1, b"{}"), change("b", 1, b"{}")), times=TIMES),
            Effects(through=2, changes=(change("a", 2, b'{"x":1}'), change("c", 1, b"{}"))),
            Effects(through=3, changes=(change("b", 2, None),)),
        ]
    )
    found = await store.catalogue_record("zone", "a")
    assert found is not None
    assert (found.version, found.body) == (2, '{"x":1}')
    assert await store.catalogue_record("place", "a") is None
    assert [each.id for each in await store.catalogue_records("zone")] == ["a", "c"]
    assert [each.id for each in await store.catalogue_records("zone", after="a")] == ["c"]
    gone = await store.catalogue_records("zone", deleted=True, limit=2)
    assert [(each.id, each.body is None) for each in gone] == [("a", False), ("b", True)]


async def test_visitors_devices_consents_and_profiles_are_kept(store: Store) -> None:
    first = device(1, "v")
    retired = device(1, "v", retired="unregistered", push_token="")
    profile = Profile(visitor="v", segments=("family",), attributes={"age": 4.0, "vip": True})
    later = msgspec.structs.replace(TIMES, received_ms=99)
    await store.commit(
        [
            Effects(
                through=1,
                devices=(first, device(2, "v")),
                consents=(
                    Consent(visitor="v", purposes={"location": True, "push": True}, at_ms=1),
                    Consent(visitor="v", purposes={"push": False}, at_ms=2),
                ),
                profiles=(profile,),
                times=TIMES,
            ),
            Effects(through=2, devices=(retired,), times=later),
        ]
    )
    found = await store.devices("v")
    assert [each.device for each in found] == [retired, device(2, "v")]
    assert (found[0].registered_ms, found[0].last_seen_ms) == (1, 99)
    assert await store.device("device-1") == found[0]
    assert await store.device("none") is None
    assert await store.consents("v") == {"location": True, "push": False}
    assert await store.profile("v") == profile
    assert await store.profile("w") is None


async def test_a_visit_is_one_row_from_enter_to_exit(store: Store) -> None:
    def visit(visitor: str, enter_ms: int, exit_ms: int | None) -> Visit:
        return Visit(
            visit=1, visitor=visitor, zone="lake", enter_ms=enter_ms, exit_ms=exit_ms, cause="fix"
        )

    await store.commit([Effects(through=1, visits=(visit("v", 10, None), visit("w", 20, None)))])
    await store.commit([Effects(through=2, visits=(visit("v", 10, 30), visit("v", 40, None)))])
    found = await store.visits(zone="lake")
    assert [(each.visitor, each.enter_ms, each.exit_ms) for each in found] == [
        ("v", 40, None),
        ("w", 20, None),
        ("v", 10, 30),
    ]
    assert len(await store.visits(visitor="v", since_ms=10, until_ms=40)) == 1
    assert len(await store.visits(limit=2)) == 2


def _contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


def _modes(folder: Path) -> list[int]:
    return [path.stat().st_mode for path in folder.iterdir()]


async def test_an_erased_visitor_is_nowhere_in_the_file(tmp_path: Path, clock: StepClock) -> None:
    """What comes before an erasure goes, what comes after it in the same batch stays."""
    loop = asyncio.get_running_loop()
    store = await loop.run_in_executor(None, lambda: Store(tmp_path, clock=clock))
    who = "visitor-to-be-forgotten"
    decision = decided(1, visitor=who)
    made = notification(1, decision_id=decision.id, visitor=who)
    visit = Visit(visit=1, visitor=who, zone="lake", enter_ms=1, exit_ms=None, cause="fix")
    told = Effects(
        through=1,
        decisions=(decision, decided(2)),
        notifications=(made,),
        devices=(device(1, who),),
        consents=(Consent(visitor=who, purposes={"push": True}, at_ms=1),),
        profiles=(Profile(visitor=who),),
        visits=(visit,),
        times=TIMES,
    )
    await store.commit([told])
    token = RefreshRow(sha256="00", device="device-1", visitor=who, expires_ms=NOW_MS + 1)
    await store.credentials.put_refresh(token)
    assert who in str(await dumped(store))
    erased = Effects(through=2, erased=(who,))
    again = Effects(through=3, decisions=(decided(3, visitor="visitor-after"),))
    await store.commit([erased, again])
    assert who not in str(await dumped(store))
    assert await store.decision(decided(2).id) is not None
    assert await store.decision(decided(3).id) is not None
    await loop.run_in_executor(None, store.close)
    assert who.encode() not in b"".join(_contents(tmp_path))


async def test_what_comes_before_an_erasure_in_its_own_batch_goes_too(store: Store) -> None:
    who = "visitor-1"
    await store.commit(
        [
            Effects(through=1, decisions=(decided(1, visitor=who),)),
            Effects(through=2, erased=(who,)),
            Effects(through=3, decisions=(decided(2, visitor=who),)),
        ]
    )
    page = await store.decisions(DecisionFilter(visitor=who))
    assert [row.decision.id for row in page.rows] == [decided(2).id]


async def test_an_outcome_of_another_state_reports_nothing(store: Store) -> None:
    outcome = Outcome(
        notification=notification(1).id,
        decision="d",
        visitor="v",
        device="x",
        state="sent",
        reason="",
        at_ms=1,
    )
    await store.commit([Effects(through=1, notifications=(notification(1),))])
    await store.commit([Effects(through=2, outcomes=(outcome,))])
    row = await store.outbox.get(notification(1).id)
    assert row is not None
    assert row.state == "queued"


class TestCredentials:
    async def test_keys_come_back_and_are_replaced_by_id(self, store: Store) -> None:
        key = KeyRow(
            id="key_1",
            name="Console",
            role="editor",
            scopes=("content:read", "content:write"),
            sha256="ab",
            created_ms=5,
        )
        older = msgspec.structs.replace(key, id="key_0", sha256="cd", created_ms=1, scopes=())
        vault = store.credentials
        await vault.put_key(key)
        await vault.put_key(older)
        assert await vault.keys() == [older, key]
        revoked = msgspec.structs.replace(key, revoked_ms=9)
        await vault.put_key(revoked)
        assert await vault.keys() == [older, revoked]

    async def test_a_refresh_token_is_replaced_once(self, store: Store, clock: StepClock) -> None:
        vault = store.credentials

        def token(sha256: str, expires_ms: int = NOW_MS + 1000) -> RefreshRow:
            return RefreshRow(sha256=sha256, device="d", visitor="v", expires_ms=expires_ms)

        assert await vault.put_refresh(token("a"))
        assert await vault.put_refresh(token("b"), replaces="a")
        assert not await vault.put_refresh(token("c"), replaces="a")
        assert not await vault.put_refresh(token("c"), replaces="none")
        assert await vault.refresh("c") is None
        used = await vault.refresh("a")
        assert used is not None
        assert used.used_ms == NOW_MS
        clock.set(NOW_MS + 1000)
        assert await vault.put_refresh(token("c", NOW_MS + 2000), replaces="b")
        assert await vault.refresh("a") is None  # its time was over
        await vault.drop_refresh("d")
        assert await vault.refresh("c") is None

    async def test_of_many_who_replace_a_token_at_once_one_succeeds(self, store: Store) -> None:
        vault = store.credentials
        first = RefreshRow(sha256="a", device="d", visitor="v", expires_ms=NOW_MS + 1)
        await vault.put_refresh(first)
        done = await asyncio.gather(
            *(
                vault.put_refresh(msgspec.structs.replace(first, sha256=f"b{i}"), replaces="a")
                for i in range(20)
            )
        )
        assert sum(done) == 1

    async def test_a_secret_is_made_once(self, store: Store) -> None:
        assert await store.credentials.secret("jwt", "first") == "first"
        assert await store.credentials.secret("jwt", "second") == "first"
        assert await store.credentials.secret("other", "second") == "second"


async def test_the_audit_trail_is_read_backwards_in_pages(store: Store) -> None:
    for i in range(5):
        detail = msgspec.Raw(b'{"n":%d}' % i)
        entry = AuditRow(at_ms=i, who="key_1", what="put", subject=f"zone/{i % 2}", detail=detail)
        await store.audit_add(entry)
    page = await store.audit(limit=3)
    assert [row.at_ms for row in page.rows] == [4, 3, 2]
    assert bytes(page.rows[0].detail) == b'{"n":4}'
    rest = await store.audit(limit=3, before=page.next)
    assert [row.at_ms for row in rest.rows] == [1, 0]
    assert rest.next is None
    assert len((await store.audit(subject="zone/1")).rows) == 2


def test_the_migrations_make_the_tables(tmp_path: Path) -> None:
    database = Database(tmp_path / NAME)

    def differences(of: Connection) -> list[Any]:
        return compare_metadata(MigrationContext.configure(of), tables.metadata)

    assert database.read_now(differences) == []
    database.close()
    database.close()


def test_data_of_a_later_schema_is_refused_and_left_as_it_is(
    tmp_path: Path, clock: StepClock
) -> None:
    Store(tmp_path, clock=clock).close()
    with sqlite3.connect(tmp_path / NAME) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(DataTooNew) as caught:
        Store(tmp_path, clock=clock)
    assert caught.value.found == 9999
    with sqlite3.connect(tmp_path / NAME) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    raw.close()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path, clock: StepClock) -> None:
    (tmp_path / NAME).write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreRefused):
        Store(tmp_path, clock=clock)
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).mkdir()
    with pytest.raises(StoreRefused):
        Store(tmp_path, clock=clock)


async def test_a_full_disk_refuses_whole_commits_and_service_resumes(store: Store) -> None:
    await store.commit([Effects(through=1, decisions=(decided(1),))])
    pages = await store.database.read(lambda of: of.execute(text("PRAGMA page_count")).scalar())

    def bound(count: int) -> Any:
        return lambda to: to.execute(text(f"PRAGMA max_page_count={count}")).scalar()

    await store.database.write(bound(pages))
    many = [Effects(through=i, decisions=(decided(i),)) for i in range(2, 2000)]
    with pytest.raises(StoreRefused, match="full"):
        await store.commit(many)
    assert store.applied_through == 1
    assert len((await store.decisions(limit=1000)).rows) == 1
    await store.database.write(bound(2**30))
    await store.commit(many)
    assert store.applied_through == 1999
    counts = await store.reason_counts()
    assert sum(each.count for each in counts) == 1999


async def test_a_call_that_fails_leaves_those_beside_it_alone(store: Store) -> None:
    def fail(_: Connection) -> None:
        raise KeyError("mine")

    def twice(to: Connection) -> None:
        for _ in range(2):
            to.execute(text("INSERT INTO meta VALUES ('x', '1')"))

    results = await asyncio.gather(
        store.database.write(fail),
        store.credentials.secret("a", "1"),
        store.database.write(twice),
        store.credentials.secret("b", "2"),
        return_exceptions=True,
    )
    assert isinstance(results[0], KeyError)
    assert results[1::2] == ["1", "2"]
    assert isinstance(results[2], Exception)
    assert await store.credentials.secret("a", "3") == "1"


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(StoreRefused):
        await store.database.read(lambda of: of.execute(text("DELETE FROM meta")))


async def test_callers_beyond_the_bound_are_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "STORE_WAITING_MAX", 0)
    with pytest.raises(Overloaded):
        await store.audit()
    with pytest.raises(Overloaded):
        await store.audit_add(AuditRow(at_ms=1, who="a", what="b", subject="c"))


async def test_no_call_blocks_the_event_loop(store: Store) -> None:
    with blockbuster_ctx():
        for number in range(1, 6):
            decision = decided(number)
            made = notification(number, decision_id=decision.id)
            await store.commit(
                [Effects(through=number, decisions=(decision,), notifications=(made,))]
            )
            await store.decisions()
            await store.outbox.claim("fcm", 1, NOW_MS)
            await store.audit_add(AuditRow(at_ms=1, who="a", what="b", subject="c"))


async def test_the_database_is_readable_by_its_owner_only(store: Store, tmp_path: Path) -> None:
    await store.credentials.secret("a", "1")
    assert not any(mode & 0o077 for mode in _modes(tmp_path))


async def test_a_call_given_up_before_it_began_is_not_run(store: Store) -> None:
    begun, gate = threading.Event(), threading.Event()

    def block(_: Connection) -> None:
        begun.set()
        gate.wait(10)

    blocker = asyncio.create_task(store.database.write(block))
    await asyncio.get_running_loop().run_in_executor(None, begun.wait)
    late = asyncio.create_task(store.credentials.secret("late", "1"))
    await asyncio.sleep(0)
    assert store.waiting == 1
    late.cancel()
    await asyncio.sleep(0)
    gate.set()
    await blocker
    with pytest.raises(asyncio.CancelledError):
        await late
    assert await store.credentials.secret("late", "2") == "2"
