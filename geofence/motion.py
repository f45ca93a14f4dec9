"""Compiled movement: fixes, timers and silence through the lifecycle table to transitions.

Every function works on the records of `geofence.layout`. A step that might not find room in a
pool is not begun: the caller enlarges the pool and goes on from the same row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from geofence import layout, lifecycle, limits
from geofence.cells import CIRCLE, CORRIDOR
from geofence.columns import F64, I32, I64, U8, Cause, Kind, PingFlag, Status
from geofence.kernels import (
    edges_m,
    geodesic_m,
    inlined,
    kernel,
    line_m,
    touch_area,
    touch_round,
    wrapped,
)
from geofence.layout import (
    HISTORY,
    MEMBER_END,
    MEMBER_FREE,
    MOCKED,
    NEVER,
    QUEUED,
    ROWS,
    SILENCES,
    SUSPECT_END,
    SUSPECT_FREE,
    TIMERS,
    UNSEEN,
    VISITS,
    WAITING,
)

Records = Any  # a structured array of geofence.layout

NEXT, EVENT, COUNTED = lifecycle.next_states(), lifecycle.events(), lifecycle.counted()
RING = limits.RECENT_FIXES
OVERLAP = limits.OVERLAP_MAX
DWELLS = layout.DWELLS

ACCEPTED, DUPLICATE, LATE = int(Status.ACCEPTED), int(Status.DUPLICATE), int(Status.LATE)
SUSPECT, FUTURE, TOO_OLD = int(Status.SUSPECT), int(Status.FUTURE), int(Status.TOO_OLD)
KIND_ENTER, KIND_EXIT, KIND_DWELL = int(Kind.ENTER), int(Kind.EXIT), int(Kind.DWELL)
KIND_CROSS = int(Kind.CROSS)
BY_FIX, BY_TIMER, BY_TIMEOUT = int(Cause.FIX), int(Cause.TIMER), int(Cause.TIMEOUT)
BY_EDIT, BY_BACKLOG = int(Cause.EDIT), int(Cause.BACKLOG)
MOCK, BACKLOG = int(PingFlag.MOCK), int(PingFlag.BACKLOG)

OUTSIDE, ENTERING = int(lifecycle.State.OUTSIDE), int(lifecycle.State.ENTERING)
INSIDE, LEAVING = int(lifecycle.State.INSIDE), int(lifecycle.State.LEAVING)
INSIDE_FIX = int(lifecycle.Input.INSIDE_FIX)
INSIDE_CONFIRMED = int(lifecycle.Input.INSIDE_CONFIRMED)
ROUGH_FIX, NEAR_FIX = int(lifecycle.Input.ROUGH_FIX), int(lifecycle.Input.NEAR_FIX)
BEYOND_FIX = int(lifecycle.Input.BEYOND_FIX)
BEYOND_CONFIRMED = int(lifecycle.Input.BEYOND_CONFIRMED)
SILENT, LAPSED = int(lifecycle.Input.SILENT), int(lifecycle.Input.LAPSED)
REMOVED = int(lifecycle.Input.REMOVED)
EVENT_ENTER, EVENT_EXIT = int(lifecycle.Event.ENTER), int(lifecycle.Event.EXIT)


@inlined
def earlier(a: Records, b: Records) -> bool:
    """Return whether timer `a` comes before `b`: by due time, visitor, zone, visit."""
    if a["due_ms"] != b["due_ms"]:
        return bool(a["due_ms"] < b["due_ms"])
    if a["visitor"] != b["visitor"]:
        return bool(a["visitor"] < b["visitor"])
    if a["zone"] != b["zone"]:
        return bool(a["zone"] < b["zone"])
    return bool(a["visit"] < b["visit"])


@inlined
def move_timer(heap: Records, to: int, of: int) -> None:
    """Copy a timer within the queue."""
    a, b = heap[to], heap[of]
    a["due_ms"], a["visit"], a["visitor"] = b["due_ms"], b["visit"], b["visitor"]
    a["zone"], a["member"] = b["zone"], b["member"]


@kernel
def push_timer(
    heap: Records, count: int, due_ms: int, visitor: int, zone: int, member: int, visit: int
) -> int:
    """Add a timer to a heap of `count` (one more row is scratch); return the new count."""
    last = len(heap) - 1
    t = heap[last]
    t["due_ms"], t["visit"], t["visitor"] = due_ms, visit, visitor
    t["zone"], t["member"] = zone, member
    at = count
    while at > 0:
        up = (at - 1) >> 1
        if not earlier(t, heap[up]):
            break
        move_timer(heap, at, up)
        at = up
    move_timer(heap, at, last)
    return count + 1


@kernel
def pop_timer(heap: Records, count: int) -> int:
    """Drop the first timer of a heap of `count`; return the new count."""
    count -= 1
    at = 0
    while True:
        child = 2 * at + 1
        if child >= count:
            break
        if child + 1 < count and earlier(heap[child + 1], heap[child]):
            child += 1
        if not earlier(heap[child], heap[count]):
            break
        move_timer(heap, at, child)
        at = child
    move_timer(heap, at, count)
    return count


@inlined
def put_out(
    out: Records, tally: I64, row: int, visitor: int, zone: int, kind: int, cause: int,
    at_ms: int, enter_ms: int, dwell_ms: int, visit: int,
) -> None:  # fmt: skip
    """Add a transition."""
    o = out[tally[ROWS]]
    o["row"], o["visitor"], o["zone"], o["kind"], o["cause"] = row, visitor, zone, kind, cause
    o["at_ms"], o["enter_ms"], o["dwell_ms"], o["visit"] = at_ms, enter_ms, dwell_ms, visit
    tally[ROWS] += 1


@inlined
def add_member(
    visitors: Records, members: Records, zones: Records, tally: I64,
    visitor: int, zone: int, before: int,
) -> int:  # fmt: skip
    """Return a fresh member OUTSIDE of `zone`, listed after member `before` (-1: first)."""
    m = tally[MEMBER_FREE]
    if m >= 0:
        tally[MEMBER_FREE] = members[m]["next"]
    else:
        m = tally[MEMBER_END]
        tally[MEMBER_END] = m + 1
    r = members[m]
    r["visit"], r["enter_ms"], r["since_ms"], r["due_ms"] = 0, 0, UNSEEN, NEVER
    r["zone"], r["visitor"], r["state"], r["armed"], r["step"] = zone, visitor, OUTSIDE, 0, 0
    v = visitors[visitor]
    if before < 0:
        r["next"] = v["head"]
        v["head"] = m
    else:
        r["next"] = members[before]["next"]
        members[before]["next"] = m
    v["count"] += 1
    first = zones[zone]["members"]
    r["zone_next"], r["zone_before"] = first, -1
    if first >= 0:
        members[first]["zone_before"] = m
    zones[zone]["members"] = m
    return int(m)


@inlined
def drop_member(
    visitors: Records, members: Records, zones: Records, tally: I64, m: int, before: int
) -> int:
    """Take member `m`, listed after `before`, away; return the next one in the visitor's list."""
    r = members[m]
    after = r["next"]
    v = visitors[r["visitor"]]
    if before < 0:
        v["head"] = after
    else:
        members[before]["next"] = after
    v["count"] -= 1
    if r["zone_before"] >= 0:
        members[r["zone_before"]]["zone_next"] = r["zone_next"]
    else:
        zones[r["zone"]]["members"] = r["zone_next"]
    if r["zone_next"] >= 0:
        members[r["zone_next"]]["zone_before"] = r["zone_before"]
    r["state"], r["visit"], r["zone"], r["visitor"] = OUTSIDE, -1, -1, -1
    r["next"] = tally[MEMBER_FREE]
    tally[MEMBER_FREE] = m
    return int(after)


