"""A push provider that is slow, fails and lies, and remembers what it took."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from notifier.notifications import (
    Accepted,
    Failed,
    InDoubt,
    Notification,
    Outcome,
    Retired,
    Retry,
)
from tests.simulator.steps import Steps

# What becomes of a send: its weight, whether the phone gets it, and the answer (None: none).
ANSWERS: tuple[tuple[int, bool, Outcome | None], ...] = (
    (60, True, Accepted(provider_id="p")),
    (10, False, Retry(reason="UNAVAILABLE")),
    (4, False, Retry(reason="QUOTA", after_ms=20_000)),
    (4, True, InDoubt(reason="the answer was lost")),
    (4, False, InDoubt(reason="the connection was lost")),
    (3, False, Failed(reason="INVALID_ARGUMENT")),
    (2, False, Retired(reason="UNREGISTERED")),
    (2, True, None),
    (2, False, None),
)


class Taken(NamedTuple):
    """One message that reached a phone."""

    notification: str
    decision: str
    visitor: str
    device: str
    tag: str
    at_ms: int


class Provider:
    """The channel `fcm`, and the phones behind it. It outlives the engine's processes."""

    name = "fcm"
    batch_max = 1
    idempotent = False

    def __init__(self, steps: Steps, chance: random.Random) -> None:
        self.taken: list[Taken] = []
        self.forbidden: dict[str, str] = {}
        self.wrongs: list[str] = []
        self.healthy = False
        self._steps = steps
        self._chance = chance

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def send(self, batch: Sequence[Notification], now_ms: int) -> Sequence[Outcome]:
        return [self._send(each, now_ms) for each in batch]

    def _send(self, each: Notification, now_ms: int) -> Outcome:
        self._steps.take("send")
        if each.visitor in self.forbidden:
            self.wrongs.append(f"{each.visitor} was pushed to: {self.forbidden[each.visitor]}")
        _, taken, answer = self._chance.choices(ANSWERS, [weight for weight, _, _ in ANSWERS])[0]
        if self.healthy:
            taken, answer = ANSWERS[0][1:]
        if taken:
            self.taken.append(
                Taken(each.id, each.decision_id, each.visitor, each.device_id, each.tag, now_ms)
            )
        self._steps.take("sent")
        if answer is None:
            raise ConnectionResetError("the channel broke")
        return answer
