"""The compiled loop of the tracker: a batch of fixes."""

from __future__ import annotations

from geofence import limits
from geofence.cells import SEVERAL, longitude, look_up
from geofence.columns import F32, F64, I32, I64, U8
from geofence.kernels import (
    F32_READ,
    F64_READ,
    I32_READ,
    I64_READ,
    INT,
    U8_READ,
    U8_WRITE,
    borrowed,
    entry,
    inlined,
    kernel,
)
from geofence.layout import (
    DWELLS_MAX,
    HISTORY,
    MEMBER_END,
    MOCKED,
    NEVER,
    NONE,
    OTHERS,
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
from geofence.memory import (
    Records,
    crosses_of,
    hits_of,
    members_of,
    out_of,
    rings_of,
    rules_of,
    silence_of,
    spots_of,
    suspects_of,
    tally_of,
    timers_of,
    visitors_of,
)
from geofence.motion import (
    ACCEPTED,
    BACKLOG,
    BY_BACKLOG,
    BY_FIX,
    BY_TIMER,
    DUPLICATE,
    FUTURE,
    INSIDE,
    LATE,
    MOCK,
    SUSPECT,
    TOO_OLD,
    arrive,
    depart,
    fire_due,
    forget_suspect,
    hush,
    must_wait,
    remember,
    report_crosses,
    seen_before,
    settle_dwells,
    sum_up,
)

OVERLAP = limits.OVERLAP_MAX
RING = limits.RECENT_FIXES
LOUD = 0xFF ^ QUEUED

# What `observe` returns instead of a row: columns of different lengths; or -1 - the bad row.
UNEVEN = -(1 << 62)
FULL = -1  # instead of a status: no room


@kernel
def invalid_row(visitor: I32, lon: F64, lat: F64, visitors: int) -> int:
    """Return the first row whose visitor or position cannot be, or -1."""
    good = True
    for i in range(len(visitor)):
        # Written so that NaN fails, and without a branch.
        good &= (visitor[i] >= 0) & (visitor[i] < visitors)
        good &= (abs(lon[i]) <= 180.0) & (abs(lat[i]) <= 90.0)
    if good:
        return -1
    for i in range(len(visitor)):
        if not (0 <= visitor[i] < visitors and abs(lon[i]) <= 180.0 and abs(lat[i]) <= 90.0):
            return i
    return -1


@inlined
def unchanged(memory: int, head: int, first: int, n: int) -> bool:
    """Return whether a visitor is INSIDE exactly the zones of hits[first : first + n]."""
    members, hits = members_of(memory), hits_of(memory)
    for k in range(first, first + n):
        if head < 0 or members[head]["zone"] != hits[k] or members[head]["state"] != INSIDE:
            return False
        head = members[head]["next"]
    return head < 0


@inlined
def room_left(memory: int, visitor: int) -> bool:
    """Return whether all that one fix of a visitor can bring about has room."""
    tally, count = tally_of(memory), visitors_of(memory)[visitor]["count"] + OVERLAP
    dwells = tally[DWELLS_MAX]
    rows = count * (2 + dwells) + len(crosses_of(memory))
    return bool(
        (tally[ROWS] + rows <= len(out_of(memory)))
        & (tally[MEMBER_END] + OVERLAP <= len(members_of(memory)))
        & (tally[TIMERS] + count * (1 + dwells) + 1 <= len(timers_of(memory)))
        & (tally[SILENCES] + 2 <= len(silence_of(memory)))
        & (tally[SUSPECT_END] + 1 <= len(suspects_of(memory)))
    )


@inlined
def judge(memory: int, visitor: int, fix_ms: int, now_ms: int) -> int:
    """Return the status of a fix; suspect, late and known ones are noted, nothing moves."""
    visitors, rings, r = visitors_of(memory), rings_of(memory), rules_of(memory)[0]
    v = visitors[visitor]
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
    memory: int, first: int, n: int, visitor: int, fix_ms: int, lon: float, lat: float,
    accuracy_m: float, flags: int, row: int,
) -> None:  # fmt: skip
    """Apply an accepted fix: timers due before it, exits, enters, dwells held back."""
    v = visitors_of(memory)[visitor]
    history = flags & BACKLOG != 0
    if v["hold"] & STOPPED == 0 and v["due_ms"] <= fix_ms:
        cause = BY_BACKLOG if history or v["hold"] & HISTORY else BY_TIMER
        fire_due(memory, visitor, fix_ms, cause)
    forget_suspect(memory, visitor)
    v["hold"] &= QUEUED
    v["hold"] |= (HISTORY if history else 0) | (MOCKED if flags & MOCK else 0)
    cause = BY_BACKLOG if history else BY_FIX
    if len(crosses_of(memory)) > 0:
        report_crosses(memory, first, n, visitor, fix_ms, lon, lat, row, cause)
    ceiling_m = rules_of(memory)[0]["exit_accuracy_m"]
    depart(memory, first, n, visitor, lon, lat, accuracy_m, ceiling_m, row, cause, fix_ms)
    arrive(memory, first, n, visitor, accuracy_m, row, cause, fix_ms)
    settle_dwells(memory, visitor, row, cause, fix_ms)


@inlined
def quiet(v: Records, t: int, x: float, y: float, flags: int, rules: Records) -> bool:
    """Return whether nothing but the position can make this fix matter."""
    if (t <= v["fix_ms"]) | (v["due_ms"] <= t) | (flags != 0) | (v["hold"] & LOUD != 0):
        return False
    if rules["teleport_mps"] == 0.0:
        return True
    # Longer than the distance everywhere on the Earth; what fails this is measured.
    far_m = abs(x - v["lon"]) * 111_330.0 + abs(y - v["lat"]) * 111_700.0
    return bool(far_m * 1000.0 <= rules["teleport_mps"] * max(t - v["fix_ms"], 1000))


