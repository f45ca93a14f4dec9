"""The compiled cell index: which zones hold a point, without looking at any other zone.

The world is cut into cells, coarse to fine: a root of 2,048 x 1,024 cells of 0.176 degrees, two
levels of 16 x 16 (76 m of latitude), and where a cell is crowded up to four of 4 x 4 (0.3 m). A
cell's value says what lies over it: nothing; a block of finer cells; one zone that covers it all;
or a record of zones that cover it and of zones whose border passes through, each with only the
edges that pass there and a reference point whose side is known (the idea of Kipf et al., Adaptive
Main-Memory Indexing for Point-Polygon Joins, EDBT 2020). Zones that cover a block of cells stand
in the block's head. An edit touches the cells of its zone, nothing else.

Values: 0 nothing; otherwise value & 3 is the kind and value >> 2 a block (nodes / 4), a zone, or a
record (words / 4). Records: word 0 is entries | words << 20 | room << 40; an entry is one word
zone | edges << 24 | kind << 50 | parity << 52, followed for polygons by the reference point and
for polygons and corridors by their edges.
"""

from __future__ import annotations

import math

import numpy as np

from geofence import limits
from geofence.columns import F64, I32, I64
from geofence.kernels import (
    crossings_odd,
    edge_meets_box,
    geodesic_m,
    inlined,
    kernel,
    left_of,
    line_m,
    metres_per_degree,
    sphere_m,
)

UNITS_PER_DEGREE = 2.0**32 / 360.0
DEGREES_PER_UNIT = 360.0 / 2.0**32
ROOT_COLUMNS, ROOT_ROWS = 2048, 1024
ROOT = ROOT_COLUMNS * ROOT_ROWS
LEVEL_LAST = 6

BLOCK, SINGLE, RECORD = 1, 2, 3
POLYGON, CIRCLE, CORRIDOR, COVERS = 0, 1, 2, 3

# What an edit of the index says.
DONE, NODES_FULL, WORDS_FULL, HEAVY_FULL, TOO_MANY = 0, 1, 2, 3, 4

# Slots of `state`: the ends of nodes and words, heavy cells noted, freed records by size.
NODES_END, WORDS_END, HEAVY, FREE_RECORD = 0, 1, 2, 8
STATE_SIZE = 8 + 8 * 20

# Words of borders in a cell of level 2 from which it is split (about five edges).
HEAVY_WORDS = 24

# Rounding of cell borders, in degrees (0.01 mm): edges this near to a cell belong to it.
SLACK = 1e-10
ENTRIES_MASK = (1 << 20) - 1


@inlined
def shift_of(level: int) -> int:
    """Return the bits that a cell of `level` leaves out of a 32-bit coordinate."""
    return 21 - 4 * level if level < 3 else 17 - 2 * level


@kernel
def room_for(words: int) -> int:
    """Return the words that a record of `words` is given: multiples of 4, then of an eighth."""
    step = 4
    while step * 8 < words:
        step *= 2
    return (words + step - 1) // step * step


@kernel
def take_block(nodes: I32, state: I64, wide: bool) -> int:
    """Return the place of an empty block of 16 x 16 (wide) or 4 x 4 cells, or -1: no room."""
    size = 260 if wide else 20
    at = state[NODES_END]
    if at + size > nodes.size:
        return -1
    state[NODES_END] = at + size
    return int(at)


@kernel
def take_record(words: I64, state: I64, need: int) -> int:
    """Return the place of a record with room for `need` words, or -1: no room."""
    room = room_for(need)
    k = 0
    step = 4
    while step * 8 < room:
        step *= 2
        k += 1
    slot = k * 8 + room // step - 1
    at = state[FREE_RECORD + slot]
    if at >= 0:
        state[FREE_RECORD + slot] = words[at]
    else:
        at = state[WORDS_END]
        if at + room > words.size:
            return -1
        state[WORDS_END] = at + room
    words[at] = room << 40
    return int(at)


