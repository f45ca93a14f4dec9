"""The compiled cell index: which zones hold a point, without looking at any other zone.

The world is cut into cells, coarse to fine: a root of 2,048 x 1,024 cells of 0.176 degrees, two
levels of 16 x 16 (76 m of latitude), and where a cell is crowded up to four of 4 x 4 (0.3 m). A
cell's value says what lies over it: nothing; a block of finer cells; one zone that covers it all;
or a record of zones that cover it and of zones whose border passes through, each with only the
edges that pass there (the idea of Kipf et al., Adaptive Main-Memory Indexing for Point-Polygon
Joins, EDBT 2020). An edit touches the cells of its zone, nothing else.

A border is cut to its cell and closed along the cell's right side, so that a ray to the right
from a point meets nothing else: the point's side is the parity of the pieces met and one constant.
Pieces are whole numbers in the cell's frame, 0 to 2^14 (4.6 mm in a cell of level 2): in four
halves ya, yb (a span, half-open) and the unit direction upwards ux, uy; then c in 32 bits, and the
entry | edge << 8 in 32. ux * y - uy * x - c > 0 is left of it. A point within rounding of a
piece's line (one in a thousand) is judged by the edges themselves, in doubles.
"""

from __future__ import annotations

import numpy as np

from geofence import layout, limits
from geofence.columns import F64, I16, I32, I64
from geofence.kernels import FLOAT, INT, entry, inlined, kernel, prefetch
from geofence.measures import closest_on_edge, geodesic_m, left_of, metres_per_degree
from geofence.memory import (
    edges_of,
    halves_of,
    hits_of,
    nodes_of,
    rounds_of,
    spots_of,
    starts_of,
    todo_of,
    visitors_of,
    words_of,
)
from geofence.records import (
    BLOCK,
    CIRCLE,
    CORRIDOR,
    ENTRIES_MASK,
    HEADED,
    LEVEL,
    PARITY,
    PIECES_MASK,
    RECORD,
    ROUNDED,
    SINGLE,
    USED,
    WORDS_MASK,
    ZONE_MASK,
    block_at,
    pieces_before,
    record_at,
)

# Coordinates are whole numbers of 41 and 40 bits; one of 32 and 31, a unit, is 9 mm.
UNITS_PER_DEGREE = 2.0**32 / 360.0
FINER = 9
FINE_PER_DEGREE = UNITS_PER_DEGREE * 2.0**FINER
FINE_U, FINE_V = (1 << 32 + FINER) - 1, (1 << 31 + FINER) - 1

ROOT_COLUMNS, ROOT_ROWS = 2048, 1024
ROOT = ROOT_COLUMNS * ROOT_ROWS
NOWHERE = ROOT  # a block without zones, for lookups that end early
LEVEL_LAST = 6

# A cell's own frame: 2^14 a side. Rounding can put a point and a line 3 of them off.
LOCAL_BITS = 14
LOCAL = (1 << LOCAL_BITS) - 1
NEAR = 4 << LOCAL_BITS

NO_EDGE = -1  # of a piece that closes a border

# What values never exceed: knowing it, the compiler leaves out the code for negative indices.
POSITIVE, PLACE = (1 << 31) - 1, (1 << 40) - 1

MANY = -1  # instead of a cell's value: lists at several levels

# What `look_up` found over a fix, if not one zone: none; or from here down, a place in `hits`
# where their number stands before them.
NONE, SEVERAL = layout.NONE, -2

OVERLAP = limits.OVERLAP_MAX


@inlined
def shift_of(level: int) -> int:
    """Return the bits that a cell of `level` leaves out of a 32-bit coordinate."""
    return 21 - 4 * level if level < 3 else 17 - 2 * level


@inlined
def side_of(level: int) -> int:
    """Return how many cells of `level` a block has a side."""
    return 16 if level < 3 else 4


@inlined
def fine_of(x: float, y: float) -> tuple[int, int]:
    """Return a point's whole coordinates; x in [-180, 180), y in [-90, 90]."""
    u = int((x + 180.0) * FINE_PER_DEGREE) & FINE_U
    return u, min(int((y + 90.0) * FINE_PER_DEGREE), FINE_V) & FINE_V


@inlined
def local_shift(level: int) -> int:
    """Return by how much finer whole coordinates are than those of a cell of `level`."""
    return shift_of(level) + FINER - LOCAL_BITS


@inlined
def value_at(nodes: I32, u: int, v: int) -> int:
    """Return the value of the finest cell over a point, or MANY.

    The first levels are taken without a jump: where the way ends early the rest of it leads
    through NOWHERE. That lets the memory of many points be waited for at once.
    """
    value = int(nodes[((v >> 30) << 11) + (u >> 30)]) & POSITIVE
    found, headed = 0, 0
    for shift in (26, 22):
        # All ones for a block, in a way that compilers do not turn into a jump.
        mask = int(np.int64(value & ~(value >> 1)) << 63 >> 63)
        headed |= value & HEADED & mask
        found |= value & ~mask
        block = (block_at(value) & mask) | (NOWHERE & ~mask)
        cell = block + 4 + ((v >> shift & 15) << 4 | u >> shift & 15)
        value = int(nodes[cell]) & POSITIVE
    value |= found
    shift = 20
    while value & 3 == BLOCK:
        headed |= value & HEADED
        cell = block_at(value) + 4 + ((v >> shift & 3) << 2 | u >> shift & 3)
        value = int(nodes[cell]) & POSITIVE
        shift -= 2
    return MANY if headed else value


