"""The cell index as an object: outlines in by zone slot, the zones over a point out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geofence import limits
from geofence.cells import (
    DONE,
    HEAVY,
    NODES_END,
    NODES_FULL,
    POLYGON,
    ROOT,
    STATE_SIZE,
    TOO_MANY,
    UNITS_PER_DEGREE,
    WORDS_END,
    WORDS_FULL,
    locate,
    split_heavy,
    spread,
    withdraw,
)
from geofence.columns import F64, I32, I64


class Outline(NamedTuple):
    """A shape as the index takes it.

    kind: POLYGON, CIRCLE or CORRIDOR; edges: rows (xa, ya, xb, yb) in degrees, longitudes in the
    index's frame; round_: centre lon, lat and the radius or half-width in metres; boxes: rows
    (x0, y0, x1, y1), the parts of [-180, 180) x [-90, 90] that the shape can touch.
    """

    kind: int
    edges: F64
    round_: tuple[float, float, float]
    boxes: tuple[tuple[float, float, float, float], ...]


class CellIndex:
    """The compiled index: outlines in by zone slot, zones over a point out."""

    def __init__(self) -> None:
        self.nodes: I32 = np.zeros(ROOT + 65_536, np.int32)
        self._buffer: I64 = np.zeros(65_536, np.int64)
        self.rounds: F64 = np.zeros((64, 3))
        self._state: I64 = np.full(STATE_SIZE, -1, np.int64)
        self._state[NODES_END], self._state[WORDS_END], self._state[HEAVY] = ROOT, 0, 0
        self._heavy: I64 = np.zeros((4_096, 4), np.int64)
        self._stack: I64 = np.zeros((2_048, 9), np.int64)
        self._refs: F64 = np.zeros((2_048, 2))
        self.words, self.floats = self._buffer, self._buffer.view(np.float64)

    @property
    def nbytes(self) -> int:
        """Bytes in use, the root's untouched pages included."""
        return int(4 * self._state[NODES_END] + 8 * self._state[WORDS_END] + self.rounds.nbytes)

    def put(self, zone: int, outline: Outline) -> bool:
        """List `zone`, which must not be; return False, and list nothing, if over the limit."""
        if zone >= len(self.rounds):
            self.rounds = np.concatenate([self.rounds, np.zeros((zone + 1, 3))])
        self.rounds[zone] = outline.round_
        ids = np.empty(128 * len(outline.edges) + 8, np.int32)
        while True:
            done = self._spread(zone, outline, ids)
            if done == DONE:
                done = self._split()
            if done == DONE:
                return True
            self.remove(zone, outline)
            if done == TOO_MANY:
                self._split()
                return False
            self._make_room(done)

    def remove(self, zone: int, outline: Outline) -> None:
        """Take `zone` out of every cell that `outline` can touch."""
        for x0, y0, x1, y1 in outline.boxes:
            u0, v0, u1, v1 = _units(x0, y0, x1, y1)
            if outline.kind != POLYGON:
                # A round border is listed up to two cells of level 2 outside.
                u0, v0 = max(0, u0 - 16_384), max(0, v0 - 16_384)
                u1, v1 = min((1 << 32) - 1, u1 + 16_384), min((1 << 31) - 1, v1 + 16_384)
            withdraw(self.nodes, self.words, self._state, self._stack, zone, u0, v0, u1, v1)

    def locate(self, lon: float, lat: float) -> I32:
        """Return the zones that hold a point, ascending."""
        hits = np.empty(limits.OVERLAP_MAX, np.int32)
        n = locate(self.nodes, self.words, self.floats, self.rounds, lon, lat, hits)
        return hits[:n]

    def _spread(self, zone: int, outline: Outline, ids: I32) -> int:
        edges, (cx, cy, radius_m) = outline.edges, outline.round_
        away = edges.min(axis=0) - 1.0 if len(edges) else np.zeros(4)
        for x0, y0, x1, y1 in outline.boxes:
            u0, v0, u1, v1 = (c >> 21 for c in _units(x0, y0, x1, y1))
            n = len(edges)
            ids[:n] = np.arange(n, dtype=np.int32)
            w, h = u1 - u0 + 1, v1 - v0 + 1
            done = spread(
                self.nodes, self.words, self.floats, self._state, self._heavy, self._stack,
                self._refs, zone, outline.kind, cx, cy, radius_m, edges, ids,
                0, 0, u0, v0, w, h, n, min(away[0], away[2]), min(away[1], away[3]) + 0.3, 0,
            )  # fmt: skip
            if done != DONE:
                return int(done)
        return DONE

    def _split(self) -> int:
        while True:
            done = split_heavy(
                self.nodes, self.words, self.floats, self._state, self._heavy, self._stack,
                self._refs, self.rounds,
            )  # fmt: skip
            if done == DONE:
                return DONE
            self._make_room(done)

    def _make_room(self, what: int) -> None:
        if what == NODES_FULL:
            self.nodes = np.concatenate([self.nodes, np.zeros(len(self.nodes) // 2, np.int32)])
        elif what == WORDS_FULL:
            self._buffer = np.concatenate(
                [self._buffer, np.zeros(len(self._buffer) // 2, np.int64)]
            )
            self.words, self.floats = self._buffer, self._buffer.view(np.float64)
        else:
            self._heavy = np.concatenate([self._heavy, np.zeros_like(self._heavy)])


def _units(x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int]:
    """Return a box of degrees in 32-bit units, a unit wider on each side, inside the world."""
    return (
        max(0, math.floor((x0 + 180.0) * UNITS_PER_DEGREE) - 1),
        max(0, math.floor((y0 + 90.0) * UNITS_PER_DEGREE) - 1),
        min((1 << 32) - 1, math.floor((x1 + 180.0) * UNITS_PER_DEGREE) + 1),
        min((1 << 31) - 1, math.floor((y1 + 90.0) * UNITS_PER_DEGREE) + 1),
    )
