"""The dispatcher: takes what is due from the outbox, sends it, and writes down what became of it.

Each channel has a lane of its own: a feeder that claims, workers that send, a writer that settles.
A slow or failing channel fills its own lane and no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Protocol

import msgspec
import structlog

from notifier import limits, pacing, settling
from notifier.channels import Channel
from notifier.errors import StoreUnavailable
from notifier.notifications import InDoubt, Notification, Outcome, Retry
from notifier.outbox import Outbox, Settlement, step
from notifier.settling import Attempt

_log = structlog.get_logger("balise.dispatch")

Recheck = Callable[[Notification, int], str | None]
"""Asked right before a send, with the time in ms: why not to send after all, or None."""


class Clock(Protocol):
    """What the dispatcher asks of time."""

    def now_ms(self) -> int:
        """Ms since 1970 UTC."""


class LaneStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel stands: its breaker's gate (with when it is tried next, while open), how often
    that opened, and how many notifications are claimed and not settled.
    """

    channel: str
    gate: pacing.Gate
    until_ms: int | None
    opened: int
    claimed: int


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """A settlement that was written, with its notification."""

    notification: Notification
    settlement: Settlement


OnSettled = Callable[[Sequence[Settled]], Awaitable[None]]
"""Told of settlements after they are durable, in order, a batch at a time; told again of the same
batch if it raises StoreUnavailable."""


async def _ignore(settled: Sequence[Settled]) -> None:  # noqa: ARG001
    return


def _always(notification: Notification, now_ms: int) -> str | None:  # noqa: ARG001
    return None


