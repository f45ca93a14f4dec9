"""What every outbox has to pass.

class TestMyOutbox(OutboxContract):
    @pytest.fixture
    async def outbox(self, tmp_path): ...
"""

from __future__ import annotations

import msgspec
import pytest

from notifier.lifecycle import ENDED, TRANSITIONS, Event, State
from notifier.notifications import Notification
from notifier.options import AndroidOptions, Options
from notifier.outbox import Outbox, Settlement, step
from tests.notifier.samples import MINUTE_MS, NOW_MS, notification


async def _to(outbox: Outbox, made: Notification, state: State) -> None:
    """Bring a queued notification into a state by the shortest way that the table allows."""
    ways: dict[State, tuple[Event, ...]] = {"queued": ()}
    while state not in ways:
        for (before, event), after in TRANSITIONS.items():
            if before in ways:
                ways.setdefault(after, (*ways[before], event))
    at: State = "queued"
    for event in ways[state]:
        if event == "claim":
            claimed = await outbox.claim(made.channel, 1, NOW_MS)
            assert [each.id for each in claimed] == [made.id]
        else:
            assert await outbox.settle([step(made, at, event, NOW_MS)]) == 1
        at = TRANSITIONS[(at, event)]
    assert at == state


class OutboxContract:
    """Subclass it, with a fixture `outbox` that gives an empty outbox."""

    async def test_what_is_put_is_queued_whole(self, outbox: Outbox) -> None:
        made = notification(
            options=Options(android=AndroidOptions(color="#112233")), variant="b", in_doubt="drop"
        )
        assert await outbox.put([made], NOW_MS) == 1
        row = await outbox.get(made.id)
        assert row is not None
        assert row.notification == made
        assert (row.state, row.due_ms, row.attempts, row.doubts) == ("queued", NOW_MS, 0, 0)
        assert row.updated_ms == NOW_MS

    async def test_a_row_that_is_not_there_is_none(self, outbox: Outbox) -> None:
        assert await outbox.get("ntf_none") is None

    async def test_putting_again_changes_nothing(self, outbox: Outbox) -> None:
        made = notification()
        await outbox.put([made], NOW_MS)
        await outbox.claim("fcm", 1, NOW_MS)
        before = await outbox.get(made.id)
        other = msgspec.structs.replace(made, title="other")
        assert await outbox.put([other, notification(2)], NOW_MS + 5) == 1
        assert await outbox.get(made.id) == before

    async def test_putting_twice_at_once_makes_one_row(self, outbox: Outbox) -> None:
        assert await outbox.put([notification(), notification()], NOW_MS) == 1

    async def test_a_claim_marks_before_it_returns(self, outbox: Outbox) -> None:
        await outbox.put([notification()], NOW_MS)
        (claimed,) = await outbox.claim("fcm", 10, NOW_MS)
        assert claimed == notification(attempt=1)
        row = await outbox.get(claimed.id)
        assert row is not None
        assert (row.state, row.attempts) == ("sending", 1)

    async def test_a_claim_takes_the_earliest_due_first_then_by_id(self, outbox: Outbox) -> None:
        made = [notification(number) for number in range(20)]
        for place, each in enumerate(made):
            await outbox.put([each], NOW_MS - (place // 5))
        expected = [
            each.id
            for _, each in sorted(
                enumerate(made), key=lambda pair: (NOW_MS - pair[0] // 5, pair[1].id)
            )
        ]
        first = await outbox.claim("fcm", 7, NOW_MS)
        rest = await outbox.claim("fcm", 100, NOW_MS)
        assert [each.id for each in (*first, *rest)] == expected

    async def test_nobody_claims_what_another_has(self, outbox: Outbox) -> None:
        await outbox.put([notification(number) for number in range(10)], NOW_MS)
        first = await outbox.claim("fcm", 6, NOW_MS)
        second = await outbox.claim("fcm", 6, NOW_MS)
        assert len(first) == 6
        assert len(second) == 4
        assert not {each.id for each in first} & {each.id for each in second}
        assert await outbox.claim("fcm", 6, NOW_MS) in ([], ())

    async def test_channels_do_not_share(self, outbox: Outbox) -> None:
        await outbox.put([notification(1), notification(2, channel="inbox")], NOW_MS)
        assert [each.channel for each in await outbox.claim("inbox", 9, NOW_MS)] == ["inbox"]
        assert [each.channel for each in await outbox.claim("fcm", 9, NOW_MS)] == ["fcm"]
        assert not await outbox.claim("log", 9, NOW_MS)

    async def test_a_retry_waits_until_it_is_due(self, outbox: Outbox) -> None:
        made = notification()
        await outbox.put([made], NOW_MS)
        (claimed,) = await outbox.claim("fcm", 1, NOW_MS)
        deferred = msgspec.structs.replace(
            step(claimed, "sending", "defer", NOW_MS, "503"), due_ms=NOW_MS + 2_000
        )
        assert await outbox.settle([deferred]) == 1
        assert not await outbox.claim("fcm", 1, NOW_MS + 1_999)
        assert await outbox.next_due_ms("fcm") == NOW_MS + 2_000
        (again,) = await outbox.claim("fcm", 1, NOW_MS + 2_000)
        assert again == msgspec.structs.replace(made, attempt=2)
        row = await outbox.get(made.id)
        assert row is not None
        assert row.reason == "503"

    async def test_a_settlement_is_kept(self, outbox: Outbox) -> None:
        await outbox.put([notification()], NOW_MS)
        (claimed,) = await outbox.claim("fcm", 1, NOW_MS)
        accepted = msgspec.structs.replace(
            step(claimed, "sending", "accept", NOW_MS + 90),
            provider_id="projects/p/messages/1",
            dispatched_ms=NOW_MS + 20,
            answered_ms=NOW_MS + 80,
        )
        await outbox.settle([accepted])
        row = await outbox.get(claimed.id)
        assert row is not None
        assert (row.state, row.provider_id) == ("sent", "projects/p/messages/1")
        assert (row.dispatched_ms, row.answered_ms) == (NOW_MS + 20, NOW_MS + 80)
        assert row.updated_ms == NOW_MS + 90

    async def test_a_settlement_from_another_state_is_passed_over(self, outbox: Outbox) -> None:
        await outbox.put([notification(1), notification(2)], NOW_MS)
        claimed = await outbox.claim("fcm", 2, NOW_MS)
        accept = [step(each, "sending", "accept", NOW_MS) for each in claimed]
        assert await outbox.settle([accept[0]]) == 1
        assert await outbox.settle(accept) == 1
        late = step(claimed[0], "sending", "fail", NOW_MS, "late")
        assert await outbox.settle([late]) == 0
        row = await outbox.get(claimed[0].id)
        assert row is not None
        assert row.state == "sent"

    async def test_settlements_of_absent_rows_are_passed_over(self, outbox: Outbox) -> None:
        assert await outbox.settle([step(notification(), "sending", "accept", NOW_MS)]) == 0
        assert await outbox.settle([]) == 0

    async def test_settlements_apply_in_order(self, outbox: Outbox) -> None:
        await outbox.put([notification()], NOW_MS)
        (claimed,) = await outbox.claim("fcm", 1, NOW_MS)
        resend = step(claimed, "in_doubt", "resend", NOW_MS)
        pair: list[Settlement] = [
            step(claimed, "sending", "lose", NOW_MS, "timeout"),
            msgspec.structs.replace(resend, due_ms=NOW_MS + 1),
        ]
        assert await outbox.settle(pair) == 2
        row = await outbox.get(claimed.id)
        assert row is not None
        assert (row.state, row.doubts, row.attempts) == ("retry", 1, 1)

    async def test_what_was_not_sent_is_not_an_attempt(self, outbox: Outbox) -> None:
        await outbox.put([notification()], NOW_MS)
        (claimed,) = await outbox.claim("fcm", 1, NOW_MS)
        released = msgspec.structs.replace(
            step(claimed, "sending", "release", NOW_MS, "stopped"), undone=True, due_ms=NOW_MS
        )
        assert await outbox.settle([released]) == 1
        (again,) = await outbox.claim("fcm", 1, NOW_MS)
        assert again.attempt == 1

    async def test_orphans_are_what_a_crash_left(self, outbox: Outbox) -> None:
        made = [notification(number) for number in range(5)]
        for each, state in zip(
            made, ("sending", "in_doubt", "sent", "retry", "queued"), strict=True
        ):
            await outbox.put([each], NOW_MS)
            if state != "queued":
                await _to(outbox, each, state)  # type: ignore[arg-type]
        orphans = await outbox.orphans("fcm")
        assert {(row.notification.id, row.state) for row in orphans} == {
            (made[0].id, "sending"),
            (made[1].id, "in_doubt"),
        }
        assert all(row.attempts == 1 for row in orphans)
        assert not await outbox.orphans("inbox")

    async def test_next_due_is_of_what_waits(self, outbox: Outbox) -> None:
        assert await outbox.next_due_ms("fcm") is None
        await outbox.put([notification(1)], NOW_MS + 7)
        await outbox.put([notification(2)], NOW_MS + 5)
        assert await outbox.next_due_ms("fcm") == NOW_MS + 5
        await outbox.claim("fcm", 9, NOW_MS + 9)
        assert await outbox.next_due_ms("fcm") is None

    @pytest.mark.parametrize("state", ["dead", "dropped", "retired"])
    async def test_requeueing_starts_anew(self, outbox: Outbox, state: State) -> None:
        made = notification()
        await outbox.put([made], NOW_MS)
        await _to(outbox, made, state)
        assert await outbox.requeue([made.id, "ntf_none"], NOW_MS + MINUTE_MS) == 1
        row = await outbox.get(made.id)
        assert row is not None
        assert (row.state, row.attempts, row.due_ms) == ("queued", 0, NOW_MS + MINUTE_MS)
        assert len(await outbox.claim("fcm", 1, NOW_MS + MINUTE_MS)) == 1

    @pytest.mark.parametrize("state", sorted(ENDED - {"dead", "dropped", "retired"}))
    async def test_what_needs_no_second_try_is_not_requeued(
        self, outbox: Outbox, state: State
    ) -> None:
        made = notification()
        await outbox.put([made], NOW_MS)
        await _to(outbox, made, state)
        assert await outbox.requeue([made.id], NOW_MS) == 0

    async def test_what_has_expired_is_not_requeued(self, outbox: Outbox) -> None:
        made = notification()
        await outbox.put([made], NOW_MS)
        await _to(outbox, made, "dead")
        assert await outbox.requeue([made.id], made.expires_ms) == 0

    async def test_counts_are_by_channel_and_state(self, outbox: Outbox) -> None:
        assert await outbox.counts() == {}
        await outbox.put([notification(number) for number in range(3)], NOW_MS)
        await outbox.put([notification(9, channel="log")], NOW_MS)
        await outbox.claim("fcm", 2, NOW_MS)
        counts = {key: count for key, count in (await outbox.counts()).items() if count}
        assert counts == {("fcm", "queued"): 1, ("fcm", "sending"): 2, ("log", "queued"): 1}
