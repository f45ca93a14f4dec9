"""The circle that holds all of a shape."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from geofence.geodesy import covering_circle
from geofence.shapes import Area, Circle, Corridor

GEOD = pyproj.Geod(ellps="WGS84")


def test_a_circle_is_its_own() -> None:
    circle = Circle(lon=6.1, lat=45.9, radius_m=50)
    assert covering_circle(circle) is circle


@given(
    west=st.floats(-200, 200), south=st.floats(-75, 75), width=st.floats(1e-4, 0.5),
    height=st.floats(1e-4, 0.5),
)  # fmt: skip
def test_nothing_of_an_area_lies_outside(
    west: float, south: float, width: float, height: float
) -> None:
    box = shapely.box(west, south, west + width, south + height)
    shape = Area(parts=((tuple(map(tuple, box.exterior.coords)),),))
    circle = covering_circle(shape)
    edge = shapely.get_coordinates(shapely.segmentize(box, max(width, height) / 20))
    _, _, far_m = GEOD.inv(
        np.full(len(edge), circle.lon), np.full(len(edge), circle.lat), edge[:, 0], edge[:, 1]
    )
    assert far_m.max() <= circle.radius_m
    assert circle.radius_m <= far_m.max() * 1.02, "and it is no larger than it must be"


def test_parts_on_either_side_of_the_antimeridian_are_held_by_a_small_circle() -> None:
    east = ((179.9, 0.0), (180.0, 0.0), (180.0, 0.1), (179.9, 0.0))
    west = ((-180.0, 0.0), (-179.9, 0.0), (-180.0, 0.1), (-180.0, 0.0))
    circle = covering_circle(Area(parts=((east,), (west,))))
    assert circle.radius_m < 13_000
    assert abs(circle.lon) == pytest.approx(180)


def test_a_corridor_is_held_with_its_width() -> None:
    line = ((6.10, 45.9), (6.12, 45.9), (6.12, 45.91))
    thin = covering_circle(Corridor(line=line, half_width_m=0.0))
    wide = covering_circle(Corridor(line=line, half_width_m=100.0))
    assert wide.radius_m == pytest.approx(thin.radius_m + 100)
