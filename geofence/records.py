"""The memory of the cell index: blocks of cells, and records of the zones that a cell lists.

Values of cells: 0 nothing; otherwise value & 3 is the kind. A BLOCK of finer cells: value >> 3 is
its place (nodes / 4), bit 2 says that its head lists zones which cover all of it. SINGLE: value
>> 2 is the one zone, which covers the cell. RECORD: value >> 2 is its place (words / 4).

Records: word 0 is entries | words << 16 | room << 37 | level << 58 | rounded << 61; then a word an
entry, ascending by zone: zone | pieces << 24 | kind << 50 | parity << 52; then two words a piece,
those of the first entry first (see `geofence.cells`). Rounded says that a circle or corridor is
among the entries.
"""

from __future__ import annotations

import numpy as np

from geofence import limits
from geofence.columns import I32, I64
from geofence.kernels import INT, entry, inlined, kernel
from geofence.memory import boxes_of, edges_of, ends_of, nodes_of, words_of

BLOCK, SINGLE, RECORD = 1, 2, 3
POLYGON, CIRCLE, CORRIDOR, COVERS = 0, 1, 2, 3
HEADED = 4  # the bit of a block's value

# What an edit of the index says.
DONE, NODES_FULL, WORDS_FULL, HEAVY_FULL, TOO_MANY = 0, 1, 2, 3, 4

# Slots of `ends`: the ends of nodes and words, heavy cells noted, freed records by size.
NODES_END, WORDS_END, HEAVY_END, FREE_RECORD = 0, 1, 2, 8
ENDS = 8 + 8 * 20

ENTRIES_MASK, WORDS_MASK = (1 << 16) - 1, (1 << 21) - 1
USED, ROOM, LEVEL, ROUNDED = 16, 37, 58, 1 << 61
ZONE_MASK, PIECES_MASK = (1 << 24) - 1, (1 << 26) - 1
PARITY = 52
OWNER = 1 << 32  # one entry further, in the second word of a piece


@inlined
def block_at(value: int) -> int:
    """Return the place of a block, its head first, four values before its cells."""
    return (value >> 3) << 2


@entry(INT)
def room_for(words: int) -> int:
    """Return the words that a record of `words` is given: multiples of 4, then of an eighth."""
    step = 4
    while step * 8 < words:
        step *= 2
    return (words + step - 1) // step * step


@inlined
def free_slot(room: int) -> int:
    """Return where records of a size wait to be used again."""
    k, step = 0, 4
    while step * 8 < room:
        step *= 2
        k += 1
    return FREE_RECORD + k * 8 + room // step - 1


@kernel
def take_block(memory: int, wide: bool) -> int:
    """Return the place of an empty block of 16 x 16 (wide) or 4 x 4 cells, or -1: no room."""
    ends = ends_of(memory)
    size = 260 if wide else 20
    at = ends[NODES_END]
    if at + size > len(nodes_of(memory)):
        return -1
    ends[NODES_END] = at + size
    return int(at)


@kernel
def take_record(memory: int, need: int) -> int:
    """Return the place of a record with room for `need` words, or -1: no room."""
    words, ends = words_of(memory), ends_of(memory)
    room = room_for(need)
    slot = free_slot(room)
    at = ends[slot]
    if at >= 0:
        ends[slot] = words[at]
    else:
        at = ends[WORDS_END]
        # Lookups read a few words past a record.
        if at + room + 8 > len(words):
            return -1
        ends[WORDS_END] = at + room
    words[at] = room << ROOM
    return int(at)


@kernel
def drop_record(memory: int, at: int) -> None:
    """Give a record's room back."""
    words, ends = words_of(memory), ends_of(memory)
    slot = free_slot((words[at] >> ROOM) & WORDS_MASK)
    words[at] = ends[slot]
    ends[slot] = at


@inlined
def record_at(value: int) -> int:
    """Return the place of a record."""
    return (value >> 2) << 2


@inlined
def used_of(words: I64, at: int) -> int:
    """Return the words in use of a record."""
    return int((words[at] >> USED) & WORDS_MASK)


@inlined
def room_of(words: I64, at: int) -> int:
    """Return the words that a record has been given."""
    return int((words[at] >> ROOM) & WORDS_MASK)


@kernel
def pieces_before(words: I64, at: int, entry: int) -> int:
    """Return how many pieces the entries before one have."""
    n = 0
    for k in range(entry):
        n += (words[at + 1 + k] >> 24) & PIECES_MASK
    return n


