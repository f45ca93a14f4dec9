"""Circuits: ordered stops and the line that joins them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from content import limits
from content.errors import RecordInvalid
from content.fields import Extra, Id, Image, Lat, Lon, Tags, Url, check_pair
from content.texts import Description, Name, Summary

Difficulty = Literal["easy", "moderate", "hard"]
Mode = Literal["walk", "cycle", "boat", "drive"]
Position = Annotated[
    tuple[float, ...],
    Meta(min_length=2, max_length=3, description="lon, lat (degrees), and maybe elevation (m)."),
]


class LineString(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="LineString",
):
    """A GeoJSON LineString."""

    coordinates: Annotated[
        tuple[Position, ...], Meta(min_length=2, max_length=limits.LINE_POSITIONS_MAX)
    ]

    def __post_init__(self) -> None:
        for index, (lon, lat, *_) in enumerate(self.coordinates):
            if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
                raise RecordInvalid(f"coordinates[{index}]", "is no lon, lat in degrees")


class Stop(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A stop at a place, with what to say there and how long to stay (minutes)."""

    place_id: Id
    text: Summary = {}
    stay_min: Annotated[int, Meta(ge=0, le=limits.DURATION_MIN_MAX)] = 0


class CircuitRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A circuit: its stops in order, its line, and what it takes.

    lon, lat: where it starts, if no line says so. duration_min: minutes in all, stops included;
    distance_m, ascent_m: metres.
    """

    id: Id
    name: Name
    summary: Summary = {}
    description: Description = {}
    stops: Annotated[tuple[Stop, ...], Meta(max_length=limits.STOPS_MAX)] = ()
    geometry: LineString | None = None
    lon: Lon | None = None
    lat: Lat | None = None
    mode: Mode = "walk"
    difficulty: Difficulty = "easy"
    duration_min: Annotated[int, Meta(ge=1, le=limits.DURATION_MIN_MAX)] | None = None
    distance_m: Annotated[float, Meta(ge=0.0, le=limits.METRES_MAX)] | None = None
    ascent_m: Annotated[float, Meta(ge=0.0, le=limits.METRES_MAX)] | None = None
    themes: Tags = ()
    tags: Tags = ()
    website: Url | None = None
    image: Image | None = None
    extra: Extra = {}

    def __post_init__(self) -> None:
        check_pair(self.lon, self.lat)
