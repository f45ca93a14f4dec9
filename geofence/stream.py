"""The compiled loops of the tracker: a batch of fixes, a tick of the clock, an edit of zones."""

from __future__ import annotations

from geofence import layout, limits
from geofence.cells import locate
from geofence.columns import F32, F64, I32, I64, U8
from geofence.kernels import kernel
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
    seen_before,
    settle_dwells,
    step_member,
)

OVERLAP = limits.OVERLAP_MAX
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


@kernel
def unchanged(members: Records, head: int, hits: I32, n: int) -> bool:
    """Return whether a visitor is INSIDE exactly the zones hits[:n]."""
    for k in range(n):
        if head < 0 or members[head]["zone"] != hits[k] or members[head]["state"] != INSIDE:
            return False
        head = members[head]["next"]
    return head < 0


@kernel
def rows_needed(count: int, dwells_max: int) -> int:
    """Return the rows that one fix of a visitor with `count` members can put out at most."""
    return (count + OVERLAP) * (2 + dwells_max)


@kernel
def accept(
    visitors: Records, rings: Records, visitor: int, fix_ms: int, lon: float, lat: float,
    accuracy_m: float, speed_mps: float, now_ms: int,
) -> None:  # fmt: skip
    """Make a fix the visitor's newest."""
    v = visitors[visitor]
    v["fix_ms"], v["seen_ms"], v["lon"], v["lat"] = fix_ms, now_ms, lon, lat
    v["accuracy_m"], v["speed_mps"] = accuracy_m, speed_mps
    remember(visitors, rings, visitor, fix_ms)


@kernel
def judge(
    visitors: Records, rings: Records, suspects: Records, rules: Records, tally: I64,
    visitor: int, fix_ms: int, lon: float, lat: float, mock: bool, now_ms: int,
) -> int:  # fmt: skip
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


@kernel
def move(
    visitors: Records, members: Records, zones: Records, rounds: F64, edges: F64, boxes: F64,
    dwells: I32, timers: Records, silence: Records, suspects: Records, rules: Records,
    out: Records, tally: I64, nothing: U8, hits: I32, n: int, visitor: int, fix_ms: int,
    lon: float, lat: float, accuracy_m: float, flags: int, row: int,
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
def observe(
    visitor: I32, fix_ms: I64, lon: F64, lat: F64, accuracy_m: F32, speed_mps: F32, flags: U8,
    status: U8, now_ms: int, start: int,
    visitors: Records, rings: Records, members: Records, suspects: Records, zones: Records,
    dwells: I32, timers: Records, silence: Records, rules: Records, out: Records, tally: I64,
    nodes: I32, words: I64, floats: F64, rounds: F64, edges: F64, boxes: F64,
    hits: I32, nothing: U8, dwells_max: int, crosses: I32,
) -> int:  # fmt: skip
    """Apply fixes from row `start` on; return the row at which room ran out, or the end."""
    r = rules[0]
    for i in range(start, len(visitor)):
        who, t = visitor[i], fix_ms[i]
        v = visitors[who]
        if (
            tally[ROWS] + rows_needed(v["count"], dwells_max) + len(crosses) > len(out)
            or tally[MEMBER_END] + OVERLAP > len(members)
            or tally[TIMERS] + (v["count"] + OVERLAP) * (1 + dwells_max) + 1 > len(timers)
            or tally[SILENCES] + 2 > len(silence)
            or tally[SUSPECT_END] + 1 > len(suspects)
        ):
            return i
        x = lon[i] if lon[i] < 180.0 else lon[i] - 360.0
        y = lat[i]
        verdict = judge(
            visitors, rings, suspects, rules, tally, who, t, x, y, flags[i] & MOCK != 0, now_ms
        )
        if verdict == ACCEPTED and must_wait(
            visitors, suspects, rules, tally, who, t, x, y, flags[i] & MOCK != 0
        ):
            verdict = SUSPECT
        status[i] = verdict
        if verdict == SUSPECT:
            # Up to the suspect fix nothing spoke against the visits, so their timers hold.
            if v["suspect"] >= 0 and v["due_ms"] <= t:
                before_suspect(visitors, members, zones, dwells, timers, out, tally, who, t)
            remember(visitors, rings, who, t)
            v["seen_ms"] = now_ms
        if verdict != ACCEPTED:
            continue
        n = locate(nodes, words, floats, rounds, x, y, hits)
        if (
            v["hold"] & (0xFF ^ QUEUED) == 0
            and flags[i] == 0
            and v["due_ms"] > t
            and unchanged(members, v["head"], hits, n)
        ):
            accept(visitors, rings, who, t, x, y, accuracy_m[i], speed_mps[i], now_ms)
            continue
        move(
            visitors, members, zones, rounds, edges, boxes, dwells, timers, silence, suspects,
            rules, out, tally, nothing, hits, n, who, t, x, y, accuracy_m[i], flags[i], i,
        )  # fmt: skip
        accept(visitors, rings, who, t, x, y, accuracy_m[i], speed_mps[i], now_ms)
        hush(visitors, silence, rules, tally, who)
    return len(visitor)


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
    visitors: Records, members: Records, zones: Records, only: U8, edited: I32, marks: U8,
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
            step = 0
            while step < zones[zone]["dwells"] and r["enter_ms"] + dwells[zone, step] <= now_ms:
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
