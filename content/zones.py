"""Zones as the catalogue keeps them: a GeoJSON geometry with the settings of its tracking."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from content import limits
from content.errors import RecordInvalid
from content.fields import Extra, Id, Tags
from content.texts import Name, Summary
from geofence.geodesy import area_m2
from geofence.shapes import Zone
from geofence.validate import parse_shape

GEOMETRY_TYPES: Final = ("Polygon", "MultiPolygon", "Point", "LineString")

Geometry = Annotated[
    dict[str, object],
    Meta(
        description=(
            "GeoJSON geometry (RFC 7946, lon and lat in degrees WGS84): a Polygon or MultiPolygon,"
            " a Point with radius_m, or a LineString with half_width_m."
        ),
        extra_json_schema={
            "required": ["type", "coordinates"],
            "properties": {
                "type": {"enum": list(GEOMETRY_TYPES)},
                "coordinates": {"type": "array", "items": {}},
            },
        },
    ),
]
Metres = Annotated[float, Meta(ge=0.0, le=limits.METRES_MAX)]
Seconds = Annotated[float, Meta(ge=0.0, le=limits.DWELL_S_MAX)]
Dwell = Annotated[float, Meta(gt=0.0, le=limits.DWELL_S_MAX)]


class ZoneRecord(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A zone.

    radius_m: of a Point, which makes it a circle. half_width_m: of a LineString, which makes it a
    corridor. exit_margin_m, accuracy_ceiling_m: metres; None takes the default of geofence.
    confirm_s, exit_confirm_s, dwell_s: seconds; `dwell_s` is one instant after enter or several.
    capacity: persons at which the zone is full. m2_per_person: gives the capacity by the zone's
    area where `capacity` is not given. With neither, its level is unknown. penetration: the share
    of persons here whose phones report; without it pings alone never set a level.
    """

    id: Id
    name: Name
    summary: Summary = {}
    tags: Tags = ()
    geometry: Geometry
    radius_m: Metres | None = None
    half_width_m: Metres | None = None
    exit_margin_m: Metres | None = None
    accuracy_ceiling_m: Metres | None = None
    confirm_s: Seconds = 0.0
    exit_confirm_s: Seconds = 0.0
    dwell_s: Dwell | Annotated[tuple[Dwell, ...], Meta(max_length=limits.DWELLS_MAX)] = ()
    report_cross: bool = False
    capacity: Annotated[int, Meta(ge=1, le=limits.PERSONS_MAX)] | None = None
    m2_per_person: Annotated[float, Meta(gt=0.0, le=limits.METRES_MAX)] | None = None
    penetration: Annotated[float, Meta(gt=0.0, le=1.0)] | None = None
    extra: Extra = {}

    def __post_init__(self) -> None:
        kind = self.geometry.get("type")
        if self.radius_m is not None and kind != "Point":
            raise RecordInvalid("radius_m", "belongs to a Point")
        if self.half_width_m is not None and kind != "LineString":
            raise RecordInvalid("half_width_m", "belongs to a LineString")

    def to_zone(self) -> Zone:
        """The zone as the tracker takes it.

        Raises geofence.errors.GeometryInvalid with every problem of the geometry.
        """
        return Zone(
            id=self.id,
            shape=parse_shape(
                self.geometry,
                radius_m=self.radius_m,
                half_width_m=self.half_width_m,
                where="geometry",
            ),
            exit_margin_m=self.exit_margin_m,
            accuracy_ceiling_m=self.accuracy_ceiling_m,
            confirm_ms=_ms(self.confirm_s),
            exit_confirm_ms=_ms(self.exit_confirm_s),
            dwells_ms=self.dwells_ms(),
            report_cross=self.report_cross,
        )

    def dwells_ms(self) -> tuple[int, ...]:
        """The instants after enter at which a dwell is due, ascending."""
        dwells = self.dwell_s if isinstance(self.dwell_s, tuple) else (self.dwell_s,)
        return tuple(sorted({_ms(dwell) for dwell in dwells}))

    def capacity_persons(self) -> int | None:
        """The capacity, given or by area (at least 1); None where it is unknown.

        Raises geofence.errors.GeometryInvalid as `to_zone` does.
        """
        if self.capacity is not None or self.m2_per_person is None:
            return self.capacity
        return max(1, int(area_m2(self.to_zone().shape) / self.m2_per_person))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
