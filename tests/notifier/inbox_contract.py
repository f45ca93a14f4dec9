"""What every inbox store has to pass: subclass it, with a fixture `inbox` that is empty."""

from __future__ import annotations

import msgspec

from notifier.channels.inbox import InboxStore, entry
from tests.notifier.samples import MINUTE_MS, NOW_MS, notification


class InboxContract:
    """The contract of notifier.channels.inbox.InboxStore."""

    async def test_entries_come_back_whole_with_growing_positions(self, inbox: InboxStore) -> None:
        made = [entry(notification(number, visitor="v")) for number in range(5)]
        stored = await inbox.put_entries(made)
        positions = [each.position for each in stored]
        assert positions == sorted(set(positions))
        assert min(positions) >= 1
        assert [msgspec.structs.replace(each, position=0) for each in stored] == made
        assert list(await inbox.entries_since("v", 0, 100, NOW_MS)) == list(stored)

    async def test_storing_again_keeps_place_and_content(self, inbox: InboxStore) -> None:
        first = await inbox.put_entries([entry(notification(1, visitor="v"))])
        again = entry(notification(1, visitor="v", title="other"))
        new = entry(notification(2, visitor="v"))
        stored = await inbox.put_entries([again, new])
        assert stored[0] == first[0]
        assert stored[1].position > first[0].position
        assert len(await inbox.entries_since("v", 0, 100, NOW_MS)) == 2

    async def test_a_reader_goes_on_from_where_it_was(self, inbox: InboxStore) -> None:
        stored = await inbox.put_entries(
            [entry(notification(number, visitor="v")) for number in range(6)]
        )
        first = await inbox.entries_since("v", 0, 4, NOW_MS)
        rest = await inbox.entries_since("v", first[-1].position, 4, NOW_MS)
        assert [*first, *rest] == list(stored)

    async def test_visitors_see_their_own(self, inbox: InboxStore) -> None:
        await inbox.put_entries([entry(notification(1)), entry(notification(2))])
        found = await inbox.entries_since("visitor-2", 0, 100, NOW_MS)
        assert [each.visitor for each in found] == ["visitor-2"]
        assert not await inbox.entries_since("visitor-3", 0, 100, NOW_MS)

    async def test_what_has_expired_is_not_shown(self, inbox: InboxStore) -> None:
        await inbox.put_entries(
            [entry(notification(1, visitor="v", expires_ms=NOW_MS + MINUTE_MS))]
        )
        assert len(await inbox.entries_since("v", 0, 9, NOW_MS + MINUTE_MS - 1)) == 1
        assert not await inbox.entries_since("v", 0, 9, NOW_MS + MINUTE_MS)