@kernel
def grown(memory: int, cell: int, level: int, extra: int) -> int:
    """Make `cell` a record with room for `extra` words more; return its place or -1: no room."""
    nodes, words = nodes_of(memory), words_of(memory)
    value = int(nodes[cell])
    if value & 3 == RECORD:
        at = record_at(value)
        used = used_of(words, at)
        if used + extra <= room_of(words, at):
            return at
        new = take_record(memory, used + extra)
        if new < 0:
            return -1
        words[new] |= words[at] & ~(WORDS_MASK << ROOM)
        for k in range(1, used):
            words[new + k] = words[at + k]
        drop_record(memory, at)
        at = new
    else:
        at = take_record(memory, 2 + extra)
        if at < 0:
            return -1
        words[at] |= level << LEVEL | 1 << USED
        if value & 3 == SINGLE:
            words[at] += 1 | 1 << USED
            words[at + 1] = (value >> 2) | COVERS << 50 | 1 << PARITY
    nodes[cell] = (at // 4) << 2 | RECORD
    return int(at)


@kernel
def insert_entry(memory: int, cell: int, level: int, head: int) -> int:
    """List an entry at `cell` and make room for its pieces; return their place or -1: no room.

    Pieces of later entries are told that these have moved up by one.
    """
    extra = 2 * ((head >> 24) & PIECES_MASK)
    at = grown(memory, cell, level, 1 + extra)
    if at < 0:
        return -1
    words = words_of(memory)
    n, used = words[at] & ENTRIES_MASK, used_of(words, at)
    k, zone = n, head & ZONE_MASK
    while k > 0 and words[at + k] & ZONE_MASK > zone:
        k -= 1
    first = at + 1 + n + 2 * pieces_before(words, at, k)
    for p in range(at + used - 2, first - 1, -2):
        words[p + 2 + extra] = words[p + 1] + OWNER
        words[p + 1 + extra] = words[p]
    for p in range(first - 1, at + k, -1):
        words[p + 1] = words[p]
    words[at + 1 + k] = head
    words[at] += 1 | (1 + extra) << USED
    kind = (head >> 50) & 3
    if kind in (CIRCLE, CORRIDOR):
        words[at] |= ROUNDED
    for p in range(first + 1, first + 1 + extra, 2):
        words[p + 1] = k * OWNER
    return int(first + 1)


@kernel
def entries_of(nodes: I32, words: I64, cell: int) -> int:
    """Return how many zones the value at `cell` lists."""
    value = int(nodes[cell])
    if value & 3 == RECORD:
        return int(words[record_at(value)] & ENTRIES_MASK)
    return 1 if value & 3 == SINGLE else 0


@kernel
def add_cover(memory: int, cell: int, level: int, zone: int) -> int:
    """Note that `zone` covers all of `cell`, which is of `level`."""
    nodes, words = nodes_of(memory), words_of(memory)
    value = int(nodes[cell])
    above = -1
    if value & 3 == BLOCK:
        above, cell = cell, block_at(value)
    if nodes[cell] == 0:
        nodes[cell] = zone << 2 | SINGLE
    elif entries_of(nodes, words, cell) >= limits.ZONES_PER_CELL_MAX:
        return TOO_MANY
    else:
        if insert_entry(memory, cell, level, zone | COVERS << 50 | 1 << PARITY) < 0:
            return WORDS_FULL
    if above >= 0:
        nodes[above] |= HEADED
    return DONE


@kernel
def remove_entry(memory: int, cell: int, zone: int) -> bool:
    """Take `zone` out of the list at `cell`; return whether it stood there."""
    nodes, words = nodes_of(memory), words_of(memory)
    value = int(nodes[cell])
    if value & 3 == SINGLE:
        if value >> 2 == zone:
            nodes[cell] = 0
            return True
        return False
    if value & 3 != RECORD:
        return False
    at = record_at(value)
    n, k = words[at] & ENTRIES_MASK, 0
    while k < n and words[at + 1 + k] & ZONE_MASK != zone:
        k += 1
    if k == n:
        return False
    used, extra = used_of(words, at), 2 * ((words[at + 1 + k] >> 24) & PIECES_MASK)
    first = at + 1 + n + 2 * pieces_before(words, at, k)
    for p in range(at + 1 + k, first - 1):
        words[p] = words[p + 1]
    for p in range(first + extra, at + used, 2):
        words[p - 1 - extra] = words[p]
        words[p - extra] = words[p + 1] - OWNER
    words[at] -= 1 | (1 + extra) << USED
    if n == 1:
        nodes[cell] = 0
        drop_record(memory, at)
    elif n == 2 and (words[at + 1] >> 50) & 3 == COVERS:
        nodes[cell] = (words[at + 1] & ZONE_MASK) << 2 | SINGLE
        drop_record(memory, at)
    return True


@entry(INT, INT, INT)
def bound_edges(memory: int, start: int, end: int) -> None:
    """Bound the edges start..end in boxes of 32, each made anew from all edges in it."""
    edges, boxes = edges_of(memory), boxes_of(memory)
    for k in range(start >> 5, (end + 31) >> 5):
        first = k << 5
        x0, y0, x1, y1 = np.inf, np.inf, -np.inf, -np.inf
        for e in range(first, min(first + 32, len(edges))):
            x0, x1 = min(x0, edges[e, 0], edges[e, 2]), max(x1, edges[e, 0], edges[e, 2])
            y0, y1 = min(y0, edges[e, 1], edges[e, 3]), max(y1, edges[e, 1], edges[e, 3])
        boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3] = x0, y0, x1, y1
