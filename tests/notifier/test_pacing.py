"""Rate and breaker, in time that tests make."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from notifier import limits, pacing
from notifier.channels import Channel
from notifier.notifications import Accepted, Failed, InDoubt, Outcome, Retired, Retry
from notifier.pacing import Breaker, Rate
from tests.notifier.samples import MINUTE_MS, NOW_MS, eventually, notification
from tests.notifier.test_dispatcher import Bench, Make, Scripted, start

__all__ = ["start"]

FAULT = Retry(reason="503")


@given(
    per_min=st.integers(1, 100_000),
    steps=st.lists(st.tuples(st.integers(-5_000, 30_000), st.integers(0, 3_000)), max_size=40),
)
def test_no_minute_sees_more_than_its_rate_and_a_second_of_burst(
    per_min: int, steps: list[tuple[int, int]]
) -> None:
    rate, now_ms = Rate(per_min), NOW_MS
    sent: list[tuple[int, int]] = []
    furthest_ms = now_ms
    for wait_ms, wanted in steps:
        now_ms += wait_ms
        furthest_ms = max(furthest_ms, now_ms)
        allowed = rate.allowance(now_ms)
        assert allowed is not None
        count = min(wanted, allowed)
        rate.spend(count)
        sent.append((furthest_ms, count))
    burst = max(1.0, per_min / 60)
    back_ms = sum(-wait_ms for wait_ms, _ in steps if wait_ms < 0)
    for at_ms, _ in sent:
        within = sum(n for t, n in sent if at_ms - MINUTE_MS < t <= at_ms)
        assert within <= per_min * (1 + back_ms / MINUTE_MS) + burst + 1


def test_what_was_not_sent_after_all_is_given_back() -> None:
    rate = Rate(600)
    assert rate.allowance(NOW_MS) == 10
    rate.spend(10)
    assert rate.allowance(NOW_MS) == 0
    rate.spend(-4)
    assert rate.allowance(NOW_MS) == 4
    assert rate.allowance(NOW_MS + 60_000) == 10
    assert Rate(None).allowance(NOW_MS) is None


def faulty(breaker: Breaker, count: int = limits.BREAKER_FAULTS, outcome: Outcome = FAULT) -> None:
    for _ in range(count):
        breaker.hear(outcome, NOW_MS)


def test_a_breaker_opens_after_faults_in_a_row_only() -> None:
    breaker = Breaker()
    faulty(breaker, limits.BREAKER_FAULTS - 1)
    for answer in (Failed(reason="no"), Retired(reason="gone"), Accepted(provider_id="1")):
        breaker.hear(answer, NOW_MS)
        faulty(breaker, limits.BREAKER_FAULTS - 1)
        assert breaker.gate == "closed"
    breaker.hear(InDoubt(reason="no answer"), NOW_MS)
    assert (breaker.gate, breaker.allowance(NOW_MS)) == ("open", 0)
    assert breaker.opened == 1


def test_one_probe_decides_and_pauses_double_up_to_a_bound() -> None:
    breaker, now_ms, pauses = Breaker(), NOW_MS, []
    faulty(breaker)
    for _ in range(8):
        pauses.append(breaker.until_ms - now_ms)
        assert breaker.allowance(breaker.until_ms - 1) == 0
        now_ms = breaker.until_ms
        assert breaker.allowance(now_ms) == 1
        assert breaker.allowance(now_ms) == 0
        breaker.hear(FAULT, now_ms)
        assert breaker.gate == "open"
    assert pauses[:3] == [2_000, 4_000, 8_000]
    assert max(pauses) == pauses[-1] == limits.BREAKER_PAUSE_MAX_MS
    assert breaker.allowance(breaker.until_ms) == 1
    breaker.hear(Accepted(provider_id="1"), breaker.until_ms)
    assert breaker.allowance(breaker.until_ms) is None
    faulty(breaker)
    assert breaker.until_ms == NOW_MS + limits.BREAKER_PAUSE_MS


def test_a_provider_that_names_a_time_is_left_alone_until_then() -> None:
    breaker = Breaker()
    faulty(breaker, outcome=Retry(reason="429", after_ms=90_000))
    assert breaker.until_ms == NOW_MS + 90_000


def test_a_probe_that_was_not_sent_leaves_the_next_one_free() -> None:
    breaker = Breaker()
    faulty(breaker)
    assert breaker.allowance(breaker.until_ms) == 1
    breaker.unused(breaker.until_ms)
    assert breaker.allowance(breaker.until_ms) == 1


def test_every_gate_knows_what_to_do() -> None:
    gates = {gate for gate, _ in pacing.TRANSITIONS}
    assert gates == {"closed", "open", "probing"}
    for gate in gates:
        for event in ("answer", "fault", "fault_too_many"):
            assert (gate, event) in pacing.TRANSITIONS


class Down(Scripted):
    """A channel whose provider is down while it is told so."""

    is_down = True

    def _answer(self, made: object) -> Outcome:
        return FAULT if self.is_down else Accepted(provider_id="1")


async def pumped(*channels: Channel, **settings: object) -> Bench:
    bench = Bench(*channels, **settings)
    await bench.dispatcher.recover()
    return bench


async def test_a_provider_that_is_down_costs_what_waits_no_attempts() -> None:
    channel = Down()
    bench = await pumped(channel, concurrency={"fcm": 5})
    await bench.put(*(notification(number) for number in range(200)))
    await bench.dispatcher.pump()
    assert limits.BREAKER_FAULTS <= len(channel.sent) <= limits.BREAKER_FAULTS + 5
    (status,) = bench.dispatcher.status()
    assert (status.gate, status.opened) == ("open", 1)
    untouched = [row for row in bench.outbox.rows.values() if row.attempts == 0]
    assert len(untouched) == 200 - len(channel.sent)
    assert {row.state for row in untouched} == {"queued"}
    assert status.until_ms is not None
    sent = len(channel.sent)
    bench.clock.at_ms = status.until_ms
    await bench.dispatcher.pump()
    assert len(channel.sent) == sent + 1
    channel.is_down = False
    bench.clock.at_ms += 30_000
    await bench.dispatcher.pump()
    assert set(bench.states()) == {"sent"}


async def test_what_expires_while_a_provider_is_down_is_not_sent() -> None:
    channel = Down()
    bench = await pumped(channel)
    await bench.put(*(notification(number) for number in range(40)))
    await bench.dispatcher.pump()
    channel.is_down = False
    sent = len(channel.sent)
    bench.clock.at_ms = NOW_MS + 15 * MINUTE_MS
    await bench.dispatcher.pump()
    assert len(channel.sent) == sent
    bench.clock.at_ms += 1
    await bench.put(notification(99, expires_ms=bench.clock.at_ms + MINUTE_MS))
    for _ in range(41):
        await bench.dispatcher.pump()
    assert set(bench.states()) == {"expired", "sent"}
    assert len(channel.sent) == sent + 1


async def test_a_running_lane_notices_that_its_provider_is_back(start: Make) -> None:
    channel, other = Down(), Scripted("inbox")
    bench = await start(channel, other)
    await bench.put(*(notification(number) for number in range(100)))
    await eventually(lambda: bench.dispatcher.status()[0].gate == "open")
    await bench.put(*(notification(number, channel="inbox") for number in range(10)))
    await eventually(lambda: len(other.sent) == 10)
    channel.is_down = False
    bench.clock.at_ms += 20_000
    bench.dispatcher.wake()
    await eventually(bench.all_in("sent"))
    assert bench.dispatcher.status()[0].gate == "closed"


async def test_no_more_is_sent_in_a_minute_than_the_provider_takes() -> None:
    channel, free = Scripted(), Scripted("inbox")
    bench = await pumped(channel, free, rates_per_min={"fcm": 600})
    await bench.put(*(notification(number, expires_ms=NOW_MS * 2) for number in range(700)))
    await bench.put(*(notification(number, channel="inbox") for number in range(700)))
    await bench.dispatcher.pump()
    assert (len(channel.sent), len(free.sent)) == (10, 700)
    for _ in range(60):
        bench.clock.at_ms += 1_000
        await bench.dispatcher.pump()
    assert len(channel.sent) == 610
    for _ in range(9):
        bench.clock.at_ms += 1_000
        await bench.dispatcher.pump()
    assert set(bench.states()) == {"sent"}


def test_the_published_quota_is_kept() -> None:
    assert limits.RATES_PER_MIN["fcm"] <= 600_000
