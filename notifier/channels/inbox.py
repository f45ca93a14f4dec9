"""The in-app inbox: delivered means stored; readers that are connected are told at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import msgspec

from notifier import limits
from notifier.errors import ChannelClosed, StoreUnavailable
from notifier.notifications import Accepted, Notification, Outcome, Retry


class InboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A notification in a visitor's inbox.

    position: grows with each entry stored, 0 before it is; a reader asks for what came after the
    last one it saw. tag: a later entry with the same tag replaces this one on the screen.
    """

    id: str
    position: int = 0
    visitor: str
    campaign: str
    decision_id: str
    lang: str
    title: str
    body: str
    image_url: str | None
    link: str | None
    data: dict[str, str]
    tag: str
    created_ms: int
    expires_ms: int


class InboxStore(Protocol):
    """Where entries are kept. Both methods may raise StoreUnavailable, nothing changed then."""

    async def put_entries(self, entries: Sequence[InboxEntry]) -> Sequence[InboxEntry]:
        """Store entries durably; the same with their positions, in order. One whose id is there
        already keeps its place and its content.
        """
        ...

    async def entries_since(
        self, visitor: str, position: int, limit: int, now_ms: int
    ) -> Sequence[InboxEntry]:
        """A visitor's entries after a position that have not expired at `now_ms`, oldest first."""
        ...


class Reader:
    """A connected reader of one visitor's inbox. `lapped`: entries were missed because it was slow;
    read the store from the last position seen, then clear it.
    """

    def __init__(self, visitor: str) -> None:
        self.visitor = visitor
        self.lapped = False
        self._queue: asyncio.Queue[InboxEntry] = asyncio.Queue(limits.INBOX_QUEUE_MAX)

    async def next(self) -> InboxEntry:
        """The next entry stored since subscribing; waits for it."""
        return await self._queue.get()

    def offer(self, entry: InboxEntry) -> None:
        """Hand over an entry, or mark the reader as lapped where it has no room."""
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            self.lapped = True


class Hub:
    """Who reads which inbox, in this process."""

    def __init__(self) -> None:
        self._readers: dict[str, list[Reader]] = {}
        self._count = 0

    @property
    def readers(self) -> int:
        """Readers connected."""
        return self._count

    @contextmanager
    def subscribe(self, visitor: str) -> Iterator[Reader]:
        """A reader that hears of the visitor's entries for as long as the context lasts.

        Raises:
            StoreUnavailable: too many readers.
        """
        if self._count >= limits.INBOX_READERS_MAX:
            raise StoreUnavailable(reason=f"{limits.INBOX_READERS_MAX} readers are connected")
        reader = Reader(visitor)
        self._readers.setdefault(visitor, []).append(reader)
        self._count += 1
        try:
            yield reader
        finally:
            self._count -= 1
            mine = self._readers[visitor]
            mine.remove(reader)
            if not mine:
                del self._readers[visitor]

    def publish(self, entries: Iterable[InboxEntry]) -> None:
        """Tell the readers of each entry's visitor."""
        for entry in entries:
            for reader in self._readers.get(entry.visitor, ()):
                reader.offer(entry)


class InboxChannel:
    """Stores notifications as inbox entries, then tells the readers."""

    name = "inbox"
    batch_max = limits.INBOX_BATCH_MAX
    idempotent = True

    def __init__(self, store: InboxStore, hub: Hub) -> None:
        self._store = store
        self._hub = hub
        self._is_open = False

    async def open(self) -> None:
        """Make ready to send."""
        self._is_open = True

    async def send(self, batch: Sequence[Notification], now_ms: int) -> Sequence[Outcome]:  # noqa: ARG002
        """Store the batch in one go. Raises ChannelClosed."""
        if not self._is_open:
            raise ChannelClosed(name=self.name)
        try:
            stored = await self._store.put_entries([entry(each) for each in batch])
        except StoreUnavailable as error:
            return [Retry(reason=error.reason) for _ in batch]
        self._hub.publish(stored)
        return [Accepted(provider_id=str(each.position)) for each in stored]

    async def close(self) -> None:
        """Stop sending."""
        self._is_open = False


def entry(notification: Notification) -> InboxEntry:
    """The inbox entry of a notification, not stored yet."""
    return InboxEntry(
        id=notification.id,
        visitor=notification.visitor,
        campaign=notification.campaign,
        decision_id=notification.decision_id,
        lang=notification.lang,
        title=notification.title,
        body=notification.body,
        image_url=notification.image_url,
        link=notification.link,
        data=notification.data,
        tag=notification.tag,
        created_ms=notification.created_ms,
        expires_ms=notification.expires_ms,
    )
