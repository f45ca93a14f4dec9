"""The compiled loops of the tracker: a batch of fixes, a tick of the clock, an edit of zones."""

from __future__ import annotations

import numpy as np

from geofence import layout, limits
from geofence.cells import (
    BLOCK,
    RECORD,
    ROOT_COLUMNS,
    SINGLE,
    UNITS_PER_DEGREE,
    collect_sorted,
    locate,
)
from geofence.columns import F32, F64, I32, I64, U8
from geofence.kernels import borrowed, inlined, kernel
from geofence.layout import (
    HISTORY,
    MEMBER_END,
    MOCKED,
    NEVER,
    QUEUED,
    ROWS,
    SILENCES,
    STALE,
    STOPPED,
    SUSPECT_END,
    TIMERS,
    UNSEEN,
    WAITING,
)
from geofence.motion import (
    ACCEPTED,
    BACKLOG,
    BY_BACKLOG,
    BY_EDIT,
    BY_FIX,
    BY_TIMEOUT,
    BY_TIMER,
    DUPLICATE,
    FUTURE,
    INSIDE,
    LAPSED,
    LATE,
    MOCK,
    OUTSIDE,
    REMOVED,
    SILENT,
    SUSPECT,
    TOO_OLD,
    Records,
    arrive,
    depart,
    drop_member,
    earliest_due,
    fire_due,
    fire_dwell,
    forget_suspect,
    hush,
    must_wait,
    pop_timer,
    push_timer,
    remember,
    report_crosses,
    seen_before,
    settle_dwells,
    step_member,
)

OVERLAP = limits.OVERLAP_MAX
RING = limits.RECENT_FIXES
LOUD = 0xFF ^ QUEUED
DWELLS = layout.DWELLS


@kernel
def invalid_row(visitor: I32, lon: F64, lat: F64, visitors: int) -> int:
    """Return the first row whose visitor or position cannot be, or -1."""
    for i in range(len(visitor)):
        # Written so that NaN fails.
        if not (
            0 <= visitor[i] < visitors and -180.0 <= lon[i] <= 180.0 and -90.0 <= lat[i] <= 90.0
        ):
            return i
    return -1


@inlined
def unchanged(members: Records, head: int, hits: I32, n: int) -> bool:
    """Return whether a visitor is INSIDE exactly the zones hits[:n]."""
    for k in range(n):
        if head < 0 or members[head]["zone"] != hits[k] or members[head]["state"] != INSIDE:
            return False
        head = members[head]["next"]
    return head < 0


@inlined
def rows_needed(count: int, dwells_max: int) -> int:
    """Return the rows that one fix of a visitor with `count` members can put out at most."""
    return (count + OVERLAP) * (2 + dwells_max)


@inlined
def accept(
    visitors: Records, rings: Records, visitor: int, fix_ms: int, lon: float, lat: float,
    accuracy_m: float, speed_mps: float, now_ms: int,
) -> None:  # fmt: skip
    """Make a fix the visitor's newest."""
    v = visitors[visitor]
    v["fix_ms"], v["seen_ms"], v["lon"], v["lat"] = fix_ms, now_ms, lon, lat
    v["accuracy_m"], v["speed_mps"] = accuracy_m, speed_mps
    remember(visitors, rings, visitor, fix_ms)


@inlined
def judge(
    visitors: Records, rings: Records, rules: Records, visitor: int, fix_ms: int, now_ms: int
) -> int:
    """Return the status of a fix; suspect, late and known ones are noted, nothing moves."""
    v, r = visitors[visitor], rules[0]
    if r["future_ms_max"] > 0 and fix_ms - now_ms > r["future_ms_max"]:
        return FUTURE
    if r["age_ms_max"] > 0 and now_ms - fix_ms > r["age_ms_max"]:
        return TOO_OLD
    late = fix_ms <= v["fix_ms"]
    if late or v["hold"] & WAITING:
        if fix_ms == v["fix_ms"] or seen_before(rings, visitor, fix_ms):
            return DUPLICATE
        if late:
            remember(visitors, rings, visitor, fix_ms)
            return LATE
    return ACCEPTED


