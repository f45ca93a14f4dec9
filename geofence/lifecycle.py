"""The lifecycle of one visitor in one zone, as a table.

`TABLE` is the only statement of it: the kernels index it as flat arrays and the documentation's
diagram is drawn from it.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from geofence.columns import U8


class State(IntEnum):
    """Where a visitor stands towards a zone."""

    OUTSIDE = 0  # no visit; nothing is stored
    ENTERING = 1  # inside, presence not yet confirmed
    INSIDE = 2  # a visit in progress
    LEAVING = 3  # a visit whose end is not yet confirmed: its dwell timers stop
    STALE = 4  # a visit gone silent: out of the occupancy, its dwell timers stop
    STALE_LEAVING = 5  # the same, silent while leaving


class Input(IntEnum):
    """What an accepted fix, silence or an edit says about one zone."""

    INSIDE_FIX = 0  # strictly inside, accuracy within the ceiling
    INSIDE_CONFIRMED = 1  # the same, `confirm_ms` or more after the first inside fix
    ROUGH_FIX = 2  # strictly inside, accuracy worse than the ceiling
    NEAR_FIX = 3  # outside, within the exit margin
    BEYOND_FIX = 4  # outside, beyond the exit margin
    BEYOND_CONFIRMED = 5  # the same, `exit_confirm_ms` or more after the first such fix
    SILENT = 6  # nothing heard for `stale_ms`
    LAPSED = 7  # nothing heard for `close_ms`
    REMOVED = 8  # the zone, or the visitor, was removed


class Event(IntEnum):
    """What a step reports."""

    NONE = 0
    ENTER = 1
    EXIT = 2


_S, _I, _E = State, Input, Event

TABLE: dict[tuple[State, Input], tuple[State, Event]] = {
    (_S.OUTSIDE, _I.INSIDE_FIX): (_S.ENTERING, _E.NONE),
    (_S.OUTSIDE, _I.INSIDE_CONFIRMED): (_S.INSIDE, _E.ENTER),
    (_S.OUTSIDE, _I.ROUGH_FIX): (_S.OUTSIDE, _E.NONE),
    (_S.OUTSIDE, _I.NEAR_FIX): (_S.OUTSIDE, _E.NONE),
    (_S.OUTSIDE, _I.BEYOND_FIX): (_S.OUTSIDE, _E.NONE),
    (_S.OUTSIDE, _I.BEYOND_CONFIRMED): (_S.OUTSIDE, _E.NONE),
    (_S.OUTSIDE, _I.SILENT): (_S.OUTSIDE, _E.NONE),
    (_S.OUTSIDE, _I.LAPSED): (_S.OUTSIDE, _E.NONE),
    (_S.OUTSIDE, _I.REMOVED): (_S.OUTSIDE, _E.NONE),
    (_S.ENTERING, _I.INSIDE_FIX): (_S.ENTERING, _E.NONE),
    (_S.ENTERING, _I.INSIDE_CONFIRMED): (_S.INSIDE, _E.ENTER),
    (_S.ENTERING, _I.ROUGH_FIX): (_S.ENTERING, _E.NONE),
    (_S.ENTERING, _I.NEAR_FIX): (_S.OUTSIDE, _E.NONE),
    (_S.ENTERING, _I.BEYOND_FIX): (_S.OUTSIDE, _E.NONE),
    (_S.ENTERING, _I.BEYOND_CONFIRMED): (_S.OUTSIDE, _E.NONE),
    (_S.ENTERING, _I.SILENT): (_S.OUTSIDE, _E.NONE),
    (_S.ENTERING, _I.LAPSED): (_S.OUTSIDE, _E.NONE),
    (_S.ENTERING, _I.REMOVED): (_S.OUTSIDE, _E.NONE),
    (_S.INSIDE, _I.INSIDE_FIX): (_S.INSIDE, _E.NONE),
    (_S.INSIDE, _I.INSIDE_CONFIRMED): (_S.INSIDE, _E.NONE),
    (_S.INSIDE, _I.ROUGH_FIX): (_S.INSIDE, _E.NONE),
    (_S.INSIDE, _I.NEAR_FIX): (_S.INSIDE, _E.NONE),
    (_S.INSIDE, _I.BEYOND_FIX): (_S.LEAVING, _E.NONE),
    (_S.INSIDE, _I.BEYOND_CONFIRMED): (_S.OUTSIDE, _E.EXIT),
    (_S.INSIDE, _I.SILENT): (_S.STALE, _E.NONE),
    (_S.INSIDE, _I.LAPSED): (_S.OUTSIDE, _E.EXIT),
    (_S.INSIDE, _I.REMOVED): (_S.OUTSIDE, _E.EXIT),
    (_S.LEAVING, _I.INSIDE_FIX): (_S.INSIDE, _E.NONE),
    (_S.LEAVING, _I.INSIDE_CONFIRMED): (_S.INSIDE, _E.NONE),
    (_S.LEAVING, _I.ROUGH_FIX): (_S.INSIDE, _E.NONE),
    (_S.LEAVING, _I.NEAR_FIX): (_S.INSIDE, _E.NONE),
    (_S.LEAVING, _I.BEYOND_FIX): (_S.LEAVING, _E.NONE),
    (_S.LEAVING, _I.BEYOND_CONFIRMED): (_S.OUTSIDE, _E.EXIT),
    (_S.LEAVING, _I.SILENT): (_S.STALE_LEAVING, _E.NONE),
    (_S.LEAVING, _I.LAPSED): (_S.OUTSIDE, _E.EXIT),
    (_S.LEAVING, _I.REMOVED): (_S.OUTSIDE, _E.EXIT),
    (_S.STALE, _I.INSIDE_FIX): (_S.INSIDE, _E.NONE),
    (_S.STALE, _I.INSIDE_CONFIRMED): (_S.INSIDE, _E.NONE),
    (_S.STALE, _I.ROUGH_FIX): (_S.INSIDE, _E.NONE),
    (_S.STALE, _I.NEAR_FIX): (_S.INSIDE, _E.NONE),
    (_S.STALE, _I.BEYOND_FIX): (_S.LEAVING, _E.NONE),
    (_S.STALE, _I.BEYOND_CONFIRMED): (_S.OUTSIDE, _E.EXIT),
    (_S.STALE, _I.SILENT): (_S.STALE, _E.NONE),
    (_S.STALE, _I.LAPSED): (_S.OUTSIDE, _E.EXIT),
    (_S.STALE, _I.REMOVED): (_S.OUTSIDE, _E.EXIT),
    (_S.STALE_LEAVING, _I.INSIDE_FIX): (_S.INSIDE, _E.NONE),
    (_S.STALE_LEAVING, _I.INSIDE_CONFIRMED): (_S.INSIDE, _E.NONE),
    (_S.STALE_LEAVING, _I.ROUGH_FIX): (_S.INSIDE, _E.NONE),
    (_S.STALE_LEAVING, _I.NEAR_FIX): (_S.INSIDE, _E.NONE),
    (_S.STALE_LEAVING, _I.BEYOND_FIX): (_S.LEAVING, _E.NONE),
    (_S.STALE_LEAVING, _I.BEYOND_CONFIRMED): (_S.OUTSIDE, _E.EXIT),
    (_S.STALE_LEAVING, _I.SILENT): (_S.STALE_LEAVING, _E.NONE),
    (_S.STALE_LEAVING, _I.LAPSED): (_S.OUTSIDE, _E.EXIT),
    (_S.STALE_LEAVING, _I.REMOVED): (_S.OUTSIDE, _E.EXIT),
}

# States that count towards a zone's occupancy.
COUNTED = frozenset({State.INSIDE, State.LEAVING})


def next_states() -> U8:
    """Return the next state by [state, input]."""
    return np.array([[TABLE[s, i][0] for i in Input] for s in State], np.uint8)


def events() -> U8:
    """Return the event by [state, input]."""
    return np.array([[TABLE[s, i][1] for i in Input] for s in State], np.uint8)


def counted() -> U8:
    """Return 1 for the states that count towards occupancy."""
    return np.array([s in COUNTED for s in State], np.uint8)


def mermaid() -> str:
    """Return the table as a Mermaid state diagram; steps that change nothing are left out."""
    arrows: dict[tuple[State, State, Event], list[str]] = {}
    for (state, given), (after, event) in TABLE.items():
        if state != after or event:
            arrows.setdefault((state, after, event), []).append(given.name.lower())
    lines = ["stateDiagram-v2", f"    [*] --> {State.OUTSIDE.name}"]
    for (state, after, event), inputs in arrows.items():
        says = f" / {event.name}" if event else ""
        lines.append(f"    {state.name} --> {after.name}: {', '.join(inputs)}{says}")
    return "\n".join(lines) + "\n"
