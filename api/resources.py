"""Records of the catalogue at the doors: decoded, checked in full, read from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from api import bodies, limits
from api.errors import FieldError, Invalid, Malformed
from content.destination import Destination
from content.errors import FormatInvalid, RecordInvalid
from content.formats.geojson import read_places, read_zones
from content.formats.jsonfile import read_records
from content.formats.report import ImportProblem, Report, fault
from engine.catalogue import TYPES, CatalogueBook
from engine.planner import supplied
from engine.records import CatalogueKind
from geofence.errors import GeometryInvalid, OverlapExceeded, ZoneInvalid
from notifier import messages
from rules import checks
from rules.campaigns import AllOf, AnyOf, Campaign, Condition, FirstVisit, Not, Visited

COLLECTIONS: Final[Mapping[str, CatalogueKind]] = {
    "zones": "zone",
    "places": "place",
    "events": "event",
    "circuits": "circuit",
    "offers": "offer",
    "alerts": "alert",
    "campaigns": "campaign",
}
"""The collections' names in URLs and on the command line."""

GEOJSON_TYPES: Final = ("FeatureCollection", "Feature", "Polygon", "MultiPolygon", "Point",
                        "LineString")  # fmt: skip
LIVE: Final = ("live", "scheduled")


def decode(kind: CatalogueKind, body: bytes, record_id: str, known: CatalogueBook) -> Any:
    """A record from the body of a PUT; its id is the path's, and may stand in the body too.

    Raises Malformed, or Invalid naming every wrong field.
    """
    document = bodies.document(body)
    if not isinstance(document, dict):
        raise Malformed("expected an object")
    given = document.setdefault("id", record_id)
    record = bodies.convert(document, TYPES[kind])
    if given != record_id:
        raise Invalid.one("id", f"{given!r} is not the id in the path, {record_id!r}")
    found = faults(kind, record, known)
    if found:
        raise Invalid(found)
    return record


def faults(kind: CatalogueKind, record: Any, known: CatalogueBook) -> list[FieldError]:
    """What types cannot say is wrong with a record, given the rest of the catalogue."""
    if kind == "zone":
        try:
            record.to_zone()
        except GeometryInvalid as error:
            return refused(error)
    if kind == "campaign":
        return campaign_faults(record, known, live=record.status in LIVE)
    return []


def refused(error: Exception) -> list[FieldError]:
    """What the engine refused about a record that looked good by itself."""
    if isinstance(error, GeometryInvalid):
        return [FieldError(field=p.field, reason=_placed(p)) for p in error.problems]
    if isinstance(error, OverlapExceeded):
        reason = f"more than {error.limit} zones over one spot"
        return [FieldError(field="geometry", reason=reason)]
    if isinstance(error, ZoneInvalid | RecordInvalid):
        return [FieldError(field=error.field, reason=error.reason)]
    if isinstance(error, msgspec.ValidationError):
        field, reason = fault(error)
        return [FieldError(field=field, reason=reason[: limits.REASON_CHARS_MAX])]
    return [FieldError(field="", reason=str(error))]


def too_long(body: bytes) -> list[FieldError]:
    """The fault of a record that is longer than one may be."""
    if len(body) <= limits.CHANGE_BYTES_MAX:
        return []
    reason = f"a record has at most {limits.CHANGE_BYTES_MAX:,} bytes, this one {len(body):,}"
    return [FieldError(field="", reason=reason)]


def _placed(problem: Any) -> str:
    if problem.lon is None:
        return str(problem.reason)
    return f"{problem.reason} (near {problem.lon:.7g}, {problem.lat:.7g})"


def campaign_faults(campaign: Campaign, known: CatalogueBook, *, live: bool) -> list[FieldError]:
    """What is wrong with a campaign; `live` adds what it must have before it may speak."""
    found = [FieldError(field=p.field, reason=p.reason) for p in checks.problems(campaign)]
    default = known.destination.default_language if known.destination else "en"
    for under, raw in _messages(campaign):
        found += _message_faults(under, raw, campaign, default, live)
    found += _unanswerable(campaign.condition)
    if live:
        found += _missing(campaign, known)
    return found


