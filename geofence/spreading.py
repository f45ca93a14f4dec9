"""Zones into the cell index and out of it: cutting borders to cells, splitting crowded cells."""

from __future__ import annotations

import math

import numpy as np

from geofence import limits
from geofence.cells import (
    FINE_PER_DEGREE,
    LEVEL_LAST,
    LOCAL,
    NEAR,
    NO_EDGE,
    ROOT_COLUMNS,
    crossed,
    local_shift,
    shift_of,
    side_of,
)
from geofence.columns import F64, I32, I64
from geofence.kernels import FLOAT, INT, entry, inlined, kernel
from geofence.measures import (
    crossings_odd,
    edge_meets_box,
    geodesic_m,
    left_of,
    line_m,
    metres_per_degree,
    sphere_m,
)
from geofence.memory import (
    cut_halves_of,
    cuts_of,
    edges_of,
    ends_of,
    halves_of,
    heavy_of,
    ids_of,
    nodes_of,
    refs_of,
    rounds_of,
    stack_of,
    starts_of,
    words_of,
)
from geofence.records import (
    BLOCK,
    CIRCLE,
    COVERS,
    DONE,
    ENTRIES_MASK,
    HEADED,
    HEAVY_END,
    HEAVY_FULL,
    NODES_FULL,
    PARITY,
    PIECES_MASK,
    POLYGON,
    RECORD,
    TOO_MANY,
    WORDS_END,
    WORDS_FULL,
    WORDS_MASK,
    ZONE_MASK,
    add_cover,
    block_at,
    drop_record,
    entries_of,
    insert_entry,
    record_at,
    remove_entry,
    take_block,
    used_of,
)

DEGREES_PER_UNIT = 360.0 / 2.0**32

# Words of borders in a cell of level 2 from which it is split (about six pieces).
HEAVY_WORDS = 13

# Rounding of cell borders, in degrees (0.01 mm): edges this near to a cell belong to it.
SLACK = 1e-10

# A reference point is so large a share of its cell away from every edge's line, if it can be: more
# than what is near for `geofence.cells.crossed`.
CLEAR_SHARE = 8 / (LOCAL + 1)


@kernel
def clearance(
    x: float, y: float, edges: F64, ids: I32, start: int, end: int, least: float
) -> float:
    """Return how far (degrees, at least) a point is from the nearest edge's line, up to `least`."""
    for k in range(start, end):
        e = ids[k]
        ax, ay, bx, by = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
        off = abs(left_of(ax, ay, bx, by, x, y)) / (abs(bx - ax) + abs(by - ay))
        least = min(least, off)
    return least


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
    fx, fy, best, qx, qy = 0.5123, 0.4871, -1.0, x0, y0
    enough = CLEAR_SHARE * max(x1 - x0, y1 - y0)
    for _ in range(8):
        x, y = x0 + fx * (x1 - x0), y0 + fy * (y1 - y0)
        clear = clearance(x, y, edges, ids, to, to + n, enough)
        if clear > best:
            best, qx, qy = clear, x, y
        if clear >= enough:
            break
        fx, fy = 0.2 + 0.6 * ((fx * 7.13) % 1.0), 0.2 + 0.6 * ((fy * 5.77) % 1.0)
    if crossings_odd(qx, qy, rx, ry, edges, ids, start, end):
        parity ^= 1
    return n, qx, qy, parity


