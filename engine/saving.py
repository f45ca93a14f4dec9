"""Taking snapshots of a running engine, and trimming the log behind them.

The state is copied in the engine's thread between two records; encoding and writing it is left to
a thread of its own. A snapshot is written only once the log has its position on disk and the store
the effects up to there, so that whatever is trimmed away is nowhere needed any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor

import msgspec
import structlog

from engine import clock, limits
from engine.effects import Effects
from engine.errors import LogRefused, SnapshotRefused
from engine.frozen import freeze
from engine.motor import Motor
from engine.snapshots import Snapshots

log = structlog.get_logger("engine.saving")


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot taken: how long the engine's thread was held, and how long it took in all."""

    position: int
    size_bytes: int
    held_ms: float
    took_ms: float
    log_first: int


class Saver:
    """Takes the snapshots of one motor; all methods belong to the event loop's thread.

    refused: why the last snapshot failed, empty after one that did not.
    """

    def __init__(
        self, motor: Motor, snapshots: Snapshots, *, thread: Executor | None = None
    ) -> None:
        self.snapshots = snapshots
        self.last: Saved | None = None
        self.refused = ""
        self._motor = motor
        self._thread = thread or ThreadPoolExecutor(1, thread_name_prefix="balise-snapshot")
        self._stored = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe = motor.subscribe(self._heard)

    def start(self) -> None:
        """Take snapshots from now on, whenever one is due."""
        self._task = asyncio.create_task(self._loop(), name="balise-saver")

    async def stop(self) -> None:
        """Take no more; one that is being written is finished."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._unsubscribe()
        await asyncio.to_thread(self._thread.shutdown)

    async def save(self) -> Saved | None:
        """Take a snapshot now; None where nothing has changed since the last one.

        Raises SnapshotRefused, LogRefused: the snapshots before it stand, and the log as it was.
        """
        started_s = clock.monotonic_s()
        newest = self.snapshots.positions[:1]
        if self._motor.failed:
            raise SnapshotRefused(reason=self._motor.blocked)
        frozen = freeze(self._motor.pipeline)
        held_ms = (clock.monotonic_s() - started_s) * 1000
        if newest == [frozen.end]:
            return None
        # A segment ends at or before this position, so the next snapshot's trim can reach it.
        await self._motor.with_log(lambda log: log.roll())
        while self._motor.stored_through < frozen.end:
            self._stored.clear()
            await self._stored.wait()
        await self._motor.with_log(lambda log: log.sync())
        loop = asyncio.get_running_loop()
        size = await loop.run_in_executor(self._thread, self.snapshots.write, frozen)
        trimmable = self.snapshots.trimmable
        first = await self._motor.with_log(lambda log: log.trim(trimmable))
        self.last = Saved(
            position=frozen.end,
            size_bytes=size,
            held_ms=round(held_ms, 1),
            took_ms=round((clock.monotonic_s() - started_s) * 1000, 1),
            log_first=first,
        )
        return self.last

    def _heard(self, _: Sequence[Effects]) -> None:
        self._stored.set()

    async def _loop(self) -> None:
        since_s, since = clock.monotonic_s(), self._motor.pipeline.end
        while True:
            await asyncio.sleep(limits.SNAPSHOT_POLL_S)
            entries = self._motor.pipeline.end - since
            elapsed_s = clock.monotonic_s() - since_s
            if entries < limits.SNAPSHOT_ENTRIES and elapsed_s < limits.SNAPSHOT_S:
                continue
            try:
                saved = await self.save()
            except (SnapshotRefused, LogRefused, OSError) as error:
                if not self.refused:
                    log.error("snapshot.refused", reason=str(error))
                self.refused = str(error)
                await asyncio.sleep(limits.SNAPSHOT_RETRY_S)
                continue
            self.refused = ""
            since_s, since = clock.monotonic_s(), self._motor.pipeline.end
            if saved is not None:
                log.info("snapshot.taken", **msgspec.structs.asdict(saved))
