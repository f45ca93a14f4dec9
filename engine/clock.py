"""Time, randomness and ids: the only module that asks the system for them."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Protocol


class Clock(Protocol):
    """What the shell may ask of time."""

    def now_ms(self) -> int:
        """Ms since 1970 UTC."""

    async def sleep(self, duration_s: float) -> None:
        """Wait that long by this clock."""


class SystemClock:
    """The machine's wall clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(duration_s)


class FastClock:
    """A clock that stands at `start_ms` until `restart`, then runs `speed` times as fast as the
    machine's.
    """

    def __init__(self, *, start_ms: int, speed: float) -> None:
        self.speed = speed
        self._runs = False
        self._base_ms = float(start_ms)
        self._base_s = time.monotonic()

    def now_ms(self) -> int:
        if not self._runs:
            return int(self._base_ms)
        return int(self._base_ms + (time.monotonic() - self._base_s) * 1000 * self.speed)

    def restart(self, start_ms: int) -> None:
        """Begin to run, or begin again, at `start_ms`."""
        self._runs = True
        self._base_ms, self._base_s = float(start_ms), time.monotonic()

    def set_speed(self, speed: float) -> None:
        """Go on from now at another speed."""
        self._base_ms, self._base_s = float(self.now_ms()), time.monotonic()
        self.speed = speed

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(duration_s / self.speed)


class StepClock:
    """A clock that stands still until it is told the time: virtual time."""

    def __init__(self, *, start_ms: int) -> None:
        self._now_ms = start_ms

    def now_ms(self) -> int:
        return self._now_ms

    def set(self, now_ms: int) -> None:
        """Move to `now_ms`; never backwards."""
        assert now_ms >= self._now_ms
        self._now_ms = now_ms

    async def sleep(self, duration_s: float) -> None:
        await asyncio.sleep(min(duration_s, 0.001))


def give_way() -> None:
    """Let another thread have its turn before this one goes on."""
    time.sleep(0)


def monotonic_s() -> float:
    """Seconds that only grow, for measuring."""
    return time.perf_counter()


def cpu_s() -> float:
    """CPU seconds of this process."""
    return time.process_time()


def token(size_bytes: int = 32) -> str:
    """An unguessable URL-safe string."""
    return secrets.token_urlsafe(size_bytes)


def new_id(prefix: str) -> str:
    """A fresh id such as `dev_8f3k...` (96 bits)."""
    return f"{prefix}_{secrets.token_hex(12)}"
