from __future__ import annotations

import pytest

from notifier.outbox import step
from tests.notifier.inbox_contract import InboxContract
from tests.notifier.memory import MemoryInbox, MemoryOutbox
from tests.notifier.outbox_contract import OutboxContract
from tests.notifier.samples import NOW_MS, notification


class TestMemoryOutbox(OutboxContract):
    @pytest.fixture
    def outbox(self) -> MemoryOutbox:
        return MemoryOutbox()


class TestMemoryInbox(InboxContract):
    @pytest.fixture
    def inbox(self) -> MemoryInbox:
        return MemoryInbox()


def test_a_step_outside_the_table_is_a_programmers_error() -> None:
    with pytest.raises(AssertionError, match="accept does not apply to queued"):
        step(notification(), "queued", "accept", NOW_MS)
