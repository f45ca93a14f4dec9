"""Compiled movement: fixes, timers and silence through the lifecycle table to transitions.

Every function works on the records of `geofence.layout`. A step that might not find room in a
pool is not begun: the caller enlarges the pool and goes on from the same row.
"""

from __future__ import annotations

import numpy as np

from geofence import lifecycle, limits
from geofence.columns import Cause, Kind, PingFlag, Status
from geofence.kernels import inlined, kernel
from geofence.layout import (
    HISTORY,
    MEMBER_END,
    MEMBER_FREE,
    MOCKED,
    NEVER,
    NONE,
    OTHERS,
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
from geofence.measures import edges_m, geodesic_m, line_m, touch_area, touch_round, wrapped
from geofence.memory import (
    Records,
    boxes_of,
    crosses_of,
    dwells_of,
    edges_of,
    hits_of,
    members_of,
    only_of,
    out_of,
    rounds_of,
    rules_of,
    silence_of,
    suspects_of,
    tally_of,
    timers_of,
    visitors_of,
    zones_of,
)
from geofence.records import CIRCLE, CORRIDOR

NEXT, EVENT, COUNTED = lifecycle.next_states(), lifecycle.events(), lifecycle.counted()
RING = limits.RECENT_FIXES

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
    memory: int,
    row: int,
    visitor: int,
    zone: int,
    kind: int,
    cause: int,
    at_ms: int,
    enter_ms: int,
    dwell_ms: int,
    visit: int,
) -> None:
    """Add a transition."""
    out, tally = out_of(memory), tally_of(memory)
    o = out[tally[ROWS]]
    o["row"], o["visitor"], o["zone"], o["kind"], o["cause"] = row, visitor, zone, kind, cause
    o["at_ms"], o["enter_ms"], o["dwell_ms"], o["visit"] = at_ms, enter_ms, dwell_ms, visit
    tally[ROWS] += 1


@inlined
def add_member(memory: int, visitor: int, zone: int, before: int) -> int:
    """Return a fresh member OUTSIDE of `zone`, listed after member `before` (-1: first)."""
    visitors, members, zones = visitors_of(memory), members_of(memory), zones_of(memory)
    tally = tally_of(memory)
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
def drop_member(memory: int, m: int, before: int) -> int:
    """Take member `m`, listed after `before`, away; return the next one in the visitor's list."""
    visitors, members, zones = visitors_of(memory), members_of(memory), zones_of(memory)
    tally = tally_of(memory)
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
def step_member(memory: int, m: int, given: int, row: int, cause: int, at_ms: int) -> int:
    """Take one step of the lifecycle, report its event; return the new state."""
    members, zones, tally = members_of(memory), zones_of(memory), tally_of(memory)
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
        put_out(memory, row, r["visitor"], zone, KIND_ENTER, cause, at_ms, at_ms, 0, r["visit"])
        if z["dwells"] > 0:
            arm(memory, m)
    elif event == EVENT_EXIT:
        put_out(
            memory, row, r["visitor"], zone, KIND_EXIT, cause, at_ms,
            r["enter_ms"], 0, r["visit"],
        )  # fmt: skip
    return int(after)


@kernel
def arm(memory: int, m: int) -> None:
    """Put a member's next dwell into the timer queue."""
    members, dwells, timers = members_of(memory), dwells_of(memory), timers_of(memory)
    tally = tally_of(memory)
    r = members[m]
    r["due_ms"] = r["enter_ms"] + dwells[r["zone"], r["step"]]
    r["armed"] = 1
    tally[TIMERS] = push_timer(
        timers, tally[TIMERS], r["due_ms"], r["visitor"], r["zone"], m, r["visit"]
    )


@kernel
def fire_dwell(memory: int, m: int, row: int, cause: int, at_ms: int) -> None:
    """Report a member's next dwell and arm the one after it."""
    members, zones, dwells = members_of(memory), zones_of(memory), dwells_of(memory)
    r = members[m]
    dwell_ms = dwells[r["zone"], r["step"]]
    put_out(
        memory, row, r["visitor"], r["zone"], KIND_DWELL, cause, at_ms,
        r["enter_ms"], dwell_ms, r["visit"],
    )  # fmt: skip
    r["step"] += 1
    r["armed"] = 0
    if r["step"] < zones[r["zone"]]["dwells"]:
        arm(memory, m)
    else:
        r["due_ms"] = NEVER


