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
    try:
        value = lenient.decode(data)
    except FormatInvalid:
        lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
        # One broken document of many lines is not NDJSON: its first line is no value either.
        if len(lines) < 2 or not isinstance(_line(lines[0]), dict):
            raise
        return [_line(line) for line in lines]
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        raise FormatInvalid("holds neither a record nor an array of records")
    if value.get("type") in ("FeatureCollection", "Feature"):
        raise FormatInvalid("is GeoJSON, which is read as zones or places")
    return [value]


def _line(line: bytes) -> object:
    try:
        return lenient.decode(line)
    except FormatInvalid as error:
        return error


def _id_of(item: object) -> str | None:
    found = item.get("id") if isinstance(item, dict) else None
    return found if isinstance(found, str) else None
