"""The compiled rest of the tracker: a tick of the clock, an edit of zones."""

from __future__ import annotations

from geofence.cells import locate
from geofence.columns import I32, U8
from geofence.kernels import FLOAT, I32_READ, INT, U8_WRITE, entry, kernel
from geofence.layout import (
    HISTORY,
    NEVER,
    QUEUED,
    ROWS,
    SILENCES,
    STALE,
    STOPPED,
    TIMERS,
    UNSEEN,
)
from geofence.memory import (
    dwells_of,
    members_of,
    only_of,
    out_of,
    rules_of,
    silence_of,
    tally_of,
    timers_of,
    visitors_of,
    zones_of,
)
from geofence.motion import (
    BY_EDIT,
    BY_TIMEOUT,
    BY_TIMER,
    INSIDE,
    LAPSED,
    OUTSIDE,
    REMOVED,
    SILENT,
    arrive,
    depart,
    drop_member,
    fire_dwell,
    hush,
    pop_timer,
    push_timer,
    step_member,
    sum_up,
)
from geofence.stream import room_left


@entry(INT, INT)
def tick_timers(memory: int, now_ms: int) -> bool:
    """Fire dwells due by `now_ms`, by (due, visitor, zone); return False when out of room."""
    visitors, members, timers = visitors_of(memory), members_of(memory), timers_of(memory)
    tally = tally_of(memory)
    while tally[TIMERS] > 0 and timers[0]["due_ms"] <= now_ms:
        if tally[ROWS] + 1 > len(out_of(memory)):
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
        fire_dwell(memory, m, -1, BY_TIMER, due)
        sum_up(memory, r["visitor"])
    return True


@entry(INT, INT)
def tick_silence(memory: int, now_ms: int) -> bool:
    """Make the silent stale and close the lapsed; return False when out of room."""
    visitors, silence, rules = visitors_of(memory), silence_of(memory), rules_of(memory)
    tally = tally_of(memory)
    stale_ms, close_ms = rules[0]["stale_ms"], rules[0]["close_ms"]
    while tally[SILENCES] > 0 and silence[0]["due_ms"] <= now_ms:
        who = silence[0]["visitor"]
        v = visitors[who]
        if tally[ROWS] + v["count"] > len(out_of(memory)):
            return False
        tally[SILENCES] = pop_timer(silence, tally[SILENCES])
        v["hold"] &= 0xFF ^ QUEUED
        if v["count"] == 0:
            continue
        closing = v["hold"] & STALE != 0 or stale_ms == 0
        heard = v["fix_ms"] if v["hold"] & HISTORY and not closing else v["seen_ms"]
        due = heard + (close_ms if closing else stale_ms)
        if due <= now_ms:
            silence_step(memory, who, LAPSED if closing else SILENT)
            due = v["seen_ms"] + close_ms
        if v["count"] > 0 and (close_ms > 0 or not v["hold"] & STALE):
            v["hold"] |= QUEUED
            tally[SILENCES] = push_timer(silence, tally[SILENCES], due, who, 0, 0, 0)
    return True


@kernel
def silence_step(memory: int, visitor: int, given: int) -> None:
    """Step all of a visitor's members by silence."""
    members, v = members_of(memory), visitors_of(memory)[visitor]
    before, m = -1, v["head"]
    while m >= 0:
        after = step_member(memory, m, given, -1, BY_TIMEOUT, v["fix_ms"])
        if after == OUTSIDE:
            m = drop_member(memory, m, before)
        else:
            before, m = m, members[m]["next"]
    v["hold"] |= STALE
    if v["count"] == 0:
        v["hold"] &= 0xFF ^ STALE
    sum_up(memory, visitor)


@entry(INT, I32_READ, U8_WRITE, *[FLOAT] * 4, INT)
def near_edit(
    memory: int, edited: I32, marks: U8, x0: float, y0: float, x1: float, y1: float, now_ms: int
) -> int:
    """Mark the visitors that an edit can concern: in an edited zone, or last seen in the box."""
    visitors, members, zones = visitors_of(memory), members_of(memory), zones_of(memory)
    n = 0
    for k in range(len(edited)):
        m = zones[edited[k]]["members"]
        while m >= 0:
            who = members[m]["visitor"]
            n += 1 - marks[who]
            marks[who] = 1
            m = members[m]["zone_next"]
    stale_ms = rules_of(memory)[0]["stale_ms"]
    for who in range(len(marks)):
        v = visitors[who]
        if (
            (v["lon"] >= x0) & (v["lon"] <= x1) & (v["lat"] >= y0) & (v["lat"] <= y1)
            and v["fix_ms"] != UNSEEN
            and marks[who] == 0
            and (stale_ms == 0 or v["seen_ms"] + stale_ms > now_ms)
            and v["hold"] & HISTORY == 0
        ):
            marks[who] = 1
            n += 1
    return n


@entry(INT, I32_READ, INT, INT)
def reevaluate(memory: int, who: I32, start: int, now_ms: int) -> int:
    """Judge the last fixes of visitors anew, for the zones `only` marks; causes are EDIT."""
    visitors, ceiling_m = visitors_of(memory), rules_of(memory)[0]["exit_accuracy_m"]
    for k in range(start, len(who)):
        v = visitors[who[k]]
        if not room_left(memory, who[k]):
            return k
        if v["hold"] & STALE:
            # A visit gone silent waits for its next fix; an edit revives nobody.
            continue
        n = locate(memory, v["lon"], v["lat"], 0)
        at_ms = max(now_ms, v["fix_ms"])
        depart(
            memory, 0, n, who[k], v["lon"], v["lat"], v["accuracy_m"], ceiling_m, -1, BY_EDIT,
            at_ms,
        )  # fmt: skip
        arrive(memory, 0, n, who[k], v["accuracy_m"], -1, BY_EDIT, at_ms)
        sum_up(memory, who[k])
        hush(memory, who[k])
    return len(who)


@entry(INT, I32_READ, INT, INT, INT)
def leave_zones(memory: int, who: I32, start: int, now_ms: int, cause: int) -> int:
    """End the visits of visitors to the zones `only` marks (all, when empty)."""
    visitors, members, only = visitors_of(memory), members_of(memory), only_of(memory)
    for k in range(start, len(who)):
        v = visitors[who[k]]
        if tally_of(memory)[ROWS] + v["count"] > len(out_of(memory)):
            return k
        before, m = -1, v["head"]
        while m >= 0:
            if len(only) > 0 and only[members[m]["zone"]] == 0:
                before, m = m, members[m]["next"]
                continue
            step_member(memory, m, REMOVED, -1, cause, max(now_ms, v["fix_ms"]))
            m = drop_member(memory, m, before)
        sum_up(memory, who[k])
    return len(who)


@entry(INT, INT, INT)
def set_dwells(memory: int, zone: int, now_ms: int) -> bool:
    """Point the visits to a zone at its new dwells; those whose instant is past stay silent.

    Returns False, having done nothing, when the timer queue may not hold them.
    """
    members, zones, timers = members_of(memory), zones_of(memory), timers_of(memory)
    dwells, tally = dwells_of(memory), tally_of(memory)
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
            past_ms = max(now_ms, visitors_of(memory)[r["visitor"]]["fix_ms"])
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
            sum_up(memory, r["visitor"])
        m = r["zone_next"]
    return True