@kernel
def drop_record(words: I64, state: I64, at: int) -> None:
    """Give a record's room back."""
    room = words[at] >> 40
    k = 0
    step = 4
    while step * 8 < room:
        step *= 2
        k += 1
    slot = k * 8 + room // step - 1
    words[at] = state[FREE_RECORD + slot]
    state[FREE_RECORD + slot] = at


@inlined
def entry_words(head: int) -> int:
    """Return the words that an entry takes, its own included."""
    kind = (head >> 50) & 3
    if kind == POLYGON:
        return 3 + 4 * ((head >> 24) & 0x3FFFFFF)
    return 1 + (4 * ((head >> 24) & 0x3FFFFFF) if kind == CORRIDOR else 0)


@kernel
def grow_record(nodes: I32, words: I64, state: I64, cell: int, extra: int) -> int:
    """Make room for `extra` words at the end of the record at `cell`; return their place or -1.

    The cell's value becomes a record, whatever it was, and counts one entry more.
    """
    value = int(nodes[cell])
    if value & 3 == RECORD:
        at = (value >> 2) * 4
        entries, used = words[at] & ENTRIES_MASK, (words[at] >> 20) & ENTRIES_MASK
        if used + extra > words[at] >> 40:
            new = take_record(words, state, used + extra)
            if new < 0:
                return -1
            room = words[new] >> 40
            for k in range(1, used):
                words[new + k] = words[at + k]
            drop_record(words, state, at)
            words[new] = room << 40
            at = new
    else:
        entries, used = 0, 1
        at = take_record(words, state, 2 + extra)
        if at < 0:
            return -1
        if value & 3 == SINGLE:
            words[at + 1] = (value >> 2) | COVERS << 50
            entries, used = 1, 2
    room = words[at] >> 40
    words[at] = (entries + 1) | (used + extra) << 20 | room << 40
    nodes[cell] = (at // 4) << 2 | RECORD
    return int(at + used)


@kernel
def entries_of(nodes: I32, words: I64, cell: int) -> int:
    """Return how many zones the value at `cell` lists."""
    value = int(nodes[cell])
    if value & 3 == RECORD:
        return int(words[(value >> 2) * 4] & ENTRIES_MASK)
    return 1 if value & 3 == SINGLE else 0


@kernel
def add_cover(nodes: I32, words: I64, state: I64, cell: int, zone: int) -> int:
    """Note that `zone` covers all of `cell`."""
    if nodes[cell] & 3 == BLOCK:
        cell = (nodes[cell] >> 2) * 4
    if nodes[cell] == 0:
        nodes[cell] = zone << 2 | SINGLE
        return DONE
    if entries_of(nodes, words, cell) >= limits.ZONES_PER_CELL_MAX:
        return TOO_MANY
    at = grow_record(nodes, words, state, cell, 1)
    if at < 0:
        return WORDS_FULL
    words[at] = zone | COVERS << 50
    return DONE


@kernel
def add_border(
    nodes: I32, words: I64, floats: F64, state: I64, cell: int, head: int,
    rx: float, ry: float, edges: F64, ids: I32, start: int, end: int,
) -> int:  # fmt: skip
    """Note that a zone's border passes through `cell`, with the edges ids[start:end]."""
    if entries_of(nodes, words, cell) >= limits.ZONES_PER_CELL_MAX:
        return TOO_MANY
    if nodes[cell] & 3 == RECORD:
        used = (words[(nodes[cell] >> 2) * 4] >> 20) & ENTRIES_MASK
        if used + 3 + 4 * (end - start) > ENTRIES_MASK:
            return TOO_MANY
    head |= (end - start) << 24
    at = grow_record(nodes, words, state, cell, entry_words(head))
    if at < 0:
        return WORDS_FULL
    words[at] = head
    at += 1
    if (head >> 50) & 3 == POLYGON:
        floats[at], floats[at + 1] = rx, ry
        at += 2
    for k in range(start, end):
        for c in range(4):
            floats[at + c] = edges[ids[k], c]
        at += 4
    return DONE


@kernel
def clear_of_edges(x: float, y: float, edges: F64, ids: I32, start: int, end: int) -> bool:
    """Return whether a reference point is safely off every edge's line."""
    for k in range(start, end):
        e = ids[k]
        ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        if abs(left_of(ax, ay, bx, by, x, y)) <= 1e-12 * (abs(bx - ax) + abs(by - ay)):
            return False
    return True


@kernel
def narrow_polygon(
    edges: F64, ids: I32, start: int, end: int, to: int,
    x0: float, y0: float, x1: float, y1: float, rx: float, ry: float, parity: int,
) -> tuple[int, float, float, int]:  # fmt: skip
    """Keep the edges that meet a box, at ids[to:]; return (count, reference x, y, parity)."""
    n = 0
    for k in range(start, end):
        e = ids[k]
        if edge_meets_box(
            edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3],
            x0 - SLACK, y0 - SLACK, x1 + SLACK, y1 + SLACK,
        ):  # fmt: skip
            ids[to + n] = e
            n += 1
    fx, fy = 0.5123, 0.4871
    for _ in range(8):
        x, y = x0 + fx * (x1 - x0), y0 + fy * (y1 - y0)
        if clear_of_edges(x, y, edges, ids, to, to + n):
            break
        fx, fy = 0.2 + 0.6 * ((fx * 7.13) % 1.0), 0.2 + 0.6 * ((fy * 5.77) % 1.0)
    if crossings_odd(x, y, rx, ry, edges, ids, start, end):
        parity ^= 1
    return n, x, y, parity


