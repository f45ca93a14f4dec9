"""Any file of any format we read, into records of one kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import msgspec

from content.alerts import AlertRecord
from content.circuits import CircuitRecord
from content.errors import FormatInvalid
from content.events import EventRecord
from content.formats import (
    datatourisme,
    geojson,
    gpx,
    ical,
    jsonfile,
    lenient,
    osm,
    packed,
    schemaorg,
    table,
)
from content.formats.report import Report
from content.formats.table import ColumnMap
from content.offers import OfferRecord
from content.places import PlaceRecord
from content.zones import ZoneRecord

Format = Literal["json", "geojson", "datatourisme", "schemaorg", "csv", "gpx", "ical", "osm"]
Kind = Literal["zone", "place", "event", "circuit", "offer", "alert"]
FORMATS: tuple[Format, ...] = get_args(Format)

_TYPES: Mapping[Kind, type[Any]] = {
    "zone": ZoneRecord,
    "place": PlaceRecord,
    "event": EventRecord,
    "circuit": CircuitRecord,
    "offer": OfferRecord,
    "alert": AlertRecord,
}
_HEAD = 4096
_GEOJSON = frozenset({
    "FeatureCollection", "Feature", "Point", "MultiPoint", "LineString", "MultiLineString",
    "Polygon", "MultiPolygon", "GeometryCollection",
})  # fmt: skip
_ROOT = re.compile(rb"<(?:[\w.-]+:)?(gpx|osm|osmChange)[\s>/]")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a file does not say itself.

    language: of texts without one. time_zone: IANA name, of times without one. near: (lon, lat) of
    the destination. mend: repair invalid polygons. columns: of CSV.
    """

    language: str
    time_zone: str = "UTC"
    near: tuple[float, float] | None = None
    mend: bool = False
    columns: ColumnMap | None = None


def detect(data: bytes) -> Format:
    """The format of a file, by what it begins with. Raises FormatInvalid for a damaged wrapping."""
    if packed.is_zip(data):
        if packed.has(data, ".json"):
            return "datatourisme"
        raise FormatInvalid("is a zip archive, but no flux of DATAtourisme")
    data = packed.unpacked(data)
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith(b"<"):
        root = _ROOT.search(head)
        if root is None:
            raise FormatInvalid("is XML, but neither GPX nor OpenStreetMap's")
        return "gpx" if root[1] == b"gpx" else "osm"
    if head[:15].upper() == b"BEGIN:VCALENDAR":
        return "ical"
    if b"OSMHeader" in head[:64]:
        return "osm"
    if head.startswith((b"{", b"[")):
        return _json(data)
    return "csv"


def _json(data: bytes) -> Format:
    try:
        first: object = next(iter(lenient.documents(data)), None)
    except FormatInvalid:
        return "geojson" if b'"FeatureCollection"' in data[:_HEAD] else "json"
    if not isinstance(first, dict):
        return "json"
    if first.get("type") in _GEOJSON:
        return "geojson"
    if "rdfs:label" in first or ("types" in first and "label" in first):
        return "datatourisme"
    graph = first.get("@graph")
    inner = graph[0] if isinstance(graph, list) and graph else None
    if isinstance(inner, dict) and "rdfs:label" in inner:
        return "datatourisme"
    if "@context" in first or "@type" in first or graph is not None:
        return "schemaorg"
    return "json"


Reader = Callable[[bytes, Setting], Report[Any]]


def _texts(read: Callable[..., Report[Any]]) -> Reader:
    return lambda data, given: read(data, language=given.language)


def _timed(read: Callable[..., Report[Any]]) -> Reader:
    return lambda data, given: read(data, language=given.language, time_zone=given.time_zone)


def _placed(read: Callable[..., Report[Any]]) -> Reader:
    return lambda data, given: read(data, language=given.language, near=given.near)


_READERS: Mapping[tuple[Format, Kind], Reader] = {
    ("geojson", "zone"): lambda data, given: geojson.read_zones(
        data, language=given.language, mend=given.mend, near=given.near
    ),
    ("geojson", "place"): _placed(geojson.read_places),
    ("geojson", "event"): _placed(geojson.read_events),
    ("geojson", "circuit"): _placed(geojson.read_circuits),
    ("datatourisme", "place"): _texts(datatourisme.read_places),
    ("datatourisme", "event"): _timed(datatourisme.read_events),
    ("datatourisme", "circuit"): _texts(datatourisme.read_circuits),
    ("schemaorg", "place"): _texts(schemaorg.read_places),
    ("schemaorg", "event"): _timed(schemaorg.read_events),
    ("schemaorg", "circuit"): _texts(schemaorg.read_circuits),
    ("schemaorg", "offer"): _timed(schemaorg.read_offers),
    ("csv", "place"): lambda data, given: table.read_places(
        data, language=given.language, columns=given.columns
    ),
    ("csv", "event"): lambda data, given: table.read_events(
        data, language=given.language, time_zone=given.time_zone, columns=given.columns
    ),
    ("csv", "circuit"): lambda data, given: table.read_circuits(
        data, language=given.language, columns=given.columns
    ),
    ("gpx", "circuit"): _texts(gpx.read_circuits),
    ("gpx", "place"): _texts(gpx.read_places),
    ("ical", "event"): _timed(ical.read_events),
    ("osm", "place"): _texts(osm.read_places),
}


def read(data: bytes, kind: Kind, given: Setting, form: Format | None = None) -> Report[Any]:
    """The records of `kind` in a file of a format, which is found out where none is given.

    Raises FormatInvalid where the file as a whole cannot be read, or holds no such records.
    """
    form = form or detect(data)
    if given.columns is not None and form != "csv":
        raise FormatInvalid(f"is {form}: only csv has columns", "columns")
    if form == "json":
        return jsonfile.read_records(packed.unpacked(data), _TYPES[kind])
    reader = _READERS.get((form, kind))
    if reader is None:
        able = ", ".join(f"{kind}s" for known, kind in _READERS if known == form)
        raise FormatInvalid(f"is {form}, which is read as {able} only", "format")
    return reader(data, given)