@inlined
def step_member(
    members: Records, zones: Records, dwells: I32, timers: Records, out: Records, tally: I64,
    m: int, given: int, row: int, cause: int, at_ms: int,
) -> int:  # fmt: skip
    """Take one step of the lifecycle, report its event; return the new state."""
    r = members[m]
    state, zone = r["state"], r["zone"]
    after, event = NEXT[state, given], EVENT[state, given]
    z = zones[zone]
    z["occupancy"] += np.int32(COUNTED[after]) - np.int32(COUNTED[state])
    if after == INSIDE:
        r["since_ms"] = UNSEEN
    elif after in (ENTERING, LEAVING) and r["since_ms"] == UNSEEN:
        r["since_ms"] = at_ms
    r["state"] = after
    if event == EVENT_ENTER:
        tally[VISITS] += 1
        r["visit"], r["enter_ms"], r["step"] = tally[VISITS], at_ms, 0
        put_out(out, tally, row, r["visitor"], zone, KIND_ENTER, cause, at_ms, at_ms, 0, r["visit"])
        if z["dwells"] > 0:
            arm(members, dwells, timers, tally, m)
    elif event == EVENT_EXIT:
        put_out(
            out, tally, row, r["visitor"], zone, KIND_EXIT, cause, at_ms, r["enter_ms"], 0,
            r["visit"],
        )  # fmt: skip
    return int(after)