@kernel
def reach_m(x0: float, y0: float, x1: float, y1: float) -> float:
    """Return a bound on the distance from a box's centre to any point of it."""
    low = 0.0 if y0 <= 0.0 <= y1 else min(abs(y0), abs(y1))
    east, north = metres_per_degree(low)
    hx, hy = (x1 - x0) / 2 * east, (y1 - y0) / 2 * 111_700.0
    return math.sqrt(hx * hx + hy * hy) * 1.0001 + 1e-3 + 0.0 * north


@kernel
def narrow_round(
    kind: int, cx: float, cy: float, radius_m: float,
    edges: F64, ids: I32, start: int, end: int, to: int,
    x0: float, y0: float, x1: float, y1: float,
) -> tuple[int, int]:  # fmt: skip
    """Return (edges kept, 0 outside | 1 covered | 2 border) for a circle or corridor and a box."""
    if x1 - x0 > 1.5 or y1 - y0 > 1.5:
        for k in range(start, end):
            ids[to + k - start] = ids[k]
        return end - start, 2
    x, y, reach = (x0 + x1) / 2, (y0 + y1) / 2, reach_m(x0, y0, x1, y1)
    if kind == CIRCLE:
        d = sphere_m(cx, cy, x, y)
        if abs(d - radius_m) <= 0.01 * max(d, radius_m) + reach:
            d = geodesic_m(cx, cy, x, y)
        elif d < radius_m:
            return 0, 1
        else:
            return 0, 0
        return 0, (1 if d + reach < radius_m else (0 if d - reach > radius_m else 2))
    n = 0
    for k in range(start, end):
        d = line_m(x, y, edges, ids[k], 1)
        if d * 1.03 + reach < radius_m:
            return 0, 1
        if d * 0.97 - reach - 1.0 <= radius_m:
            ids[to + n] = ids[k]
            n += 1
    return n, (2 if n else 0)


