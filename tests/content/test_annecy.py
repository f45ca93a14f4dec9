"""The demonstration's destination fits together: references, languages, and the map."""

from __future__ import annotations

import datetime as dt
import importlib.resources
import json
from collections import Counter, defaultdict
from typing import Any

import pytest
import shapely
from pyproj import Geod

from content import annecy
from content.annecy import Annecy
from content.errors import FormatInvalid
from content.fields import instant_ms
from content.occurrences import Sky, expand
from geofence.geodesy import area_m2, distance_to_m, outline
from geofence.shapes import Area, Circle, Corridor
from geofence.validate import parse_shape

GEOD = Geod(ellps="WGS84")


@pytest.fixture(scope="module")
def demo() -> Annecy:
    return annecy.load()


@pytest.fixture(scope="module")
def basemap(demo: Annecy) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = json.loads(demo.basemap)["features"]
    return features


@pytest.fixture(scope="module")
def lake(basemap: list[dict[str, Any]]) -> Area:
    (feature,) = (f for f in basemap if f["properties"]["kind"] == "lake")
    shape = parse_shape(feature["geometry"])
    assert isinstance(shape, Area)
    return shape


@pytest.fixture(scope="module")
def ways(demo: Annecy) -> list[dict[str, Any]]:
    features: list[dict[str, Any]] = json.loads(demo.ways)["features"]
    return features


def test_there_is_as_much_as_the_demonstration_promises(demo: Annecy) -> None:
    assert len(demo.places) >= 30
    assert (len(demo.zones), len(demo.events)) == (15, 8)
    assert (len(demo.circuits), len(demo.offers)) == (2, 3)
    assert demo.alerts
    assert sum(place.must_see for place in demo.places) >= 8
    assert sum(place.off_the_beaten_track for place in demo.places) >= 8
    assert {theme for place in demo.places for theme in place.themes} >= {"lake", "heritage"}


def test_every_text_is_in_every_language(demo: Annecy) -> None:
    languages = set(demo.destination.languages)
    assert languages == {"fr", "en", "de"}
    records = (
        *demo.zones, *demo.places, *demo.events, *demo.circuits, *demo.offers, *demo.alerts,
        demo.destination,
    )  # fmt: skip
    texts: list[dict[str, str]] = [record.name for record in records]
    texts += (r.summary for r in records if r.id not in {zone.id for zone in demo.zones})
    texts += (place.accessibility.note for place in demo.places if place.accessibility.note)
    texts += (stop.text for circuit in demo.circuits for stop in circuit.stops if stop.text)
    texts += (offer.conditions for offer in demo.offers)
    assert all(set(text) == languages for text in texts)
    assert all(value.strip() == value for text in texts for value in text.values())


def test_places_say_when_they_are_open_and_for_whom(demo: Annecy) -> None:
    assert not [place.id for place in demo.places if place.opening_hours_invalid]
    assert sum(bool(place.opening_hours) for place in demo.places) >= 30
    assert all(place.accessibility.wheelchair for place in demo.places)


def test_zones_have_every_shape(demo: Annecy) -> None:
    shapes = {zone.id: zone.to_zone().shape for zone in demo.zones}
    assert Counter(type(shape) for shape in shapes.values()).keys() == {Area, Circle, Corridor}
    old_town = shapes["vieille-ville"]
    assert isinstance(old_town, Area)
    assert len(old_town.parts) == 2
    assert [len(part) for part in old_town.parts] == [2, 1]
    assert sum(zone.capacity_persons() is not None for zone in demo.zones) >= 10


def test_references_lead_somewhere(demo: Annecy) -> None:
    zones = {zone.id for zone in demo.zones}
    places = {place.id for place in demo.places}
    events = {event.id for event in demo.events}
    assert {place.zone_id for place in demo.places} - {None} <= zones
    for record in (*demo.events, *demo.offers):
        assert record.place_id in places
    assert {event.zone_id for event in demo.events} - {None} <= zones
    assert {offer.event_id for offer in demo.offers} - {None} <= events
    assert {stop.place_id for circuit in demo.circuits for stop in circuit.stops} <= places
    assert {zone for alert in demo.alerts for zone in alert.zone_ids} <= zones
    assert {place for alert in demo.alerts for place in alert.place_ids} <= places