@inlined
def move(
    visitors: Records, members: Records, zones: Records, rounds: F64, edges: F64, boxes: F64,
    dwells: I32, timers: Records, suspects: Records, rules: Records,
    out: Records, tally: I64, nothing: U8, crosses: I32, hits: I32, n: int, visitor: int,
    fix_ms: int, lon: float, lat: float, accuracy_m: float, flags: int, row: int,
) -> None:  # fmt: skip
    """Apply an accepted fix: timers due before it, exits, enters, dwells held back."""
    v = visitors[visitor]
    history = flags & BACKLOG != 0
    if v["hold"] & STOPPED == 0 and v["due_ms"] <= fix_ms:
        cause = BY_BACKLOG if history or v["hold"] & HISTORY else BY_TIMER
        fire_due(visitors, members, zones, dwells, timers, out, tally, visitor, fix_ms, cause)
    forget_suspect(visitors, suspects, tally, visitor)
    v["hold"] &= QUEUED
    v["hold"] |= (HISTORY if history else 0) | (MOCKED if flags & MOCK else 0)
    cause = BY_BACKLOG if history else BY_FIX
    if len(crosses) > 0:
        report_crosses(
            visitors, members, zones, rounds, edges, rules, out, tally, crosses, hits, n, visitor,
            fix_ms, lon, lat, row, cause,
        )  # fmt: skip
    depart(
        visitors, members, zones, rounds, edges, boxes, dwells, timers, out, tally, nothing, hits,
        n, visitor, lon, lat, accuracy_m, rules[0]["exit_accuracy_m"], row, cause, fix_ms,
    )  # fmt: skip
    arrive(
        visitors, members, zones, dwells, timers, out, tally, nothing, hits, n, visitor,
        accuracy_m, row, cause, fix_ms,
    )  # fmt: skip
    settle_dwells(visitors, members, zones, dwells, timers, out, tally, visitor, row, cause, fix_ms)


@kernel
def look_up(
    visitor: I32, lon: F64, lat: F64, start: int, end: int, nodes: I32, words: I64,
    visitors: Records, spots: I32,
) -> int:  # fmt: skip
    """Find the cell values of rows start..end: 0 nothing, -1 several lists, else the value.

    A loop of its own, so that the memory it waits for is fetched for many rows at once; what it
    returns only keeps those loads from being dropped.
    """
    touched = 0
    for i in range(start, end):
        x = lon[i] if lon[i] < 180.0 else lon[i] - 360.0
        u = int((x + 180.0) * UNITS_PER_DEGREE)
        v = min(int((lat[i] + 90.0) * UNITS_PER_DEGREE), (1 << 31) - 1)
        value = int(nodes[(v >> 21) * ROOT_COLUMNS + (u >> 21)])
        covers = 0
        if value & 3 == BLOCK:
            block = (value >> 2) * 4
            covers = int(nodes[block])
            value = int(nodes[block + 4 + (((v >> 17) & 15) << 4) + ((u >> 17) & 15)])
            if value & 3 == BLOCK:
                block = (value >> 2) * 4
                covers |= int(nodes[block])
                value = int(nodes[block + 4 + (((v >> 13) & 15) << 4) + ((u >> 13) & 15)])
                shift = 11
                while value & 3 == BLOCK:
                    block = (value >> 2) * 4
                    covers |= int(nodes[block])
                    value = int(nodes[block + 4 + (((v >> shift) & 3) << 2) + ((u >> shift) & 3)])
                    shift -= 2
        if covers != 0:
            value = -1
        elif value & 3 == RECORD:
            touched ^= int(words[(value >> 2) * 4])
        touched ^= int(visitors[visitor[i]]["head"])
        spots[i - start] = value
    return touched