@kernel
def reach_m(x0: float, y0: float, x1: float, y1: float) -> float:
    """Return a bound on the distance from a box's centre to any point of it."""
    low = 0.0 if y0 <= 0.0 <= y1 else min(abs(y0), abs(y1))
    east, _ = metres_per_degree(low)
    hx, hy = (x1 - x0) / 2 * east, (y1 - y0) / 2 * 111_700.0
    return math.sqrt(hx * hx + hy * hy) * 1.0001 + 1e-3


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
def cut(memory: int, zone: int, start: int, end: int, level: int, u: int, v: int) -> int:
    """Cut the edges ids[start:end] of `zone` to a cell, into `cuts`; return how many pieces."""
    edges, ids, first = edges_of(memory), ids_of(memory), starts_of(memory)[zone]
    scale = FINE_PER_DEGREE / (1 << local_shift(level))
    x0, y0 = float(u * (LOCAL + 1)), float(v * (LOCAL + 1))
    # Borders are closed a little to the right of the cell: by less than SLACK, so that the edges
    # of every corner up to there are known.
    right = LOCAL + 1 + SLACK / 2 * scale
    n, pending, open_ = 0, 0, False
    for k in range(start, end):
        e = ids[k]
        ax, ay = (edges[e, 0] + 180.0) * scale - x0, (edges[e, 1] + 90.0) * scale - y0
        bx, by = (edges[e, 2] + 180.0) * scale - x0, (edges[e, 3] + 90.0) * scale - y0
        if ax > right and bx > right:
            continue
        dx, dy = bx - ax, by - ay
        length = math.sqrt(dx * dx + dy * dy)
        length = length if dy >= 0 else -length
        ya, yb = ay, by
        if (ax > right) != (bx > right):
            y = ay + (right - ax) * dy / dx
            ya, yb = (y, by) if ax > right else (ay, y)
            if open_:
                n = add_piece(memory, n, pending, whole(y), 0, 0, -2.0 * NEAR, NO_EDGE)
            pending, open_ = whole(y), not open_
        ux, uy = (LOCAL + 1) * dx / length, (LOCAL + 1) * dy / length
        # The half is for points, which are rounded down.
        c = (ay - 0.5) * ux - (ax - 0.5) * uy
        n = add_piece(
            memory, n, whole(ya), whole(yb), int(np.rint(ux)), int(np.rint(uy)), c, e - first
        )
    if open_:
        n = add_piece(memory, n, pending, LOCAL + 2, 0, 0, -2.0 * NEAR, NO_EDGE)
    return n


@inlined
def whole(y: float) -> int:
    """Return the end of a span as a whole number, those outside of the cell just outside."""
    return int(np.rint(min(max(y, -1.0), LOCAL + 2.0)))


@inlined
def add_piece(memory: int, n: int, ya: int, yb: int, ux: int, uy: int, c: float, edge: int) -> int:
    """Write a piece to `cuts`; return the new count."""
    cuts, halves = cuts_of(memory), cut_halves_of(memory)
    halves[8 * n], halves[8 * n + 1], halves[8 * n + 2], halves[8 * n + 3] = ya, yb, ux, uy
    cuts[2 * n + 1] = (edge << 40) | (int(np.rint(c)) & ((1 << 32) - 1))
    return n + 1


@inlined
def local_of(x: float, y: float, level: int, u: int, v: int) -> tuple[int, int]:
    """Return a point in the frame of a cell."""
    scale = FINE_PER_DEGREE / (1 << local_shift(level))
    px = int((x + 180.0) * scale) - u * (LOCAL + 1)
    return px, int((y + 90.0) * scale) - v * (LOCAL + 1)


@kernel
def add_border(
    memory: int, cell: int, zone: int, kind: int, level: int, u: int, v: int,
    rx: float, ry: float, parity: int, start: int, end: int,
) -> int:  # fmt: skip
    """Note that a zone's border passes through `cell`, with the edges ids[start:end]."""
    nodes, words, cuts = nodes_of(memory), words_of(memory), cuts_of(memory)
    if entries_of(nodes, words, cell) >= limits.ZONES_PER_CELL_MAX:
        return TOO_MANY
    n = 0
    if kind == POLYGON:
        n = cut(memory, zone, start, end, level, u, v)
        px, py = local_of(rx, ry, level, u, v)
        odd, _ = crossed(cuts, cut_halves_of(memory), 0, 2 * n, px, py)
        parity ^= odd
    else:
        ids, first = ids_of(memory), starts_of(memory)[zone]
        for k in range(start, end):
            n = add_piece(memory, n, 0, 0, 0, 0, -2.0 * NEAR, ids[k] - first)
    if nodes[cell] & 3 == RECORD:
        used = used_of(words, record_at(nodes[cell]))
        if (used + 1 + 2 * n) * 8 > WORDS_MASK * 7:
            return TOO_MANY
    at = insert_entry(memory, cell, level, zone | n << 24 | kind << 50 | parity << PARITY)
    if at < 0:
        return WORDS_FULL
    for k in range(0, 2 * n, 2):
        words[at + k] = cuts[k]
        words[at + k + 1] += cuts[k + 1]
    return DONE


@kernel
def is_heavy(nodes: I32, words: I64, cell: int, level: int) -> bool:
    """Return whether the borders in `cell` are worth a block of finer cells.

    Eight times the load a level: many zones with one border in common must not be cut for ever.
    """
    value = int(nodes[cell])
    if value & 3 != RECORD or level >= LEVEL_LAST:
        return False
    at = record_at(value)
    return bool(
        used_of(words, at) - 1 - (words[at] & ENTRIES_MASK) > HEAVY_WORDS << (3 * (level - 2))
    )