@kernel
def is_heavy(nodes: I32, words: I64, cell: int, level: int) -> bool:
    """Return whether the borders in `cell` are worth a block of finer cells.

    Eight times the load a level: many zones with one border in common must not be cut for ever.
    """
    value = int(nodes[cell])
    if value & 3 != RECORD or level >= LEVEL_LAST:
        return False
    at = (value >> 2) * 4
    entries, used = words[at] & ENTRIES_MASK, (words[at] >> 20) & ENTRIES_MASK
    return bool(used - 1 - entries > HEAVY_WORDS << (3 * (level - 2)))


@kernel
def push_part(
    sp: int, stack: I64, refs: F64, level: int, base: int, u: int, v: int, w: int, h: int,
    start: int, end: int, parity: int, rx: float, ry: float,
) -> int:  # fmt: skip
    """Push a part of the world that has the zone's border in it; return the stack's height."""
    item = stack[sp]
    item[0], item[1], item[2], item[3], item[4], item[5] = level, base, u, v, w, h
    item[6], item[7], item[8] = start, end, parity
    refs[sp, 0], refs[sp, 1] = rx, ry
    return sp + 1


@kernel
def cover_part(
    nodes: I32, words: I64, state: I64, zone: int,
    level: int, base: int, u: int, v: int, w: int, h: int,
) -> int:  # fmt: skip
    """Note that `zone` covers w x h cells."""
    side = ROOT_COLUMNS if level == 0 else (16 if level < 3 else 4)
    for y in range(v, v + h):
        for x in range(u, u + w):
            cell = base + (y & (side - 1)) * side + (x & (side - 1))
            done = add_cover(nodes, words, state, cell, zone)
            if done != DONE:
                return done
    return DONE