@inlined
def quiet(v: Records, t: int, x: float, y: float, flags: int, rules: Records) -> bool:
    """Return whether nothing but the position can make this fix matter."""
    if t <= v["fix_ms"] or v["due_ms"] <= t or flags != 0 or v["hold"] & LOUD != 0:
        return False
    if rules["teleport_mps"] == 0.0:
        return True
    # Longer than the distance everywhere on the Earth; what fails this is measured.
    far_m = abs(x - v["lon"]) * 111_330.0 + abs(y - v["lat"]) * 111_700.0
    return bool(far_m * 1000.0 <= rules["teleport_mps"] * max(t - v["fix_ms"], 1000))


@kernel
def observe_rows(
    visitor: I32, fix_ms: I64, lon: F64, lat: F64, accuracy_m: F32, speed_mps: F32, flags: U8,
    status: U8, now_ms: int, start: int,
    visitors: Records, rings: Records, members: Records, suspects: Records, zones: Records,
    dwells: I32, timers: Records, silence: Records, rules: Records, out: Records, tally: I64,
    nodes: I32, words: I64, floats: F64, rounds: F64, edges: F64, boxes: F64,
    hits: I32, nothing: U8, dwells_max: int, crosses: I32, spots: I32,
) -> int:  # fmt: skip
    """Do what `observe` does, on arrays that nobody counts."""
    r = rules[0]
    latest = now_ms + r["future_ms_max"] if r["future_ms_max"] > 0 else NEVER
    oldest = now_ms - r["age_ms_max"] if r["age_ms_max"] > 0 else UNSEEN
    step, calm = len(spots) - 1, len(crosses) == 0
    for chunk in range(start, len(visitor), step):
        end = min(chunk + step, len(visitor))
        spots[step] = look_up(visitor, lon, lat, chunk, end, nodes, words, visitors, spots) & 1
        for i in range(chunk, end):
            who, t = visitor[i], fix_ms[i]
            v = visitors[who]
            x, y = lon[i] if lon[i] < 180.0 else lon[i] - 360.0, lat[i]
            value, n = spots[i - chunk], -1
            if calm and t <= latest and t >= oldest and quiet(v, t, x, y, flags[i], r):
                head = v["head"]
                if value == 0:
                    n, same = 0, head < 0
                elif value > 0 and value & 3 == SINGLE:
                    n, hits[0] = 1, value >> 2
                    same = (
                        head >= 0
                        and members[head]["zone"] == value >> 2
                        and members[head]["state"] == INSIDE
                        and members[head]["next"] < 0
                    )
                else:
                    if value < 0:
                        n = locate(nodes, words, floats, rounds, x, y, hits)
                    else:
                        n = collect_sorted(words, floats, rounds, value, x, y, hits)
                    same = unchanged(members, head, hits, n)
                if same:
                    status[i] = ACCEPTED
                    v["fix_ms"], v["seen_ms"], v["lon"], v["lat"] = t, now_ms, x, y
                    v["accuracy_m"], v["speed_mps"] = accuracy_m[i], speed_mps[i]
                    at = v["ring_at"]
                    rings[who, at] = np.uint32(t & 0xFFFFFFFF)
                    v["ring_at"] = (at + 1) & (RING - 1)
                    continue
            if not observe_one(
                who, t, x, y, accuracy_m[i], speed_mps[i], flags[i], status, i, now_ms,
                visitors, rings, members, suspects, zones, dwells, timers, silence, rules, out,
                tally, nodes, words, floats, rounds, edges, boxes, hits, nothing, dwells_max,
                crosses, n,
            ):  # fmt: skip
                return i
    return len(visitor)


@kernel
def observe(
    visitor: I32, fix_ms: I64, lon: F64, lat: F64, accuracy_m: F32, speed_mps: F32, flags: U8,
    status: U8, now_ms: int, start: int,
    visitors: Records, rings: Records, members: Records, suspects: Records, zones: Records,
    dwells: I32, timers: Records, silence: Records, rules: Records, out: Records, tally: I64,
    nodes: I32, words: I64, floats: F64, rounds: F64, edges: F64, boxes: F64,
    hits: I32, nothing: U8, dwells_max: int, crosses: I32, spots: I32,
) -> int:  # fmt: skip
    """Apply fixes from row `start` on; return the row at which room ran out, or the end."""
    return observe_rows(
        borrowed(visitor), borrowed(fix_ms), borrowed(lon), borrowed(lat),
        borrowed(accuracy_m), borrowed(speed_mps), borrowed(flags), borrowed(status),
        now_ms, start, borrowed(visitors), borrowed(rings), borrowed(members),
        borrowed(suspects), borrowed(zones), borrowed(dwells), borrowed(timers),
        borrowed(silence), borrowed(rules), borrowed(out), borrowed(tally), borrowed(nodes),
        borrowed(words), borrowed(floats), borrowed(rounds), borrowed(edges),
        borrowed(boxes), borrowed(hits), borrowed(nothing), dwells_max, borrowed(crosses),
        borrowed(spots),
    )  # fmt: skip


