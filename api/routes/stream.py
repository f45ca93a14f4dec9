"""One WebSocket for a phone: pings up, each frame with its receipt, and messages down."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from aiohttp import WSMessage, web
from msgspec import Meta

from api import bodies, limits, problems, sockets
from api.calls import Call, Route
from api.decode import JSON
from api.errors import ApiError, Malformed
from api.routes import inbox, pings
from api.routes.inbox import Since
from api.routes.pings import PingsAnswer
from engine import clock as system
from engine.errors import EngineError
from notifier.channels.inbox import InboxEntry


class PingsFrame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pings as in `POST /v1/pings`; `id` is the phone's own, and comes back in the receipt."""

    id: Annotated[str, Meta(max_length=limits.FRAME_ID_CHARS_MAX)]
    pings: msgspec.Raw


class ReceiptFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="receipt"):
    """What became of a frame: the answer that `POST /v1/pings` gives."""

    id: str
    receipt: PingsAnswer


class RefusedFrame(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="refused", omit_defaults=True
):
    """A frame of which nothing was taken. Send it again where there is a `retry_after_s`, never
    otherwise. `id` is empty where it could not be read.
    """

    id: str
    problem: problems.Problem
    retry_after_s: int | None = None


class EntryFrame(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A message. Come back with its `position` as `since`."""

    entry: InboxEntry


class _Uplink:
    """The frames of one stream: taken in the order in which they came, a bounded number at once."""

    def __init__(self, call: Call, socket: web.WebSocketResponse) -> None:
        self._call = call
        self._socket = socket
        self._room = asyncio.Semaphore(limits.STREAM_FRAMES_MAX)
        self._tasks: set[asyncio.Task[None]] = set()

    async def hear(self, message: WSMessage) -> None:
        """Begin with a frame; waits while too many are in flight."""
        await self._room.acquire()
        data = message.data.encode() if isinstance(message.data, str) else message.data
        task = asyncio.create_task(self._answer(data))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()

    async def close(self) -> None:
        """Forget the frames whose receipt nobody will hear; what was taken stays taken."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, data: bytes) -> None:
        told = msgspec.json.encode(await self._take(data))
        try:
            await self._socket.send_str(told.decode())
        except ConnectionError:
            return  # it went away; it will send the frame again

    async def _take(self, data: bytes) -> ReceiptFrame | RefusedFrame:
        frame_id = ""
        try:
            frame = _frame(data)
            frame_id = frame.id
            service, caller = self._call.service, self._call.caller
            per_s = service.settings.device_requests_per_s
            service.buckets.spend(caller.id, per_s=per_s, at_s=system.monotonic_s())
            receipt = await pings.take(self._call, bytes(frame.pings), JSON)
        except (ApiError, EngineError) as error:
            return _refused(frame_id, error, self._call.request_id)
        return ReceiptFrame(id=frame_id, receipt=receipt)


def _frame(data: bytes) -> PingsFrame:
    """The frame of a message. Raises Malformed, Invalid."""
    try:
        return msgspec.json.decode(data, type=PingsFrame)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        bodies.convert(bodies.document(data), PingsFrame)
        raise Malformed("expected an object with id and pings") from None
    except msgspec.DecodeError as error:
        raise Malformed(f"the frame is not JSON: {error}") from error


def _refused(frame_id: str, error: Exception, request_id: str) -> RefusedFrame:
    answer = problems.of_error(error, request_id)
    assert isinstance(answer.body, bytes)
    problem = msgspec.json.decode(answer.body, type=problems.Problem)
    wait = answer.headers.get("Retry-After")
    return RefusedFrame(
        id=frame_id, problem=problem, retry_after_s=None if wait is None else int(wait)
    )


def _dressed(entry: InboxEntry) -> EntryFrame:
    return EntryFrame(entry=entry)


async def stream(call: Call) -> web.StreamResponse:
    """Pings up, messages down. It closes with 1008 when the device's access token ends."""
    socket = sockets.fresh(call, message_bytes_max=call.service.settings.body_bytes_max)
    uplink = _Uplink(call, socket)
    with call.service.hub.subscribe(call.caller.visitor) as reader:
        try:
            return await sockets.run(
                call, socket, lambda: inbox.follow(call, socket, reader, _dressed), uplink.hear
            )
        finally:
            await uplink.close()


Frame = ReceiptFrame | RefusedFrame | EntryFrame

ROUTES = (
    Route(method="GET", path="/v1/stream", handler=stream, tag="pings", device=True, query=Since,
          summary="Pings up and messages down, over a WebSocket", answer=Frame),
)  # fmt: skip