def test_a_place_lies_in_the_zone_that_it_names(demo: Annecy) -> None:
    shapes = {zone.id: zone.to_zone().shape for zone in demo.zones}
    apart = {
        place.id: distance_to_m(place.lon, place.lat, shapes[place.zone_id])
        for place in demo.places
        if place.zone_id is not None
    }
    # The castle's zone is the hole of the old town; a place on a wall may be a step outside.
    assert {name: metres for name, metres in apart.items() if metres > 5} == {}


def test_places_stand_on_land(demo: Annecy, lake: Area) -> None:
    water = shapely.Polygon(lake.parts[0][0])
    wet = [p.id for p in demo.places if water.contains(shapely.Point(p.lon, p.lat))]
    assert wet == []


def test_the_lake_has_the_size_of_the_lake(lake: Area) -> None:
    """Lac d'Annecy: 14.6 km long, 27.6 km2; drawn by hand, so within an eighth."""
    ring = lake.parts[0][0]
    assert len(ring) > 80
    assert area_m2(lake) == pytest.approx(27.6e6, rel=0.125)
    lats = [lat for _, lat in ring]
    north, south = ring[lats.index(max(lats))], ring[lats.index(min(lats))]
    assert GEOD.inv(*north, *south)[2] == pytest.approx(14_000, rel=0.1)


@pytest.mark.parametrize(
    "zone", ["bord-du-lac", "plage-d-albigny", "plage-de-sevrier", "baie-de-talloires"]
)
def test_shore_zones_touch_the_lake(demo: Annecy, lake: Area, zone: str) -> None:
    (record,) = (each for each in demo.zones if each.id == zone)
    shore = shapely.LineString(lake.parts[0][0])
    shape = record.to_zone().shape
    near = min(distance_to_m(x, y, shape) for x, y in shapely.get_coordinates(shore))
    assert near < 25


def test_the_whole_town_front_is_lake_shore(demo: Annecy, lake: Area) -> None:
    (zone,) = (each for each in demo.zones if each.id == "bord-du-lac")
    shape = zone.to_zone().shape
    front = [p for p in lake.parts[0][0] if p[1] > 45.8985 and p[0] < 6.158]
    assert len(front) > 20
    assert max(distance_to_m(lon, lat, shape) for lon, lat in front) < 110


# --- ways ----------------------------------------------------------------------------------------


def test_ways_are_of_known_kinds_and_all_connected(ways: list[dict[str, Any]]) -> None:
    kinds = {way["properties"]["kind"] for way in ways}
    assert kinds == {"walk", "cycle", "boat", "drive"}
    assert len({way["properties"]["id"] for way in ways}) == len(ways)
    beside = defaultdict(set)
    for way in ways:
        a, b = way["properties"]["from"], way["properties"]["to"]
        beside[a].add(b)
        beside[b].add(a)
    reached, open_ends = {"port"}, ["port"]
    while open_ends:
        for node in beside[open_ends.pop()] - reached:
            reached.add(node)
            open_ends.append(node)
    assert reached == set(beside)


def test_ways_share_their_end_points_to_the_digit(ways: list[dict[str, Any]]) -> None:
    at: dict[str, tuple[float, ...]] = {}
    for way in ways:
        line = way["geometry"]["coordinates"]
        for node, point in (
            (way["properties"]["from"], line[0]),
            (way["properties"]["to"], line[-1]),
        ):
            assert at.setdefault(node, tuple(point)) == tuple(point), node
    assert len(set(at.values())) == len(at)


def test_boats_stay_on_the_water_and_all_others_on_land(
    ways: list[dict[str, Any]], lake: Area
) -> None:
    water = shapely.Polygon(lake.parts[0][0])
    for way in ways:
        line = shapely.LineString(way["geometry"]["coordinates"])
        wet, whole = GEOD.geometry_length(line.intersection(water)), GEOD.geometry_length(line)
        if way["properties"]["kind"] == "boat":
            assert whole - wet < 200, way["properties"]["id"]
        else:
            assert wet < 20, way["properties"]["id"]


