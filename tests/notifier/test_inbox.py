from __future__ import annotations

import asyncio

import pytest
import structlog

from notifier import limits
from notifier.channels.inbox import Hub, InboxChannel
from notifier.channels.log import LogChannel
from notifier.errors import StoreUnavailable
from notifier.notifications import Retry
from tests.notifier.memory import MemoryInbox
from tests.notifier.samples import NOW_MS, notification


async def test_readers_hear_at_once_of_their_own() -> None:
    hub, store = Hub(), MemoryInbox()
    channel = InboxChannel(store, hub)
    await channel.open()
    with (
        hub.subscribe("visitor-1") as one,
        hub.subscribe("visitor-1") as other,
        hub.subscribe("visitor-2") as stranger,
    ):
        assert hub.readers == 3
        waiting = asyncio.create_task(one.next())
        await channel.send([notification(1, channel="inbox")], NOW_MS)
        heard = await waiting
        assert (heard.title, heard.position) == (notification(1).title, 1)
        assert await other.next() == heard
        assert not stranger.lapped
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(stranger.next(), 0.01)
    assert hub.readers == 0


async def test_a_slow_reader_is_told_that_it_missed_something() -> None:
    hub, store = Hub(), MemoryInbox()
    channel = InboxChannel(store, hub)
    await channel.open()
    many = limits.INBOX_QUEUE_MAX + 3
    made = [notification(number, visitor="v", channel="inbox") for number in range(many)]
    with hub.subscribe("v") as reader:
        await channel.send(made, NOW_MS)
        assert reader.lapped
        last = 0
        for _ in range(limits.INBOX_QUEUE_MAX):
            last = (await reader.next()).position
        missed = await store.entries_since("v", last, 100, NOW_MS)
        assert len(missed) == 3


async def test_a_store_that_fails_is_a_retry() -> None:
    store = MemoryInbox()
    channel = InboxChannel(store, Hub())
    await channel.open()
    store.broken = True
    assert await channel.send([notification(channel="inbox")], NOW_MS) == [
        Retry(reason="disk full")
    ]


def test_readers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "INBOX_READERS_MAX", 1)
    hub = Hub()
    with hub.subscribe("a"), pytest.raises(StoreUnavailable), hub.subscribe("b"):
        pass
    with hub.subscribe("b"):
        assert hub.readers == 1


async def test_the_log_shows_the_text_and_never_the_address() -> None:
    log = structlog.testing.CapturingLogger()
    channel = LogChannel(log)
    await channel.open()
    await channel.send([notification(channel="log", address="secret-token")], NOW_MS)
    (call,) = log.calls
    assert call.kwargs["body"] == notification().body
    assert "secret-token" not in str(call)


async def test_the_log_channel_has_a_logger_of_its_own() -> None:
    with structlog.testing.capture_logs() as lines:
        channel = LogChannel()
        await channel.open()
        await channel.send([notification(channel="log")], NOW_MS)
    assert [line["event"] for line in lines] == ["push"]
