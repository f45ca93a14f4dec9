"""What became of an import, record by record."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from content.errors import RecordInvalid
from content.fields import ID_PATTERN, URL_PATTERN
from content.texts import LANGUAGE_PATTERN

R = TypeVar("R")

# What a pattern means, for those who do not read patterns.
_WORDS = {
    LANGUAGE_PATTERN: "is not by language tag, such as fr, fr-CA or zh-Hant",
    ID_PATTERN: "is no id: ASCII letters, digits and . _ : - after the first",
    # As msgspec quotes it.
    repr(URL_PATTERN): "is no address that begins with http:// or https://",
}


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

    read: how many records of this kind the file holds; each is in `records`, once or (an event at
    several times of day) more often, or has at least one problem. others: how many it holds of
    other kinds. rows: the index in the file of each of `records`, where they are not simply those
    without a problem.
    """

    records: tuple[R, ...]
    problems: tuple[ImportProblem, ...]
    changes: tuple[ImportChange, ...]
    read: int
    others: int = 0
    rows: tuple[int, ...] | None = None

    def indices(self) -> tuple[int, ...]:
        """The index in the file of each of the records."""
        if self.rows is not None:
            return self.rows
        bad = {problem.index for problem in self.problems}
        return tuple(row for row in range(self.read) if row not in bad)


def fault(error: msgspec.ValidationError) -> tuple[str, str]:
    """The field, as a path without the leading `$.`, and the reason of a validation error."""
    reason, _, place = str(error).partition(" - at `")
    # A key of a map is placed "key` in `$.name"; a record without a path has none.
    field = place.rstrip("`").rpartition("`")[2].removeprefix("$").removeprefix(".")
    reason = next((text for pattern, text in _WORDS.items() if pattern in reason), reason)
    cause = error.__cause__
    if isinstance(cause, RecordInvalid):
        return (f"{field}.{cause.field}" if field else cause.field), cause.reason
    return field, reason
