"""The memory of kernels: every array under a name, and one vector that says where they lie.

A kernel takes the vector's address (`memory: int`) and makes its views of it: an array argument
costs a third of a microsecond at the border to Python, and dozens of instructions from kernel to
kernel.
"""

# mypy: disable-error-code="no-any-return"
# (what views are of is for the compiler to find out)
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geofence import layout, limits
from geofence.columns import F64, I16, I32, I64, U8
from geofence.kernels import inlined, rows_at, table_at

Array = NDArray[Any]
Records = Any  # a structured array of geofence.layout

U8_, I16_ = np.dtype(np.uint8), np.dtype(np.int16)
I32_, I64_ = np.dtype(np.int32), np.dtype(np.int64)
U32_, F64_ = np.dtype(np.uint32), np.dtype(np.float64)


class Table(NamedTuple):
    """What a named array is made of; columns: None for one dimension."""

    dtype: np.dtype[Any]
    columns: int | None = None


TABLES = {
    "visitors": Table(layout.VISITOR),
    "rings": Table(U32_, limits.RECENT_FIXES),
    "members": Table(layout.MEMBER),
    "suspects": Table(layout.SUSPECT),
    "zones": Table(layout.ZONE),
    "dwells": Table(I32_, 1),
    "timers": Table(layout.TIMER),
    "silence": Table(layout.TIMER),
    "rules": Table(layout.RULES),
    "out": Table(layout.OUTPUT),
    "tally": Table(I64_),
    "crosses": Table(I32_),
    "only": Table(U8_),
    "nodes": Table(I32_),
    "words": Table(I64_),
    "rounds": Table(F64_, 4),
    "edges": Table(F64_, 4),
    "boxes": Table(F64_, 4),
    "starts": Table(I64_),
    "ends": Table(I64_),
    "heavy": Table(I64_, 4),
    "stack": Table(I64_, 9),
    "refs": Table(F64_, 2),
    "ids": Table(I32_),
    "cuts": Table(I64_),
    "spots": Table(I32_),
    "todo": Table(I32_),
    "hits": Table(I32_),
    # The same memory as `words` and `cuts`.
    "halves": Table(I16_),
    "cut_halves": Table(I16_),
}
SAME = {"words": "halves", "cuts": "cut_halves"}
# Where a table stands in `state`: address, rows, columns.
(
    VISITORS,
    RINGS,
    MEMBERS,
    SUSPECTS,
    ZONES,
    DWELLS,
    TIMERS,
    SILENCE,
    RULES,
    OUT,
    TALLY,
    CROSSES,
    ONLY,
    NODES,
    WORDS,
    ROUNDS,
    EDGES,
    BOXES,
    STARTS,
    ENDS,
    HEAVY,
    STACK,
    REFS,
    IDS,
    CUTS,
    SPOTS,
    TODO,
    HITS,
    HALVES,
    CUT_HALVES,
) = range(0, 3 * len(TABLES), 3)


