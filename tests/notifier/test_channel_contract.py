"""What every channel has to do; a new one joins by a line in `channels`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
import structlog

from notifier.channels import Channel
from notifier.channels.inbox import Hub, InboxChannel
from notifier.channels.log import LogChannel
from notifier.errors import ChannelClosed
from notifier.notifications import Accepted, Notification
from tests.notifier.conftest import Fcm, Hook, Push
from tests.notifier.memory import MemoryInbox
from tests.notifier.samples import NOW_MS, notification


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A channel, what arrived through it, (title, body) by notification id, and where it sends."""

    channel: Channel
    arrived: Callable[[], dict[str, tuple[str, str]]]
    address: Callable[[int], str] = "token-{}".format


@pytest.fixture(params=["fcm", "inbox", "log", "webpush", "webhook"])
async def case(
    request: pytest.FixtureRequest, fcm: Fcm, push: Push, hook: Hook
) -> AsyncIterator[Case]:
    inbox, log = MemoryInbox(), structlog.testing.CapturingLogger()
    channels: dict[str, Case] = {
        "fcm": Case(
            channel=fcm.channel(),
            arrived=lambda: {
                each.message["data"]["balise_notification"]: (
                    each.message["notification"]["title"],
                    each.message["notification"]["body"],
                )
                for each in fcm.standin.messages
            },
        ),
        "inbox": Case(
            channel=InboxChannel(inbox, Hub()),
            arrived=lambda: {each.id: (each.title, each.body) for each in inbox.entries.values()},
        ),
        "log": Case(
            channel=LogChannel(log),
            arrived=lambda: {
                call.kwargs["notification"]: (call.kwargs["title"], call.kwargs["body"])
                for call in log.calls
            },
        ),
        "webpush": Case(
            channel=push.channel(),
            arrived=lambda: {
                each.payload["notification"]: (each.payload["title"], each.payload["body"])
                for each in push.standin.pushes
            },
            address=lambda _: push.subscribe(),
        ),
        "webhook": Case(
            channel=hook.channel(),
            arrived=lambda: {
                taken["data"]["id"]: (taken["data"]["title"], taken["data"]["body"])
                for taken in hook.standin.taken.values()
            },
        ),
    }
    chosen = channels[request.param]
    yield chosen
    await chosen.channel.close()


def batch(case: Case, count: int, **changes: Any) -> list[Notification]:
    size = min(count, case.channel.batch_max)
    return [made(case, number, **changes) for number in range(size)]


def made(case: Case, number: int, **changes: Any) -> Notification:
    name, address = case.channel.name, case.address(number)
    return notification(number, channel=name, address=address, **changes)


async def test_what_is_accepted_has_arrived_whole(case: Case) -> None:
    await case.channel.open()
    sent = batch(case, 5, body="Ŝipo 🛶 👨‍👩‍👧‍👦\nعربي «\u2066x\u2069»")
    outcomes = await case.channel.send(sent, NOW_MS)
    assert all(isinstance(each, Accepted) and each.provider_id for each in outcomes)
    assert case.arrived() == {each.id: (each.title, each.body) for each in sent}


async def test_there_is_an_outcome_for_each_in_order(case: Case) -> None:
    await case.channel.open()
    for count in (1, 3):
        sent = batch(case, count)
        assert len(await case.channel.send(sent, NOW_MS)) == len(sent)


async def test_sends_may_overlap(case: Case) -> None:
    await case.channel.open()
    sent = [made(case, number) for number in range(40)]
    outcomes = await asyncio.gather(*(case.channel.send([each], NOW_MS) for each in sent))
    assert all(isinstance(each, Accepted) for (each,) in outcomes)
    assert len(case.arrived()) == 40


async def test_a_closed_channel_says_so(case: Case) -> None:
    sent = batch(case, 1)
    with pytest.raises(ChannelClosed):
        await case.channel.send(sent, NOW_MS)
    await case.channel.open()
    await case.channel.close()
    with pytest.raises(ChannelClosed):
        await case.channel.send(sent, NOW_MS)
    assert case.arrived() == {}


async def test_opening_and_closing_again_is_harmless(case: Case) -> None:
    await case.channel.close()
    await case.channel.open()
    await case.channel.open()
    assert len(await case.channel.send(batch(case, 1), NOW_MS)) == 1
    await case.channel.close()
    await case.channel.close()
    await case.channel.open()
    assert len(await case.channel.send(batch(case, 1), NOW_MS)) == 1


async def test_repeating_is_harmless_where_the_channel_says_so(case: Case) -> None:
    await case.channel.open()
    sent = batch(case, 1)
    first = await case.channel.send(sent, NOW_MS)
    second = await case.channel.send(sent, NOW_MS)
    if case.channel.idempotent:
        assert first == second
    assert len(case.arrived()) == 1
