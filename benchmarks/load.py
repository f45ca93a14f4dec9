"""A load: keep-alive connections that each send their own visitors' pings, batch after batch.

Bodies are made before the clock runs. A visitor's fixes all go over one connection and each batch
waits for the answer to the one before, so a visitor's order is kept, as with phones.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks import limits
from benchmarks.errors import InstanceFailed
from benchmarks.instance import Instance
from benchmarks.workloads import Walks

ROUND_MS = 5_000
"""Between two fixes of a visitor: at 25 m a step nobody is faster than the teleport rule allows."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch, as far as a load must know."""

    accepted: int
    duplicate: int
    late: int
    suspect: int
    discarded: int
    quarantined: list[msgspec.Raw]


class Request(NamedTuple):
    """A body that waits to be sent, and how many pings it holds."""

    body: bytes
    pings: int


class Sent(NamedTuple):
    """A load that is over: batch_s holds the time from request to answer of each batch."""

    duration_s: float
    bytes: int
    refused: int
    batch_s: list[float]


def requests(walks: Walks, *, connections: int, batch: int, end_ms: int) -> list[list[Request]]:
    """The bodies of each connection, in order: JSON arrays of at most `batch` pings.

    end_ms: time of the fixes of the last round.
    """
    rounds, visitors, _ = walks.fixes.shape
    names = [f"v{number:06d}" for number in range(visitors)]
    times_ms = [end_ms - ROUND_MS * (rounds - 1 - number) for number in range(rounds)]
    encode = msgspec.json.Encoder().encode
    out = []
    for mine in np.array_split(np.arange(visitors), connections):
        fixes = walks.fixes[:, mine].reshape(-1, 2).tolist()
        who = [names[visitor] for visitor in mine.tolist()] * rounds
        when = [at_ms for at_ms in times_ms for _ in range(len(mine))]
        pings = [
            {"visitor": name, "fix_ms": at_ms, "lon": lon, "lat": lat}
            for name, at_ms, (lon, lat) in zip(who, when, fixes, strict=True)
        ]
        parts = [pings[first : first + batch] for first in range(0, len(pings), batch)]
        out.append([Request(encode(part), len(part)) for part in parts])
    return out


def send(
    instance: Instance, work: list[list[Request]], advance: Callable[[int], None] | None = None
) -> Sent:
    """Send all of it at once, a connection a list; returns when the last answer is in.

    Raises InstanceFailed where a ping is not accepted, or nothing moves any more.
    """
    return asyncio.run(_send(instance, work, advance or (lambda _: None)))


async def _send(
    instance: Instance, work: list[list[Request]], advance: Callable[[int], None]
) -> Sent:
    lines = [await _Line.open(instance, requests, advance) for requests in work if requests]
    start_s = time.perf_counter()
    try:
        async with asyncio.timeout(limits.LOAD_S), asyncio.TaskGroup() as group:
            for line in lines:
                group.create_task(line.run())
    except TimeoutError as error:
        raise InstanceFailed(f"did not take the load within {limits.LOAD_S:g} s") from error
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        if isinstance(first, InstanceFailed):
            raise first from None
        raise InstanceFailed(f"broke off: {first!r}") from first
    finally:
        for line in lines:
            line.close()
    return Sent(
        duration_s=time.perf_counter() - start_s,
        bytes=sum(line.bytes for line in lines),
        refused=sum(line.refused for line in lines),
        batch_s=[each for line in lines for each in line.batch_s],
    )


class _Line:
    """One connection and its share of the load."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        head: bytes,
        requests: list[Request],
        advance: Callable[[int], None],
    ) -> None:
        self.bytes = self.refused = 0
        self.batch_s: list[float] = []
        self._reader, self._writer = reader, writer
        self._head, self._requests, self._advance = head, requests, advance
        self._decode = msgspec.json.Decoder(Answer).decode

    @classmethod
    async def open(
        cls, instance: Instance, requests: list[Request], advance: Callable[[int], None]
    ) -> _Line:
        reader, writer = await asyncio.open_connection(instance.host, instance.port)
        head = (
            f"POST /v1/pings HTTP/1.1\r\nHost: {instance.host}:{instance.port}\r\n"
            f"Authorization: Bearer {instance.key}\r\nContent-Type: application/json\r\n"
            "Content-Length: "
        ).encode()
        return cls(reader, writer, head, requests, advance)

    async def run(self) -> None:
        """Send every request and check its answer."""
        for request in self._requests:
            start_s = time.perf_counter()
            status, wait_s, body = await self._ask(request)
            while status == 429 and self.refused < limits.REFUSALS_MAX:
                self.refused += 1
                await asyncio.sleep(wait_s)
                status, wait_s, body = await self._ask(request)
            self.batch_s.append(time.perf_counter() - start_s)
            if status != 200:
                raise InstanceFailed(f"answered {status}: {body[:300].decode('utf-8', 'replace')}")
            if self._decode(body).accepted != request.pings:
                raise InstanceFailed(
                    f"did not accept {request.pings} pings: {body[:500].decode('utf-8', 'replace')}"
                )
            self._advance(request.pings)

    async def _ask(self, request: Request) -> tuple[int, float, bytes]:
        """One request; returns status, the seconds of Retry-After, and the body."""
        frame = b"%b%d\r\n\r\n%b" % (self._head, len(request.body), request.body)
        self._writer.write(frame)
        self.bytes += len(frame)
        await self._writer.drain()
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        size = int(_header(head, b"content-length"))
        wait_s = float(_header(head, b"retry-after"))
        return status, wait_s, await self._reader.readexactly(size)

    def close(self) -> None:
        self._writer.close()


def _header(head: bytes, name: bytes) -> bytes:
    """A header's value, 0 where it is missing."""
    return head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip() or b"0"
