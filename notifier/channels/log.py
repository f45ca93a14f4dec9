"""The log channel: a structured line a notification, for trials and audits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from notifier import limits
from notifier.errors import ChannelClosed
from notifier.notifications import Accepted, Notification, Outcome


class LogChannel:
    """Writes what would be shown, and to whom; never an address or a token."""

    name = "log"
    batch_max = limits.CLAIM_MAX
    idempotent = True

    def __init__(self, logger: Any = None) -> None:
        self._logger = logger if logger is not None else structlog.get_logger("balise.push")
        self._is_open = False

    async def open(self) -> None:
        """Make ready to send."""
        self._is_open = True

    async def send(self, batch: Sequence[Notification], now_ms: int) -> Sequence[Outcome]:
        """Write the lines. Raises ChannelClosed."""
        if not self._is_open:
            raise ChannelClosed(name=self.name)
        for each in batch:
            self._logger.info(
                "push",
                notification=each.id,
                decision=each.decision_id,
                campaign=each.campaign,
                visitor=each.visitor,
                lang=each.lang,
                title=each.title,
                body=each.body,
                link=each.link,
                at_ms=now_ms,
            )
        return [Accepted(provider_id=each.id) for each in batch]

    async def close(self) -> None:
        """Stop sending."""
        self._is_open = False
