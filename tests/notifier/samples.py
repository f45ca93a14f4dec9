"""Values that the notifier's tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from notifier.notifications import Notification, notification_id, replacement_tag

NOW_MS = 1_787_000_000_000
MINUTE_MS = 60_000


def notification(number: int = 1, **changes: Any) -> Notification:
    """A notification for `fcm` that expires in 15 minutes; `number` makes it another one."""
    decision = changes.get("decision_id", f"decision-{number}")
    device = changes.get("device_id", f"device-{number}")
    channel = changes.get("channel", "fcm")
    made = Notification(
        id=notification_id(decision, device, channel),
        decision_id=decision,
        campaign="sunset-paddle",
        visitor=f"visitor-{number}",
        device_id=device,
        channel=channel,
        address=f"token-{number}",
        platform="android",
        lang="fr",
        title="Paddle au coucher du soleil 🌅",
        body="Départ dans 30 minutes, à 250 m.\nIl reste 4 places.",
        image_url="https://example.org/paddle.jpg",
        link="balise://event/paddle",
        data={"event": "paddle"},
        created_ms=NOW_MS,
        expires_ms=NOW_MS + 15 * MINUTE_MS,
        collapse_key="lake",
        tag=replacement_tag(decision),
    )
    return msgspec.structs.replace(made, **changes)


class Clock:
    """A clock that tests set."""

    def __init__(self, now_ms: int = NOW_MS) -> None:
        self.at_ms = now_ms

    def now_ms(self) -> int:
        return self.at_ms


async def eventually(condition: Callable[[], bool], most_s: float = 20.0) -> None:
    """Return once the condition holds; fail if it does not in that time."""
    async with asyncio.timeout(most_s):
        while not condition():  # noqa: ASYNC110 - nothing tells when it will
            await asyncio.sleep(0.005)
