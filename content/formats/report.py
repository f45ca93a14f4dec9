"""What became of an import, record by record."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from content.errors import RecordInvalid

R = TypeVar("R")


class ImportProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a record was left out.

    index: of the record in its file, from 0; id: where it is known; field: as a path in the
    record; lon, lat: where on the map, if the fault has a place.
    """

    index: int
    id: str | None = None
    field: str
    reason: str
    lon: float | None = None
    lat: float | None = None


class ImportChange(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed in a record so that it could be read."""

    index: int
    id: str
    field: str
    what: str


class Report(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """The records read, in file order, with all problems and changes.

    read: how many records the file holds; each is in `records` or has at least one problem.
    """

    records: tuple[R, ...]
    problems: tuple[ImportProblem, ...]
    changes: tuple[ImportChange, ...]
    read: int


def fault(error: msgspec.ValidationError) -> tuple[str, str]:
    """The field, as a path without the leading `$.`, and the reason of a validation error."""
    reason, _, path = str(error).partition(" - at `")
    field = path.rstrip("`").removeprefix("$").removeprefix(".")
    cause = error.__cause__
    if isinstance(cause, RecordInvalid):
        return (f"{field}.{cause.field}" if field else cause.field), cause.reason
    return field, reason