@kernel
def arm(members: Records, dwells: I32, timers: Records, tally: I64, m: int) -> None:
    """Put a member's next dwell into the timer queue."""
    r = members[m]
    r["due_ms"] = r["enter_ms"] + dwells[r["zone"], r["step"]]
    r["armed"] = 1
    tally[TIMERS] = push_timer(
        timers, tally[TIMERS], r["due_ms"], r["visitor"], r["zone"], m, r["visit"]
    )


@kernel
def fire_dwell(
    members: Records, zones: Records, dwells: I32, timers: Records, out: Records, tally: I64,
    m: int, row: int, cause: int, at_ms: int,
) -> None:  # fmt: skip
    """Report a member's next dwell and arm the one after it."""
    r = members[m]
    dwell_ms = dwells[r["zone"], r["step"]]
    put_out(
        out, tally, row, r["visitor"], r["zone"], KIND_DWELL, cause, at_ms, r["enter_ms"],
        dwell_ms, r["visit"],
    )  # fmt: skip
    r["step"] += 1
    r["armed"] = 0
    if r["step"] < zones[r["zone"]]["dwells"]:
        arm(members, dwells, timers, tally, m)
    else:
        r["due_ms"] = NEVER


@inlined
def earliest_due(members: Records, head: int) -> int:
    """Return the earliest dwell of a visitor's list of members."""
    due = NEVER
    while head >= 0:
        due = min(due, members[head]["due_ms"])
        head = members[head]["next"]
    return due


@kernel
def beyond(
    zones: Records, rounds: F64, edges: F64, boxes: F64, zone: int, lon: float, lat: float,
    need_m: float,
) -> bool:  # fmt: skip
    """Return whether a point outside a zone is more than `need_m` from its edge."""
    if need_m <= 0.0:
        return True
    z = zones[zone]
    kind = z["kind"]
    if kind == CIRCLE:
        d = geodesic_m(rounds[zone, 0], rounds[zone, 1], lon, lat)
        return bool(d - rounds[zone, 2] > need_m)
    mid = (z["x0"] + z["x1"]) / 2
    x = lon + 360.0 * np.rint((mid - lon) / 360.0)
    start, count = z["edge_start"], z["edge_count"]
    if kind == CORRIDOR:
        return bool(line_m(x, lat, edges, start, count) - rounds[zone, 2] > need_m)
    return edges_m(x, lat, edges, boxes, start, count, need_m) > need_m


@kernel
def fire_due(
    visitors: Records, members: Records, zones: Records, dwells: I32, timers: Records,
    out: Records, tally: I64, visitor: int, until_ms: int, cause: int,
) -> None:  # fmt: skip
    """Fire a visitor's dwells that are due, by (due, zone), as timers."""
    while True:
        best, m = -1, visitors[visitor]["head"]
        while m >= 0:
            r = members[m]
            if (
                r["state"] == INSIDE
                and r["due_ms"] <= until_ms
                and (best < 0 or r["due_ms"] < members[best]["due_ms"])
            ):
                best = m
            m = r["next"]
        if best < 0:
            return
        due = members[best]["due_ms"]
        fire_dwell(members, zones, dwells, timers, out, tally, best, -1, cause, due)


@inlined
def depart(
    visitors: Records, members: Records, zones: Records, rounds: F64, edges: F64, boxes: F64,
    dwells: I32, timers: Records, out: Records, tally: I64, only: U8, hits: I32, n: int,
    visitor: int, lon: float, lat: float, accuracy_m: float, ceiling_m: float, row: int,
    cause: int, at_ms: int,
) -> None:  # fmt: skip
    """Step the members that the fix takes outside, and revive those inside; exits come out.

    only: when not empty, the zones to look at.
    """
    before, m, k = -1, visitors[visitor]["head"], 0
    while m >= 0:
        r = members[m]
        zone, state = r["zone"], r["state"]
        if len(only) > 0 and only[zone] == 0:
            before, m = m, r["next"]
            continue
        while k < n and hits[k] < zone:
            k += 1
        if k < n and hits[k] == zone:
            if state != INSIDE and state != ENTERING:
                step_member(
                    members, zones, dwells, timers, out, tally, m, INSIDE_FIX, row, cause, at_ms
                )
            before, m = m, r["next"]
            continue
        z = zones[zone]
        given = NEAR_FIX
        need_m = z["margin_m"] + min(max(accuracy_m, 0.0), ceiling_m)
        if state != ENTERING and beyond(zones, rounds, edges, boxes, zone, lon, lat, need_m):
            given = BEYOND_FIX
            wait = z["exit_confirm_ms"]
            if wait == 0 or (r["since_ms"] != UNSEEN and at_ms - r["since_ms"] >= wait):
                given = BEYOND_CONFIRMED
        after = step_member(members, zones, dwells, timers, out, tally, m, given, row, cause, at_ms)
        if after == OUTSIDE:
            m = drop_member(visitors, members, zones, tally, m, before)
            continue
        before, m = m, r["next"]


