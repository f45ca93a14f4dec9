"""Simulated visitors who walk, cycle, sail and drive a destination's ways: seeded, labelled so.

A way is a line with a kind; ways meet where their ends have the same coordinates. A visitor
follows ways from end to end, rests at some ends, and sends a fix every few seconds with the noise
of a phone. The same seed gives the same fixes to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from engine import limits
from engine.records import Purpose
from geofence.columns import F64, I32, I64

WayKind = Literal["walk", "cycle", "boat", "drive"]

# Mean and spread of speed by kind, metres per second.
SPEEDS_MPS: dict[WayKind, tuple[float, float]] = {
    "walk": (1.25, 0.2),
    "cycle": (4.5, 0.8),
    "boat": (4.0, 0.5),
    "drive": (11.0, 2.0),
}
# How visitors share themselves out over kinds where several ways meet.
KIND_WEIGHTS: dict[WayKind, float] = {"walk": 1.0, "cycle": 0.25, "boat": 0.15, "drive": 0.1}
LANGUAGES = ("fr", "en", "de", "fr-CA", "it", "es", "nl", "en-GB")
LANGUAGE_SHARES = (0.46, 0.18, 0.12, 0.02, 0.09, 0.05, 0.04, 0.04)
CONSENT_SHARES: dict[Purpose, float] = {"location": 0.94, "push": 0.86, "analytics": 0.6}
EARTH_M_PER_DEG = 111_195.0


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """A line (lon, lat) that visitors follow; `weight` makes it more or less liked."""

    kind: WayKind
    line: tuple[tuple[float, float], ...]
    weight: float = 1.0


class Walker(msgspec.Struct, frozen=True, kw_only=True):
    """Who a simulated visitor is."""

    visitor: str
    device: str
    language: str
    platform: Literal["android", "ios", "web"]
    consents: dict[Purpose, bool]


class Fixes(NamedTuple):
    """Fixes of one instant. walker: index of the visitor."""

    walker: I32
    fix_ms: I64
    lon: F64
    lat: F64
    accuracy_m: F64
    speed_mps: F64


class Walkers:
    """A crowd in motion. Not for several threads."""

    def __init__(self, ways: Sequence[Way], *, count: int, seed: int, start_ms: int) -> None:
        if not ways:
            raise ValueError("visitors need ways to walk")
        self._random = np.random.default_rng(seed)
        self._measure(ways)
        self._meet(ways)
        self._now_ms = start_ms
        self.people = [self._person(seed, i) for i in range(count)]
        r = self._random
        share = self._liking * self._length
        self._way: I32 = r.choice(len(ways), size=count, p=share / share.sum()).astype(np.int32)
        self._forward = r.random(count) < 0.5
        self._along = r.random(count) * self._length[self._way]
        self._speed = np.zeros(count)
        self._rest_until: I64 = np.full(count, start_ms, np.int64)
        resting = r.random(count) < limits.WALKERS_RESTING_SHARE
        self._rest_until[resting] += (r.exponential(600, count)[resting] * 1000).astype(np.int64)
        self._interval_s: I32 = r.integers(4, 13, count).astype(np.int32)
        self._phase: I32 = r.integers(0, 12, count).astype(np.int32) % self._interval_s
        self._sway = r.normal(0, 2.5, (count, 2))
        self._pick_speeds(np.arange(count))

    def _measure(self, ways: Sequence[Way]) -> None:
        """Lay all lines end to end: vertices, and metres from the start of each way."""
        self._start = np.zeros(len(ways) + 1, np.int64)
        self._start[1:] = np.cumsum([len(way.line) for way in ways])
        self._vertex = np.array([point for way in ways for point in way.line], float)
        self._metres_lon = EARTH_M_PER_DEG * np.cos(np.radians(self._vertex[:, 1].mean()))
        steps = np.diff(self._vertex, axis=0) * (self._metres_lon, EARTH_M_PER_DEG)
        metres = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
        first = np.repeat(self._start[:-1], np.diff(self._start))
        self._metre = metres - metres[first]
        self._length = self._metre[self._start[1:] - 1]
        # Vertices of all ways in one ascending axis, so that one search places everybody.
        self._offset = np.concatenate([[0.0], np.cumsum(self._length + 1.0)])[:-1]
        self._axis = self._metre + np.repeat(self._offset, np.diff(self._start))
        self._kinds = [way.kind for way in ways]
        self._liking = np.array([way.weight * KIND_WEIGHTS[way.kind] for way in ways])

    def _meet(self, ways: Sequence[Way]) -> None:
        """For each end of each way: the ways that can be taken from there, with a direction."""
        ends: dict[tuple[float, float], list[tuple[int, bool]]] = {}
        for index, way in enumerate(ways):
            ends.setdefault(_end(way.line[0]), []).append((index, True))
            ends.setdefault(_end(way.line[-1]), []).append((index, False))
        self._onward = {
            (index, forward): ends[_end(way.line[-1 if forward else 0])]
            for index, way in enumerate(ways)
            for forward in (True, False)
        }

    def _person(self, seed: int, index: int) -> Walker:
        r = self._random
        return Walker(
            visitor=f"sim-{seed}-{index:05d}",
            device=f"sim-{seed}-{index:05d}-phone",
            language=LANGUAGES[int(r.choice(len(LANGUAGES), p=LANGUAGE_SHARES))],
            platform="android" if r.random() < 0.6 else "ios",
            consents={p: bool(r.random() < share) for p, share in CONSENT_SHARES.items()},
        )

    def step(self, now_ms: int) -> Fixes:
        """Move everybody to `now_ms` and return the fixes that are sent at that instant."""
        elapsed_s = (now_ms - self._now_ms) / 1000
        self._now_ms = now_ms
        walking = now_ms >= self._rest_until
        self._along = np.where(walking, self._along + self._speed * elapsed_s, self._along)
        for i in np.flatnonzero(walking & (self._along >= self._length[self._way])).tolist():
            self._turn(i)
        due = np.flatnonzero((now_ms // 1000 + self._phase) % self._interval_s == 0)
        return self._fixes(due.astype(np.int32), walking)

    def positions(self) -> tuple[F64, F64]:
        """Where everybody is: lon and lat in degrees, by walker."""
        return self._place(np.arange(len(self.people)))

    def _turn(self, i: int) -> None:
        """At an end: take another way, and perhaps rest first."""
        r = self._random
        choices = self._onward[int(self._way[i]), bool(self._forward[i])]
        weights = np.array([self._liking[way] for way, _ in choices])
        if len(choices) > 1:  # going straight back is for dead ends and the forgetful
            back = [(way == self._way[i]) for way, _ in choices]
            weights = np.where(back, weights * 0.1, weights)
        way, forward = choices[int(r.choice(len(choices), p=weights / weights.sum()))]
        self._way[i], self._forward[i] = way, forward
        self._along[i] = 0.0
        if r.random() < limits.WALKERS_REST_CHANCE:
            self._rest_until[i] = self._now_ms + int(r.exponential(300) * 1000)
        self._pick_speeds(np.array([i]))

    def _pick_speeds(self, who: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        for i in who.tolist():
            mean, spread = SPEEDS_MPS[self._kinds[self._way[i]]]
            self._speed[i] = max(0.3 * mean, self._random.normal(mean, spread))

    def _place(self, who: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[F64, F64]:
        way = self._way[who]
        along = np.clip(self._along[who], 0.0, self._length[way])
        along = np.where(self._forward[who], along, self._length[way] - along)
        at = np.searchsorted(self._axis, self._offset[way] + along, side="right") - 1
        at = np.clip(at, self._start[way], self._start[way + 1] - 2)
        span = np.maximum(self._metre[at + 1] - self._metre[at], 1e-9)
        share = np.clip((along - self._metre[at]) / span, 0.0, 1.0)[:, None]
        point = self._vertex[at] * (1 - share) + self._vertex[at + 1] * share
        sway = self._sway[who] / (self._metres_lon, EARTH_M_PER_DEG)
        return point[:, 0] + sway[:, 0], point[:, 1] + sway[:, 1]

    def _fixes(self, who: I32, walking: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Fixes:
        r = self._random
        lon, lat = self._place(who.astype(np.int64))
        accuracy_m: F64 = np.clip(np.round(np.exp(r.normal(2.0, 0.6, len(who))), 1), 3.0, 400.0)
        noise = r.normal(0, 1, (2, len(who))) * accuracy_m / 3
        return Fixes(
            walker=who,
            fix_ms=np.full(len(who), self._now_ms, np.int64),
            lon=np.round(lon + noise[0] / self._metres_lon, 7),
            lat=np.round(lat + noise[1] / EARTH_M_PER_DEG, 7),
            accuracy_m=accuracy_m,
            speed_mps=np.where(walking[who], np.round(self._speed[who], 1), 0.0),
        )


def _end(point: tuple[float, float]) -> tuple[float, float]:
    return round(point[0], 6), round(point[1], 6)
