"""The dispatcher, against the FCM stand-in over real HTTP and against channels that misbehave."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier import limits
from notifier.channels import Channel
from notifier.channels.fcm import FcmChannel
from notifier.dispatcher import Dispatcher, Settled
from notifier.errors import StoreUnavailable
from notifier.lifecycle import ENDED
from notifier.notifications import (
    Accepted,
    Failed,
    InDoubt,
    Notification,
    Outcome,
    Retired,
    Retry,
)
from notifier.standin.fcm import Fault
from tests.notifier.conftest import Fcm
from tests.notifier.memory import MemoryOutbox
from tests.notifier.samples import MINUTE_MS, NOW_MS, Clock, eventually, notification


class Scripted:
    """A channel that answers as it is told; `gate` holds sends back while it is not set."""

    def __init__(self, name: str = "fcm", batch_max: int = 1, idempotent: bool = False) -> None:
        self.name = name
        self.batch_max = batch_max
        self.idempotent = idempotent
        self.answers: dict[str, list[Outcome | Exception]] = {}
        self.sent: list[Notification] = []
        self.batches: list[int] = []
        self.at_once = 0
        self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_open = False

    async def open(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    async def send(self, batch: Sequence[Notification], now_ms: int) -> Sequence[Outcome]:
        assert self.is_open
        self.batches.append(len(batch))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.at_once -= 1
        self.sent += batch
        return [self._answer(each) for each in batch]

    def _answer(self, made: Notification) -> Outcome:
        answers = self.answers.get(made.id)
        answer = answers.pop(0) if answers else Accepted(provider_id=made.id)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """A dispatcher with all that it needs, on a clock that tests move."""

    def __init__(self, *channels: Channel, **settings: Any) -> None:
        self.outbox = MemoryOutbox()
        self.clock = Clock()
        self.settled: list[Settled] = []
        self.dispatcher = Dispatcher(
            self.outbox,
            channels,
            clock=self.clock,
            chance=random.Random(1).random,
            **{"on_settled": self._heard, **settings},
        )

    async def _heard(self, settled: Sequence[Settled]) -> None:
        self.settled += settled

    async def put(self, *made: Notification) -> None:
        await self.outbox.put(made, self.clock.now_ms())
        self.dispatcher.wake()

    def states(self) -> list[str]:
        return [row.state for row in self.outbox.rows.values()]

    def events(self) -> list[str]:
        return [each.settlement.event for each in self.settled]

    def all_in(self, *states: str) -> Callable[[], bool]:
        return lambda: set(self.states()) <= set(states)


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def start() -> AsyncIterator[Make]:
    started: list[Bench] = []

    async def make(*channels: Channel, **settings: Any) -> Bench:
        bench = Bench(*channels, **settings)
        started.append(bench)
        await bench.dispatcher.start()
        return bench

    yield make
    for bench in started:
        await bench.dispatcher.stop(drain_s=0.1)


async def test_what_is_queued_is_sent_and_told(start: Make, fcm: Fcm) -> None:
    bench = await start(fcm.channel())
    made = [notification(number) for number in range(30)]
    await bench.put(*made)
    await eventually(lambda: len(bench.settled) == 30)
    assert {each.address for each in fcm.standin.messages} == {each.address for each in made}
    row = await bench.outbox.get(made[0].id)
    assert row is not None
    assert row.provider_id == fcm.standin.of(made[0].address)[0].name
    assert (row.dispatched_ms, row.answered_ms) == (NOW_MS, NOW_MS)
    assert bench.dispatcher.counts == {("fcm", "accept"): 30}
    assert bench.settled[0].notification.attempt == 1


async def test_a_passing_fault_is_retried_and_retry_after_obeyed(start: Make, fcm: Fcm) -> None:
    fcm.standin.script("token-1", Fault(kind="unavailable", retry_after_s=30))
    bench = await start(fcm.channel())
    await bench.put(notification(1))
    await eventually(bench.all_in("retry"))
    (row,) = bench.outbox.rows.values()
    assert NOW_MS + 30_000 <= row.due_ms <= NOW_MS + 33_000
    assert row.reason.startswith("UNAVAILABLE")
    claims = bench.outbox.claims
    await eventually(lambda: bench.outbox.claims > claims)
    assert fcm.standin.requests == 1
    bench.clock.at_ms = row.due_ms
    bench.dispatcher.wake("fcm")
    await eventually(bench.all_in("sent"))
    assert fcm.standin.requests == 2
    assert bench.events() == ["defer", "accept"]


async def test_an_unregistered_device_is_told_apart(start: Make, fcm: Fcm) -> None:
    fcm.standin.script("token-1", Fault(kind="unregistered", times=None))
    bench = await start(fcm.channel())
    await bench.put(notification(1), notification(2))
    await eventually(bench.all_in("sent", "retired"))
    retired = [each for each in bench.settled if each.settlement.event == "retire"]
    assert [each.notification.device_id for each in retired] == ["device-1"]
    assert retired[0].settlement.reason == "unregistered"


async def test_retries_end_with_the_time_to_live(start: Make) -> None:
    channel = Scripted()
    made = notification(1)
    channel.answers[made.id] = [Retry(reason="503") for _ in range(99)]
    bench = await start(channel)
    await bench.put(made)
    attempts = 0
    while "retry" in bench.states() or not attempts:
        attempts += 1
        await eventually(lambda: len(bench.settled) == attempts)  # noqa: B023 - awaited in here
        (row,) = bench.outbox.rows.values()
        assert row.due_ms < made.expires_ms
        bench.clock.at_ms = row.due_ms
        bench.dispatcher.wake()
    await eventually(bench.all_in("expired", "dead"))
    assert len(channel.sent) == attempts <= limits.ATTEMPTS_MAX
    assert bench.settled[-1].settlement.reason.endswith("503")


async def test_what_has_expired_is_not_sent(start: Make) -> None:
    channel = Scripted()
    bench = await start(channel)
    await bench.put(notification(1, expires_ms=NOW_MS), notification(2))
    await eventually(bench.all_in("expired", "sent"))
    assert [each.device_id for each in channel.sent] == ["device-2"]
    expired = bench.outbox.rows[notification(1).id]
    assert (expired.state, expired.attempts, expired.dispatched_ms) == ("expired", 0, None)


async def test_what_no_longer_holds_is_cancelled_right_before_the_send(start: Make) -> None:
    channel = Scripted()

    def recheck(made: Notification, now_ms: int) -> str | None:
        return "event_cancelled" if made.decision_id == "decision-1" else None

    bench = await start(channel, recheck=recheck)
    await bench.put(notification(1), notification(2))
    await eventually(bench.all_in("cancelled", "sent"))
    assert [each.device_id for each in channel.sent] == ["device-2"]
    assert bench.outbox.rows[notification(1).id].reason == "event_cancelled"


async def test_a_recheck_that_fails_sends_nothing_and_is_asked_again(start: Make) -> None:
    asked = 0

    def recheck(made: Notification, now_ms: int) -> str | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise RuntimeError("no facts yet")
        return None

    channel = Scripted()
    bench = await start(channel, recheck=recheck)
    await bench.put(notification(1))
    await eventually(bench.all_in("retry"))
    assert channel.sent == []
    bench.clock.at_ms += MINUTE_MS
    bench.dispatcher.wake()
    await eventually(bench.all_in("sent"))


@pytest.mark.parametrize(("policy", "state"), [("resend", "sent"), ("drop", "dropped")])
async def test_a_lost_answer_is_treated_as_the_campaign_says(
    start: Make, fcm: Fcm, policy: Any, state: str
) -> None:
    fcm.standin.script("token-1", Fault(kind="drop_after"))
    bench = await start(fcm.channel())
    await bench.put(notification(1, in_doubt=policy))
    await eventually(bench.all_in("retry", "dropped"))
    bench.clock.at_ms += MINUTE_MS
    bench.dispatcher.wake()
    await eventually(bench.all_in("sent", "dropped"))
    (row,) = bench.outbox.rows.values()
    assert (row.state, row.doubts) == (state, 1)
    assert len(fcm.standin.of("token-1")) == (2 if policy == "resend" else 1)
    # Whichever it is, the phone shows it once.
    assert len(fcm.standin.shown("token-1")) == 1
    assert bench.dispatcher.counts[("fcm", policy)] == 1


async def test_a_channel_with_a_bug_does_not_take_its_lane_down(start: Make) -> None:
    channel = Scripted()
    channel.answers[notification(1).id] = [RuntimeError("bug")]
    bench = await start(channel)
    await bench.put(notification(1, in_doubt="drop"), notification(2))
    await eventually(bench.all_in("dropped", "sent"))
    assert sorted(bench.states()) == ["dropped", "sent"]
    assert bench.dispatcher.failure is None


async def test_sends_at_once_are_bounded(start: Make) -> None:
    channel = Scripted()
    channel.gate.clear()
    bench = await start(channel, concurrency={"fcm": 3})
    await bench.put(*(notification(number) for number in range(50)))
    await eventually(lambda: channel.at_once == 3)
    # What is claimed ahead of the workers is bounded too.
    assert bench.states().count("sending") <= 6
    channel.gate.set()
    await eventually(bench.all_in("sent"))
    assert channel.most_at_once == 3


async def test_a_channel_that_takes_batches_gets_them(start: Make) -> None:
    channel = Scripted(batch_max=20)
    bench = await start(channel, concurrency={"fcm": 2})
    channel.gate.clear()
    await bench.put(*(notification(number) for number in range(100)))
    await eventually(lambda: channel.at_once == 2)
    channel.gate.set()
    await eventually(bench.all_in("sent"))
    assert max(channel.batches) > 1
    assert max(channel.batches) <= 20


async def test_a_stuck_channel_does_not_delay_another(start: Make) -> None:
    stuck, free = Scripted("fcm"), Scripted("inbox")
    stuck.gate.clear()
    bench = await start(stuck, free)
    await bench.put(*(notification(number) for number in range(300)))
    await eventually(lambda: stuck.at_once > 0)
    await bench.put(*(notification(number, channel="inbox") for number in range(10)))
    await eventually(lambda: len(free.sent) == 10)
    assert stuck.sent == []
    stuck.gate.set()


async def test_an_outbox_that_fails_for_a_while_loses_nothing(
    start: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OUTBOX_PAUSE_S", 0.01)
    channel = Scripted()
    channel.gate.clear()
    bench = await start(channel)
    await bench.put(notification(1))
    await eventually(lambda: channel.at_once == 1)
    bench.outbox.broken = True
    channel.gate.set()
    await eventually(lambda: len(channel.sent) == 1)
    await asyncio.sleep(0.05)
    assert bench.states() == ["sending"]
    bench.outbox.broken = False
    await eventually(bench.all_in("sent"))
    assert len(channel.sent) == 1
    assert bench.events() == ["accept"]


async def test_a_listener_that_cannot_listen_is_told_again(
    start: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OUTBOX_PAUSE_S", 0.01)
    heard: list[str] = []

    async def listen(settled: Sequence[Settled]) -> None:
        heard.extend(each.settlement.event for each in settled)
        if len(heard) == 1:
            raise StoreUnavailable(reason="the log is full")

    bench = await start(Scripted(), on_settled=listen)
    await bench.put(notification(1))
    await eventually(lambda: len(heard) == 2)
    assert heard == ["accept", "accept"]


async def test_a_listener_with_a_bug_is_seen_by_health_checks(start: Make) -> None:
    async def listen(settled: Sequence[Settled]) -> None:
        raise RuntimeError("bug")

    bench = await start(Scripted(), on_settled=listen)
    assert bench.dispatcher.failure is None
    await bench.put(notification(1))
    await eventually(lambda: bench.dispatcher.failure is not None)
    assert isinstance(bench.dispatcher.failure, RuntimeError)


async def test_stopping_lets_sends_end_and_hands_the_rest_back(fcm: Fcm) -> None:
    channel = Scripted()
    channel.gate.clear()
    bench = Bench(channel, concurrency={"fcm": 4})
    await bench.dispatcher.start()
    await bench.put(*(notification(number) for number in range(40)))
    await eventually(lambda: channel.at_once == 4)
    stopping = asyncio.create_task(bench.dispatcher.stop(drain_s=20))
    await asyncio.sleep(0)
    channel.gate.set()
    await stopping
    assert set(bench.states()) == {"sent", "queued"}
    assert bench.states().count("sent") == len(channel.sent) == 4
    rows = [row for row in bench.outbox.rows.values() if row.state == "queued"]
    assert all(row.attempts == 0 for row in rows)
    assert not channel.is_open


async def test_stopping_in_time_leaves_what_does_not_end_in_doubt() -> None:
    channel = Scripted()
    channel.gate.clear()
    bench = Bench(channel)
    await bench.dispatcher.start()
    await bench.put(notification(1, in_doubt="drop"), notification(2, in_doubt="resend"))
    await eventually(lambda: channel.at_once == 2)
    await bench.dispatcher.stop(drain_s=0.05)
    assert sorted(bench.states()) == ["dropped", "retry"]
    assert all(row.doubts == 1 for row in bench.outbox.rows.values())


async def test_stopping_before_starting_is_harmless() -> None:
    await Bench(Scripted()).dispatcher.stop()


async def test_pumping_delivers_what_is_due_and_returns() -> None:
    channel, inbox = Scripted(), Scripted("inbox", batch_max=7)
    bench = Bench(channel, inbox)
    await bench.dispatcher.recover()
    await bench.put(*(notification(number) for number in range(200)))
    await bench.put(*(notification(number, channel="inbox") for number in range(20)))
    channel.answers[notification(5).id] = [Retry(reason="503"), Failed(reason="x")]
    assert await bench.dispatcher.pump() == 220
    assert await bench.dispatcher.pump() == 0
    assert sorted(set(bench.states())) == ["retry", "sent"]
    bench.clock.at_ms += MINUTE_MS
    assert await bench.dispatcher.pump() == 1
    assert sorted(set(bench.states())) == ["dead", "sent"]
    assert bench.dispatcher.channels == ("fcm", "inbox")


async def test_pumping_settles_in_the_order_claimed() -> None:
    channel = Scripted()
    bench = Bench(channel)
    await bench.dispatcher.recover()
    await bench.put(*(notification(number) for number in range(100)))
    await bench.dispatcher.pump()
    ids = [each.notification.id for each in bench.settled]
    assert ids == sorted(ids)


Answer = st.sampled_from(
    [
        Accepted(provider_id="p"),
        Retry(reason="503"),
        Retry(reason="429", after_ms=60_000),
        Retired(reason="unregistered"),
        Failed(reason="bad"),
        InDoubt(reason="timeout"),
        RuntimeError("bug"),
    ]
)


@given(
    st.lists(st.lists(Answer, max_size=6), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from(["resend", "drop"]),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_everything_ends_once_whatever_the_channel_does(
    scripts: list[list[Any]], idempotent: bool, policy: Any, batch_max: int
) -> None:
    async def run() -> None:
        channel = Scripted(batch_max=batch_max, idempotent=idempotent)
        bench = Bench(channel)
        await bench.dispatcher.recover()
        made = [notification(number, in_doubt=policy) for number in range(len(scripts))]
        for each, script in zip(made, scripts, strict=True):
            channel.answers[each.id] = list(script)
        await bench.put(*made)
        while (due_ms := await bench.outbox.next_due_ms("fcm")) is not None:
            bench.clock.at_ms = max(bench.clock.at_ms, due_ms)
            await bench.dispatcher.pump()
        assert set(bench.states()) <= ENDED
        for each in made:
            steps = [
                settled.settlement
                for settled in bench.settled
                if settled.notification.id == each.id
            ]
            assert [step.after in ENDED for step in steps] == [False] * (len(steps) - 1) + [True]
            row = bench.outbox.rows[each.id]
            assert row.attempts <= limits.ATTEMPTS_MAX
            if policy == "drop" and not idempotent:
                # Once it may have left, it never leaves again.
                doubts = [step.event for step in steps].count("lose")
                assert doubts <= 1

    asyncio.run(run())


async def test_a_real_channel_carries_a_burst(start: Make, fcm: Fcm) -> None:
    channel: FcmChannel = fcm.channel()
    for number in range(0, 300, 50):
        fcm.standin.script(f"token-{number}", Fault(kind="slow", delay_s=0.3))
    bench = await start(channel)
    await bench.put(*(notification(number) for number in range(300)))
    await eventually(bench.all_in("sent"))
    assert fcm.standin.requests == 300
    counts = await bench.outbox.counts()
    assert counts == {("fcm", "sent"): 300}
    assert msgspec.json.encode([row.notification for row in bench.outbox.rows.values()])