@kernel
def push_part(
    memory: int, sp: int, level: int, base: int, u: int, v: int, w: int, h: int,
    start: int, end: int, parity: int, rx: float, ry: float,
) -> int:  # fmt: skip
    """Push a part of the world that has the zone's border in it; return the stack's height."""
    item, refs = stack_of(memory)[sp], refs_of(memory)
    item[0], item[1], item[2], item[3], item[4], item[5] = level, base, u, v, w, h
    item[6], item[7], item[8] = start, end, parity
    refs[sp, 0], refs[sp, 1] = rx, ry
    return sp + 1


@kernel
def cover_part(
    memory: int, zone: int, level: int, base: int, u: int, v: int, w: int, h: int
) -> int:
    """Note that `zone` covers w x h cells."""
    side = ROOT_COLUMNS if level == 0 else side_of(level)
    for y in range(v, v + h):
        for x in range(u, u + w):
            cell = base + (y & (side - 1)) * side + (x & (side - 1))
            done = add_cover(memory, cell, level, zone)
            if done != DONE:
                return done
    return DONE


@kernel
def settle_cell(
    memory: int, sp: int, zone: int, kind: int, level: int, cell: int, u: int, v: int,
    start: int, end: int, parity: int, rx: float, ry: float,
) -> tuple[int, int]:  # fmt: skip
    """Deal with one cell that has the zone's border in it: go finer or list it.

    Returns (what became of it, the stack's height).
    """
    nodes = nodes_of(memory)
    value = int(nodes[cell])
    if value & 3 != BLOCK and level < 2:
        block = take_block(memory, True)
        if block < 0:
            return NODES_FULL, sp
        nodes[block] = value
        value = (block // 4) << 3 | (HEADED if value != 0 else 0) | BLOCK
        nodes[cell] = value
    if value & 3 == BLOCK:
        side = side_of(level + 1)
        return DONE, push_part(
            memory, sp, level + 1, block_at(value) + 4, u * side, v * side, side, side,
            start, end, parity, rx, ry,
        )  # fmt: skip
    done = add_border(memory, cell, zone, kind, level, u, v, rx, ry, parity, start, end)
    if done == DONE and is_heavy(nodes, words_of(memory), cell, level):
        heavy, ends = heavy_of(memory), ends_of(memory)
        n = ends[HEAVY_END]
        if n >= len(heavy):
            return HEAVY_FULL, sp
        heavy[n, 0], heavy[n, 1], heavy[n, 2], heavy[n, 3] = cell, level, u, v
        ends[HEAVY_END] = n + 1
    return done, sp


@entry(*[INT] * 10, FLOAT, FLOAT, INT)
def spread(
    memory: int, zone: int, kind: int, level0: int, base0: int, u0: int, v0: int, w0: int, h0: int,
    n0: int, rx0: float, ry0: float, parity0: int,
) -> int:  # fmt: skip
    """List a zone in the cells of a part of the world; ids[:n0] are the edges that matter there.

    (rx0, ry0) is a point whose side, parity0, is known; the segments from it into the part cross
    none but these edges.
    """
    edges, ids, stack, refs = edges_of(memory), ids_of(memory), stack_of(memory), refs_of(memory)
    round_ = rounds_of(memory)[zone]
    sp = push_part(memory, 0, level0, base0, u0, v0, w0, h0, 0, n0, parity0, rx0, ry0)
    while sp > 0:
        sp -= 1
        item = stack[sp]
        level, base, u, v, w, h = item[0], item[1], item[2], item[3], item[4], item[5]
        start, end, parity = item[6], item[7], item[8]
        rx, ry = refs[sp, 0], refs[sp, 1]
        if w == 1 and h == 1:
            side = ROOT_COLUMNS if level == 0 else side_of(level)
            cell = base + (v & (side - 1)) * side + (u & (side - 1))
            done, sp = settle_cell(
                memory, sp, zone, kind, level, cell, u, v, start, end, parity, rx, ry
            )
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
                    kind, round_[0], round_[1], round_[2], edges, ids, start, end, to,
                    x0, y0, x1, y1,
                )  # fmt: skip
                rx1, ry1, side1 = rx, ry, 0
            if verdict == 1:
                done = cover_part(memory, zone, level, base, u1, v1, w1, h1)
                if done != DONE:
                    return done
            elif verdict == 2:
                sp = push_part(memory, sp, level, base, u1, v1, w1, h1, to, to + n, side1, rx1, ry1)
                to += n
    return DONE


