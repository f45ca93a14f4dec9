"""A small destination for tests of rules: Annecy, three zones, visitors who move as told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from geofence.columns import Cause, Kind, Transitions
from rules.campaigns import Campaign, Enter, RestraintSettings
from rules.decider import Decider
from rules.facts import Destination, Facts, VisitorFacts, ZoneFacts
from rules.rulings import Ruling

ANNECY = Destination(time_zone="Europe/Paris", lat=45.899, lon=6.129, country="FR")
LAKE, TOWN, PIER = 0, 1, 2
ZONES = (
    ZoneFacts(id="lake", area_m2=1_000_000.0, tags=("shore",)),
    ZoneFacts(id="town", area_m2=200_000.0),
    ZoneFacts(id="pier", area_m2=500.0, place="pier-place"),
)
FREE = RestraintSettings(
    global_cap=None, per_visitor=None, quiet_hours=None, arbitration_window_ms=0
)


def ms(local: str, zone: str = "Europe/Paris", fold: int = 0) -> int:
    """A local wall time as ms since 1970 UTC."""
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return int(moment.timestamp() * 1000)


NOON = ms("2025-06-15T12:00:00")

Row = tuple[int, int, int, int, int, int, int, int]  # visitor, zone, kind, cause, at, enter, T, pos


def transitions(rows: Sequence[Row]) -> tuple[Transitions, np.ndarray[Any, np.dtype[np.int64]]]:
    """Rows as the tracker would give them, and the log positions of their pings."""
    n = len(rows)
    column = [np.array([row[at] for row in rows], np.int64) for at in range(8)]
    found = Transitions(
        row=np.where(column[3] == Cause.FIX, np.arange(n), -1).astype(np.int32),
        visitor=column[0].astype(np.int32),
        zone=column[1].astype(np.int32),
        kind=column[2].astype(np.uint8),
        cause=column[3].astype(np.uint8),
        at_ms=column[4],
        enter_ms=column[5],
        dwell_ms=column[6].astype(np.int32),
        visit=np.arange(n, dtype=np.int64),
    )
    return found, column[7]


def campaign(name: str = "c", **fields: Any) -> Campaign:
    """A live promotion on entering the lake, but for what the test says."""
    fields.setdefault("kind", "promotion")
    fields.setdefault("status", "live")
    fields.setdefault("trigger", Enter(zones=("lake",)))
    return Campaign(id=name, name=name, message={"title": {"en": name}}, **fields)


class World:
    """A decider with its facts; the world's own presence book stands in for the tracker."""

    def __init__(
        self, settings: RestraintSettings = FREE, visitors: int = 2, now_ms: int = NOON
    ) -> None:
        self.settings = settings
        self.decider = Decider(ANNECY, settings)
        self.facts = Facts(ANNECY)
        self.facts.presence = self
        self.facts.now_ms = now_ms
        self.entered: dict[tuple[int, int], int] = {}
        self.seen: dict[tuple[int, int], int] = {}
        self.position = 0
        for slot, zone in enumerate(ZONES):
            self.facts.put_zone(slot, zone)
        for slot in range(visitors):
            self.facts.put_visitor(
                slot, VisitorFacts(id=f"v{slot}", consents=3, languages=("fr-FR", "en"))
            )

    # Presence
    def inside(self, zone: int) -> Sequence[int]:
        return sorted(visitor for visitor, where in self.entered if where == zone)

    def is_inside(self, visitor: int, zone: int) -> bool:
        return (visitor, zone) in self.entered

    def enter_ms(self, visitor: int, zone: int) -> int | None:
        return self.entered.get((visitor, zone))

    def last_seen_ms(self, visitor: int, zone: int) -> int | None:
        return self.seen.get((visitor, zone), 0)

    # What happens
    def put(self, each: Campaign, zones: Sequence[int] = (LAKE,), **more: Any) -> None:
        more.setdefault("version", 1)
        more.setdefault("now_ms", self.facts.now_ms)
        self.decider.put_campaign(each, zones, **more)

    def _move(self, visitor: int, zone: int, kind: Kind, **more: Any) -> list[Ruling]:
        at_ms = more.get("at_ms", self.facts.now_ms)
        enter_ms = more.get("enter_ms", self.entered.get((visitor, zone), at_ms))
        self.position += 1
        row = (visitor, zone, kind, more.get("cause", Cause.FIX), at_ms, enter_ms,
               more.get("dwell_ms", 0), self.position)  # fmt: skip
        found, positions = transitions([row])
        speeds = np.array([more.get("speed_mps", -1.0)], np.float32)
        return self.decider.on_transitions(found, positions, self.facts, speeds)

    def enter(self, visitor: int = 0, zone: int = LAKE, **more: Any) -> list[Ruling]:
        self.entered[visitor, zone] = more.get("at_ms", self.facts.now_ms)
        return self._move(visitor, zone, Kind.ENTER, **more)

    def leave(self, visitor: int = 0, zone: int = LAKE, **more: Any) -> list[Ruling]:
        more.setdefault("enter_ms", self.entered.pop((visitor, zone), self.facts.now_ms))
        return self._move(visitor, zone, Kind.EXIT, **more)

    def dwell(self, dwell_s: int, visitor: int = 0, zone: int = LAKE, **more: Any) -> list[Ruling]:
        return self._move(visitor, zone, Kind.DWELL, dwell_ms=dwell_s * 1000,
                          cause=Cause.TIMER, **more)  # fmt: skip

    def tick(self, later_s: float = 1, at_ms: int | None = None) -> list[Ruling]:
        self.facts.now_ms = self.facts.now_ms + round(later_s * 1000) if at_ms is None else at_ms
        self.position += 1
        self.facts.position = self.position
        return self.decider.tick(self.facts)


def reasons(rulings: Sequence[Ruling]) -> list[str]:
    """What came of each."""
    return [str(each.reason) for each in rulings]