@kernel
def observe_one(
    who: int, t: int, x: float, y: float, accuracy_m: float, speed_mps: float, flags: int,
    status: U8, i: int, now_ms: int,
    visitors: Records, rings: Records, members: Records, suspects: Records, zones: Records,
    dwells: I32, timers: Records, silence: Records, rules: Records, out: Records, tally: I64,
    nodes: I32, words: I64, floats: F64, rounds: F64, edges: F64, boxes: F64,
    hits: I32, nothing: U8, dwells_max: int, crosses: I32, known: int,
) -> bool:  # fmt: skip
    """Apply one fix, whatever it is; return False, having done nothing, when out of room.

    known: the number of `hits` when they have been found, else -1.
    """
    v = visitors[who]
    if (
        tally[ROWS] + rows_needed(v["count"], dwells_max) + len(crosses) > len(out)
        or tally[MEMBER_END] + OVERLAP > len(members)
        or tally[TIMERS] + (v["count"] + OVERLAP) * (1 + dwells_max) + 1 > len(timers)
        or tally[SILENCES] + 2 > len(silence)
        or tally[SUSPECT_END] + 1 > len(suspects)
    ):
        return False
    mock = flags & MOCK != 0
    verdict = judge(visitors, rings, rules, who, t, now_ms)
    if verdict == ACCEPTED and must_wait(visitors, suspects, rules, tally, who, t, x, y, mock):
        verdict = SUSPECT
        # Up to the suspect fix nothing spoke against the visits, so their timers hold.
        if v["due_ms"] <= t:
            before_suspect(visitors, members, zones, dwells, timers, out, tally, who, t)
        remember(visitors, rings, who, t)
        v["seen_ms"] = now_ms
    status[i] = verdict
    if verdict != ACCEPTED:
        return True
    n = known if known >= 0 else locate(nodes, words, floats, rounds, x, y, hits)
    move(
        visitors, members, zones, rounds, edges, boxes, dwells, timers, suspects,
        rules, out, tally, nothing, crosses, hits, n, who, t, x, y, accuracy_m, flags, i,
    )  # fmt: skip
    accept(visitors, rings, who, t, x, y, accuracy_m, speed_mps, now_ms)
    hush(visitors, silence, rules, tally, who)
    return True


@kernel
def before_suspect(
    visitors: Records, members: Records, zones: Records, dwells: I32, timers: Records,
    out: Records, tally: I64, visitor: int, fix_ms: int,
) -> None:  # fmt: skip
    """Fire the dwells due before a fix that becomes the first to wait."""
    v = visitors[visitor]
    if v["hold"] & STALE:
        return
    cause = BY_BACKLOG if v["hold"] & HISTORY else BY_TIMER
    fire_due(visitors, members, zones, dwells, timers, out, tally, visitor, fix_ms, cause)
    v["due_ms"] = earliest_due(members, v["head"])


@kernel
def tick_timers(
    now_ms: int, visitors: Records, members: Records, zones: Records, dwells: I32,
    timers: Records, out: Records, tally: I64,
) -> bool:  # fmt: skip
    """Fire dwells due by `now_ms`, by (due, visitor, zone); return False when out of room."""
    while tally[TIMERS] > 0 and timers[0]["due_ms"] <= now_ms:
        if tally[ROWS] + 1 > len(out):
            return False
        t = timers[0]
        m, visit, due = t["member"], t["visit"], t["due_ms"]
        r = members[m]
        tally[TIMERS] = pop_timer(timers, tally[TIMERS])
        if r["visit"] != visit or r["due_ms"] != due or r["armed"] == 0:
            continue
        v = visitors[r["visitor"]]
        if r["state"] != INSIDE or v["hold"] & (STOPPED | HISTORY):
            r["armed"] = 0
            continue
        fire_dwell(members, zones, dwells, timers, out, tally, m, -1, BY_TIMER, due)
        v["due_ms"] = earliest_due(members, v["head"])
    return True