def test_every_zone_is_on_some_way(demo: Annecy, ways: list[dict[str, Any]]) -> None:
    lines = shapely.union_all([shapely.geometry.shape(way["geometry"]) for way in ways])
    for zone in demo.zones:
        parts = outline(zone.to_zone().shape).parts
        drawn = shapely.MultiPolygon([shapely.Polygon(ring, holes) for ring, *holes in parts])
        assert drawn.intersects(lines), zone.id


@pytest.mark.parametrize(
    "kind", ["river", "road", "cycle", "park", "wood", "town", "label", "peak"]
)
def test_the_map_has_what_a_map_shows(basemap: list[dict[str, Any]], kind: str) -> None:
    found = [feature for feature in basemap if feature["properties"]["kind"] == kind]
    assert len(found) >= 2
    assert all(shapely.geometry.shape(feature["geometry"]).is_valid for feature in found)


def test_the_map_names_the_towns_round_the_lake(basemap: list[dict[str, Any]]) -> None:
    labels = {f["properties"]["name"] for f in basemap if f["properties"]["kind"] == "label"}
    assert labels >= {
        "Annecy", "Annecy-le-Vieux", "Sévrier", "Saint-Jorioz", "Duingt", "Talloires",
        "Menthon-Saint-Bernard", "Veyrier-du-Lac", "Doussard",
    }  # fmt: skip


def test_circuits_pass_their_stops_and_are_as_long_as_they_say(demo: Annecy) -> None:
    places = {place.id: place for place in demo.places}
    for circuit in demo.circuits:
        assert circuit.geometry is not None
        line = tuple((p[0], p[1]) for p in circuit.geometry.coordinates)
        for stop in circuit.stops:
            place = places[stop.place_id]
            assert distance_to_m(place.lon, place.lat, Corridor(line=line, half_width_m=1)) < 400
        length_m = GEOD.line_length(*zip(*line, strict=True))
        assert circuit.distance_m == pytest.approx(length_m, rel=0.03)


# --- the evening ---------------------------------------------------------------------------------


def test_the_clock_starts_half_an_hour_before_the_paddle_trip(demo: Annecy) -> None:
    start = demo.destination.demo_start
    assert start is not None
    begins_ms = instant_ms(start)
    soon = expand(demo.events, begins_ms, begins_ms + 4 * 3_600_000, Sky.of(demo.destination))
    by_id = {occurrence.event_id: occurrence for occurrence in soon}
    paddle = by_id["paddle-au-coucher-du-soleil"]
    assert (paddle.start_ms - begins_ms) / 60_000 == pytest.approx(30, abs=0.5)
    assert paddle.status == "scheduled"
    assert by_id["concert-au-chateau"].status == "sold_out"
    assert by_id["sortie-castors"].remaining_places == 2
    assert len(by_id) == 6


def test_events_happen_on_their_days(demo: Annecy) -> None:
    events = {event.id: event for event in demo.events}
    sky = Sky.of(demo.destination)
    monday = dt.datetime(2026, 7, 13, tzinfo=sky.time_zone)
    week = instant_ms(monday), instant_ms(monday + dt.timedelta(days=7))
    days = {
        name: [o.date.strftime("%a") for o in expand([event], *week, sky)]
        for name, event in events.items()
    }
    assert days["marche-de-la-vieille-ville"] == ["Tue", "Fri", "Sun"]
    assert days["visite-aux-lanternes"] == ["Wed", "Fri", "Sat"]
    assert days["lever-de-soleil-au-semnoz"] == ["Sun"]
    assert len(days["paddle-au-coucher-du-soleil"]) == 7


def test_a_damaged_file_is_said_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = annecy.read

    def damaged(name: str) -> bytes:
        return b'[{"id": "x"}]' if name == "places.json" else whole(name)

    monkeypatch.setattr(annecy, "read", damaged)
    with pytest.raises(FormatInvalid, match=r"places\.json record 0"):
        annecy.load()


def test_all_files_are_package_data() -> None:
    names = {entry.name for entry in importlib.resources.files("content.annecy").iterdir()}
    assert names >= {
        "alerts.json", "basemap.geojson", "campaigns.json", "circuits.json", "destination.json",
        "events.json", "offers.json", "places.json", "ways.geojson", "zones.geojson",
    }  # fmt: skip
