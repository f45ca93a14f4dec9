"""How crowded each zone is: five levels with hysteresis, trend, source and age, or unknown.

Thresholds are shares of the zone's capacity: quiet < 25 % <= moderate < 50 <= busy < 75 <= very
busy < 100 <= full. A fresh counter wins over pings; pings count only where a penetration factor
calibrates them; a level set by hand wins over both until it expires. Figures change on ticks only,
so that what rules read does not depend on how pings were batched.
"""

from __future__ import annotations

import math
from enum import IntEnum
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine import limits
from geofence.columns import F64, I32, I64, U8
from rules.facts import Level

THRESHOLDS = np.array([0.25, 0.50, 0.75, 1.00])

I8 = NDArray[np.int8]


class Source(IntEnum):
    """Where a zone's figure comes from."""

    NONE = 0
    PINGS = 1
    COUNTER = 2
    OVERRIDE = 3


class Trend(IntEnum):
    """Where a zone's figure is heading, against the mean of the last minutes."""

    DOWN = -1
    FLAT = 0
    UP = 1


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """One zone's figure as of the last tick. persons is None where nothing tells it."""

    level: Level
    persons: int | None
    capacity: int | None
    trend: Trend
    source: Source
    at_ms: int


class CrowdBook:
    """Figures of all zones, by zone slot. Arrays grow with the slots."""

    def __init__(self) -> None:
        self.levels: U8 = np.empty(0, np.uint8)
        self._settled: U8 = np.empty(0, np.uint8)
        self.persons: F64 = np.empty(0)
        self._slow: F64 = np.empty(0)
        self._capacity: F64 = np.empty(0)
        self._penetration: F64 = np.empty(0)
        self._counted: F64 = np.empty(0)
        self._counted_ms: I64 = np.empty(0, np.int64)
        self._override: U8 = np.empty(0, np.uint8)
        self._override_until_ms: I64 = np.empty(0, np.int64)
        self._measured: U8 = np.empty(0, np.uint8)
        self._source: U8 = np.empty(0, np.uint8)
        self._told: I64 = np.empty(0, np.int64)
        self._now_ms = 0

    def grow(self, zones: int) -> None:
        """Make room for `zones` slots; new ones are unknown."""
        more = zones - len(self.levels)
        if more <= 0:
            return

        def longer(column: Any, fill: float) -> Any:
            return np.concatenate([column, np.full(more, fill, column.dtype)])

        self.levels = longer(self.levels, Level.UNKNOWN)
        self._settled = longer(self._settled, Level.UNKNOWN)
        self.persons = longer(self.persons, np.nan)
        self._slow = longer(self._slow, np.nan)
        self._capacity = longer(self._capacity, 0.0)
        self._penetration = longer(self._penetration, 0.0)
        self._counted = longer(self._counted, 0.0)
        self._counted_ms = longer(self._counted_ms, limits.NEVER_MS)
        self._override = longer(self._override, Level.UNKNOWN)
        self._override_until_ms = longer(self._override_until_ms, limits.NEVER_MS)
        self._measured = longer(self._measured, Source.NONE)
        self._source = longer(self._source, Source.NONE)

    def put_zone(self, slot: int, *, capacity: int | None, penetration: float | None) -> None:
        """Set a zone's capacity (persons) and the share of persons whose phones report."""
        self.grow(slot + 1)
        self._capacity[slot] = capacity or 0
        self._penetration[slot] = penetration or 0.0
        if penetration:
            self._tell(slot)

    def counted(self, slot: int, *, persons: int, at_ms: int) -> None:
        """Take a counter's absolute figure; an older one than the newest changes nothing."""
        if at_ms >= self._counted_ms[slot]:
            self._counted[slot], self._counted_ms[slot] = persons, at_ms
            self._tell(slot)

    def _tell(self, slot: int) -> None:
        """Keep a slot among those of which anything was ever told; ticks look at no other."""
        at = int(np.searchsorted(self._told, slot))
        if at == len(self._told) or self._told[at] != slot:
            self._told = np.insert(self._told, at, slot)

    def override(self, slot: int, *, level: Level | None, until_ms: int) -> None:
        """Set a level by hand until an instant; None reopens."""
        self._override[slot] = Level.UNKNOWN if level is None else level
        self._override_until_ms[slot] = limits.NEVER_MS if level is None else until_ms

    def tick(self, now_ms: int, inside: I32) -> I32:
        """Take the figures as of `now_ms`; `inside` counts visitors by slot.

        Returns the slots whose level changed.
        """
        self.grow(len(inside))
        before = self.levels
        if len(self._told):
            self._measure(now_ms, self._told, inside[self._told])
        self.levels = self._settled.copy()
        self._source = self._measured.copy()
        held = np.flatnonzero(now_ms < self._override_until_ms)
        if len(held):
            self.levels[held] = self._override[held]
            self._source[held] = Source.OVERRIDE
        self._now_ms = now_ms
        changed: I32 = np.flatnonzero(self.levels != before).astype(np.int32)
        return changed

    def _measure(self, now_ms: int, told: I64, inside: I32) -> None:
        """Bring the figures of some slots up to date; `inside` counts their visitors."""
        penetration = self._penetration[told]
        calibrated = penetration > 0
        persons = np.divide(inside, penetration, out=np.full(len(told), np.nan), where=calibrated)
        fresh = now_ms - self._counted_ms[told] <= limits.COUNTER_FRESH_MS
        persons = np.where(fresh, self._counted[told], persons)
        self._measured[told] = np.where(
            fresh, Source.COUNTER, np.where(calibrated, Source.PINGS, Source.NONE)
        )
        self.persons[told] = persons
        slow = self._slow[told]
        weight = self._weight(now_ms)
        self._slow[told] = np.where(np.isnan(slow), persons, slow + weight * (persons - slow))
        self._settled[told] = _levels(persons, self._capacity[told], self._settled[told])

    def _weight(self, now_ms: int) -> float:
        """How far the slow mean follows on this tick: an exponential average over TREND_MS."""
        elapsed = min(max(now_ms - self._now_ms, 0), limits.TREND_MS)
        return 1.0 - math.exp(-elapsed / limits.TREND_MS)

    def trends(self) -> I8:
        """Trend of every zone: a tenth of the slow mean, and at least three persons, away."""
        with np.errstate(invalid="ignore"):
            away = self.persons - self._slow
            moved = np.abs(away) > np.maximum(limits.TREND_PERSONS_MIN, 0.1 * self._slow)
        out: I8 = np.where(moved, np.sign(away), 0).astype(np.int8)
        return out

    def of(self, slot: int, trends: I8 | None = None) -> Crowd:
        """One zone's figure as of the last tick."""
        persons = self.persons[slot]
        source = Source(int(self._source[slot]))
        at_ms = int(self._counted_ms[slot]) if source is Source.COUNTER else self._now_ms
        return Crowd(
            level=Level(int(self.levels[slot])),
            persons=None if np.isnan(persons) else round(float(persons)),
            capacity=int(self._capacity[slot]) or None,
            trend=Trend(int((self.trends() if trends is None else trends)[slot])),
            source=source,
            at_ms=at_ms,
        )

    def snapshot(self) -> dict[str, Any]:
        """All columns, by name, and `_now_ms`."""
        return {
            name: value.copy() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    @staticmethod
    def restore(columns: dict[str, Any]) -> CrowdBook:
        """The book that `snapshot` was taken from."""
        book = CrowdBook()
        vars(book).update(columns)
        return book


def _levels(persons: F64, capacity: F64, before: U8) -> U8:
    """Levels by share of capacity; falling takes `LEVEL_HYSTERESIS` more than rising."""
    known = (capacity > 0) & ~np.isnan(persons)
    share = np.divide(persons, capacity, out=np.full(len(persons), np.nan), where=known)
    rising = np.searchsorted(THRESHOLDS, share, side="right")
    falling = np.searchsorted(THRESHOLDS - limits.LEVEL_HYSTERESIS, share, side="right")
    before_band = before.astype(np.int64) - Level.QUIET
    settled = np.where(before == Level.UNKNOWN, rising, np.clip(before_band, rising, falling))
    out: U8 = np.where(known, settled + Level.QUIET, Level.UNKNOWN).astype(np.uint8)
    return out