@kernel
def tick_silence(
    now_ms: int, visitors: Records, members: Records, zones: Records, dwells: I32,
    timers: Records, silence: Records, rules: Records, out: Records, tally: I64,
) -> bool:  # fmt: skip
    """Make the silent stale and close the lapsed; return False when out of room."""
    stale_ms, close_ms = rules[0]["stale_ms"], rules[0]["close_ms"]
    while tally[SILENCES] > 0 and silence[0]["due_ms"] <= now_ms:
        who = silence[0]["visitor"]
        v = visitors[who]
        if tally[ROWS] + v["count"] > len(out):
            return False
        tally[SILENCES] = pop_timer(silence, tally[SILENCES])
        v["hold"] &= 0xFF ^ QUEUED
        if v["count"] == 0:
            continue
        closing = v["hold"] & STALE != 0 or stale_ms == 0
        heard = v["fix_ms"] if v["hold"] & HISTORY and not closing else v["seen_ms"]
        due = heard + (close_ms if closing else stale_ms)
        if due <= now_ms:
            silence_step(
                visitors, members, zones, dwells, timers, out, tally, who,
                LAPSED if closing else SILENT,
            )  # fmt: skip
            due = v["seen_ms"] + close_ms
        if v["count"] > 0 and (close_ms > 0 or not v["hold"] & STALE):
            v["hold"] |= QUEUED
            tally[SILENCES] = push_timer(silence, tally[SILENCES], due, who, 0, 0, 0)
    return True


@kernel
def silence_step(
    visitors: Records, members: Records, zones: Records, dwells: I32, timers: Records,
    out: Records, tally: I64, visitor: int, given: int,
) -> None:  # fmt: skip
    """Step all of a visitor's members by silence."""
    v = visitors[visitor]
    before, m = -1, v["head"]
    while m >= 0:
        after = step_member(
            members, zones, dwells, timers, out, tally, m, given, -1, BY_TIMEOUT, v["fix_ms"]
        )
        if after == OUTSIDE:
            m = drop_member(visitors, members, zones, tally, m, before)
        else:
            before, m = m, members[m]["next"]
    v["hold"] |= STALE
    if v["count"] == 0:
        v["hold"] &= 0xFF ^ STALE
    v["due_ms"] = earliest_due(members, v["head"])


@kernel
def near_edit(
    visitors: Records, members: Records, zones: Records, edited: I32, marks: U8,
    x0: float, y0: float, x1: float, y1: float, round_: bool, rules: Records, now_ms: int,
) -> int:  # fmt: skip
    """Mark the visitors that an edit can concern: in an edited zone, or last seen in the box."""
    n = 0
    for k in range(len(edited)):
        m = zones[edited[k]]["members"]
        while m >= 0:
            who = members[m]["visitor"]
            n += 1 - marks[who]
            marks[who] = 1
            m = members[m]["zone_next"]
    stale_ms = rules[0]["stale_ms"]
    for who in range(len(visitors)):
        v = visitors[who]
        if (
            v["fix_ms"] != UNSEEN
            and (round_ or x0 <= v["lon"] <= x1)
            and y0 <= v["lat"] <= y1
            and marks[who] == 0
            and (stale_ms == 0 or v["seen_ms"] + stale_ms > now_ms)
            and v["hold"] & HISTORY == 0
        ):
            marks[who] = 1
            n += 1
    return n


