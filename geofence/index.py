"""The cell index as an object: outlines in by zone slot, the zones over a point out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from geofence import limits
from geofence.cells import ROOT, UNITS_PER_DEGREE, locate
from geofence.columns import F64, I32, I64
from geofence.kernels import prepare
from geofence.memory import Memory, blank
from geofence.records import (
    DONE,
    ENDS,
    HEAVY_END,
    NODES_END,
    NODES_FULL,
    POLYGON,
    TOO_MANY,
    WORDS_END,
    WORDS_FULL,
    bound_edges,
    room_for,
)
from geofence.spreading import split_heavy, spread, withdraw


class Outline(NamedTuple):
    """A shape as the index takes it.

    kind: POLYGON, CIRCLE or CORRIDOR of geofence.records; edges: rows (xa, ya, xb, yb) in degrees,
    longitudes in the index's frame; round_: centre lon, lat and the radius or half-width in
    metres; boxes: rows (x0, y0, x1, y1), the parts of [-180, 180) x [-90, 90] that the shape can
    touch.
    """

    kind: int
    edges: F64
    round_: tuple[float, float, float]
    boxes: tuple[tuple[float, float, float, float], ...]


class CellIndex:
    """The compiled index: outlines in by zone slot, zones over a point out.

    Its arrays are tables of `geofence.memory`; the edges it keeps serve other kernels too.
    """

    def __init__(self, memory: Memory | None = None) -> None:
        prepare()
        self.memory = Memory() if memory is None else memory
        for name, rows in (
            ("nodes", ROOT + 65_536), ("words", 65_536), ("rounds", 64), ("edges", 1_024),
            ("boxes", 33), ("starts", 64), ("ends", ENDS), ("heavy", 4_096), ("stack", 2_048),
            ("refs", 2_048), ("ids", 4_096), ("cuts", 4_096), ("spots", limits.ROWS_AT_ONCE),
            ("todo", limits.ROWS_AT_ONCE), ("hits", 8 * limits.OVERLAP_MAX),
        ):  # fmt: skip
            self.memory.grow(name, rows)
        self._ends: I64 = self.memory["ends"]
        self._ends[:] = -1
        self._ends[NODES_END], self._ends[WORDS_END] = ROOT + 260, 0
        self._ends[HEAVY_END] = 0
        self._edges_end = 0
        self._free_edges: dict[int, list[int]] = {}

    @property
    def nbytes(self) -> int:
        """Bytes in use, the root's untouched pages included."""
        ends = self._ends
        return int(4 * ends[NODES_END] + 8 * ends[WORDS_END] + 33 * self._edges_end)

    def put(self, zone: int, outline: Outline) -> bool:
        """List `zone`, which must not be; return False, and list nothing, if over the limit."""
        self.memory.grow("rounds", zone + 1)
        self.memory.grow("starts", zone + 1)
        self.memory["rounds"][zone, :3] = outline.round_
        self.memory["starts"][zone] = self._keep_edges(outline.edges)
        count = len(outline.edges)
        for name, rows in (("ids", 128 * count + 8), ("cuts", 4 * count + 24)):
            if rows > len(self.memory[name]):
                self.memory.put(name, blank(name, rows))
        while True:
            done = self._spread(zone, outline)
            if done == DONE:
                done = self._split()
            if done == DONE:
                return True
            self._withdraw(zone, outline)
            if done == TOO_MANY:
                self._split()
                self._free(zone, count)
                return False
            self._make_room(done)

    def remove(self, zone: int, outline: Outline) -> None:
        """Take `zone` out of every cell that `outline` can touch, and its edges away."""
        self._withdraw(zone, outline)
        self._free(zone, len(outline.edges))

    def locate(self, lon: float, lat: float) -> I32:
        """Return the zones that hold a point, ascending."""
        n = locate(self.memory.address, lon, lat, 0)
        hits: I32 = self.memory["hits"][:n].copy()
        return hits

    def _withdraw(self, zone: int, outline: Outline) -> None:
        for x0, y0, x1, y1 in outline.boxes:
            u0, v0, u1, v1 = _units(x0, y0, x1, y1)
            if outline.kind != POLYGON:
                # A round border is listed up to two cells of level 2 outside.
                u0, v0 = max(0, u0 - 16_384), max(0, v0 - 16_384)
                u1, v1 = min((1 << 32) - 1, u1 + 16_384), min((1 << 31) - 1, v1 + 16_384)
            withdraw(self.memory.address, zone, u0, v0, u1, v1)

    def _spread(self, zone: int, outline: Outline) -> int:
        count = len(outline.edges)
        away = outline.edges.min(axis=0) - 1.0 if count else np.zeros(4)
        first = self.memory["starts"][zone]
        for x0, y0, x1, y1 in outline.boxes:
            u0, v0, u1, v1 = (c >> 21 for c in _units(x0, y0, x1, y1))
            self.memory["ids"][:count] = np.arange(first, first + count, dtype=np.int32)
            done = spread(
                self.memory.address, zone, outline.kind, 0, 0, u0, v0, u1 - u0 + 1, v1 - v0 + 1,
                count, min(away[0], away[2]), min(away[1], away[3]) + 0.3, 0,
            )  # fmt: skip
            if done != DONE:
                return int(done)
        return DONE

    def _split(self) -> int:
        while True:
            done = split_heavy(self.memory.address)
            if done == DONE:
                return DONE
            self._make_room(done)

    def _make_room(self, what: int) -> None:
        name = {NODES_FULL: "nodes", WORDS_FULL: "words"}.get(what, "heavy")
        self.memory.grow(name, len(self.memory[name]) + 1)

    def _keep_edges(self, edges: F64) -> int:
        """Store a zone's edges; return the first one's row."""
        room = int(room_for(len(edges)))
        free = self._free_edges.get(room)
        if free:
            start = free.pop()
        else:
            start, self._edges_end = self._edges_end, self._edges_end + room
            self.memory.grow("edges", self._edges_end)
            self.memory.grow("boxes", len(self.memory["edges"]) // 32 + 1)
        end = start + len(edges)
        self.memory["edges"][start:end] = edges
        bound_edges(self.memory.address, start, end)
        return start

    def _free(self, zone: int, count: int) -> None:
        start = int(self.memory["starts"][zone])
        self._free_edges.setdefault(int(room_for(count)), []).append(start)


def _units(x0: float, y0: float, x1: float, y1: float) -> tuple[int, int, int, int]:
    """Return a box of degrees in 32-bit units, a unit wider on each side, inside the world."""
    return (
        max(0, math.floor((x0 + 180.0) * UNITS_PER_DEGREE) - 1),
        max(0, math.floor((y0 + 90.0) * UNITS_PER_DEGREE) - 1),
        min((1 << 32) - 1, math.floor((x1 + 180.0) * UNITS_PER_DEGREE) + 1),
        min((1 << 31) - 1, math.floor((y1 + 90.0) * UNITS_PER_DEGREE) + 1),
    )