@inlined
def sum_up(memory: int, visitor: int) -> None:
    """Note of a visitor what the members come to: the earliest dwell, the only zone."""
    visitors, members = visitors_of(memory), members_of(memory)
    v = visitors[visitor]
    m = v["head"]
    only, due = NONE, NEVER
    if m >= 0:
        r = members[m]
        only = r["zone"] if r["state"] == INSIDE and r["next"] < 0 else OTHERS
    while m >= 0:
        r = members[m]
        due = min(due, r["due_ms"])
        m = r["next"]
    v["due_ms"], v["only"] = due, only


@kernel
def beyond(memory: int, zone: int, lon: float, lat: float, need_m: float) -> bool:
    """Return whether a point outside a zone is more than `need_m` from its edge."""
    zones, rounds, edges = zones_of(memory), rounds_of(memory), edges_of(memory)
    boxes = boxes_of(memory)
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
def fire_due(memory: int, visitor: int, until_ms: int, cause: int) -> None:
    """Fire a visitor's dwells that are due, by (due, zone), as timers."""
    visitors, members = visitors_of(memory), members_of(memory)
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
        fire_dwell(memory, best, -1, cause, due)


@inlined
def depart(
    memory: int,
    first: int,
    n: int,
    visitor: int,
    lon: float,
    lat: float,
    accuracy_m: float,
    ceiling_m: float,
    row: int,
    cause: int,
    at_ms: int,
) -> None:
    """Step the members that the fix takes outside, and revive those inside; exits come out."""
    visitors, members, zones = visitors_of(memory), members_of(memory), zones_of(memory)
    hits = hits_of(memory)
    only, k, end = only_of(memory), first, first + n
    before, m = -1, visitors[visitor]["head"]
    while m >= 0:
        r = members[m]
        zone, state = r["zone"], r["state"]
        if len(only) > 0 and only[zone] == 0:
            before, m = m, r["next"]
            continue
        while k < end and hits[k] < zone:
            k += 1
        if k < end and hits[k] == zone:
            if state != INSIDE and state != ENTERING:
                step_member(memory, m, INSIDE_FIX, row, cause, at_ms)
            before, m = m, r["next"]
            continue
        z = zones[zone]
        given = NEAR_FIX
        need_m = z["margin_m"] + min(max(accuracy_m, 0.0), ceiling_m)
        if state != ENTERING and beyond(memory, zone, lon, lat, need_m):
            given = BEYOND_FIX
            wait = z["exit_confirm_ms"]
            if wait == 0 or (r["since_ms"] != UNSEEN and at_ms - r["since_ms"] >= wait):
                given = BEYOND_CONFIRMED
        after = step_member(memory, m, given, row, cause, at_ms)
        if after == OUTSIDE:
            m = drop_member(memory, m, before)
            continue
        before, m = m, r["next"]


@inlined
def arrive(
    memory: int,
    first: int,
    n: int,
    visitor: int,
    accuracy_m: float,
    row: int,
    cause: int,
    at_ms: int,
) -> None:
    """Begin and confirm visits to the zones that hold the fix; enters come out by zone."""
    visitors, members, zones = visitors_of(memory), members_of(memory), zones_of(memory)
    hits = hits_of(memory)
    only = only_of(memory)
    before, m = -1, visitors[visitor]["head"]
    for k in range(first, first + n):
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
                step_member(memory, m, given, row, cause, at_ms)
            before, m = m, r["next"]
        elif not rough:
            new = add_member(memory, visitor, zone, before)
            given = INSIDE_CONFIRMED if z["confirm_ms"] == 0 else INSIDE_FIX
            step_member(memory, new, given, row, cause, at_ms)
            before = new


