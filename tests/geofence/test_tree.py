"""The index of record answers as a search through everything would, after any edits."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofence.geodesy import boxes, distance_m, distance_to_m, outline, wrapped
from geofence.shapes import Area, Circle, Corridor
from geofence.tree import Item, ZoneTree

relaxed = settings(deadline=None, max_examples=50)

# Few distinct values, so that items meet; the antimeridian and the poles among them.
lons = st.sampled_from([-180.0, -179.99, -90.0, 0.0, 2.17, 2.18, 6.1, 179.99, 180.0]) | st.floats(
    -180, 180
)
lats = st.sampled_from([-90.0, -60.0, 0.0, 41.38, 45.9, 89.9, 90.0]) | st.floats(-90, 90)
lengths = st.sampled_from([1.0, 50.0, 5_000.0, 400_000.0])


@st.composite
def shapes(draw: st.DrawFn) -> Item:
    lon, lat = draw(lons), draw(lats)
    kind = draw(st.sampled_from(["place", "circle", "corridor", "area"]))
    if kind == "place":
        return (lon, lat)
    circle = Circle(lon=lon, lat=lat, radius_m=draw(lengths))
    if kind == "circle":
        return circle
    if kind == "area":
        return outline(circle, arc_points=12)
    step = draw(st.floats(0.001, 0.5))
    line = ((lon, lat), (lon + step, lat - step if lat > 0 else lat + step))
    return Corridor(line=line, half_width_m=min(draw(lengths), 50_000.0))


catalogues = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), shapes(), max_size=12)


def away_m(lon: float, lat: float, item: Item) -> float:
    if isinstance(item, tuple):
        return distance_m(lon, lat, *item)
    return distance_to_m(lon, lat, item)


@given(catalogues, lons, lats)
@relaxed
def test_candidates_hold_every_item_that_contains_the_position(
    items: dict[str, Item], lon: float, lat: float
) -> None:
    found = ZoneTree(items).candidates(lon, lat)
    assert len(found) == len(set(found))
    assert {i for i, item in items.items() if away_m(lon, lat, item) == 0} <= set(found)


@given(catalogues, lons, lats, st.integers(0, 14))
@relaxed
def test_the_nearest_are_those_of_a_search_through_everything(
    items: dict[str, Item], lon: float, lat: float, k: int
) -> None:
    expected = heapq.nsmallest(k, ((away_m(lon, lat, item), i) for i, item in items.items()))
    found = ZoneTree(items).nearest(lon, lat, k)
    assert [d for _, d in found] == pytest.approx([d for d, _ in expected], abs=1e-6)
    assert found == sorted(found, key=lambda pair: (pair[1], pair[0]))


@given(catalogues, lons, lats, lengths)
@relaxed
def test_a_reach_keeps_what_is_farther_away_out(
    items: dict[str, Item], lon: float, lat: float, reach_m: float
) -> None:
    found = ZoneTree(items).nearest(lon, lat, 100, reach_m=reach_m)
    expected = {i for i, item in items.items() if away_m(lon, lat, item) <= reach_m}
    assert {i for i, _ in found} == expected


@given(catalogues, lons, lats, st.floats(0, 200), st.floats(0, 90))
@relaxed
def test_a_box_finds_what_its_own_boxes_meet(
    items: dict[str, Item], west: float, south: float, width: float, height: float
) -> None:
    north, east = min(90.0, south + height), wrapped(west + width)
    asked = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    asked += [(180.0, 180.0)] if west == -180 else []
    asked += [(-180.0, -180.0)] if east == 180 else []
    expected = set()
    for item_id, item in items.items():
        own = [(*item, *item)] if isinstance(item, tuple) else boxes(item)
        if isinstance(item, tuple) and abs(item[0]) == 180:
            own = [(x, item[1], x, item[1]) for x in (-180.0, 180.0)]
        for w, s, e, n in own:
            if s <= north and n >= south and any(w <= b and e >= a for a, b in asked):
                expected.add(item_id)
    assert set(ZoneTree(items).within_bbox(west, south, east, north)) == expected


@given(catalogues, catalogues, st.data())
@relaxed
def test_a_tree_edited_in_place_is_the_tree_built_anew(
    before: dict[str, Item], after: dict[str, Item], data: st.DataObject
) -> None:
    tree = ZoneTree(before)
    gone = data.draw(st.sets(st.sampled_from(sorted(before)))) if before else set()
    for item_id in gone:
        assert tree.remove(item_id)
        assert not tree.remove(item_id)
    for item_id, item in after.items():
        tree.put(item_id, item)
    items = {i: item for i, item in before.items() if i not in gone} | after
    assert set(tree) == set(items)
    assert len(tree) == len(items)
    assert all(i in tree and tree[i] == item for i, item in items.items())
    anew = ZoneTree(items)
    for lon, lat in ((0.0, 0.0), (180.0, 41.38), (2.17, 90.0)):
        assert set(tree.candidates(lon, lat)) == set(anew.candidates(lon, lat))
        assert tree.nearest(lon, lat, 3) == anew.nearest(lon, lat, 3)
    assert set(tree.within_bbox(-180, -90, 180, 90)) == set(items)


def test_an_empty_tree_answers_nothing() -> None:
    tree = ZoneTree()
    assert len(tree) == 0
    assert tree.candidates(2, 41) == []
    assert tree.nearest(2, 41, 5) == []
    assert tree.within_bbox(-180, -90, 180, 90) == []
    assert not tree.remove("a")


@pytest.mark.parametrize("lon", [180.0, -180.0])
def test_the_antimeridian_is_one_place_by_either_name(lon: float) -> None:
    ring = ((179.0, 0.0), (181.0, 0.0), (181.0, 1.0), (179.0, 1.0), (179.0, 0.0))
    items: dict[str, Item] = {
        "area": Area(parts=((ring,),)),
        "circle": Circle(lon=179.999, lat=0.5, radius_m=500),
        "place": (-lon, 0.5),
        "far": (0.0, 0.5),
    }
    tree = ZoneTree(items)
    assert set(tree.candidates(lon, 0.5)) == {"area", "circle", "place"}
    assert set(tree.within_bbox(179.5, 0, -179.5, 1)) == {"area", "circle", "place"}
    assert [i for i, d in tree.nearest(lon, 0.5, 4) if d == 0] == ["area", "circle", "place"]


def test_moving_an_item_leaves_nothing_where_it_was() -> None:
    tree = ZoneTree({"a": Circle(lon=2.0, lat=41.0, radius_m=100)})
    tree.put("a", Circle(lon=3.0, lat=41.0, radius_m=100))
    assert tree.candidates(2.0, 41.0) == []
    assert tree.candidates(3.0, 41.0) == ["a"]


def test_an_edit_among_thousands_changes_that_item_only() -> None:
    rng = np.random.default_rng(1)
    items: dict[str, Any] = {
        str(i): Circle(lon=float(lon), lat=float(lat), radius_m=200)
        for i, (lon, lat) in enumerate(rng.uniform((2, 41), (3, 42), (5_000, 2)))
    }
    tree = ZoneTree(items)
    moved = Circle(lon=2.5, lat=41.5, radius_m=1_000)
    tree.put("17", moved)
    items["17"] = moved
    for lon, lat in rng.uniform((2, 41), (3, 42), (50, 2)).tolist():
        exact = {i for i, item in items.items() if distance_to_m(lon, lat, item) == 0}
        assert {i for i in tree.candidates(lon, lat) if distance_to_m(lon, lat, items[i]) == 0} == (
            exact
        )
    assert tree.nearest(2.5, 41.5, 1)[0] == ("17", 0.0)
