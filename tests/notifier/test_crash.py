"""Crashes at the port: the process is gone, the outbox and the phone are what is left."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from notifier.dispatcher import Dispatcher
from notifier.notifications import Notification
from notifier.outbox import Settlement
from notifier.standin.fcm import Fault
from tests.notifier.conftest import Fcm
from tests.notifier.memory import MemoryOutbox
from tests.notifier.samples import MINUTE_MS, NOW_MS, Clock, eventually, notification


class Crash(Exception):
    """Raised where the process would have died."""


class DyingOutbox(MemoryOutbox):
    """Dies at the n-th call of the dispatcher's, before or after it took effect."""

    def __init__(self, dies_at: int, after: bool) -> None:
        super().__init__()
        self._left = dies_at
        self._after = after

    def _dying(self) -> bool:
        self._left -= 1
        return self._left == 0

    async def claim(self, channel: str, limit: int, now_ms: int) -> Sequence[Notification]:
        dying = self._dying()
        if dying and not self._after:
            raise Crash
        out = await super().claim(channel, limit, now_ms)
        if dying:
            raise Crash
        return out

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        dying = self._dying()
        if dying and not self._after:
            raise Crash
        out = await super().settle(settlements)
        if dying:
            raise Crash
        return out


def dispatcher(outbox: MemoryOutbox, fcm: Fcm, clock: Clock, **settings: Any) -> Dispatcher:
    return Dispatcher(
        outbox, [fcm.channel()], clock=clock, chance=random.Random(1).random, **settings
    )


async def restart(outbox: MemoryOutbox, fcm: Fcm, clock: Clock) -> Dispatcher:
    """A new process on the same outbox, run until nothing is left to do."""
    again = dispatcher(outbox, fcm, clock)
    await again.recover()
    while (due_ms := await outbox.next_due_ms("fcm")) is not None:
        clock.at_ms = max(clock.at_ms, due_ms)
        await again.pump()
    await again.stop()
    return again


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dies_at", range(1, 7))
@pytest.mark.parametrize("policy", ["resend", "drop"])
async def test_dying_at_any_step_loses_nothing_and_no_phone_shows_twice(
    fcm: Fcm, dies_at: int, after: bool, policy: Any
) -> None:
    outbox, clock = DyingOutbox(dies_at, after), Clock()
    made = [notification(number, in_doubt=policy) for number in range(8)]
    await outbox.put(made[:4], NOW_MS)
    first = dispatcher(outbox, fcm, clock, concurrency={"fcm": 2})
    await first.recover()

    async def live() -> None:
        for _ in range(9):
            await first.pump()
            await outbox.put(made[4:], NOW_MS)

    with pytest.raises(Crash):
        await live()
    await outbox.put(made, NOW_MS)  # the engine's replay plans them again
    again = await restart(outbox, fcm, clock)
    await first.stop()
    counts = await outbox.counts()
    for each in made:
        taken = fcm.standin.of(each.address)
        assert len(fcm.standin.shown(each.address)) <= 1
        row = outbox.rows[each.id]
        if policy == "resend":
            assert row.state == "sent"
            assert len(fcm.standin.shown(each.address)) == 1
        else:
            # Sent at most once; what was not sent was in doubt, and is counted as dropped.
            assert len(taken) <= 1
            assert row.state == "sent" or (row.state == "dropped" and row.doubts == 1)
    assert again.counts[("fcm", "drop")] == counts.get(("fcm", "dropped"), 0)


@pytest.mark.parametrize("policy", ["resend", "drop"])
async def test_a_send_whose_answer_was_lost_in_a_crash_is_resolved(fcm: Fcm, policy: Any) -> None:
    outbox, clock = MemoryOutbox(), Clock()
    made = notification(1, in_doubt=policy)
    await outbox.put([made], NOW_MS)
    fcm.standin.script(made.address, Fault(kind="slow", delay_s=0.2))
    first = dispatcher(outbox, fcm, clock)
    await first.start()
    # FCM has the request and has not answered: the process dies here, and settles nothing.
    await eventually(lambda: fcm.standin.requests == 1)
    outbox.broken = True
    for task in asyncio.all_tasks():
        if task.get_name().startswith("balise-fcm"):
            task.cancel()
    outbox.broken = False
    assert outbox.rows[made.id].state == "sending"
    await eventually(lambda: len(fcm.standin.of(made.address)) == 1)

    again = await restart(outbox, fcm, clock)
    row = outbox.rows[made.id]
    assert row.doubts == 1
    assert again.counts[("fcm", policy)] == 1
    if policy == "resend":
        assert row.state == "sent"
        assert len(fcm.standin.of(made.address)) == 2
    else:
        assert row.state == "dropped"
        assert len(fcm.standin.of(made.address)) == 1
    assert len(fcm.standin.shown(made.address)) == 1
    await first.stop(drain_s=0.01)


async def test_what_was_in_doubt_and_has_expired_meanwhile_is_not_sent(fcm: Fcm) -> None:
    outbox, clock = MemoryOutbox(), Clock()
    made = notification(1)
    await outbox.put([made], NOW_MS)
    await outbox.claim("fcm", 1, NOW_MS)
    clock.at_ms = NOW_MS + 20 * MINUTE_MS
    await restart(outbox, fcm, clock)
    assert outbox.rows[made.id].state == "expired"
    assert fcm.standin.requests == 0
