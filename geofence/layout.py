"""How the tracker's state lies in memory: records of flat arrays, and the numbers in them."""

from __future__ import annotations

import numpy as np

from geofence import limits

NEVER = np.iinfo(np.int64).max
UNSEEN = np.iinfo(np.int64).min

# One cache line a visitor. head: first member; suspect: slot of the fix that waits, -1 none;
# due_ms: earliest dwell of any visit; hold: bits below; ring_at: oldest place in the ring.
VISITOR = np.dtype(
    [
        ("fix_ms", np.int64),
        ("seen_ms", np.int64),
        ("due_ms", np.int64),
        ("lon", np.float64),
        ("lat", np.float64),
        ("accuracy_m", np.float32),
        ("speed_mps", np.float32),
        ("head", np.int32),
        ("suspect", np.int32),
        ("hold", np.uint8),
        ("ring_at", np.uint8),
        ("count", np.uint16),
        ("spare", np.uint32),
    ]
)

# hold bits
STALE = 1  # silent: visits are out of the occupancy
WAITING = 2  # a suspect fix waits for a second one
HISTORY = 4  # the newest fix is backlog: the clock fires nothing
MOCKED = 8  # the newest accepted fix is a mock location
QUEUED = 16  # stands in the silence queue
STOPPED = STALE | WAITING

# One visitor's stand towards one zone; members of a visitor are a list by zone slot, those of a
# zone a doubly linked list. since_ms: first inside fix while entering, first outside one while
# leaving; due_ms: next dwell; step: which dwell; armed: that dwell stands in the timer queue.
MEMBER = np.dtype(
    [
        ("visit", np.int64),
        ("enter_ms", np.int64),
        ("since_ms", np.int64),
        ("due_ms", np.int64),
        ("zone", np.int32),
        ("visitor", np.int32),
        ("next", np.int32),
        ("zone_next", np.int32),
        ("zone_before", np.int32),
        ("state", np.uint8),
        ("armed", np.uint8),
        ("step", np.uint8),
        ("spare", np.uint8),
    ]
)

SUSPECT = np.dtype(
    [("fix_ms", np.int64), ("lon", np.float64), ("lat", np.float64), ("next", np.int64)]
)

# What may come due: dwells by (due, visitor, zone), silence by (due, visitor).
TIMER = np.dtype(
    [
        ("due_ms", np.int64),
        ("visit", np.int64),
        ("visitor", np.int32),
        ("zone", np.int32),
        ("member", np.int32),
        ("spare", np.int32),
    ]
)

ZONE = np.dtype(
    [
        ("margin_m", np.float64),
        ("ceiling_m", np.float64),
        ("confirm_ms", np.int64),
        ("exit_confirm_ms", np.int64),
        ("x0", np.float64),
        ("y0", np.float64),
        ("x1", np.float64),
        ("y1", np.float64),
        ("edge_start", np.int64),
        ("edge_count", np.int64),
        ("members", np.int32),
        ("occupancy", np.int32),
        ("kind", np.uint8),
        ("live", np.uint8),
        ("cross", np.uint8),
        ("dwells", np.uint8),
        ("spare", np.uint32),
    ]
)

RULES = np.dtype(
    [
        ("future_ms_max", np.int64),
        ("age_ms_max", np.int64),
        ("stale_ms", np.int64),
        ("close_ms", np.int64),
        ("cross_gap_ms", np.int64),
        ("teleport_mps", np.float64),
        ("agree_m", np.float64),
        ("exit_accuracy_m", np.float64),
        ("mock_waits", np.int64),
    ]
)

OUTPUT = np.dtype(
    [
        ("at_ms", np.int64),
        ("enter_ms", np.int64),
        ("visit", np.int64),
        ("row", np.int32),
        ("visitor", np.int32),
        ("zone", np.int32),
        ("dwell_ms", np.int32),
        ("kind", np.uint8),
        ("cause", np.uint8),
    ],
    align=True,
)

# Slots of `tally`: rows put out, visits numbered so far, heads of the free lists and ends of the
# pools, lengths of the queues.
ROWS, VISITS, MEMBER_FREE, MEMBER_END, SUSPECT_FREE, SUSPECT_END, TIMERS, SILENCES = range(8)
TALLY = 8

# Columns of `dwells`, one row a zone.
DWELLS = limits.DWELLS_PER_ZONE_MAX
