"""Steps at which a simulated process may die, and parts of the engine that take them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from engine.database import _Job
from engine.effects import Effects
from engine.errors import StoreRefused
from engine.store import Store
from notifier.errors import StoreUnavailable
from notifier.notifications import Notification
from notifier.outbox import Settlement
from tests.engine.simulated_files import SimulatedFiles


class Crash(BaseException):
    """The process dies here. No handler of the product's can hold on to it."""


class Steps:
    """Counts steps down to death; from there on every step is one of a dead process."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.dead = False
        self.taken = 0

    def take(self, _: str) -> None:
        if self.left is not None and not self.dead:
            self.left -= 1
            self.dead = self.left <= 0
        if self.dead:
            raise Crash
        self.taken += 1

    def reborn(self) -> None:
        self.left, self.dead = None, False


class DyingFiles(SimulatedFiles):
    """Files whose every call is a step; a write may be cut short by death."""

    def __init__(self, seed: int, steps: Steps) -> None:
        super().__init__(seed)
        self.steps = steps

    def _called(self, call: str) -> None:
        self.steps.take(call)
        super()._called(call)
        self.calls.clear()

    def write(self, file: int, data: bytes, offset: int) -> None:
        alive = not self.steps.dead
        try:
            super().write(file, data, offset)
        except Crash:
            if alive:
                self._put(self._handles[file], data[: self.random.randint(0, len(data))], offset)
            raise

    def size_bytes(self, folder: Path) -> int:
        return sum(len(self.content(folder / name)) for name in self.names(folder))


class Inline(Executor):
    """Runs what it is given at once, in the caller's thread: time goes by in one order only."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  # Crash too: whoever waits must meet it
            future.set_exception(error)
        return future


class DyingStore:
    """A real store whose commits are steps, before and after; and that can refuse some."""

    def __init__(self, store: Store, steps: Steps, chance: random.Random) -> None:
        self.inner = store
        self.steps = steps
        self.chance = chance
        self.refusals = 0
        self.outbox = DyingOutbox(self)
        database = store.database
        database._readers = Inline()  # type: ignore[assignment]

        def submit(call: Callable[[Connection], Any]) -> Future[Any]:
            job = _Job(call)
            job.future.set_running_or_notify_cancel()
            database._write([job])
            return job.future

        database.submit = submit  # type: ignore[method-assign,assignment]

    @property
    def applied_through(self) -> int:
        return self.inner.applied_through

    async def commit(self, effects: Sequence[Effects]) -> None:
        self.steps.take("store")
        if self.refusals:
            self.refusals -= 1
            raise StoreRefused(reason="database or disk is full")
        await self.inner.commit(effects)
        self.steps.take("stored")


class DyingOutbox:
    """The outbox of a dying store."""

    def __init__(self, store: DyingStore) -> None:
        self._store = store
        self._inner = store.inner.outbox

    async def claim(self, channel: str, limit: int, now_ms: int) -> Sequence[Notification]:
        self._store.steps.take("claim")
        self._refuse()
        found = await self._inner.claim(channel, limit, now_ms)
        self._store.steps.take("claimed")
        return found

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        self._store.steps.take("settle")
        count = await self._inner.settle(settlements)
        self._store.steps.take("settled")
        return count

    def _refuse(self) -> None:
        if self._store.refusals:
            self._store.refusals -= 1
            raise StoreUnavailable(reason="database or disk is full")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
