"""Channels: how a notification leaves. A new one is one module that passes the contract suite in
tests/notifier/test_channel_contract.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from notifier.notifications import Notification, Outcome


class Channel(Protocol):
    """One way to deliver.

    name: that of Notification.channel. batch_max: notifications that one `send` takes; 1 where
    each is a request of its own, so that none waits for another. idempotent: sending the same
    notification again is harmless, so that a lost answer need not stay in doubt.
    """

    @property
    def name(self) -> str: ...

    @property
    def batch_max(self) -> int: ...

    @property
    def idempotent(self) -> bool: ...

    async def open(self) -> None:
        """Make ready to send; again is harmless."""
        ...

    async def send(self, batch: Sequence[Notification], now_ms: int) -> Sequence[Outcome]:
        """Try to deliver, once; one outcome for each, in order. Concurrent calls are fine.

        What goes wrong with the provider is an outcome and not an exception.

        Raises:
            ChannelClosed: before `open` or after `close`.
        """
        ...

    async def close(self) -> None:
        """Let go of connections; again is harmless."""
        ...