@kernel
def reevaluate(
    who: I32, start: int, now_ms: int, only: U8,
    visitors: Records, members: Records, zones: Records, dwells: I32, timers: Records,
    silence: Records, rules: Records, out: Records, tally: I64,
    nodes: I32, words: I64, floats: F64, rounds: F64, edges: F64, boxes: F64, hits: I32,
    dwells_max: int,
) -> int:  # fmt: skip
    """Judge the last fixes of visitors anew, for the zones `only` marks; causes are EDIT."""
    for k in range(start, len(who)):
        v = visitors[who[k]]
        if (
            tally[ROWS] + rows_needed(v["count"], dwells_max) > len(out)
            or tally[MEMBER_END] + OVERLAP > len(members)
            or tally[TIMERS] + (v["count"] + OVERLAP) * (1 + dwells_max) + 1 > len(timers)
            or tally[SILENCES] + 2 > len(silence)
        ):
            return k
        n = locate(nodes, words, floats, rounds, v["lon"], v["lat"], hits)
        at_ms = max(now_ms, v["fix_ms"])
        stopped = v["hold"] & STALE != 0
        if stopped:
            # A visit gone silent waits for its next fix; an edit revives nobody.
            continue
        depart(
            visitors, members, zones, rounds, edges, boxes, dwells, timers, out, tally, only,
            hits, n, who[k], v["lon"], v["lat"], v["accuracy_m"], rules[0]["exit_accuracy_m"],
            -1, BY_EDIT, at_ms,
        )  # fmt: skip
        arrive(
            visitors, members, zones, dwells, timers, out, tally, only, hits, n, who[k],
            v["accuracy_m"], -1, BY_EDIT, at_ms,
        )  # fmt: skip
        v["due_ms"] = earliest_due(members, v["head"])
        hush(visitors, silence, rules, tally, who[k])
    return len(who)


@kernel
def leave_zones(
    who: I32, start: int, now_ms: int, only: U8,
    visitors: Records, members: Records, zones: Records, dwells: I32, timers: Records,
    out: Records, tally: I64, cause: int,
) -> int:  # fmt: skip
    """End the visits of visitors to the zones `only` marks (all, when empty)."""
    for k in range(start, len(who)):
        v = visitors[who[k]]
        if tally[ROWS] + v["count"] > len(out):
            return k
        before, m = -1, v["head"]
        while m >= 0:
            if len(only) > 0 and only[members[m]["zone"]] == 0:
                before, m = m, members[m]["next"]
                continue
            at_ms = max(now_ms, v["fix_ms"])
            step_member(members, zones, dwells, timers, out, tally, m, REMOVED, -1, cause, at_ms)
            m = drop_member(visitors, members, zones, tally, m, before)
        v["due_ms"] = earliest_due(members, v["head"])
    return len(who)


@kernel
def set_dwells(
    zone: int, now_ms: int, visitors: Records, members: Records, zones: Records, dwells: I32,
    timers: Records, tally: I64,
) -> bool:  # fmt: skip
    """Point the visits to a zone at its new dwells; those whose instant is past stay silent.

    Returns False, having done nothing, when the timer queue may not hold them.
    """
    m, count = zones[zone]["members"], 1
    while m >= 0:
        count += 1
        m = members[m]["zone_next"]
    if tally[TIMERS] + count > len(timers):
        return False
    m = zones[zone]["members"]
    while m >= 0:
        r = members[m]
        if r["visit"] > 0:
            # A phone's clock may be ahead of the engine's: what its fixes passed has been told.
            past_ms = max(now_ms, visitors[r["visitor"]]["fix_ms"])
            step = 0
            while step < zones[zone]["dwells"] and r["enter_ms"] + dwells[zone, step] <= past_ms:
                step += 1
            r["step"], r["armed"], r["due_ms"] = step, 0, NEVER
            if step < zones[zone]["dwells"]:
                r["due_ms"] = r["enter_ms"] + dwells[zone, step]
                r["armed"] = 1
                tally[TIMERS] = push_timer(
                    timers, tally[TIMERS], r["due_ms"], r["visitor"], zone, m, r["visit"]
                )
            v = visitors[r["visitor"]]
            v["due_ms"] = earliest_due(members, v["head"])
        m = r["zone_next"]
    return True
