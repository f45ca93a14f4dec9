"""The life of a WebSocket at the doors: bounded in number, and no longer than its credential."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from api import limits
from api.auth import Caller
from api.calls import Call, check
from api.errors import NotAllowed, NotAuthenticated, Unavailable
from api.service import Service

ENDED: Final = b"the credential does not hold any more"
STOPPING: Final = b"the server is stopping"


def fresh(call: Call, *, message_bytes_max: int = 4096) -> web.WebSocketResponse:
    """A socket for a request that asks for one. Raises Unavailable, HTTPUpgradeRequired."""
    if call.service.stopping.is_set():
        raise Unavailable("stopping")
    if len(call.service.sockets) >= limits.SOCKETS_MAX:
        raise Unavailable(f"{limits.SOCKETS_MAX:,} sockets are open already")
    socket = web.WebSocketResponse(
        heartbeat=limits.SOCKET_HEARTBEAT_S,
        timeout=limits.SOCKET_CLOSE_S,
        max_msg_size=message_bytes_max,
    )
    if not socket.can_prepare(call.request).ok:
        raise web.HTTPUpgradeRequired(headers={"Upgrade": "websocket"})
    return socket


async def run(
    call: Call,
    socket: web.WebSocketResponse,
    write: Callable[[], Awaitable[None]],
    hear: Callable[[WSMessage], Awaitable[None]] | None = None,
) -> web.WebSocketResponse:
    """Let `write` send until the other side goes away or its credential ends.

    hear: is given each message, and no other is read until it returns; without it nothing is
    expected, and reading notices that the other side went away.
    """
    await socket.prepare(call.request)
    call.service.sockets[socket] = call.caller
    tasks = [asyncio.ensure_future(write()), asyncio.ensure_future(_watch(call, socket))]
    try:
        async for message in socket:
            if message.type == WSMsgType.ERROR:
                break
            if hear is not None:
                await hear(message)
    finally:
        call.service.sockets.pop(socket, None)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for each in ended:
        if isinstance(each, Exception):
            raise each
    return socket


async def _watch(call: Call, socket: web.WebSocketResponse) -> None:
    """Close the socket once who opened it could not open it any more."""
    while True:
        await asyncio.sleep(limits.SOCKET_RECHECK_S)
        try:
            check(call)
        except (NotAuthenticated, NotAllowed):
            call.service.soon(_close(socket, WSCloseCode.POLICY_VIOLATION, ENDED))
            return


def end(service: Service, whose: Callable[[Caller], bool]) -> None:
    """Close the sockets of callers whose credential has just ended."""
    for socket, caller in list(service.sockets.items()):
        if whose(caller):
            service.soon(_close(socket, WSCloseCode.POLICY_VIOLATION, ENDED))


async def close_all(service: Service) -> None:
    """Tell every socket to come back later."""
    await asyncio.gather(
        *(_close(socket, WSCloseCode.GOING_AWAY, STOPPING) for socket in list(service.sockets)),
        return_exceptions=True,
    )


async def _close(socket: web.WebSocketResponse, code: WSCloseCode, reason: bytes) -> None:
    await socket.close(code=code, message=reason)