@inlined
def arrive(
    visitors: Records, members: Records, zones: Records, dwells: I32, timers: Records,
    out: Records, tally: I64, only: U8, hits: I32, n: int, visitor: int, accuracy_m: float,
    row: int, cause: int, at_ms: int,
) -> None:  # fmt: skip
    """Begin and confirm visits to the zones that hold the fix; enters come out by zone."""
    before, m = -1, visitors[visitor]["head"]
    for k in range(n):
        zone = hits[k]
        if len(only) > 0 and only[zone] == 0:
            continue
        while m >= 0 and members[m]["zone"] < zone:
            before, m = m, members[m]["next"]
        z = zones[zone]
        rough = accuracy_m > z["ceiling_m"]
        if m >= 0 and members[m]["zone"] == zone:
            r = members[m]
            if r["state"] == ENTERING:
                held = at_ms - r["since_ms"] >= z["confirm_ms"]
                given = ROUGH_FIX if rough else (INSIDE_CONFIRMED if held else INSIDE_FIX)
                step_member(members, zones, dwells, timers, out, tally, m, given, row, cause, at_ms)
            before, m = m, r["next"]
        elif not rough:
            new = add_member(visitors, members, zones, tally, visitor, zone, before)
            given = INSIDE_CONFIRMED if z["confirm_ms"] == 0 else INSIDE_FIX
            step_member(members, zones, dwells, timers, out, tally, new, given, row, cause, at_ms)
            before = new


@inlined
def settle_dwells(
    visitors: Records, members: Records, zones: Records, dwells: I32, timers: Records,
    out: Records, tally: I64, visitor: int, row: int, cause: int, at_ms: int,
) -> None:  # fmt: skip
    """Fire dwells that came due while stopped, arm those still to come, note the earliest."""
    m = visitors[visitor]["head"]
    while m >= 0:
        r = members[m]
        if r["state"] == INSIDE:
            while r["due_ms"] <= at_ms:
                fire_dwell(members, zones, dwells, timers, out, tally, m, row, cause, at_ms)
            if r["due_ms"] != NEVER and r["armed"] == 0:
                arm(members, dwells, timers, tally, m)
        m = r["next"]
    visitors[visitor]["due_ms"] = earliest_due(members, visitors[visitor]["head"])


@inlined
def hush(visitors: Records, silence: Records, rules: Records, tally: I64, visitor: int) -> None:
    """Put a visitor with visits into the silence queue, once."""
    v = visitors[visitor]
    r = rules[0]
    if v["hold"] & QUEUED or v["count"] == 0 or (r["stale_ms"] == 0 and r["close_ms"] == 0):
        return
    wait = r["stale_ms"] if r["stale_ms"] > 0 else r["close_ms"]
    heard = v["fix_ms"] if v["hold"] & HISTORY and r["stale_ms"] > 0 else v["seen_ms"]
    v["hold"] |= QUEUED
    tally[SILENCES] = push_timer(silence, tally[SILENCES], heard + wait, visitor, 0, 0, 0)


@kernel
def seen_before(rings: Records, visitor: int, fix_ms: int) -> bool:
    """Return whether a fix time is in a visitor's ring."""
    short = np.uint32(fix_ms & 0xFFFFFFFF)
    found = False
    for k in range(RING):
        found |= rings[visitor, k] == short
    return bool(found)


@inlined
def remember(visitors: Records, rings: Records, visitor: int, fix_ms: int) -> None:
    """Put a fix time into a visitor's ring."""
    v = visitors[visitor]
    at = v["ring_at"]
    rings[visitor, at] = np.uint32(fix_ms & 0xFFFFFFFF)
    v["ring_at"] = (at + 1) & (RING - 1)