@inlined
def crossed(words: I64, halves: I16, at: int, end: int, px: int, py: int) -> tuple[int, bool]:
    """Return (a word with a bit an entry: its pieces met are odd in number; a line is near).

    px, py: the point in the cell's frame. Pieces are taken by fours, those past the end without
    effect, so that the loop's length is easily foretold. Of more than 64 entries, those 64 apart
    share a bit.
    """
    odd, nearest, four = 0, NEAR + 1, at
    while four < end:
        for k in range(4):
            p = (four + 2 * k) & PLACE
            h, last = 4 * p, words[p + 1]
            s = py * int(halves[h + 2]) - px * int(halves[h + 3]) - ((last << 32) >> 32)
            spans = (py >= int(halves[h])) != (py >= int(halves[h + 1]))
            odd ^= (spans & (s > 0) & (p < end)) << (last >> 32 & 63)
            nearest = min(nearest, abs(s) + (0 if p < end else NEAR + 1))
        four += 8
    return odd, nearest <= NEAR


@kernel
def holds_closely(memory: int, at: int, entry: int, x: float, y: float) -> bool:
    """Return whether an entry holds a point near its border, which `crossed` cannot tell.

    In doubles, by the segment to a reference point of the cell that is far from every piece;
    boundary excluded.
    """
    words, halves, edges = words_of(memory), halves_of(memory), edges_of(memory)
    head, first = words[at + 1 + entry], at + 1 + (words[at] & ENTRIES_MASK)
    first += 2 * pieces_before(words, at, entry)
    end = first + 2 * ((head >> 24) & PIECES_MASK)
    u, v = fine_of(x, y)
    shift = local_shift(words[at] >> LEVEL & 7)
    side = LOCAL + 1 << shift
    fx, fy, odd = 0.5123, 0.4871, 0
    qx, qy = 0, 0
    for _ in range(64):
        qx, qy = int(fx * LOCAL), int(fy * LOCAL)
        odd, near = crossed(words, halves, first, end, qx, qy)
        if not near:
            break
        fx, fy = 0.02 + 0.96 * ((fx * 7.13) % 1.0), 0.02 + 0.96 * ((fy * 5.77) % 1.0)
    odd = odd >> (entry & 63) ^ head >> PARITY
    rx = ((u // side * side) + (qx + 0.5) * (1 << shift)) / FINE_PER_DEGREE - 180.0
    ry = ((v // side * side) + (qy + 0.5) * (1 << shift)) / FINE_PER_DEGREE - 90.0
    zone_edges = starts_of(memory)[head & ZONE_MASK]
    for p in range(first, end, 2):
        e = words[p + 1] >> 40
        if e == NO_EDGE:
            continue
        e += zone_edges
        ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if (ax == x and ay == y) or (bx == x and by == y):
            return False
        if (left_of(x, y, rx, ry, ax, ay) > 0) != (left_of(x, y, rx, ry, bx, by) > 0):
            s = left_of(ax, ay, bx, by, x, y)
            if s == 0.0:
                return False
            if (s > 0) != (left_of(ax, ay, bx, by, rx, ry) > 0):
                odd ^= 1
    return bool(odd & 1)


@kernel
def holds_round(memory: int, at: int, entry: int, x: float, y: float) -> bool:
    """Return whether the entry of a circle or corridor holds a point."""
    words, rounds, edges = words_of(memory), rounds_of(memory), edges_of(memory)
    head = words[at + 1 + entry]
    zone = head & ZONE_MASK
    if (head >> 50) & 3 == CIRCLE:
        return bool(geodesic_m(rounds[zone, 0], rounds[zone, 1], x, y) < rounds[zone, 2])
    first = at + 1 + (words[at] & ENTRIES_MASK) + 2 * pieces_before(words, at, entry)
    east, north = metres_per_degree(y)
    best, near, share = np.inf, 0, 0.0
    for k in range((head >> 24) & PIECES_MASK):
        e = starts_of(memory)[zone] + (words[first + 2 * k + 1] >> 40)
        d, t = closest_on_edge(x, y, east, north, edges, e)
        if d < best:
            best, near, share = d, e, t
    nx = edges[near, 0] + share * (edges[near, 2] - edges[near, 0])
    ny = edges[near, 1] + share * (edges[near, 3] - edges[near, 1])
    return bool(geodesic_m(x, y, nx, ny) < rounds[zone, 2])


@kernel
def collect_closely(memory: int, at: int, u: int, v: int, x: float, y: float, n: int) -> int:
    """Do what `collect` does, for records of round zones, near borders or of many entries."""
    words, halves, hits = words_of(memory), halves_of(memory), hits_of(memory)
    entries, shift = words[at] & ENTRIES_MASK, local_shift(words[at] >> LEVEL & 7)
    px, py = u >> shift & LOCAL, v >> shift & LOCAL
    start = at + 1 + entries
    for k in range(entries):
        head = words[at + 1 + k]
        kind, end = (head >> 50) & 3, start + (head >> 23 & 2 * PIECES_MASK)
        if kind in (CIRCLE, CORRIDOR):
            held = holds_round(memory, at, k, x, y)
        else:
            odd, near = crossed(words, halves, start, end, px, py)
            held = (odd >> (k & 63) ^ head >> PARITY) & 1 == 1
            if near:
                held = holds_closely(memory, at, k, x, y)
        if held:
            hits[n] = head & ZONE_MASK
            n += 1
        start = end
    return n


@inlined
def collect(memory: int, at: int, u: int, v: int, x: float, y: float, n: int) -> int:
    """Add the zones of a record that hold a point to hits[n:]; return the new count."""
    words, halves, hits = words_of(memory), halves_of(memory), hits_of(memory)
    word = int(words[at])
    shift, entries = local_shift(word >> LEVEL & 7), word & ENTRIES_MASK
    px, py = u >> shift & LOCAL, v >> shift & LOCAL
    odd, near = crossed(words, halves, at + 1 + entries, at + (word >> USED & WORDS_MASK), px, py)
    if near | (word & ROUNDED != 0) | (entries > 64):
        return collect_closely(memory, at, u, v, x, y, n)
    for k in range(entries):
        head = words[at + 1 + k]
        hits[n & PLACE] = head & ZONE_MASK
        n += (head >> PARITY ^ odd >> k) & 1
    return n


@entry(INT, FLOAT, FLOAT, INT)
def locate(memory: int, x: float, y: float, first: int) -> int:
    """Put the zones that hold (x, y) into `hits` from `first` on, ascending; return how many.

    x in [-180, 180), y in [-90, 90].
    """
    nodes, hits = nodes_of(memory), hits_of(memory)
    u, v = fine_of(x, y)
    value, level, n = int(nodes[((v >> 30) << 11) + (u >> 30)]), 0, first
    while value != 0:
        here = int(nodes[block_at(value)]) if value & 3 == BLOCK else value
        if here & 3 == SINGLE:
            hits[n] = here >> 2
            n += 1
        elif here & 3 == RECORD:
            n = collect(memory, record_at(here), u, v, x, y, n)
        if value & 3 != BLOCK:
            break
        level += 1
        shift, mask = shift_of(level) + FINER, side_of(level) - 1
        a, b = (u >> shift) & mask, (v >> shift) & mask
        value = int(nodes[block_at(value) + 4 + b * (mask + 1) + a])
    for k in range(first + 1, n):
        zone, j = hits[k], k
        while j > first and hits[j - 1] > zone:
            hits[j] = hits[j - 1]
            j -= 1
        hits[j] = zone
    return n - first


@inlined
def longitude(lon: float) -> float:
    """Return a longitude in [-180, 180)."""
    return lon if lon < 180.0 else lon - 360.0


@kernel
def look_up(memory: int, visitor: I32, lon: F64, lat: F64, start: int, end: int) -> int:
    """Find the zones over rows start..end, as `spots`: NONE, one zone, or SEVERAL.

    Returns the row that it came to, which is less than `end` when `hits` is full. Loops of their
    own, so that the memory they wait for is fetched for many rows at once: cells and visitors
    first, then records.
    """
    nodes, words, visitors = nodes_of(memory), words_of(memory), visitors_of(memory)
    spots, todo, hits = spots_of(memory), todo_of(memory), hits_of(memory)
    n, rest = 0, 0
    for k in range(end - start):
        i = start + k
        prefetch(visitors, visitor[i])
        u, v = fine_of(longitude(lon[i]), lat[i])
        value = value_at(nodes, u, v)
        # MANY & 3 is RECORD, NONE >> 2 is NONE.
        listed = value & 3 == RECORD
        spots[k] = value if listed else (value if value != 0 else NONE) >> 2
        todo[rest] = k
        rest += listed
    for j in range(rest):
        at = record_at(max(int(spots[todo[j]]), 0)) & PLACE
        prefetch(words, at)
        prefetch(words, at + 8)
    for j in range(rest):
        k = todo[j]
        if n + OVERLAP + 1 >= len(hits):
            return int(start + k)
        x, y, value = longitude(lon[start + k]), lat[start + k], int(spots[k])
        if value < 0:
            found = locate(memory, x, y, n + 1)
        else:
            u, v = fine_of(x, y)
            found = collect(memory, record_at(value) & PLACE, u, v, x, y, n + 1) - (n + 1)
        hits[n] = found
        one = hits[n + 1] if found == 1 else NONE
        spots[k] = SEVERAL - n if found > 1 else one
        n += found + 1 if found > 1 else 0
    return end
