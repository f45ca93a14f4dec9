"""Columns that cross the tracker's border: pings in, transitions out; a row a ping, no objects."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


class PingFlag(IntFlag):
    """Bits of `Pings.flags`."""

    MOCK = 1  # the phone says that the location is simulated by an app
    BACKLOG = 2  # history delivered late by a feeder: amends, never pushes


class Status(IntEnum):
    """What became of a ping."""

    ACCEPTED = 0
    DUPLICATE = 1  # (visitor, fix time) was seen
    LATE = 2  # older than the visitor's newest fix: amends history, never pushes
    SUSPECT = 3  # a teleport or mock location that waits for a second fix that agrees
    FUTURE = 4  # further ahead of the engine's now than allowed: quarantined
    TOO_OLD = 5  # older than the oldest fix kept: quarantined


class Kind(IntEnum):
    """The kinds of transition."""

    ENTER = 0
    EXIT = 1
    DWELL = 2
    CROSS = 3


class Cause(IntEnum):
    """Why a transition came about."""

    FIX = 0
    TIMER = 1  # a dwell timer came due, without a ping of its own
    TIMEOUT = 2  # silence closed the visit; never pushes
    EDIT = 3  # the zone was made, edited or deleted; pushes only where the campaign says so
    BACKLOG = 4  # the fix was history; never pushes


class Pings(NamedTuple):
    """A batch of pings in arrival order; every column has one entry a ping.

    visitor: slot of the visitor; fix_ms: time of the fix, ms since 1970 UTC; lon, lat: degrees;
    accuracy_m, speed_mps: -1 where unknown; flags: PingFlag bits.
    """

    visitor: I32
    fix_ms: I64
    lon: F64
    lat: F64
    accuracy_m: F32
    speed_mps: F32
    flags: U8


class Transitions(NamedTuple):
    """Transitions in the order in which they must be decided.

    row: index of the ping in its batch, -1 for timers and edits; visitor, zone: slots;
    kind, cause: Kind and Cause; at_ms: event time; enter_ms: when the visit began (== at_ms for
    enter); dwell_ms: the T of a dwell, else 0; visit: number of the visit, unique in a tracker.
    """

    row: I32
    visitor: I32
    zone: I32
    kind: U8
    cause: U8
    at_ms: I64
    enter_ms: I64
    dwell_ms: I32
    visit: I64
