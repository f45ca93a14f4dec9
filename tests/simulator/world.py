"""What the simulated destination looks like, and what happens there by chance."""

from __future__ import annotations

import json
import random
from typing import Any, NamedTuple

from engine import records as entries_
from engine.ingest import Draft, PingDraft
from engine.records import Consent, Device, Entry
from rules.campaigns import Cap, RestraintSettings
from tests.engine.worlds import START_MS, campaign, square

VISITORS = tuple(
    f"visitor-{name}" for name in ("anna", "bert", "cleo", "dora", "emil", "fay", "gus", "hana")
)
ERASED = "visitor-gone-for-good"

GLOBAL_CAP = Cap(count=3, period_s=200)
CAMPAIGN_CAP = Cap(count=2, period_s=300)
TOTAL = 6
FIX_AGE_S = 60
RESTRAINT = RestraintSettings(
    global_cap=GLOBAL_CAP,
    per_visitor=CAMPAIGN_CAP,
    quiet_hours=None,
    push_max_fix_age_s=FIX_AGE_S,
    arbitration_window_ms=2_000,
)

ZONES: dict[str, dict[str, Any]] = {
    "lake": square("lake", capacity=6, penetration=1.0),
    "town": square("town", lon=6.005, tags=["shops"], confirm_s=4, dwell_s=20),
    "pier": {"id": "pier", "name": {"en": "pier"}, "radius_m": 150.0,
             "geometry": {"type": "Point", "coordinates": [6.004, 45.004]}},
}  # fmt: skip
PLACE = {"id": "castle", "name": {"en": "Castle"}, "lon": 6.008, "lat": 45.006}
HOME = {"id": "d", "name": {"en": "There"}, "time_zone": "Europe/Paris", "lat": 45, "lon": 6,
        "default_language": "en", "languages": ["en"], "country": "FR"}  # fmt: skip
CAMPAIGNS: dict[str, dict[str, Any]] = {
    "hi": campaign("hi", {"type": "enter", "zones": ["lake"]}, in_doubt="drop",
                   restraint={"cooldown_s": 20}),
    "stay": campaign("stay", {"type": "dwell", "zone_tags": ["shops"], "after_s": 15},
                     in_doubt="resend", priority=3),
    "bye": campaign("bye", {"type": "exit", "zones": ["lake", "pier"]}, kind="information",
                    in_doubt="drop", restraint={"arbitrate": False}),
    "near": campaign("near", {"type": "near", "places": ["castle"], "within_m": 180},
                     in_doubt="resend", message={"texts": {"en": {"title": "A", "body": "B"}}}),
    "few": campaign("few", {"type": "enter", "zones": ["pier", "town"]}, in_doubt="drop",
                    restraint={"total": TOTAL}),
    "red": campaign("red", {"type": "level_change", "zones": ["lake"], "to": ["busy", "full"]},
                    kind="alert", in_doubt="drop"),
}  # fmt: skip


def draft(kind: Any, record_id: str, body: Any) -> Draft:
    return Draft(kind=kind, id=record_id, body=None if body is None else json.dumps(body).encode())


def first_changes() -> list[Draft]:
    return [
        draft("destination", "d", HOME),
        *(draft("zone", zone_id, body) for zone_id, body in ZONES.items()),
        draft("place", "castle", PLACE),
        *(draft("campaign", campaign_id, body) for campaign_id, body in CAMPAIGNS.items()),
    ]


def introduced(visitor: str, *, push: bool = True, location: bool = True) -> list[Entry]:
    return [
        Device(device=f"{visitor}-phone", visitor=visitor, platform="android", languages=("en",),
               push_token=f"token-{visitor}"),
        Consent(visitor=visitor, at_ms=START_MS,
                purposes={"location": location, "push": push, "analytics": True}),
    ]  # fmt: skip


class Fix(NamedTuple):
    visitor: str
    fix_ms: int
    lon: float
    lat: float
    accuracy_m: float


def drafted(fixes: list[Fix]) -> PingDraft:
    return PingDraft(
        visitors=[f.visitor for f in fixes],
        fix_ms=[f.fix_ms for f in fixes],
        lon=[f.lon for f in fixes],
        lat=[f.lat for f in fixes],
        accuracy_m=[f.accuracy_m for f in fixes],
        speed_mps=[1.0] * len(fixes),
        flags=[0] * len(fixes),
    )


class Phones:
    """Visitors who wander; their phones lose, repeat, delay and mix up what they send."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._where = {
            name: (6.0 + 0.012 * chance.random(), 45.0 + 0.012 * chance.random())
            for name in (*VISITORS, ERASED, "a-stranger")
        }
        self._kept: list[Fix] = []

    def some(self, at_ms: int) -> list[Fix]:
        chance, out = self._chance, []
        for name, (lon, lat) in self._where.items():
            if chance.random() < 0.45:
                continue
            step = chance.choice((0.0004, 0.002, 0.006))
            lon = min(6.02, max(5.99, lon + chance.uniform(-step, step)))
            lat = min(45.015, max(44.995, lat + chance.uniform(-step, step)))
            self._where[name] = (lon, lat)
            out.append(Fix(name, at_ms, lon, lat, chance.choice((5.0, 12.0, 60.0, 300.0))))
        return self._faulty(out, at_ms)

    def _faulty(self, fixes: list[Fix], at_ms: int) -> list[Fix]:
        chance, out = self._chance, []
        for fix in fixes:
            luck = chance.random()
            if luck < 0.08:
                continue  # lost
            if luck < 0.18:
                self._kept.append(fix)  # comes later
                continue
            out.append(fix)
            if luck < 0.28:
                out.append(fix)  # sent twice
            if luck < 0.30:
                out.append(fix._replace(fix_ms=at_ms + 3_600_000))  # a phone ahead of its time
        if self._kept and chance.random() < 0.3:
            out += [self._kept.pop(chance.randrange(len(self._kept)))]
        if chance.random() < 0.3:
            chance.shuffle(out)
        return out


def chance_entry(chance: random.Random, now_ms: int) -> Entry:
    """Something other than pings, ticks, changes and erasures."""
    visitor = chance.choice(VISITORS)
    made: list[Entry] = [
        entries_.Counter(zone="lake", persons=chance.randrange(9), at_ms=now_ms),
        entries_.Feed(name="wind", value=chance.uniform(0, 20), at_ms=now_ms),
        entries_.Override(
            zone="lake", level=chance.choice(("quiet", "full", None)),
            until_ms=now_ms + 60_000, author="sim",
        ),
        entries_.Profile(visitor=visitor, segments=(chance.choice(("family", "hiker")),)),
        introduced(visitor)[0],
        Device(device="shared-tablet", visitor=visitor, platform="web",
               languages=(chance.choice(("de", "fr")),)),
    ]  # fmt: skip
    return chance.choice(made)
