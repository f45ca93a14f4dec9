"""Replay counts what independent readings of the same traces count."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import shapely.geometry

from content.zones import ZoneRecord
from engine import limits
from engine.replay import AS_RECORDED, replay
from engine.traces import Traces, parse_traces, read_traces
from geofence.columns import Kind
from geofence.tracker import Tracker, TrackingRules


def circle(
    zone_id: str = "home", lon: float = 2.0, lat: float = 41.0, radius_m: float = 100, **more: Any
) -> ZoneRecord:
    geometry: dict[str, object] = {"type": "Point", "coordinates": [lon, lat]}
    return ZoneRecord(
        id=zone_id, name={"en": zone_id}, geometry=geometry, radius_m=radius_m, **more
    )


@pytest.fixture(scope="module")
def walks(data_dir: Path) -> Traces:
    return read_traces(data_dir / "barcelona/traces_beepath2016_ciutadella.csv")


def traces(*rows: tuple[str, float, bool]) -> Traces:
    """Rows of visitor, second, whether at home (else 1 km off)."""
    lines = [f"{who},{at},{41.0 if home else 41.01},2.0\n" for who, at, home in rows]
    return parse_traces(["id,ts,lat,lon\n", *lines])


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("margin_m", "confirm_s", "counts"),
    [(0, 0, (72, 72, 32)), (25, 0, (63, 59, 32)), (25, 30, (35, 31, 30))],
)
def test_a_circle_in_the_ciutadella_has_the_published_visits(
    walks: Traces, margin_m: float, confirm_s: float, counts: tuple[int, int, int]
) -> None:
    zone = circle(
        "c", 2.186029, 41.388141, 75, exit_margin_m=float(margin_m), confirm_s=float(confirm_s)
    )
    told: list[int] = []
    result = replay(walks, [zone], advance=told.append)
    assert sum(told) == result["pings"]
    assert (result["enter"], result["exit"], result["visitors"]) == counts
    assert (result["pings"], result["visitors_seen"], result["rejected"]) == (29_145, 103, 0)
    seen = {*zip(walks.pings.visitor.tolist(), walks.pings.fix_ms.tolist(), strict=True)}
    assert result["duplicates"] == 29_145 - len(seen)


def barcelona(data_dir: Path) -> list[tuple[ZoneRecord, shapely.Geometry]]:
    zones = []
    for name in ("zones_neighbourhood", "zones_area_of_interest"):
        features = json.loads((data_dir / f"barcelona/{name}.geojson").read_bytes())["features"]
        for feature in features:
            geometry = feature["geometry"]
            zone_id = f"{name}-{len(zones)}"
            zone = ZoneRecord(
                id=zone_id, name={"ca": zone_id}, geometry=geometry, exit_margin_m=0.0
            )
            zones.append((zone, shapely.geometry.shape(geometry)))
    return zones


@pytest.mark.real_data
def test_membership_at_every_fix_is_that_of_shapely(walks: Traces, data_dir: Path) -> None:
    zones = barcelona(data_dir)
    assert len(zones) == 75
    pings = walks.pings
    where = shapely.points(pings.lon, pings.lat)
    who, which = shapely.STRtree([shape for _, shape in zones]).query(where, predicate="within")
    expected: list[set[int]] = [set() for _ in where]
    for row, zone in zip(who.tolist(), which.tolist(), strict=True):
        expected[row].add(zone)

    tracker = Tracker(AS_RECORDED)
    tracker.visitors_grow(len(walks.visitors))
    tracker.put_zones([zone.to_zone() for zone, _ in zones], 0)
    status, transitions = tracker.observe(pings, int(pings.fix_ms[-1]))
    inside: list[set[int]] = [set() for _ in walks.visitors]
    moves: dict[int, list[tuple[int, int]]] = {}
    for row, zone, kind in zip(
        transitions.row.tolist(), transitions.zone.tolist(), transitions.kind.tolist(), strict=True
    ):
        moves.setdefault(row, []).append((zone, kind))
    enters = exits = 0
    for row, visitor in enumerate(pings.visitor.tolist()):
        for zone, kind in moves.get(row, ()):
            (inside[visitor].add if kind == Kind.ENTER else inside[visitor].remove)(zone)
            enters, exits = enters + (kind == Kind.ENTER), exits + (kind == Kind.EXIT)
        if status[row] == 0:
            assert inside[visitor] == expected[row]
    result = replay(walks, [zone for zone, _ in zones])
    assert (result["enter"], result["exit"]) == (enters, exits)
    assert sum(zone["enter"] for zone in result["zones"].values()) == enters


def test_dwells_fire_between_fixes_and_not_after_the_last_one() -> None:
    zone = circle(dwell_s=(60.0, 600.0))
    result = replay(traces(("a", 0, True), ("b", 599, False)), [zone])
    assert (result["enter"], result["dwell"], result["exit"]) == (1, 1, 0)
    result = replay(traces(("a", 0, True), ("b", 600, False)), [zone])
    assert (result["enter"], result["dwell"], result["exit"]) == (1, 2, 0)


def test_counts_are_given_zone_by_zone_and_visitors_are_counted_once() -> None:
    far, home, none = circle("far", lat=41.01), circle(), circle("none", lon=3.0, radius_m=50)
    there_and_back = [("a", 0, True), ("a", 10, False), ("a", 20, True)]
    result = replay(traces(*there_and_back, ("b", 20, True), ("c", 5, False)), [home, far, none])
    assert result["zones"]["home"] == {"enter": 3, "exit": 1, "dwell": 0, "cross": 0, "visitors": 2}
    assert result["zones"]["far"] == {"enter": 2, "exit": 1, "dwell": 0, "cross": 0, "visitors": 2}
    assert result["zones"]["none"]["visitors"] == 0
    assert (result["enter"], result["exit"], result["visitors"]) == (5, 2, 3)
    assert json.loads(json.dumps(result)) == result


def test_bad_rows_are_counted_and_shown() -> None:
    lines = ["id,ts,lat,lon\n", "a,0,41,2\n", "a,x,41,2\n", "a,0,41,2\n"]
    result = replay(parse_traces(lines), [circle()])
    assert (result["pings"], result["duplicates"], result["rejected"]) == (2, 1, 1)
    assert result["problems"][0]["row"] == 3
    assert result["problems"][0]["column"] == "time"


def test_no_fixes_and_no_zones_are_counted_as_such() -> None:
    nothing = replay(parse_traces(["id,ts,lat,lon\n"]), [circle()])
    assert (nothing["pings"], nothing["enter"], nothing["zones"]["home"]["enter"]) == (0, 0, 0)
    assert replay(traces(("a", 0, True)), [])["zones"] == {}


def test_rules_can_be_switched_on() -> None:
    zone = circle()
    quiet = traces(("a", 0, True), ("b", 4_000, True))
    silence = TrackingRules(future_ms_max=0, age_ms_max=0, stale_ms=600_000, close_ms=1_800_000)
    assert replay(quiet, [zone])["exit"] == 0
    assert replay(quiet, [zone], rules=silence)["exit"] == 1


@pytest.mark.parametrize("size", [1, 2, 1_000])
def test_how_a_busy_second_is_cut_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    rng = np.random.default_rng(4)
    rows = [(f"v{int(v)}", round(float(t), 3), bool(home)) for v, t, home in zip(
        rng.integers(0, 9, 500), rng.uniform(0, 40, 500), rng.random(500) < 0.5, strict=True
    )]  # fmt: skip
    zone = circle(dwell_s=3.0)
    whole = replay(traces(*rows), [zone])
    monkeypatch.setattr(limits, "REPLAY_PINGS_MAX", size)
    assert replay(traces(*rows), [zone]) == whole
    assert whole["dwell"] > 0
