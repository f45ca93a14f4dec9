"""Records of the catalogue at the doors: decoded, checked in full, read from files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from api import bodies, limits
from api.errors import FieldError, Invalid, Malformed
from content.destination import Destination
from content.errors import FormatInvalid, RecordInvalid
from content.formats import sources
from content.formats.jsonfile import read_records
from content.formats.report import ImportChange, ImportProblem, Report, fault
from content.formats.table import ColumnMap
from engine.catalogue import TYPES, CatalogueBook, Entry
from engine.planner import supplied
from engine.records import CatalogueKind
from geofence.errors import GeometryInvalid, OverlapExceeded, ZoneInvalid
from notifier import messages
from rules import checks
from rules.campaigns import AllOf, AnyOf, Campaign, Condition, FirstVisit, Not, Status, Visited

CHANNELS: Final = frozenset({"fcm", "inbox", "log", "webhook", "webpush"})
"""Every channel that there is, set up here or not."""

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

LIVE: Final = ("live", "scheduled")
LABELS: Final = ("draft", "in_review", "scheduled")
"""Statuses of a campaign that does not speak and never has: for those who work on it."""


def decode(kind: CatalogueKind, body: bytes, record_id: str, known: CatalogueBook) -> Any:
    """A record from the body of a PUT; its id is the path's, and may stand in the body too.

    Raises Malformed, or Invalid naming every wrong field.
    """
    document = bodies.document(body)
    if not isinstance(document, dict):
        raise Malformed("expected an object")
    given = document.setdefault("id", record_id)
    kept = _status_of(known.find(kind, record_id)) if kind == "campaign" else ""
    if kept:
        document.setdefault("status", kept)
    record: Any = bodies.convert(document, TYPES[kind])
    if given != record_id:
        raise Invalid.one("id", f"{given!r} is not the id in the path, {record_id!r}")
    found = faults(kind, record, known)
    if kept and not _may_become(kept, record.status):
        found.append(FieldError(field="status", reason=_changed_by(kept, record_id)))
    if found:
        raise Invalid(found)
    return record


def _status_of(stored: Campaign | None) -> Status:
    return stored.status if stored else "draft"


def _may_become(kept: Status, asked: Status) -> bool:
    """Whether an edit may change a status: labels only; to speak takes a launch."""
    return asked == kept or (asked in LABELS and kept in LABELS)


def _changed_by(kept: Status, record_id: str) -> str:
    return f"is {kept}; POST /v1/campaigns/{record_id}/launch, /pause or /end changes it"


def edited(campaign: Campaign, stored: Campaign | None, *, four_eyes: bool) -> Campaign:
    """A campaign as an edit leaves it: under four eyes a live one goes back into review."""
    if four_eyes and campaign.status == "live" and campaign != stored:
        return msgspec.structs.replace(campaign, status="in_review")
    return campaign


def with_statuses(
    report: Report[Campaign], held: Mapping[str, Entry], *, four_eyes: bool
) -> Report[Campaign]:
    """The campaigns of a file with the status that each has here, and what that changed."""
    records = []
    changes = list(report.changes)
    for index, record in zip(report.indices(), report.records, strict=True):
        entry = held.get(record.id)
        stored = entry.record if entry is not None else None
        kept = _status_of(stored)
        # A file's draft need not mean it: it is what a file that says nothing holds.
        if record.status == "draft" or not _may_become(kept, record.status):
            if record.status != "draft":
                what = f"{record.status} in the file; it {_changed_by(kept, record.id)}"
                changes.append(ImportChange(index=index, id=record.id, field="status", what=what))
            record = msgspec.structs.replace(record, status=kept)
        records.append(edited(record, stored, four_eyes=four_eyes))
    return msgspec.structs.replace(report, records=tuple(records), changes=tuple(changes))


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
    found += [
        FieldError(field=f"channels[{at}]", reason=f"is none of {', '.join(sorted(CHANNELS))}")
        for at, name in enumerate(campaign.channels)
        if name not in CHANNELS
    ]
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


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of a file: see the query of imports. is_json: it was sent as JSON."""

    mend: bool = False
    form: sources.Format | None = None
    language: str | None = None
    columns: ColumnMap | None = None
    is_json: bool = False


def read_file(
    kind: CatalogueKind, data: bytes, given: Given, destination: Destination | None
) -> Report[Any]:
    """The records of an import.

    Raises Malformed where the file as a whole cannot be read.
    """
    setting = sources.Setting(
        language=given.language or (destination.default_language if destination else "en"),
        time_zone=destination.time_zone if destination else "UTC",
        near=(destination.lon, destination.lat) if destination else None,
        mend=given.mend,
        columns=given.columns,
    )
    try:
        if kind == "campaign" or kind == "destination":
            return read_records(data, TYPES[kind])
        form = given.form or sources.detect(data)
        if given.form is None and given.is_json and form == "csv":
            form = "json"  # to be told what is wrong with it as JSON
        report = sources.read(data, kind, setting, form)
        return _sound_zones(report) if (kind, form) == ("zone", "json") else report
    except FormatInvalid as error:
        raise Malformed(f"the file {error.reason}", at=error.where) from error


def _sound_zones(report: Report[Any]) -> Report[Any]:
    """The report without zones that are no shapes, which their types cannot say."""
    sound: list[Any] = []
    problems = list(report.problems)
    for index, record in zip(report.indices(), report.records, strict=True):
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