def _unanswerable(condition: Condition | None, field: str = "condition") -> list[FieldError]:
    """Leaves that nobody can answer yet: they would be unknown for ever, and hold all back."""
    if isinstance(condition, AllOf | AnyOf):
        return [
            fault
            for at, part in enumerate(condition.of)
            for fault in _unanswerable(part, f"{field}.of[{at}]")
        ]
    if isinstance(condition, Not):
        return _unanswerable(condition.of, f"{field}.of")
    if isinstance(condition, Visited | FirstVisit):
        return [FieldError(field=field, reason="past visits are not kept for conditions yet")]
    return []


def _messages(campaign: Campaign) -> list[tuple[str, dict[str, Any]]]:
    variants = campaign.experiment.variants if campaign.experiment else ()
    return [
        ("message", campaign.message),
        *(
            (f"experiment.variants[{at}].message", variant.message)
            for at, variant in enumerate(variants)
        ),
    ]


def _message_faults(
    under: str, raw: Any, campaign: Campaign, default: str, live: bool
) -> list[FieldError]:
    try:
        message = bodies.convert(raw, messages.Message)
    except Invalid as error:
        return [
            FieldError(
                field=f"{under}.{fault.field}" if fault.field else under, reason=fault.reason
            )
            for fault in error.errors
        ]
    return [
        FieldError(field=f"{under}.{problem.field}", reason=problem.reason)
        for problem in messages.check(message, supplied(campaign), default)
        if live or problem.code != "default_language"
    ]


def _missing(campaign: Campaign, known: CatalogueBook) -> list[FieldError]:
    """References of the trigger to what is not in the catalogue."""
    found = []
    for field, kind in (("zones", "zone"), ("tell", "zone"), ("places", "place"),
                        ("events", "event")):  # fmt: skip
        for at, ref in enumerate(getattr(campaign.trigger, field, ())):
            if known.find(kind, ref) is None:
                reason = f"there is no {kind} {ref}"
                found.append(FieldError(field=f"trigger.{field}[{at}]", reason=reason))
    return found


def read_file(
    kind: CatalogueKind, data: bytes, *, mend: bool, destination: Destination | None
) -> Report[Any]:
    """The records of an import: GeoJSON (zones and places), or our own JSON or NDJSON.

    Raises Malformed where the file as a whole cannot be read.
    """
    language = destination.default_language if destination else "en"
    near = (destination.lon, destination.lat) if destination else None
    try:
        if kind == "zone" and _is_geojson(data):
            return read_zones(data, language=language, mend=mend, near=near)
        if kind == "place" and _is_geojson(data):
            return read_places(data, language=language, near=near)
        report = read_records(data, TYPES[kind])
        return _sound_zones(report) if kind == "zone" else report
    except FormatInvalid as error:
        raise Malformed(f"the file {error.reason}", at=error.where) from error


def _sound_zones(report: Report[Any]) -> Report[Any]:
    """The report without zones that are no shapes, which their types cannot say."""
    bad = {problem.index for problem in report.problems}
    rows = (row for row in range(report.read) if row not in bad)
    sound: list[Any] = []
    problems = list(report.problems)
    for index, record in zip(rows, report.records, strict=True):
        try:
            record.to_zone()
        except GeometryInvalid as error:
            problems += [
                ImportProblem(
                    index=index, id=record.id, field=p.field, reason=p.reason, lon=p.lon, lat=p.lat
                )
                for p in error.problems
            ]
        else:
            sound.append(record)
    return msgspec.structs.replace(report, records=tuple(sound), problems=tuple(problems))


def _is_geojson(data: bytes) -> bool:
    class Head(msgspec.Struct):
        type: str = ""

    try:
        return msgspec.json.decode(data, type=Head).type in GEOJSON_TYPES
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The tolerant reader will say what is wrong; our own files do not open like this.
        return b'"FeatureCollection"' in data[:4096]


def encode(record: Any) -> bytes:
    """A record's canonical JSON, as it stands in the log."""
    return msgspec.json.encode(record)


def feature(zone: Any) -> dict[str, Any]:
    """A zone as a GeoJSON feature, which `read_file` reads back."""
    fields = msgspec.to_builtins(zone)
    geometry = fields.pop("geometry")
    extra = fields.pop("extra", {})
    return {
        "type": "Feature",
        "id": fields.pop("id"),
        "geometry": geometry,
        "properties": extra | fields,
    }
