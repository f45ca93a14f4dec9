"""Our own files: a JSON array of records, one record, or one record a line (NDJSON)."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from content import limits
from content.errors import FormatInvalid
from content.fields import Record
from content.formats import lenient
from content.formats.report import ImportProblem, Report, fault

R = TypeVar("R", bound=Record)


def read_records(data: bytes, kind: type[R]) -> Report[R]:
    """Read records of one kind (any msgspec struct with an id), each on its own.

    A record that does not fit its kind, or whose id an earlier one has, is a problem and leaves
    the others alone. Raises FormatInvalid where the file as a whole cannot be read.
    """
    items = _items(data)
    if len(items) > limits.IMPORT_RECORDS_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_RECORDS_MAX} records")
    records: dict[str, R] = {}
    problems: list[ImportProblem] = []
    for index, item in enumerate(items):
        if isinstance(item, FormatInvalid):
            problems.append(ImportProblem(index=index, field="", reason=str(item)))
            continue
        try:
            record = msgspec.convert(item, kind)
        except msgspec.ValidationError as error:
            field, reason = fault(error)
            problems.append(ImportProblem(index=index, id=_id_of(item), field=field, reason=reason))
            continue
        if record.id in records:
            problems.append(
                ImportProblem(
                    index=index, id=record.id, field="id", reason="an earlier record has this id"
                )
            )
            continue
        records[record.id] = record
    return Report(
        records=tuple(records.values()), problems=tuple(problems), changes=(), read=len(items)
    )


def _items(data: bytes) -> list[object]:
    """The records of a file; a line of NDJSON that cannot be read stands as its error."""
    items = lenient.documents(data)
    if len(items) == 1 and not data.lstrip(b" \t\r\n\xef\xbb\xbf").startswith(b"["):
        (value,) = items
        if not isinstance(value, dict):
            raise FormatInvalid("holds neither a record nor an array of records")
        if value.get("type") in ("FeatureCollection", "Feature"):
            raise FormatInvalid("is GeoJSON, which is read as zones or places")
    return items


def _id_of(item: object) -> str | None:
    found = item.get("id") if isinstance(item, dict) else None
    return found if isinstance(found, str) else None
