"""A seeded stream of fixes through every kind of zone, and what came of it, as text.

Run as a script it prints the digest: the tests run it compiled and uncompiled.
"""

from __future__ import annotations

import hashlib

import numpy as np

from geofence.columns import Pings, Transitions
from geofence.shapes import Area, Circle, Corridor, Zone
from geofence.tracker import Tracker, TrackingRules

VISITORS = 12
SQUARE = ((6.10, 45.90), (6.11, 45.90), (6.11, 45.91), (6.10, 45.91), (6.10, 45.90))
HOLE = ((6.103, 45.903), (6.107, 45.903), (6.107, 45.907), (6.103, 45.907), (6.103, 45.903))
ZONES = (
    Zone(id="square", shape=Area(parts=((SQUARE, HOLE),)), dwells_ms=(60_000, 180_000)),
    Zone(id="lake", shape=Circle(lon=6.105, lat=45.905, radius_m=250), confirm_ms=20_000),
    Zone(
        id="path",
        shape=Corridor(line=((6.098, 45.899), (6.105, 45.906), (6.112, 45.905)), half_width_m=40),
        exit_confirm_ms=30_000,
        dwells_ms=(30_000,),
        report_cross=True,
    ),
    Zone(id="kiosk", shape=Circle(lon=6.108, lat=45.908, radius_m=15), report_cross=True),
)
RULES = TrackingRules(stale_ms=120_000, close_ms=300_000, age_ms_max=3_600_000)


def stream(seed: int, rounds: int) -> list[tuple[int, Pings]]:
    """Return (now_ms, fixes) by round: walks with gaps, repeats, late, mock and wild fixes."""
    r = np.random.default_rng(seed)
    at = r.uniform((6.097, 45.897), (6.113, 45.913), (VISITORS, 2))
    out = []
    for k in range(rounds):
        at += r.normal(0, 0.0012, at.shape)
        at = np.clip(at, (6.097, 45.897), (6.113, 45.913))
        who = r.permutation(VISITORS)[: r.integers(0, VISITORS + 1)].astype(np.int32)
        now = 1_000_000 + 10_000 * k
        t = now - r.integers(0, 5_000, len(who))
        t[r.random(len(who)) < 0.05] -= 40_000
        xy = at[who].copy()
        xy[r.random(len(who)) < 0.03] += 0.4
        flags = r.choice(4, len(who), p=(0.9, 0.05, 0.04, 0.01)).astype(np.uint8)
        accuracy = r.choice((-1, 5, 40, 300), len(who)).astype(np.float32)
        columns = (who, t.astype(np.int64), xy[:, 0].copy(), xy[:, 1].copy(), accuracy,
                   np.full(len(who), -1, np.float32), flags)  # fmt: skip
        twice = r.random(len(who)) < 0.05
        out.append((now, Pings(*(np.concatenate([c, c[twice]]) for c in columns))))
    return out


def text(transitions: Transitions, row: int = 0) -> list[str]:
    """Return one line a transition; `row` is added to its row."""
    lines = []
    for values in zip(*(c.tolist() for c in transitions), strict=True):
        first = values[0] + row if values[0] >= 0 else -1
        lines.append(" ".join(map(str, (first, *values[1:]))))
    return lines


def play(seed: int, rounds: int, batch: int) -> tuple[list[str], Tracker]:
    """Play the stream in batches of at most `batch`; return its transitions and the tracker."""
    tracker = Tracker(RULES)
    tracker.visitors_grow(VISITORS)
    lines = text(tracker.put_zones(ZONES, 0))
    for k, (now, pings) in enumerate(stream(seed, rounds)):
        for start in range(0, len(pings.visitor), batch):
            part = Pings(*(c[start : start + batch] for c in pings))
            seen = tracker.observe(part, now)
            lines += [*text(seen.transitions, start), str(seen.status.tolist())[1:-1]]
        lines += text(tracker.tick(now))
        if k == rounds // 2:
            wider = Zone(id="lake", shape=Circle(lon=6.104, lat=45.905, radius_m=400))
            lines += text(tracker.put_zones([wider], now))
            tracker.put_dwells("square", (45_000, 240_000), now)
        if k == rounds * 3 // 4:
            lines += text(tracker.remove_zones(["path"], now))
    return lines, tracker


def digest(tracker: Tracker) -> str:
    """Return a hash of the whole state."""
    h = hashlib.sha256()
    for name, array in sorted(tracker.snapshot().items()):
        h.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return h.hexdigest()


if __name__ == "__main__":
    played, end = play(3, 60, 64)
    print(hashlib.sha256("\n".join(played).encode()).hexdigest(), digest(end))  # noqa: T201