@inlined
def forget_suspect(visitors: Records, suspects: Records, tally: I64, visitor: int) -> None:
    """Drop the fix that waits, if any."""
    v = visitors[visitor]
    s = v["suspect"]
    if s >= 0:
        suspects[s]["next"] = tally[SUSPECT_FREE]
        tally[SUSPECT_FREE] = s
        v["suspect"] = -1
        v["hold"] &= 0xFF ^ WAITING


@kernel
def reachable(
    rules: Records, from_ms: int, lon0: float, lat0: float, to_ms: int, lon: float, lat: float,
    least_m: float,
) -> bool:  # fmt: skip
    """Return whether two fixes agree: near, or no faster apart than the speed allowed."""
    seconds = max(abs(to_ms - from_ms) / 1000.0, 1.0)
    allowed_m = max(least_m, rules[0]["teleport_mps"] * seconds)
    return bool(geodesic_m(lon0, lat0, lon, lat) <= allowed_m)


@kernel
def must_wait(
    visitors: Records, suspects: Records, rules: Records, tally: I64, visitor: int, fix_ms: int,
    lon: float, lat: float, mock: bool,
) -> bool:  # fmt: skip
    """Return whether a fix is suspect; it is kept until a second one agrees or refutes it."""
    v, r = visitors[visitor], rules[0]
    known = v["fix_ms"] != UNSEEN
    doubt = mock and r["mock_waits"] != 0
    if doubt and v["hold"] & MOCKED:
        doubt = not reachable(
            rules, v["fix_ms"], v["lon"], v["lat"], fix_ms, lon, lat, r["agree_m"]
        )
    if not doubt and known and r["teleport_mps"] > 0:
        doubt = not reachable(rules, v["fix_ms"], v["lon"], v["lat"], fix_ms, lon, lat, 0.0)
    if not doubt:
        return False
    s = v["suspect"]
    if s >= 0:
        w = suspects[s]
        if reachable(rules, w["fix_ms"], w["lon"], w["lat"], fix_ms, lon, lat, r["agree_m"]):
            return False
    else:
        s = tally[SUSPECT_FREE]
        if s >= 0:
            tally[SUSPECT_FREE] = suspects[s]["next"]
        else:
            s = tally[SUSPECT_END]
            tally[SUSPECT_END] = s + 1
        v["suspect"] = s
    w = suspects[s]
    w["fix_ms"], w["lon"], w["lat"], w["next"] = fix_ms, lon, lat, -1
    v["hold"] |= WAITING
    return True


@kernel
def report_crosses(
    visitors: Records, members: Records, zones: Records, rounds: F64, edges: F64, rules: Records,
    out: Records, tally: I64, crosses: I32, hits: I32, n: int, visitor: int, fix_ms: int,
    lon: float, lat: float, row: int, cause: int,
) -> None:  # fmt: skip
    """Report the zones that lie between a visitor's last fix and this one, both outside."""
    v = visitors[visitor]
    from_ms, gap_ms = v["fix_ms"], rules[0]["cross_gap_ms"]
    if from_ms == UNSEEN or (gap_ms > 0 and fix_ms - from_ms > gap_ms):
        return
    m, k = v["head"], 0
    for zone in crosses:
        while k < n and hits[k] < zone:
            k += 1
        while m >= 0 and members[m]["zone"] < zone:
            m = members[m]["next"]
        if (k < n and hits[k] == zone) or (m >= 0 and members[m]["zone"] == zone):
            continue
        z = zones[zone]
        mid = (z["x0"] + z["x1"]) / 2
        ax = v["lon"] + 360.0 * np.rint((mid - v["lon"]) / 360.0)
        bx = ax + wrapped(lon - v["lon"])
        ay = v["lat"]
        if (
            max(ax, bx) < z["x0"]
            or min(ax, bx) > z["x1"]
            or max(ay, lat) < z["y0"]
            or min(ay, lat) > z["y1"]
        ):
            continue
        start, count = z["edge_start"], z["edge_count"]
        if z["kind"] == CIRCLE or z["kind"] == CORRIDOR:
            share = touch_round(ax, ay, bx, lat, rounds[zone], edges, start, count)
        else:
            share = touch_area(ax, ay, bx, lat, edges, start, count)
        if share >= 0.0:
            at_ms = from_ms + np.int64(share * (fix_ms - from_ms))
            tally[VISITS] += 1
            put_out(
                out, tally, row, visitor, zone, KIND_CROSS, cause, at_ms, at_ms, 0, tally[VISITS]
            )