@kernel
def settle_cell(
    nodes: I32, words: I64, floats: F64, state: I64, heavy: I64, sp: int, stack: I64, refs: F64,
    zone: int, kind: int, edges: F64, ids: I32, level: int, cell: int, u: int, v: int,
    start: int, end: int, parity: int, rx: float, ry: float,
) -> tuple[int, int]:  # fmt: skip
    """Deal with one cell that has the zone's border in it: go finer or list it.

    Returns (what became of it, the stack's height).
    """
    value = int(nodes[cell])
    if value & 3 != BLOCK and level < 2:
        block = take_block(nodes, state, True)
        if block < 0:
            return NODES_FULL, sp
        nodes[block] = value
        value = (block // 4) << 2 | BLOCK
        nodes[cell] = value
    if value & 3 == BLOCK:
        side = 16 if level < 2 else 4
        block = (value >> 2) * 4 + 4
        return DONE, push_part(
            sp, stack, refs, level + 1, block, u * side, v * side, side, side,
            start, end, parity, rx, ry,
        )  # fmt: skip
    head = zone | kind << 50 | parity << 52
    done = add_border(nodes, words, floats, state, cell, head, rx, ry, edges, ids, start, end)
    if done == DONE and is_heavy(nodes, words, cell, level):
        n = state[HEAVY]
        if n >= len(heavy):
            return HEAVY_FULL, sp
        heavy[n, 0], heavy[n, 1], heavy[n, 2], heavy[n, 3] = cell, level, u, v
        state[HEAVY] = n + 1
    return done, sp


@kernel
def spread(
    nodes: I32, words: I64, floats: F64, state: I64, heavy: I64, stack: I64, refs: F64,
    zone: int, kind: int, cx: float, cy: float, radius_m: float, edges: F64, ids: I32,
    level0: int, base0: int, u0: int, v0: int, w0: int, h0: int, n0: int,
    rx0: float, ry0: float, parity0: int,
) -> int:  # fmt: skip
    """List a zone in the cells of a part of the world; ids[:n0] are the edges that matter there.

    (rx0, ry0) is a point whose side, parity0, is known; the segments from it into the part cross
    none but these edges.
    """
    sp = push_part(0, stack, refs, level0, base0, u0, v0, w0, h0, 0, n0, parity0, rx0, ry0)
    while sp > 0:
        sp -= 1
        item = stack[sp]
        level, base, u, v, w, h = item[0], item[1], item[2], item[3], item[4], item[5]
        start, end, parity = item[6], item[7], item[8]
        rx, ry = refs[sp, 0], refs[sp, 1]
        if w == 1 and h == 1:
            side = ROOT_COLUMNS if level == 0 else (16 if level < 3 else 4)
            cell = base + (v & (side - 1)) * side + (u & (side - 1))
            done, sp = settle_cell(
                nodes, words, floats, state, heavy, sp, stack, refs, zone, kind, edges, ids,
                level, cell, u, v, start, end, parity, rx, ry,
            )  # fmt: skip
            if done != DONE:
                return done
            continue
        to = end
        for half in range(2):
            if w >= h:
                u1, w1, v1, h1 = (u, w // 2, v, h) if half == 0 else (u + w // 2, w - w // 2, v, h)
            else:
                u1, w1, v1, h1 = (u, w, v, h // 2) if half == 0 else (u, w, v + h // 2, h - h // 2)
            s = (1 << shift_of(level)) * DEGREES_PER_UNIT
            x0, y0 = u1 * s - 180.0, v1 * s - 90.0
            x1, y1 = x0 + w1 * s, y0 + h1 * s
            if kind == POLYGON:
                n, rx1, ry1, side1 = narrow_polygon(
                    edges, ids, start, end, to, x0, y0, x1, y1, rx, ry, parity
                )
                verdict = 2 if n else side1
            else:
                n, verdict = narrow_round(
                    kind, cx, cy, radius_m, edges, ids, start, end, to, x0, y0, x1, y1
                )
                rx1, ry1, side1 = rx, ry, 0
            if verdict == 1:
                done = cover_part(nodes, words, state, zone, level, base, u1, v1, w1, h1)
                if done != DONE:
                    return done
            elif verdict == 2:
                sp = push_part(
                    sp, stack, refs, level, base, u1, v1, w1, h1, to, to + n, side1, rx1, ry1
                )
                to += n
    return DONE


@kernel
def split_cell(
    nodes: I32, words: I64, floats: F64, state: I64, heavy: I64, stack: I64, refs: F64,
    rounds: F64, cell: int, level: int, u: int, v: int,
) -> int:  # fmt: skip
    """Turn a crowded cell into a block of finer ones; nothing changes when there is no room."""
    at = (nodes[cell] >> 2) * 4
    entries, used = words[at] & ENTRIES_MASK, (words[at] >> 20) & ENTRIES_MASK
    # Growing a record leaves its former room behind, so a cell takes at most thrice its load.
    if state[WORDS_END] + 16 * 3 * (used + 16) > words.size:
        return WORDS_FULL
    if state[HEAVY] + 17 * entries > len(heavy):
        return HEAVY_FULL
    block = take_block(nodes, state, False)
    if block < 0:
        return NODES_FULL
    nodes[cell] = (block // 4) << 2 | BLOCK
    entry = at + 1
    for _ in range(entries):
        head = words[entry]
        size = entry_words(head)
        kind, zone, n = (head >> 50) & 3, head & 0xFFFFFF, (head >> 24) & 0x3FFFFFF
        if kind == COVERS:
            add_cover(nodes, words, state, cell, zone)
        else:
            edges = np.empty((n, 4))
            ids = np.empty(64 * n + 8, np.int32)
            first = entry + (3 if kind == POLYGON else 1)
            for e in range(n):
                ids[e] = e
                for c in range(4):
                    edges[e, c] = floats[first + 4 * e + c]
            rx, ry = (floats[entry + 1], floats[entry + 2]) if kind == POLYGON else (0.0, 0.0)
            spread(
                nodes, words, floats, state, heavy, stack, refs, zone, kind,
                rounds[zone, 0], rounds[zone, 1], rounds[zone, 2], edges, ids,
                level + 1, block + 4, u * 4, v * 4, 4, 4, n, rx, ry, (head >> 52) & 1,
            )  # fmt: skip
        entry += size
    drop_record(words, state, at)
    return DONE


@kernel
def split_heavy(
    nodes: I32, words: I64, floats: F64, state: I64, heavy: I64, stack: I64, refs: F64,
    rounds: F64,
) -> int:  # fmt: skip
    """Split the cells noted as crowded, and those that come of it."""
    while state[HEAVY] > 0:
        n = state[HEAVY] - 1
        cell, level, u, v = heavy[n, 0], heavy[n, 1], heavy[n, 2], heavy[n, 3]
        if is_heavy(nodes, words, cell, level):
            state[HEAVY] = n
            done = split_cell(
                nodes, words, floats, state, heavy, stack, refs, rounds, cell, level, u, v
            )
            if done != DONE:
                state[HEAVY] = n + 1
                return done
        else:
            state[HEAVY] = n
    return DONE


@kernel
def remove_entry(nodes: I32, words: I64, state: I64, cell: int, zone: int) -> bool:
    """Take `zone` out of the list at `cell`; return whether it stood there."""
    value = int(nodes[cell])
    if value & 3 == SINGLE:
        if value >> 2 == zone:
            nodes[cell] = 0
            return True
        return False
    if value & 3 != RECORD:
        return False
    at = (value >> 2) * 4
    entries, used = words[at] & ENTRIES_MASK, (words[at] >> 20) & ENTRIES_MASK
    entry = at + 1
    for _ in range(entries):
        size = entry_words(words[entry])
        if words[entry] & 0xFFFFFF == zone:
            for k in range(entry, at + used - size):
                words[k] = words[k + size]
            words[at] = (entries - 1) | (used - size) << 20 | (words[at] >> 40) << 40
            if entries == 1:
                nodes[cell] = 0
                drop_record(words, state, at)
            elif entries == 2 and (words[at + 1] >> 50) & 3 == COVERS:
                nodes[cell] = (words[at + 1] & 0xFFFFFF) << 2 | SINGLE
                drop_record(words, state, at)
            return True
        entry += size
    return False


@kernel
def withdraw(
    nodes: I32, words: I64, state: I64, stack: I64, zone: int, u0: int, v0: int, u1: int, v1: int
) -> None:
    """Take `zone` out of every cell of a box, given in units (inclusive)."""
    sp = 0
    for y in range(v0 >> 21, (v1 >> 21) + 1):
        for x in range(u0 >> 21, (u1 >> 21) + 1):
            stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, y * ROOT_COLUMNS + x, x, y
            sp = 1
            while sp > 0:
                sp -= 1
                level, cell, u, v = stack[sp, 0], stack[sp, 1], stack[sp, 2], stack[sp, 3]
                if nodes[cell] & 3 != BLOCK:
                    remove_entry(nodes, words, state, cell, zone)
                    continue
                block = (nodes[cell] >> 2) * 4
                if remove_entry(nodes, words, state, block, zone):
                    continue
                side = 16 if level < 2 else 4
                shift = shift_of(level + 1)
                for b in range(
                    max(v * side, v0 >> shift), min(v * side + side - 1, v1 >> shift) + 1
                ):
                    for a in range(
                        max(u * side, u0 >> shift), min(u * side + side - 1, u1 >> shift) + 1
                    ):
                        inner = block + 4 + (b & (side - 1)) * side + (a & (side - 1))
                        if nodes[inner] != 0:
                            stack[sp, 0], stack[sp, 1] = level + 1, inner
                            stack[sp, 2], stack[sp, 3] = a, b
                            sp += 1


@inlined
def holds(floats: F64, entry: int, n: int, parity: int, x: float, y: float) -> bool:
    """Return whether a polygon's entry holds a point of its cell, boundary excluded."""
    rx, ry = floats[entry + 1], floats[entry + 2]
    odd = parity
    at = entry + 3
    for _ in range(n):
        ax, ay, bx, by = floats[at], floats[at + 1], floats[at + 2], floats[at + 3]
        at += 4
        if (ax == x and ay == y) or (bx == x and by == y):
            return False
        if (left_of(x, y, rx, ry, ax, ay) > 0) != (left_of(x, y, rx, ry, bx, by) > 0):
            side = left_of(ax, ay, bx, by, x, y)
            if side == 0.0:
                return False
            if (side > 0) != (left_of(ax, ay, bx, by, rx, ry) > 0):
                odd ^= 1
    return odd == 1


@inlined
def collect(
    words: I64, floats: F64, rounds: F64, value: int, x: float, y: float, hits: I32, n: int
) -> int:
    """Add the zones of a cell's value that hold the point to hits[n:]; return the new count."""
    if value & 3 == SINGLE:
        hits[n] = value >> 2
        return n + 1
    if value & 3 != RECORD:
        return n
    at = (value >> 2) * 4
    entry = at + 1
    for _ in range(words[at] & ENTRIES_MASK):
        head = words[entry]
        zone, kind, edges = head & 0xFFFFFF, (head >> 50) & 3, (head >> 24) & 0x3FFFFFF
        if kind == COVERS:
            inside = True
            entry += 1
        elif kind == POLYGON:
            inside = holds(floats, entry, edges, (head >> 52) & 1, x, y)
            entry += 3 + 4 * edges
        elif kind == CIRCLE:
            inside = geodesic_m(rounds[zone, 0], rounds[zone, 1], x, y) < rounds[zone, 2]
            entry += 1
        else:
            inside = line_flat_m(x, y, floats, entry + 1, edges) < rounds[zone, 2]
            entry += 1 + 4 * edges
        if inside:
            hits[n] = zone
            n += 1
    return n


@kernel
def line_flat_m(x: float, y: float, floats: F64, first: int, n: int) -> float:
    """Return the distance to a polyline whose edges stand in a record."""
    return line_m(x, y, floats[first : first + 4 * n].reshape((n, 4)), 0, n)


@inlined
def sort_hits(hits: I32, n: int) -> int:
    """Sort hits[:n], which are few, and return n."""
    for k in range(1, n):
        zone, j = hits[k], k
        while j > 0 and hits[j - 1] > zone:
            hits[j] = hits[j - 1]
            j -= 1
        hits[j] = zone
    return n


@inlined
def collect_sorted(
    words: I64, floats: F64, rounds: F64, value: int, x: float, y: float, hits: I32
) -> int:
    """Put the zones of one value that hold the point into `hits`, ascending; return how many."""
    return sort_hits(hits, collect(words, floats, rounds, value, x, y, hits, 0))


@kernel
def locate(nodes: I32, words: I64, floats: F64, rounds: F64, x: float, y: float, hits: I32) -> int:
    """Put the zones that hold (x, y) into `hits`, ascending; return how many.

    x in [-180, 180), y in [-90, 90].
    """
    u = int((x + 180.0) * UNITS_PER_DEGREE)
    v = min(int((y + 90.0) * UNITS_PER_DEGREE), (1 << 31) - 1)
    value = int(nodes[(v >> 21) * ROOT_COLUMNS + (u >> 21)])
    n, shift, bits = 0, 17, 4
    while value & 3 == BLOCK:
        block = (value >> 2) * 4
        if nodes[block] != 0:
            n = collect(words, floats, rounds, nodes[block], x, y, hits, n)
        mask = (1 << bits) - 1
        value = int(nodes[block + 4 + (((v >> shift) & mask) << bits) + ((u >> shift) & mask)])
        bits = 4 if shift == 17 else 2
        shift -= bits
    if value != 0:
        n = collect(words, floats, rounds, value, x, y, hits, n)
    return sort_hits(hits, n)
