"""The in-app inbox: what was told to a visitor, as a list and as a stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from aiohttp import WSCloseCode, web
from msgspec import Meta

from api import limits, sockets
from api.calls import Call, Route
from api.errors import NotFound
from notifier.channels.inbox import InboxEntry, Reader
from notifier.errors import StoreUnavailable


class Since(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`since`: the position of the last entry seen, 0 for none."""

    since: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=1, le=limits.PAGE_MAX)] = limits.PAGE_DEFAULT


Send = Callable[[InboxEntry], Awaitable[None]]


class InboxPage(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that have not expired, oldest first; go on from `next`."""

    items: list[InboxEntry]
    next: int


async def list_(call: Call) -> InboxPage:
    """What came after the last entry seen."""
    query = call.query(Since)
    entries = await _since(call, query.since, query.limit)
    return InboxPage(items=entries, next=entries[-1].position if entries else query.since)


async def read(call: Call) -> None:
    """Mark an entry as read."""
    at_ms = call.service.motor.clock.now_ms()
    inbox = call.service.store.inbox
    if not await inbox.mark_read(call.caller.visitor, call.part("id"), at_ms):
        raise NotFound(kind="message", record_id=call.part("id"))


async def stream(call: Call) -> web.StreamResponse:
    """A WebSocket: what came since, then each entry as it comes. Resume with the last position.

    It closes with 1008 when the device's access token ends: come back with a fresh one.
    """
    socket = sockets.fresh(call)
    with call.service.hub.subscribe(call.caller.visitor) as reader:
        return await sockets.run(call, socket, lambda: follow(call, socket, reader))


def _bare(entry: InboxEntry) -> object:
    return entry


async def follow(
    call: Call,
    socket: web.WebSocketResponse,
    reader: Reader,
    dress: Callable[[InboxEntry], object] = _bare,
) -> None:
    """Write entries since the last one seen, as `dress` wants each, until the phone goes away.

    Where the store does not answer, the phone is asked to come back.
    """

    async def send(entry: InboxEntry) -> None:
        await socket.send_str(msgspec.json.encode(dress(entry)).decode())

    try:
        await _write(call, send, reader, call.query(Since).since)
    except StoreUnavailable:
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"the store does not answer")
    except ConnectionError:
        return


async def _write(call: Call, send: Send, reader: Reader, seen: int) -> None:
    """Send every entry once, in order: from the store until it has caught up, then as they come."""
    seen = await _catch_up(call, send, seen)
    while True:
        entry = await reader.next()
        if reader.lapped:
            reader.lapped = False
            seen = await _catch_up(call, send, seen)
        if entry.position > seen:
            seen = entry.position
            await send(entry)


async def _catch_up(call: Call, send: Send, seen: int) -> int:
    while True:
        entries = await _since(call, seen, limits.PAGE_DEFAULT)
        for entry in entries:
            await send(entry)
        if not entries:
            return seen
        seen = entries[-1].position


async def _since(call: Call, position: int, limit: int) -> list[InboxEntry]:
    now_ms = call.service.motor.clock.now_ms()
    found = await call.service.store.inbox.entries_since(
        call.caller.visitor, position, limit, now_ms
    )
    return list(found)


ROUTES = (
    Route(method="GET", path="/v1/inbox", handler=list_, tag="inbox", device=True,
          summary="Messages to this device's visitor", query=Since, answer=InboxPage),
    Route(method="POST", path="/v1/inbox/{id}/read", handler=read, tag="inbox", device=True,
          summary="Mark a message as read", status=204),
    Route(method="GET", path="/v1/inbox/stream", handler=stream, tag="inbox", device=True,
          summary="Messages as they come, over a WebSocket", query=Since, answer=InboxEntry),
)  # fmt: skip
