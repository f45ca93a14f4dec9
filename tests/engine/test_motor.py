"""The motor: nothing is acknowledged or leaves before its commit; a refusing log bends it only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from engine.clock import StepClock, SystemClock
from engine.effects import Effects
from engine.errors import Conflict, LogRefused, Overloaded
from engine.ingest import Draft, PingDraft, Refusal
from engine.log import FileLog, MemoryLog
from engine.motor import Motor
from engine.pipeline import Pipeline
from engine.planner import Planner
from engine.recovery import recover
from engine.store import Store
from geofence.columns import Status
from tests.engine.worlds import START_MS, campaign, known, square

HI = campaign("hi", {"type": "enter", "zones": ["lake"]})


class Kept:
    """A projection that keeps effects and can be slow."""

    def __init__(self) -> None:
        self.effects: list[Effects] = []
        self.applied_through = 0

    async def commit(self, effects: Sequence[Effects]) -> None:
        self.effects += [e for e in effects if e.through > self.applied_through]
        self.applied_through = max(self.applied_through, effects[-1].through)


class StubbornLog(MemoryLog):
    """A log that refuses while told to, and can be held in the middle of a write."""

    def __init__(self) -> None:
        super().__init__()
        self.refusing = False
        self.appends = 0

    def append(self, batch: Sequence[bytes]) -> int:
        self.appends += 1
        if self.refusing:
            raise LogRefused(reason="no space left on device")
        return super().append(batch)


@pytest.fixture
def log() -> StubbornLog:
    return StubbornLog()


@pytest.fixture
async def motor(log: StubbornLog) -> AsyncIterator[Motor]:
    pipeline = Pipeline()
    clock = StepClock(start_ms=START_MS)
    planner = Planner(pipeline, ("fcm", "inbox"))
    found = Motor(log=log, store=Kept(), pipeline=pipeline, planner=planner, clock=clock)
    found.start(ticking=False)
    await found.tick(START_MS)
    await found.change(
        [
            Draft(kind="zone", id="lake", body=_json(square("lake"))),
            Draft(kind="campaign", id="hi", body=_json(HI)),
        ],
        author="test",
    )
    yield found
    log.refusing = False
    await found.stop()


def _json(body: object) -> bytes:
    import msgspec

    return msgspec.json.encode(body)


def fixes(*visitors: str, second: int = 1, lon: float = 6.005) -> PingDraft:
    count = len(visitors)
    return PingDraft(
        visitors=list(visitors),
        fix_ms=[START_MS + second * 1000] * count,
        lon=[lon] * count,
        lat=[45.005] * count,
        accuracy_m=[5.0] * count,
        speed_mps=[1.0] * count,
        flags=[0] * count,
    )


async def introduce(motor: Motor, *visitors: str) -> None:
    for visitor in visitors:
        for entry in known(visitor):
            await motor.submit(entry)


async def test_pings_are_answered_each_by_its_own_status(motor: Motor) -> None:
    await introduce(motor, "anna")
    first = await motor.ingest(fixes("anna", "stranger", "anna"))
    assert first.status.tolist() == [Status.ACCEPTED, Refusal.NO_CONSENT, Status.DUPLICATE]


async def test_pings_without_consent_never_reach_the_log(motor: Motor, log: StubbornLog) -> None:
    await motor.settled()
    before = log.end
    receipt = await motor.ingest(fixes("stranger", "other"))
    assert receipt.count(Refusal.NO_CONSENT) == 2
    assert log.end == before
    assert b"stranger" not in b"".join(bytes(str(record), "utf-8") for record in log.replay())


async def test_many_requests_share_a_write_and_keep_their_answers(
    motor: Motor, log: StubbornLog
) -> None:
    names = [f"v{i}" for i in range(40)]
    await introduce(motor, *names)
    before = log.appends
    receipts = await asyncio.gather(
        *(motor.ingest(fixes(name, name)) for name in names), motor.ingest(fixes("nobody"))
    )
    assert log.appends - before < 10
    assert all(r.status.tolist() == [Status.ACCEPTED, Status.DUPLICATE] for r in receipts[:-1])
    assert receipts[-1].status.tolist() == [Refusal.NO_CONSENT]


async def test_a_refusing_log_refuses_callers_and_resumes_by_itself(
    motor: Motor, log: StubbornLog
) -> None:
    await introduce(motor, "anna")
    log.refusing = True
    with pytest.raises(LogRefused, match="no space"):
        await motor.ingest(fixes("anna"))
    with pytest.raises(LogRefused):
        await motor.ingest(fixes("anna", second=2))
    assert motor.blocked
    log.refusing = False
    for _ in range(40):
        if not motor.blocked:
            break
        await asyncio.sleep(0.1)
    # What had been applied when the log refused was written in the end: the fix is known.
    again = await motor.ingest(fixes("anna"))
    assert again.status.tolist() == [Status.DUPLICATE]


async def test_nothing_is_stored_that_the_log_refused(motor: Motor, log: StubbornLog) -> None:
    await introduce(motor, "anna")
    await motor.settled()
    store = motor._store
    assert isinstance(store, Kept)
    through = store.applied_through
    log.refusing = True
    with pytest.raises(LogRefused):
        await motor.ingest(fixes("anna"))
    await asyncio.sleep(0.05)
    assert store.applied_through == through


async def test_a_change_on_an_old_version_is_a_conflict_and_changes_nothing(motor: Motor) -> None:
    body = _json(square("lake", tags=["water"]))
    assert await motor.change(
        [Draft(kind="zone", id="lake", body=body, if_version=1)], author="a"
    ) == [2]
    with pytest.raises(Conflict) as conflict:
        await motor.change([Draft(kind="zone", id="lake", body=body, if_version=1)], author="b")
    assert conflict.value.newest == 2
    with pytest.raises(Conflict):
        await motor.change([Draft(kind="zone", id="lake", body=body, if_version=0)], author="b")


async def test_concurrent_changes_get_versions_of_their_own(motor: Motor) -> None:
    body = _json(square("lake"))
    versions = await asyncio.gather(
        *(motor.change([Draft(kind="zone", id="lake", body=body)], author="a") for _ in range(9))
    )
    assert sorted(v for (v,) in versions) == list(range(2, 11))


async def test_too_many_waiting_pings_are_refused_at_the_door(
    motor: Motor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.limits.WAITING_PINGS_MAX", 3)
    with pytest.raises(Overloaded):
        await motor.ingest(fixes("a", "b", "c", "d"))
    await introduce(motor, "anna")
    assert (await motor.ingest(fixes("anna"))).count(Status.ACCEPTED) == 1


async def test_a_caller_that_goes_away_takes_nothing_with_it(motor: Motor) -> None:
    await introduce(motor, "anna")
    gone = asyncio.create_task(motor.ingest(fixes("anna")))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    receipt = await motor.ingest(fixes("anna", second=3))
    assert receipt.count(Status.ACCEPTED) == 1
    await motor.settled()


async def test_a_decision_is_stored_once_across_a_restart(tmp_path: Path) -> None:
    async def open_all() -> tuple[Motor, Store]:
        store = await asyncio.to_thread(lambda: Store(tmp_path, clock=SystemClock()))
        log = await asyncio.to_thread(FileLog, tmp_path / "log", durability="fsync")
        pipeline = Pipeline()
        planner = Planner(pipeline, ("inbox",))
        await recover(log=log, store=store, pipeline=pipeline, planner=planner)
        clock = StepClock(start_ms=START_MS)
        motor = Motor(log=log, store=store, pipeline=pipeline, planner=planner, clock=clock)
        motor.start(ticking=False)
        return motor, store

    motor, store = await open_all()
    await motor.tick(START_MS)
    await motor.change(
        [
            Draft(kind="zone", id="lake", body=_json(square("lake"))),
            Draft(kind="campaign", id="hi", body=_json(HI)),
        ],
        author="test",
    )
    await introduce(motor, "anna")
    await motor.ingest(fixes("anna"))
    for second in range(1, 8):
        await motor.tick(START_MS + second * 1000)
    await motor.stop()
    before = await store.decisions()
    await asyncio.to_thread(store.close)

    motor, store = await open_all()
    after = await store.decisions()
    assert [(d.decision.id, d.decision.verdict) for d in after.rows] == [
        (d.decision.id, d.decision.verdict) for d in before.rows
    ]
    assert [d.decision.verdict for d in after.rows] == ["send"]
    again = await motor.ingest(fixes("anna"))
    assert again.count(Status.DUPLICATE) == 1
    await motor.stop()
    await asyncio.to_thread(store.close)


async def test_a_decision_that_waited_tells_when_its_ping_was_received(motor: Motor) -> None:
    await introduce(motor, "anna")
    clock = motor.clock
    assert isinstance(clock, StepClock)
    clock.set(START_MS + 1_000)
    await motor.ingest(fixes("anna"))
    for second in range(2, 8):
        clock.set(START_MS + second * 1000)
        await motor.tick(START_MS + second * 1000)
    await motor.settled()
    store = motor._store
    assert isinstance(store, Kept)
    times = [e.waited[d.id] for e in store.effects for d in e.decisions]
    assert [(t.received_ms, t.logged_ms) for t in times] == [(START_MS + 1_000,) * 2]
    assert times[0].decided_ms > START_MS + 1_000


async def test_a_refused_draft_takes_no_room_in_the_queue(motor: Motor, log: StubbornLog) -> None:
    await introduce(motor, "anna")
    log.refusing = True
    for second in range(5):
        with pytest.raises(LogRefused):
            await motor.ingest(fixes("anna", "anna", second=second))
    assert motor._waiting_pings == 0


async def test_stopping_does_not_wait_for_ever_for_a_store_that_refuses(
    motor: Motor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(effects: Sequence[Effects]) -> None:
        raise Overloaded(queue="store", retry_after_s=1)

    monkeypatch.setattr("engine.limits.STOP_S", 0.2)
    monkeypatch.setattr(motor._store, "commit", refuse)
    await introduce(motor, "anna")
    async with asyncio.timeout(5):
        await motor.stop()


async def test_a_fault_of_ours_stops_the_engine_and_says_so(
    motor: Motor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    await introduce(motor, "anna")
    monkeypatch.setattr(motor.pipeline, "apply", fail)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: None)
    with pytest.raises(LogRefused, match="ZeroDivisionError"):
        async with asyncio.timeout(5):
            await motor.ingest(fixes("anna"))
    assert "restart" in motor.blocked
    with pytest.raises(LogRefused):
        await motor.tick(START_MS + 5_000)


def test_the_wall_clock_is_the_systems() -> None:
    assert abs(SystemClock().now_ms() - time.time() * 1000) < 2_000
