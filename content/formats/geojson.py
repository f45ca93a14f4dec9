"""GeoJSON (RFC 7946) into zones, places, events and circuits.

A file from elsewhere may have any properties: those of a zone or place are read, the others are
kept in `extra`. What cannot be read is reported with the feature's index, id and field, and leaves
the other features alone. Nothing is repaired unless asked for, and then the report says what.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TypeVar

import msgspec

from content import limits
from content.circuits import CircuitRecord
from content.events import EventRecord
from content.fields import Record
from content.formats import lenient, packed
from content.formats.features import NO_GEOMETRY, Feature, features_of
from content.formats.report import ImportChange, ImportProblem, Report, fault
from content.places import PlaceRecord
from content.zones import GEOMETRY_TYPES, ZoneRecord
from geofence.errors import GeometryInvalid
from geofence.geodesy import distance_m
from geofence.validate import geometry_of, repair

R = TypeVar("R", bound=Record)
Centre = tuple[float, float]
Changes = tuple[tuple[str, str], ...]

_ZONE_FIELDS = frozenset(ZoneRecord.__struct_fields__) - {"id", "name", "geometry", "extra"}
_PLACE_FIELDS = frozenset(PlaceRecord.__struct_fields__) - {
    "id",
    "name",
    "lon",
    "lat",
    "opening_hours_invalid",
    "extra",
}
_POINT_FIELDS = {"id", "name", "lon", "lat", "extra"}
_EVENT_FIELDS = frozenset(EventRecord.__struct_fields__) - _POINT_FIELDS
_CIRCUIT_FIELDS = frozenset(CircuitRecord.__struct_fields__) - _POINT_FIELDS - {"geometry"}
_TEXT_FIELDS = ("summary", "description")
_LIST_FIELDS = ("tags", "themes", "categories", "seasons")


def read_zones(
    data: bytes,
    *,
    language: str,
    mend: bool = False,
    near: Centre | None = None,
    id_prefix: str = "",
) -> Report[ZoneRecord]:
    """Read the zones of a FeatureCollection, a Feature or a bare geometry.

    language: of texts that are written without one. mend: repair invalid polygons and list what
    was changed, instead of a problem. near: (lon, lat) of the destination; a zone that would be
    near it with its coordinates swapped is a problem. id_prefix: put before every id, to keep
    several files apart.

    Read properties: `id` or `code`, `name` (or nom, title, titre, label, libelle, nombre; a text,
    or texts by language, or name:fr, name_fr), and the fields of ZoneRecord. Raises FormatInvalid
    where the file as a whole cannot be read.
    """

    return _read(data, language, id_prefix, lambda feature: _zone(feature, mend, near))


def read_places(
    data: bytes, *, language: str, near: Centre | None = None, id_prefix: str = ""
) -> Report[PlaceRecord]:
    """Read the places of a FeatureCollection, a Feature or a bare Point; else as `read_zones`."""

    return _read(data, language, id_prefix, lambda feature: (_place(feature, near), ()))


def read_events(
    data: bytes, *, language: str, near: Centre | None = None, id_prefix: str = ""
) -> Report[EventRecord]:
    """Read the events of a FeatureCollection, at a Point or without geometry; else as
    `read_zones`."""

    return _read(data, language, id_prefix, lambda feature: (_event(feature, near), ()))


def read_circuits(
    data: bytes, *, language: str, near: Centre | None = None, id_prefix: str = ""
) -> Report[CircuitRecord]:
    """Read the circuits of a FeatureCollection: a LineString, the Point where one starts, or no
    geometry; else as `read_zones`."""

    return _read(data, language, id_prefix, lambda feature: (_circuit(feature, near), ()))


class _Refused(Exception):
    def __init__(self, feature: Feature, *faults: tuple[str, str]) -> None:
        super().__init__(faults)
        self.problems = [
            ImportProblem(index=feature.index, id=feature.id, field=field, reason=reason)
            for field, reason in faults
        ]


def _read(
    data: bytes,
    language: str,
    id_prefix: str,
    make: Callable[[Feature], tuple[R, Changes]],
) -> Report[R]:
    found = features_of(lenient.decode(packed.unpacked(data)), language, id_prefix)
    records: dict[str, R] = {}
    problems: list[ImportProblem] = []
    changes: list[ImportChange] = []
    for feature in found:
        try:
            record, mended = _made(feature, make, records)
        except _Refused as refused:
            problems += refused.problems
            continue
        records[record.id] = record
        changes += (
            ImportChange(index=feature.index, id=record.id, field=field, what=what)
            for field, what in (*feature.changes, *mended)
        )
    return Report(
        records=tuple(records.values()),
        problems=tuple(problems),
        changes=tuple(changes),
        read=len(found),
    )


def _made(
    feature: Feature, make: Callable[[Feature], tuple[R, Changes]], earlier: Container[str]
) -> tuple[R, Changes]:
    if feature.fault is not None and feature.fault != NO_GEOMETRY:
        raise _Refused(feature, feature.fault)
    if feature.id in earlier:
        raise _Refused(feature, ("id", "an earlier feature has this id"))
    try:
        return make(feature)
    except msgspec.ValidationError as error:
        raise _Refused(feature, fault(error)) from error
    except GeometryInvalid as error:
        refused = _Refused(feature)
        refused.problems += (
            ImportProblem(
                index=feature.index,
                id=feature.id,
                field=each.field,
                reason=each.reason,
                lon=each.lon,
                lat=each.lat,
            )
            for each in error.problems
        )
        raise refused from error


def _zone(feature: Feature, mend: bool, near: Centre | None) -> tuple[ZoneRecord, Changes]:
    if feature.fault is not None:
        raise _Refused(feature, feature.fault)
    kind = feature.geometry.get("type")
    if kind not in GEOMETRY_TYPES:
        known = ", ".join(GEOMETRY_TYPES)
        raise _Refused(feature, ("geometry.type", f"{kind!r} is not one of {known}"))
    _refuse_swapped(feature, near)
    record = _convert(feature, _ZONE_FIELDS, {"geometry": feature.geometry}, ZoneRecord)
    try:
        record.to_zone()
    except GeometryInvalid:
        if not mend:
            raise
    else:
        return record, ()
    shape, repairs = repair(
        record.geometry,
        radius_m=record.radius_m,
        half_width_m=record.half_width_m,
        where="geometry",
    )
    record = msgspec.structs.replace(record, geometry=geometry_of(shape))
    return record, tuple((each.field, each.change) for each in repairs)


def _place(feature: Feature, near: Centre | None) -> PlaceRecord:
    if feature.fault is not None:
        raise _Refused(feature, feature.fault)
    return _convert(feature, _PLACE_FIELDS, _point(feature, near, "a place"), PlaceRecord)


def _event(feature: Feature, near: Centre | None) -> EventRecord:
    at = _point(feature, near, "an event") if feature.geometry else {}
    return _convert(feature, _EVENT_FIELDS, at, EventRecord)


def _circuit(feature: Feature, near: Centre | None) -> CircuitRecord:
    values: dict[str, object] = {}
    if feature.geometry.get("type") == "LineString":
        _refuse_swapped(feature, near)
        # Foreign members, such as a bounding box, are none of the line's.
        line = {key: feature.geometry.get(key) for key in ("type", "coordinates")}
        values["geometry"] = line
    elif feature.geometry:
        values |= _point(feature, near, "a circuit without a LineString")
    return _convert(feature, _CIRCUIT_FIELDS, values, CircuitRecord)


def _point(feature: Feature, near: Centre | None, what: str) -> dict[str, object]:
    if feature.geometry.get("type") != "Point":
        raise _Refused(feature, ("geometry.type", f"{what} is a Point"))
    position = feature.geometry.get("coordinates")
    if not isinstance(position, list) or len(position) < 2:
        raise _Refused(feature, ("geometry.coordinates", "must be a position: [lon, lat]"))
    _refuse_swapped(feature, near)
    lon, lat = position[0], position[1]
    for axis, value in enumerate((lon, lat)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _Refused(feature, (f"geometry.coordinates[{axis}]", f"{value!r} is not a number"))
    return {"lon": lon, "lat": lat}


def _convert(feature: Feature, own: frozenset[str], values: dict[str, object], kind: type[R]) -> R:
    """The record of a feature: `own` properties where they are given, the rest as `extra`."""
    extra: dict[str, object] = {}
    for key, value in feature.properties.items():
        if value is None or value == "":
            continue  # GIS exports write every column of every row
        if key == "extra" and isinstance(value, dict):
            extra |= value  # as our own exports have it
            continue
        if key not in own:
            if len(extra) < limits.EXTRA_KEYS_MAX and _small(value):
                extra[key] = value
        elif key in _TEXT_FIELDS and isinstance(value, str):
            values[key] = {feature.language: value}
        elif key in _LIST_FIELDS and isinstance(value, str):
            values[key] = [part.strip() for part in value.replace(";", ",").split(",")]
        else:
            values[key] = value
    record = {"id": feature.id, "name": feature.name, **values, "extra": extra}
    # Not strict: converters from tables write numbers as texts.
    return msgspec.convert(record, kind, strict=False)


def _small(value: object) -> bool:
    try:
        return len(msgspec.json.encode(value)) <= limits.EXTRA_CHARS_MAX
    except (RecursionError, ValueError, TypeError):
        return False


def _refuse_swapped(feature: Feature, near: Centre | None) -> None:
    first: object = feature.geometry.get("coordinates")
    while isinstance(first, list) and first and isinstance(first[0], list):
        first = first[0]
    if near is None or not isinstance(first, list) or len(first) < 2:
        return
    lon, lat = first[0], first[1]
    for value in (lon, lat):
        if not isinstance(value, int | float) or not -90.0 <= value <= 90.0:
            return  # out of range either way, or no number: the validation says which
    reach_m = limits.NEAR_KM_MAX * 1000
    if distance_m(lon, lat, *near) > reach_m >= distance_m(lat, lon, *near):
        raise _Refused(
            feature,
            ("geometry.coordinates", f"[{lon}, {lat}] looks like lat, lon; GeoJSON has lon first"),
        )