class Memory:
    """The arrays, by name. One that is replaced takes its place in `state` at once.

    address: what kernels are given; good for as long as this object lives.
    """

    def __init__(self) -> None:
        self.state: I64 = np.zeros(3 * len(TABLES), np.int64)
        self.address: int = self.state.__array_interface__["data"][0]
        self._arrays: dict[str, Array] = {}
        for name in TABLES:
            self.put(name, blank(name, 0))

    def __getitem__(self, name: str) -> Any:
        return self._arrays[name]

    def put(self, name: str, array: Array) -> None:
        """Set an array; it must have its table's type and be contiguous."""
        table = TABLES[name]
        assert array.dtype == table.dtype
        assert array.flags.c_contiguous
        assert array.ndim == (1 if table.columns is None else 2)
        at = 3 * list(TABLES).index(name)
        self._arrays[name] = array
        self.state[at] = array.__array_interface__["data"][0]
        self.state[at + 1] = len(array)
        self.state[at + 2] = array.shape[1] if array.ndim == 2 else 0
        if name in SAME:
            self.put(SAME[name], array.view(np.int16))

    def grow(self, name: str, need: int) -> None:
        """Give an array at least `need` rows, half as many again as before; new ones are zero."""
        array = self._arrays[name]
        if need > len(array):
            columns = array.shape[1] if array.ndim == 2 else None
            longer = blank(name, max(need, len(array) * 3 // 2), columns)
            longer[: len(array)] = array
            self.put(name, longer)


def blank(name: str, rows: int, columns: int | None = None) -> Array:
    """Return a zeroed array for a table that begins with a cache line."""
    table = TABLES[name]
    shape: tuple[int, ...] = (rows,)
    if table.columns is not None:
        shape = (rows, columns or table.columns)
    bytes_ = int(np.prod(shape)) * table.dtype.itemsize
    raw = np.zeros(bytes_ + 64, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64
    return raw[start : start + bytes_].view(table.dtype).reshape(shape)


@inlined
def visitors_of(memory: int) -> Records:
    """Return one row a visitor."""
    return rows_at(memory, VISITORS, layout.VISITOR)


@inlined
def rings_of(memory: int) -> Records:
    """Return recent fix times, one row a visitor."""
    return table_at(memory, RINGS, U32_)


@inlined
def members_of(memory: int) -> Records:
    """Return the pool of members."""
    return rows_at(memory, MEMBERS, layout.MEMBER)


@inlined
def suspects_of(memory: int) -> Records:
    """Return the pool of fixes that wait."""
    return rows_at(memory, SUSPECTS, layout.SUSPECT)


@inlined
def zones_of(memory: int) -> Records:
    """Return one row a zone."""
    return rows_at(memory, ZONES, layout.ZONE)


@inlined
def dwells_of(memory: int) -> I32:
    """Return dwell times (ms), one row a zone."""
    return table_at(memory, DWELLS, I32_)


@inlined
def timers_of(memory: int) -> Records:
    """Return the queue of dwells."""
    return rows_at(memory, TIMERS, layout.TIMER)


@inlined
def silence_of(memory: int) -> Records:
    """Return the queue of silence."""
    return rows_at(memory, SILENCE, layout.TIMER)


@inlined
def rules_of(memory: int) -> Records:
    """Return the one row of rules."""
    return rows_at(memory, RULES, layout.RULES)


@inlined
def out_of(memory: int) -> Records:
    """Return what comes out."""
    return rows_at(memory, OUT, layout.OUTPUT)


@inlined
def tally_of(memory: int) -> I64:
    """Return the counters of layout."""
    return rows_at(memory, TALLY, I64_)


@inlined
def crosses_of(memory: int) -> I32:
    """Return the zones that report crossings."""
    return rows_at(memory, CROSSES, I32_)


@inlined
def nodes_of(memory: int) -> I32:
    """Return the cells' values."""
    return rows_at(memory, NODES, I32_)


@inlined
def words_of(memory: int) -> I64:
    """Return the cells' records."""
    return rows_at(memory, WORDS, I64_)


@inlined
def rounds_of(memory: int) -> F64:
    """Return centre lon, lat (degrees) and radius or half-width (m), one row a zone."""
    return table_at(memory, ROUNDS, F64_)


@inlined
def edges_of(memory: int) -> F64:
    """Return all edges, degrees."""
    return table_at(memory, EDGES, F64_)


@inlined
def boxes_of(memory: int) -> F64:
    """Return bounds of 32 edges each."""
    return table_at(memory, BOXES, F64_)


@inlined
def starts_of(memory: int) -> I64:
    """Return each zone's first edge."""
    return rows_at(memory, STARTS, I64_)


@inlined
def ends_of(memory: int) -> I64:
    """Return the counters of records."""
    return rows_at(memory, ENDS, I64_)


@inlined
def heavy_of(memory: int) -> I64:
    """Return cells to split."""
    return table_at(memory, HEAVY, I64_)


@inlined
def stack_of(memory: int) -> I64:
    """Return scratch: parts of the world to spread a zone over."""
    return table_at(memory, STACK, I64_)


@inlined
def refs_of(memory: int) -> F64:
    """Return scratch: the parts' reference points."""
    return table_at(memory, REFS, F64_)


@inlined
def hits_of(memory: int) -> I32:
    """Return scratch: zones that hold fixes."""
    return rows_at(memory, HITS, I32_)


@inlined
def halves_of(memory: int) -> I16:
    """Return the cells' records as numbers of two bytes."""
    return rows_at(memory, HALVES, I16_)


@inlined
def ids_of(memory: int) -> I32:
    """Return scratch: the edges that matter in each part."""
    return rows_at(memory, IDS, I32_)


@inlined
def cuts_of(memory: int) -> I64:
    """Return scratch: the edges of one zone as cut to one cell."""
    return rows_at(memory, CUTS, I64_)


@inlined
def spots_of(memory: int) -> I32:
    """Return scratch: what was found over a fix."""
    return rows_at(memory, SPOTS, I32_)


@inlined
def todo_of(memory: int) -> I32:
    """Return scratch: the fixes whose cells have a record."""
    return rows_at(memory, TODO, I32_)


@inlined
def cut_halves_of(memory: int) -> I16:
    """Return `cuts` as numbers of two bytes."""
    return rows_at(memory, CUT_HALVES, I16_)


@inlined
def only_of(memory: int) -> U8:
    """Return 1 for each zone that an edit looks at; empty when all are."""
    return rows_at(memory, ONLY, U8_)