@kernel
def reference_of(
    memory: int, at: int, end: int, level: int, u: int, v: int, n: int
) -> tuple[float, float, int]:
    """Return (x, y, odd): a point of a cell, clear of the edges ids[:n], and `crossed` there."""
    edges, ids = edges_of(memory), ids_of(memory)
    s = (1 << shift_of(level)) * DEGREES_PER_UNIT
    fx, fy, best, qx, qy = 0.5123, 0.4871, -1.0, 0.0, 0.0
    for _ in range(16):
        x, y = (u + fx) * s - 180.0, (v + fy) * s - 90.0
        clear = clearance(x, y, edges, ids, 0, n, CLEAR_SHARE * s)
        if clear > best:
            best, qx, qy = clear, x, y
        if clear >= CLEAR_SHARE * s:
            break
        fx, fy = 0.1 + 0.8 * ((fx * 7.13) % 1.0), 0.1 + 0.8 * ((fy * 5.77) % 1.0)
    px, py = local_of(qx, qy, level, u, v)
    odd, _ = crossed(words_of(memory), halves_of(memory), at, end, px, py)
    return qx, qy, odd


@kernel
def split_cell(memory: int, cell: int, level: int, u: int, v: int) -> int:
    """Turn a crowded cell into a block of finer ones; nothing changes when there is no room."""
    nodes, words, ends = nodes_of(memory), words_of(memory), ends_of(memory)
    ids, starts = ids_of(memory), starts_of(memory)
    at = record_at(nodes[cell])
    entries, used = words[at] & ENTRIES_MASK, used_of(words, at)
    # Growing a record leaves its former room behind, so a cell takes at most thrice its load, and
    # closing a border adds up to half as many pieces again.
    if ends[WORDS_END] + 16 * 5 * (used + 16) > len(words):
        return WORDS_FULL
    if ends[HEAVY_END] + 17 * entries > len(heavy_of(memory)):
        return HEAVY_FULL
    block = take_block(memory, False)
    if block < 0:
        return NODES_FULL
    nodes[cell] = (block // 4) << 3 | BLOCK
    start = at + 1 + entries
    for k in range(entries):
        head = words[at + 1 + k]
        kind, zone, end = (head >> 50) & 3, head & ZONE_MASK, start + (head >> 23 & 2 * PIECES_MASK)
        if kind == COVERS:
            add_cover(memory, cell, level, zone)
            continue
        n, rx, ry, odd = 0, 0.0, 0.0, 0
        for p in range(start, end, 2):
            e = words[p + 1] >> 40
            if e != NO_EDGE:
                ids[n] = starts[zone] + e
                n += 1
        if kind == POLYGON:
            rx, ry, odd = reference_of(memory, start, end, level, u, v, n)
        spread(
            memory, zone, kind, level + 1, block + 4, u * 4, v * 4, 4, 4, n, rx, ry,
            (odd >> (k & 63) ^ head >> PARITY) & 1,
        )  # fmt: skip
        start = end
    drop_record(memory, at)
    return DONE


@entry(INT)
def split_heavy(memory: int) -> int:
    """Split the cells noted as crowded, and those that come of it."""
    heavy, ends = heavy_of(memory), ends_of(memory)
    while ends[HEAVY_END] > 0:
        n = ends[HEAVY_END] - 1
        cell, level, u, v = heavy[n, 0], heavy[n, 1], heavy[n, 2], heavy[n, 3]
        ends[HEAVY_END] = n
        if is_heavy(nodes_of(memory), words_of(memory), cell, level):
            done = split_cell(memory, cell, level, u, v)
            if done != DONE:
                ends[HEAVY_END] = n + 1
                return done
    return DONE


@entry(*[INT] * 6)
def withdraw(memory: int, zone: int, u0: int, v0: int, u1: int, v1: int) -> None:
    """Take `zone` out of every cell of a box, given in units (inclusive)."""
    nodes, stack = nodes_of(memory), stack_of(memory)
    for y in range(v0 >> 21, (v1 >> 21) + 1):
        for x in range(u0 >> 21, (u1 >> 21) + 1):
            stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, y * ROOT_COLUMNS + x, x, y
            sp = 1
            while sp > 0:
                sp -= 1
                level, cell, u, v = stack[sp, 0], stack[sp, 1], stack[sp, 2], stack[sp, 3]
                if nodes[cell] & 3 != BLOCK:
                    remove_entry(memory, cell, zone)
                    continue
                block = block_at(nodes[cell])
                if remove_entry(memory, block, zone):
                    if nodes[block] == 0:
                        nodes[cell] &= ~HEADED
                    continue
                side, shift = side_of(level + 1), shift_of(level + 1)
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
