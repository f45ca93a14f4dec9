"""Recorded traces from CSV: one fix a row, in any order, with the columns people export.

Read row by row; a bad row is reported with its line and column and leaves the others alone.
"""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from engine import limits
from engine.errors import TracesInvalid
from geofence.columns import Pings

# What each column may be called; case, spaces and underscores around words do not matter.
NAMES: dict[str, tuple[str, ...]] = {
    "visitor": ("visitor", "visitor_id", "id", "device", "device_id"),
    "time": ("ts", "time", "timestamp", "fix_ms"),
    "lat": ("lat", "latitude"),
    "lon": ("lon", "lng", "longitude"),
    "accuracy": ("accuracy", "acc", "accuracy_m"),
    "speed": ("speed", "speed_mps"),
}
REQUIRED = ("visitor", "time", "lat", "lon")

# Seconds reach this number in the year 5138, milliseconds reached it in 1973.
_MS_FROM = 1e11
_TIME_MS_MAX = 253_402_300_799_999  # 9999-12-31
_UNKNOWN = -1.0


class RowProblem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a row was left out: its line in the file (the header is line 1) and its column."""

    row: int
    column: str
    reason: str


class Traces(NamedTuple):
    """Recorded fixes in the order of their times; those of one instant in the file's order.

    visitors: id by slot, in the order of their first row; pings: the readable rows; rows: how
    many rows the file has; problems: of unreadable rows, the first limits.TRACE_PROBLEMS_MAX;
    refused: how many there were.
    """

    visitors: tuple[str, ...]
    pings: Pings
    rows: int
    problems: tuple[RowProblem, ...]
    refused: int


class _Columns(NamedTuple):
    """Where each column is, and whether times are in milliseconds whatever their size."""

    at: dict[str, int]
    in_ms: bool


class _Unreadable(Exception):
    def __init__(self, column: str, reason: str) -> None:
        super().__init__(column, reason)
        self.column, self.reason = column, reason


def read_traces(path: Path) -> Traces:
    """Read a CSV file (UTF-8; comma, semicolon or tab).

    Columns, by any of NAMES: visitor; time as ISO 8601 (UTC where it says nothing) or a number of
    seconds or milliseconds since 1970; lat and lon in degrees; accuracy in metres and speed in m/s
    where known. Raises TracesInvalid where the file as a whole cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return parse_traces(lines)
    except OSError as error:
        raise TracesInvalid(reason=f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TracesInvalid(reason=f"is not UTF-8 at byte {error.start}") from error


def parse_traces(lines: Iterable[str]) -> Traces:
    """Read the lines of a CSV file, as `read_traces` does."""
    source = iter(lines)
    header = next(source, "")
    delimiter = max(",;\t", key=header.count)
    columns = _columns(next(csv.reader([header], delimiter=delimiter), []))
    table = _Table(columns)
    reader = csv.reader(source, delimiter=delimiter)
    try:
        for cells in reader:
            if cells:
                table.take(cells, reader.line_num + 1)
    except csv.Error as error:
        raise TracesInvalid(reason=f"line {reader.line_num + 1}: {error}") from error
    return table.traces()


def _columns(header: list[str]) -> _Columns:
    """Where each column is; the first name of NAMES that the file has is taken."""
    written = [cell.strip().lower().replace(" ", "_") for cell in header]
    found: dict[str, int] = {}
    for column, names in NAMES.items():
        here = [name for name in names if name in written]
        if here:
            if written.count(here[0]) > 1:
                raise TracesInvalid(reason=f"has two columns named {here[0]!r}")
            found[column] = written.index(here[0])
        elif column in REQUIRED:
            raise TracesInvalid(reason=f"has no column for the {column}: {' or '.join(names)}")
    return _Columns(found, written[found["time"]] == "fix_ms")


class _Table:
    """The columns as they grow."""

    def __init__(self, columns: _Columns) -> None:
        self._columns, self._in_ms = columns
        self._slots: dict[str, int] = {}
        self._visitor, self._fix_ms = array("i"), array("q")
        self._lon, self._lat = array("d"), array("d")
        self._accuracy, self._speed = array("f"), array("f")
        self._rows = self._refused = 0
        self._problems: list[RowProblem] = []

    def take(self, cells: list[str], line: int) -> None:
        if self._rows >= limits.TRACE_ROWS_MAX:
            raise TracesInvalid(reason=f"has more than {limits.TRACE_ROWS_MAX} rows: split it")
        self._rows += 1
        try:
            visitor = self._cell(cells, "visitor")
            fix_ms = _time_ms(self._cell(cells, "time"), in_ms=self._in_ms)
            lat, lon = _position(self._cell(cells, "lat"), self._cell(cells, "lon"))
            accuracy, speed = self._known(cells, "accuracy"), self._known(cells, "speed")
        except _Unreadable as problem:
            self._refused += 1
            if len(self._problems) < limits.TRACE_PROBLEMS_MAX:
                self._problems.append(
                    RowProblem(row=line, column=problem.column, reason=problem.reason)
                )
            return
        self._visitor.append(self._slots.setdefault(visitor, len(self._slots)))
        self._fix_ms.append(fix_ms)
        self._lon.append(lon)
        self._lat.append(lat)
        self._accuracy.append(accuracy)
        self._speed.append(speed)

    def traces(self) -> Traces:
        fix_ms = np.array(self._fix_ms, np.int64)
        order = np.argsort(fix_ms, kind="stable")
        pings = Pings(
            visitor=np.array(self._visitor, np.int32)[order],
            fix_ms=fix_ms[order],
            lon=np.array(self._lon, np.float64)[order],
            lat=np.array(self._lat, np.float64)[order],
            accuracy_m=np.array(self._accuracy, np.float32)[order],
            speed_mps=np.array(self._speed, np.float32)[order],
            flags=np.zeros(len(order), np.uint8),
        )
        return Traces(tuple(self._slots), pings, self._rows, tuple(self._problems), self._refused)

    def _cell(self, cells: list[str], column: str) -> str:
        at = self._columns[column]
        cell = cells[at].strip() if at < len(cells) else ""
        if not cell:
            raise _Unreadable(column, "is missing")
        return cell

    def _known(self, cells: list[str], column: str) -> float:
        """Accuracy or speed, -1 where it is not said (an empty cell, a negative number)."""
        at = self._columns.get(column, len(cells))
        cell = cells[at].strip() if at < len(cells) else ""
        return max(_UNKNOWN, _number(cell, column)) if cell else _UNKNOWN


def _number(text: str, column: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _Unreadable(column, f"{_shown(text)} is not a finite number")
    return value


def _position(lat_text: str, lon_text: str) -> tuple[float, float]:
    lat, lon = _number(lat_text, "lat"), _number(lon_text, "lon")
    if not -90 <= lat <= 90:
        hint = "; are lat and lon swapped?" if -180 <= lat <= 180 and -90 <= lon <= 90 else ""
        raise _Unreadable("lat", f"{_shown(lat_text)} is outside -90 to 90{hint}")
    if not -180 <= lon <= 180:
        raise _Unreadable("lon", f"{_shown(lon_text)} is outside -180 to 180")
    return lat, lon


def _time_ms(text: str, *, in_ms: bool) -> int:
    try:
        fix_ms = _from_number(float(text), in_ms)
    except ValueError:
        fix_ms = _from_iso(text)
    if fix_ms is None or not 0 <= fix_ms <= _TIME_MS_MAX:
        known = "ms since 1970" if in_ms else "ISO 8601, seconds or ms since 1970"
        raise _Unreadable("time", f"{_shown(text)} is not a time ({known})")
    return fix_ms


def _from_number(value: float, in_ms: bool) -> int | None:
    if not math.isfinite(value):
        return None
    return round(value if in_ms or abs(value) >= _MS_FROM else value * 1000)


def _from_iso(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + round(since.microseconds / 1000)


def _shown(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:37]!r}..."