@inlined
def settle_dwells(memory: int, visitor: int, row: int, cause: int, at_ms: int) -> None:
    """Fire dwells that came due while stopped, arm those still to come, note the earliest."""
    visitors, members = visitors_of(memory), members_of(memory)
    m = visitors[visitor]["head"]
    while m >= 0:
        r = members[m]
        if r["state"] == INSIDE:
            while r["due_ms"] <= at_ms:
                fire_dwell(memory, m, row, cause, at_ms)
            if r["due_ms"] != NEVER and r["armed"] == 0:
                arm(memory, m)
        m = r["next"]
    sum_up(memory, visitor)


@inlined
def hush(memory: int, visitor: int) -> None:
    """Put a visitor with visits into the silence queue, once."""
    visitors, silence, rules = visitors_of(memory), silence_of(memory), rules_of(memory)
    tally = tally_of(memory)
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
def forget_suspect(memory: int, visitor: int) -> None:
    """Drop the fix that waits, if any."""
    visitors, suspects, tally = visitors_of(memory), suspects_of(memory), tally_of(memory)
    v = visitors[visitor]
    s = v["suspect"]
    if s >= 0:
        suspects[s]["next"] = tally[SUSPECT_FREE]
        tally[SUSPECT_FREE] = s
        v["suspect"] = -1
        v["hold"] &= 0xFF ^ WAITING


@kernel
def reachable(
    memory: int,
    from_ms: int,
    lon0: float,
    lat0: float,
    to_ms: int,
    lon: float,
    lat: float,
    least_m: float,
) -> bool:
    """Return whether two fixes agree: near, or no faster apart than the speed allowed."""
    rules = rules_of(memory)
    seconds = max(abs(to_ms - from_ms) / 1000.0, 1.0)
    allowed_m = max(least_m, rules[0]["teleport_mps"] * seconds)
    return bool(geodesic_m(lon0, lat0, lon, lat) <= allowed_m)


@kernel
def must_wait(memory: int, visitor: int, fix_ms: int, lon: float, lat: float, mock: bool) -> bool:
    """Return whether a fix is suspect; it is kept until a second one agrees or refutes it."""
    visitors, suspects, rules = visitors_of(memory), suspects_of(memory), rules_of(memory)
    tally = tally_of(memory)
    v, r = visitors[visitor], rules[0]
    known = v["fix_ms"] != UNSEEN
    doubt = mock and r["mock_waits"] != 0
    if doubt and v["hold"] & MOCKED:
        doubt = not reachable(
            memory, v["fix_ms"], v["lon"], v["lat"], fix_ms, lon, lat, r["agree_m"]
        )
    if not doubt and known and r["teleport_mps"] > 0:
        doubt = not reachable(memory, v["fix_ms"], v["lon"], v["lat"], fix_ms, lon, lat, 0.0)
    if not doubt:
        return False
    s = v["suspect"]
    if s >= 0:
        w = suspects[s]
        if reachable(memory, w["fix_ms"], w["lon"], w["lat"], fix_ms, lon, lat, r["agree_m"]):
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
    memory: int,
    first: int,
    n: int,
    visitor: int,
    fix_ms: int,
    lon: float,
    lat: float,
    row: int,
    cause: int,
) -> None:
    """Report the zones that lie between a visitor's last fix and this one, both outside."""
    visitors, members, zones = visitors_of(memory), members_of(memory), zones_of(memory)
    rules, tally, rounds = rules_of(memory), tally_of(memory), rounds_of(memory)
    edges, crosses, hits = edges_of(memory), crosses_of(memory), hits_of(memory)
    v = visitors[visitor]
    from_ms, gap_ms = v["fix_ms"], rules[0]["cross_gap_ms"]
    if from_ms == UNSEEN or (gap_ms > 0 and fix_ms - from_ms > gap_ms):
        return
    m, k, end = v["head"], first, first + n
    for zone in crosses:
        while k < end and hits[k] < zone:
            k += 1
        while m >= 0 and members[m]["zone"] < zone:
            m = members[m]["next"]
        if (k < end and hits[k] == zone) or (m >= 0 and members[m]["zone"] == zone):
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
            put_out(memory, row, visitor, zone, KIND_CROSS, cause, at_ms, at_ms, 0, tally[VISITS])