@kernel
def observe_rows(
    memory: int, visitor: I32, fix_ms: I64, lon: F64, lat: F64, accuracy_m: F32, speed_mps: F32,
    flags: U8, status: U8, now_ms: int, start: int,
) -> int:  # fmt: skip
    """Do what `observe` does, on arrays that nobody counts."""
    visitors, rings, r = visitors_of(memory), rings_of(memory), rules_of(memory)[0]
    spots, hits = spots_of(memory), hits_of(memory)
    latest = now_ms + r["future_ms_max"] if r["future_ms_max"] > 0 else NEVER
    oldest = now_ms - r["age_ms_max"] if r["age_ms_max"] > 0 else UNSEEN
    step, calm = len(spots), len(crosses_of(memory)) == 0
    done = start
    while done < len(visitor):
        base = done
        done = look_up(memory, visitor, lon, lat, base, min(base + step, len(visitor)))
        for i in range(base, done):
            who, t, x, y = visitor[i], fix_ms[i], longitude(lon[i]), lat[i]
            v = visitors[who]
            spot = spots[i - base]
            if calm & (t <= latest) & (t >= oldest) and quiet(v, t, x, y, flags[i], r):
                same = spot == v["only"]
                if spot <= SEVERAL and v["only"] == OTHERS:
                    same = unchanged(memory, v["head"], SEVERAL - spot + 1, hits[SEVERAL - spot])
                if same:
                    status[i] = ACCEPTED
                    v["fix_ms"], v["seen_ms"], v["lon"], v["lat"] = t, now_ms, x, y
                    v["accuracy_m"], v["speed_mps"] = accuracy_m[i], speed_mps[i]
                    remember(visitors, rings, who, t)
                    continue
            first, n = SEVERAL - spot + 1, 1
            if spot > SEVERAL:
                # One place more than look_up uses.
                first, n = len(hits) - 1, 0 if spot == NONE else 1
                hits[first] = spot
            else:
                n = hits[first - 1]
            verdict = observe_one(
                memory, who, t, x, y, accuracy_m[i], speed_mps[i], flags[i], i, now_ms, first, n
            )
            if verdict == FULL:
                return i
            status[i] = verdict
    return done


@entry(
    INT,
    I32_READ,
    I64_READ,
    F64_READ,
    F64_READ,
    F32_READ,
    F32_READ,
    U8_READ,
    U8_WRITE,
    INT,
    INT,
    INT,
)
def observe(
    memory: int, visitor: I32, fix_ms: I64, lon: F64, lat: F64, accuracy_m: F32, speed_mps: F32,
    flags: U8, status: U8, now_ms: int, start: int, visitors: int,
) -> int:  # fmt: skip
    """Apply fixes from row `start` on; return the row at which room ran out, or the end.

    Bad columns are not begun: UNEVEN, or -1 - the first row that cannot be.
    """
    if start == 0:
        n = len(visitor)
        if not (
            len(fix_ms) == n and len(lon) == n and len(lat) == n and len(accuracy_m) == n
            and len(speed_mps) == n and len(flags) == n
        ):  # fmt: skip
            return UNEVEN
        bad = invalid_row(borrowed(visitor), borrowed(lon), borrowed(lat), visitors)
        if bad >= 0:
            return -1 - bad
    return observe_rows(
        memory, borrowed(visitor), borrowed(fix_ms), borrowed(lon), borrowed(lat),
        borrowed(accuracy_m), borrowed(speed_mps), borrowed(flags), borrowed(status), now_ms,
        start,
    )  # fmt: skip


@kernel
def observe_one(
    memory: int, who: int, t: int, x: float, y: float, accuracy_m: float, speed_mps: float,
    flags: int, row: int, now_ms: int, first: int, n: int,
) -> int:  # fmt: skip
    """Apply one fix, whatever it is; return its status, or FULL, having done nothing.

    The zones over it are hits[first : first + n].
    """
    visitors, rings = visitors_of(memory), rings_of(memory)
    v = visitors[who]
    if not room_left(memory, who):
        return FULL
    verdict = judge(memory, who, t, now_ms)
    if verdict == ACCEPTED and must_wait(memory, who, t, x, y, flags & MOCK != 0):
        # Up to the suspect fix nothing spoke against the visits, so their timers hold.
        if v["due_ms"] <= t:
            before_suspect(memory, who, t)
        remember(visitors, rings, who, t)
        v["seen_ms"] = now_ms
        return SUSPECT
    if verdict != ACCEPTED:
        return verdict
    move(memory, first, n, who, t, x, y, accuracy_m, flags, row)
    v["fix_ms"], v["seen_ms"], v["lon"], v["lat"] = t, now_ms, x, y
    v["accuracy_m"], v["speed_mps"] = accuracy_m, speed_mps
    remember(visitors, rings, who, t)
    hush(memory, who)
    return ACCEPTED


@kernel
def before_suspect(memory: int, visitor: int, fix_ms: int) -> None:
    """Fire the dwells due before a fix that becomes the first to wait."""
    v = visitors_of(memory)[visitor]
    if v["hold"] & STALE:
        return
    cause = BY_BACKLOG if v["hold"] & HISTORY else BY_TIMER
    fire_due(memory, visitor, fix_ms, cause)
    sum_up(memory, visitor)