class Dispatcher:
    """Delivers what the outbox holds.

    clock: of the TTL and the retries. chance: floats in [0, 1) for their jitter. recheck: see
    Recheck. on_settled: see OnSettled. concurrency: sends at once by channel name, where it is not
    CONCURRENCY_DEFAULT. rates_per_min: sends a minute by channel name; any number where none is
    named.
    """

    def __init__(
        self,
        outbox: Outbox,
        channels: Iterable[Channel],
        *,
        clock: Clock,
        chance: Callable[[], float],
        recheck: Recheck = _always,
        on_settled: OnSettled = _ignore,
        concurrency: Mapping[str, int] | None = None,
        rates_per_min: Mapping[str, int] = limits.RATES_PER_MIN,
    ) -> None:
        sizes = concurrency or {}
        self.counts: Counter[tuple[str, str]] = Counter()
        """Events so far by (channel, event of the lifecycle): ("fcm", "accept")."""
        self._lanes = {
            channel.name: _Lane(
                outbox,
                channel,
                _Sender(
                    channel, clock, chance, recheck, pacing.Pace(rates_per_min.get(channel.name))
                ),
                on_settled,
                self.counts,
                sizes.get(channel.name, limits.CONCURRENCY_DEFAULT),
            )
            for channel in channels
        }
        self._is_started = False

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are served, by name."""
        return tuple(self._lanes)

    def status(self) -> list[LaneStatus]:
        """How each channel stands."""
        return [lane.status() for lane in self._lanes.values()]

    @property
    def failure(self) -> BaseException | None:
        """What stopped a lane that should be running, or None: health checks ask for it."""
        return next((lane.failure for lane in self._lanes.values() if lane.failure), None)

    async def recover(self) -> int:
        """Open the channels and resolve what a crash left in doubt; returns how many rows.

        To be called once, before anything is claimed; `start` does.

        Raises:
            StoreUnavailable: the outbox cannot be read.
        """
        return sum([await lane.recover() for lane in self._lanes.values()])

    async def start(self) -> None:
        """Recover, then deliver until `stop`. Raises StoreUnavailable as `recover` does."""
        assert not self._is_started
        self._is_started = True
        await self.recover()
        for lane in self._lanes.values():
            lane.start()

    def wake(self, channel: str | None = None) -> None:
        """Say that a channel (or any) has new rows, so that they do not wait for the next look."""
        for name, lane in self._lanes.items():
            if channel is None or name == channel:
                lane.wake()

    async def pump(self) -> int:
        """Deliver all that is due now and return when nothing is: for time that stands still
        meanwhile. Returns the sends tried. Not to be mixed with `start`; `recover` comes first.
        """
        assert not self._is_started
        return sum([await lane.pump() for lane in self._lanes.values()])

    async def stop(self, drain_s: float = limits.DRAIN_S) -> None:
        """Claim no more, let sends in flight end for at most `drain_s`, settle, close the channels.

        What was claimed and not begun is handed back; what does not end in time is in doubt.
        """
        await asyncio.gather(*(lane.stop(drain_s) for lane in self._lanes.values()))


class _Sender:
    """One attempt: the checks right before it, the send, and the settlements that follow."""

    def __init__(
        self,
        channel: Channel,
        clock: Clock,
        chance: Callable[[], float],
        recheck: Recheck,
        pace: pacing.Pace,
    ) -> None:
        self.channel = channel
        self.clock = clock
        self.chance = chance
        self.pace = pace
        self._recheck = recheck

    async def attempt(self, batch: Sequence[Notification], done: Callable[[Settled], None]) -> int:
        """Send a batch, and hand over a settlement for each; even if cancelled, and then some are
        in doubt. Returns how many were tried.
        """
        dispatched_ms = self.clock.now_ms()
        if self.pace.breaker.gate == "open":
            # Claimed before the provider went down: back into the outbox, as if it never was.
            self.pace.tried(0, len(batch), dispatched_ms)
            for each in batch:
                self._hand_over(each, _released(each, dispatched_ms, "paused"), dispatched_ms, done)
            return 0
        ready: list[Notification] = []
        for each in batch:
            refused = self._refused(each, dispatched_ms)
            if refused is None:
                ready.append(each)
            else:
                self._hand_over(each, refused, dispatched_ms, done)
        self.pace.tried(len(ready), len(batch), dispatched_ms)
        if ready:
            await self._send(ready, dispatched_ms, done)
        return len(ready)

    async def _send(
        self, ready: Sequence[Notification], dispatched_ms: int, done: Callable[[Settled], None]
    ) -> None:
        outcomes: Sequence[Outcome] = [InDoubt(reason="stopped")] * len(ready)
        try:
            outcomes = await self.channel.send(ready, dispatched_ms)
            assert len(outcomes) == len(ready)
        except Exception as error:  # noqa: BLE001 - a faulty channel must not take its lane down
            _log.exception("channel_failed", channel=self.channel.name)
            outcomes = [InDoubt(reason=f"{type(error).__name__} in the channel")] * len(ready)
        finally:
            answered_ms = self.clock.now_ms()
            for each, outcome in zip(ready, outcomes, strict=True):
                self.pace.breaker.hear(outcome, answered_ms)
                self._hand_over(each, outcome, dispatched_ms, done)

    def _hand_over(
        self,
        notification: Notification,
        result: Outcome | Settlement,
        dispatched_ms: int,
        done: Callable[[Settled], None],
    ) -> None:
        if isinstance(result, Settlement):
            done(Settled(notification=notification, settlement=result))
            return
        times = Attempt(dispatched_ms=dispatched_ms, answered_ms=self.clock.now_ms())
        for settlement in settling.settle(
            notification,
            result,
            times,
            chance=self.chance(),
            idempotent=self.channel.idempotent,
        ):
            done(Settled(notification=notification, settlement=settlement))

    def _refused(self, notification: Notification, now_ms: int) -> Outcome | Settlement | None:
        if now_ms >= notification.expires_ms:
            refused = step(notification, "sending", "expire", now_ms, "its time is over")
            return msgspec.structs.replace(refused, undone=True)
        try:
            reason = self._recheck(notification, now_ms)
        except Exception as error:  # noqa: BLE001 - nothing left yet, so it can be tried again
            _log.exception("recheck_failed", channel=self.channel.name)
            return Retry(reason=f"{type(error).__name__} in the recheck")
        if reason is None:
            return None
        refused = step(notification, "sending", "cancel", now_ms, reason)
        return msgspec.structs.replace(refused, undone=True)


def _released(notification: Notification, now_ms: int, why: str) -> Settlement:
    """Claimed, and not sent: it waits again, and no attempt is counted."""
    released = step(notification, "sending", "release", now_ms, why)
    return msgspec.structs.replace(released, undone=True, due_ms=now_ms)


class _Lane:
    """One channel's share of the dispatcher."""

    def __init__(
        self,
        outbox: Outbox,
        channel: Channel,
        sender: _Sender,
        on_settled: OnSettled,
        counts: Counter[tuple[str, str]],
        concurrency: int,
    ) -> None:
        assert concurrency >= 1
        assert channel.batch_max >= 1
        self.failure: BaseException | None = None
        self._outbox = outbox
        self._channel = channel
        self._sender = sender
        self._on_settled = on_settled
        self._counts = counts
        self._concurrency = concurrency
        # Twice what can be in flight: workers go on while the next claim is written.
        self._window = min(2 * concurrency * channel.batch_max, 4 * limits.CLAIM_MAX)
        self._claimed = 0
        self._queue: asyncio.Queue[Notification] = asyncio.Queue()
        self._done: deque[Settled] = deque()
        self._reported = asyncio.Event()
        self._news = asyncio.Event()
        self._settled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._feeder: asyncio.Task[None] | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._writer: asyncio.Task[None] | None = None

    def wake(self) -> None:
        self._news.set()

    def status(self) -> LaneStatus:
        breaker = self._sender.pace.breaker
        return LaneStatus(
            channel=self._channel.name,
            gate=breaker.gate,
            until_ms=breaker.until_ms if breaker.gate == "open" else None,
            opened=breaker.opened,
            claimed=self._claimed,
        )

    def start(self) -> None:
        self._feeder = self._task(self._feed(), "feed")
        self._writer = self._task(self._write(), "write")
        self._workers = [self._task(self._work(), "work") for _ in range(self._concurrency)]

    async def recover(self) -> int:
        await self._channel.open()
        rows = await self._outbox.orphans(self._channel.name)
        now_ms = self._sender.clock.now_ms()
        settled = [
            Settled(notification=row.notification, settlement=settlement)
            for row in rows
            for settlement in settling.recover(
                row,
                now_ms,
                chance=self._sender.chance(),
                idempotent=self._channel.idempotent,
            )
        ]
        for start in range(0, len(settled), limits.SETTLE_MAX):
            await self._settle(settled[start : start + limits.SETTLE_MAX])
        return len(rows)

    async def pump(self) -> int:
        tried = 0
        size = self._channel.batch_max
        while claimed := await self._claim(limits.CLAIM_MAX):
            batches = [claimed[start : start + size] for start in range(0, len(claimed), size)]
            for start in range(0, len(batches), self._concurrency):
                tried += await self._pump_some(batches[start : start + self._concurrency])
        return tried

    async def _claim(self, most: int) -> Sequence[Notification]:
        """Claim what is due and may be sent now, within the channel's pace."""
        pace, now_ms = self._sender.pace, self._sender.clock.now_ms()
        allowed = pace.allowance(most, now_ms)
        if not allowed:
            return ()
        try:
            claimed = await self._outbox.claim(self._channel.name, allowed, now_ms)
        except BaseException:
            pace.claimed(0, now_ms)
            raise
        pace.claimed(len(claimed), now_ms)
        return claimed

    async def _pump_some(self, batches: Sequence[Sequence[Notification]]) -> int:
        # A list for each, so that what is settled comes in the order claimed, whoever ends first.
        done: list[list[Settled]] = [[] for _ in batches]
        tried = await asyncio.gather(
            *(
                self._sender.attempt(batch, mine.append)
                for batch, mine in zip(batches, done, strict=True)
            )
        )
        await self._settle([each for mine in done for each in mine])
        return sum(tried)

    async def stop(self, drain_s: float) -> None:
        self._stopping = True
        self._news.set()
        self._settled.set()
        if self._feeder is not None and self._writer is not None:
            self._hand_back()
            # Not cancelled: a claim cut short would leave rows in doubt that were never sent.
            await asyncio.wait([self._feeder])
            self._hand_back()
            try:
                async with asyncio.timeout(drain_s):
                    await self._idle.wait()
            except TimeoutError:
                await _cancel(self._workers)
            try:
                async with asyncio.timeout(max(1.0, drain_s)):
                    await self._idle.wait()
            except TimeoutError:
                _log.error("outbox_unavailable_at_stop", channel=self._channel.name)
            await _cancel([*self._workers, self._writer])
        await self._channel.close()

    async def _feed(self) -> None:
        while not self._stopping:
            self._news.clear()
            self._settled.clear()
            room = self._window - self._claimed
            if room < self._window // 2:
                await self._settled.wait()
                continue
            try:
                claimed = await self._claim(min(room, limits.CLAIM_MAX))
            except StoreUnavailable as error:
                _log.warning("outbox_unavailable", channel=self._channel.name, reason=error.reason)
                await _wait(self._settled, limits.OUTBOX_PAUSE_S)
                continue
            if claimed:
                self._claimed += len(claimed)
                self._idle.clear()
                for each in claimed:
                    self._queue.put_nowait(each)
            else:
                await _wait(self._news, limits.IDLE_POLL_S)

    async def _work(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < self._channel.batch_max and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            await self._sender.attempt(batch, self._report)

    def _report(self, settled: Settled) -> None:
        self._done.append(settled)
        self._reported.set()

    async def _write(self) -> None:
        while True:
            await self._reported.wait()
            self._reported.clear()
            while self._done:
                batch = list(itertools.islice(self._done, limits.SETTLE_MAX))
                try:
                    await self._settle(batch)
                except StoreUnavailable as error:
                    name = self._channel.name
                    _log.warning("outbox_unavailable", channel=name, reason=error.reason)
                    await asyncio.sleep(limits.OUTBOX_PAUSE_S)
                    continue
                for each in batch:
                    self._done.popleft()
                    # What was lost is settled a second time: resent or dropped.
                    self._claimed -= each.settlement.event != "lose"
                self._settled.set()
                if not self._claimed:
                    self._idle.set()

    async def _settle(self, settled: Sequence[Settled]) -> None:
        if not settled:
            return
        await self._outbox.settle([each.settlement for each in settled])
        await self._on_settled(settled)
        self._counts.update((self._channel.name, each.settlement.event) for each in settled)

    def _hand_back(self) -> None:
        now_ms = self._sender.clock.now_ms()
        while not self._queue.empty():
            each = self._queue.get_nowait()
            self._report(Settled(notification=each, settlement=_released(each, now_ms, "stopped")))

    def _task(self, work: Coroutine[None, None, None], what: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"balise-{self._channel.name}-{what}")
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failure = error
            _log.critical("lane_failed", channel=self._channel.name, exc_info=error)


async def _wait(event: asyncio.Event, most_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
