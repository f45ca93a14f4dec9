"""CSV into places, events and circuits, by a map from our fields to the columns of the file.

Delimiter and encoding are found out: comma, semicolon, tab or bar; UTF-8, UTF-16 with its mark,
else Windows-1252, in which spreadsheets save. Columns that nothing maps are kept in `extra`.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zoneinfo
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from content import limits
from content.circuits import CircuitRecord
from content.errors import FormatInvalid
from content.events import EventRecord
from content.fields import ID_PATTERN, Record
from content.formats import ids, loose, packed
from content.formats.drafts import Draft, Gathering
from content.formats.periods import Period, times
from content.formats.report import Report
from content.places import PlaceRecord

R = TypeVar("R", bound=Record)
Column = Annotated[str, Meta(min_length=1, max_length=limits.NAME_CHARS_MAX)]
Row = Mapping[str, str]

_TEXTS = ("name", "summary", "description")
_LISTS = ("categories", "themes", "tags", "seasons")
_FLAGS = ("must_see", "off_the_beaten_track")
_NUMBERS = ("price.amount", "distance_m", "ascent_m", "duration_min", "remaining_places")
_WHEN = ("first_date", "last_date", "start_time", "end_time", "start", "end", "rrule")
_YES = frozenset(["1", "true", "yes", "y", "x", "oui", "sí", "si", "ja", "wahr", "vrai", "t"])
_NO = frozenset(["0", "false", "no", "n", "non", "nein", "falsch", "faux", "f"])
_NAMES = ("name", "nom", "title", "titre", "label", "libelle", "nombre")
_GUESSES = {
    "lon": ("lon", "lng", "long", "longitude", "x"),
    "lat": ("lat", "latitude", "y"),
    "name": _NAMES,
    "summary": ("summary",),
    "description": ("description",),
    "address": ("address", "adresse", "street", "rue"),
    "website": ("website", "url", "site", "web"),
    "opening_hours": ("opening_hours",),
    "categories": ("category", "categories", "categorie"),
    "tags": ("tags",),
    "first_date": ("date_start", "start_date", "first_date", "date"),
    "last_date": ("date_end", "end_date", "last_date"),
    "start_time": ("start_time", "time"),
    "end_time": ("end_time",),
    "rrule": ("rrule", "recurrence_rule"),
}
_IDS = ("id", "uuid", "code", "identifier", "ref")
_WHOLE = re.compile(r"^(\d+)\.0$")
_SUFFIX = re.compile(r"^([a-z]+)[_:]([a-z]{2,3})$")


class ColumnMap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which columns of a CSV file make which fields.

    id: the column of the id; without one, the name stands for it. id_prefix: put before every id,
    to keep several files apart. fields: columns by field, such as name.ca, lon, price.amount, or of
    events first_date, last_date, start_time, end_time, start, end, rrule; several columns are
    joined by a space. only: rows that have one of these values in a column; others are left out.
    """

    id: Column | None = None
    id_prefix: Annotated[str, Meta(pattern=f"{ID_PATTERN}|^$", max_length=40)] = ""
    fields: Annotated[
        dict[str, Column | tuple[Column, ...]], Meta(max_length=limits.LIST_ITEMS_MAX)
    ] = {}
    only: dict[Column, tuple[str, ...]] = {}


def read_places(
    data: bytes, *, language: str, columns: ColumnMap | None = None
) -> Report[PlaceRecord]:
    """Read a place a row.

    language: of texts without one. columns: without a map, the usual names of columns are looked
    for. Raises FormatInvalid where the file as a whole cannot be read.
    """
    return _read(data, Gathering(PlaceRecord), language, columns, None)


def read_events(
    data: bytes, *, language: str, time_zone: str, columns: ColumnMap | None = None
) -> Report[EventRecord]:
    """Read an event a row; its times are of `time_zone` (IANA). Else as `read_places`."""
    return _read(data, Gathering(EventRecord), language, columns, zoneinfo.ZoneInfo(time_zone))


def read_circuits(
    data: bytes, *, language: str, columns: ColumnMap | None = None
) -> Report[CircuitRecord]:
    """Read a circuit a row; else as `read_places`."""
    return _read(data, Gathering(CircuitRecord), language, columns, None)


def _read(
    data: bytes,
    gathering: Gathering[R],
    language: str,
    columns: ColumnMap | None,
    zone: zoneinfo.ZoneInfo | None,
) -> Report[R]:
    header, rows = _rows(packed.unpacked(data))
    mapped = columns or guess(header, gathering.kind)
    _check(mapped, header, gathering.kind)
    found = list(rows)
    naming = _Naming(header, found, mapped, language)
    for index, cells in enumerate(found):
        row = {name: cell.strip() for name, cell in zip(header, cells, strict=False)}
        if not any(row.values()):
            continue
        if any(row.get(column, "") not in kept for column, kept in mapped.only.items()):
            gathering.other()
            continue
        draft = naming.draft(row)
        if len(cells) != len(header):
            draft.note("", f"has {len(cells)} cells for {len(header)} columns")
        _mapped(draft, row, mapped)
        if zone is not None:
            try:
                _when(draft, row, mapped, zone)
            except ValueError as error:
                gathering.refuse(index, "start", str(error), draft.id)
                continue
        gathering.add(index, draft)
    return gathering.report()


def _rows(data: bytes) -> tuple[list[str], Iterator[list[str]]]:
    if len(data) > limits.IMPORT_BYTES_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_BYTES_MAX} bytes")
    text = _decoded(data)
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    rows = _parsed(text, delimiter)
    header = [name.strip() for name in next(rows, [])]
    if len(header) < 2:
        raise FormatInvalid("is no CSV: its first line names no columns", "line 1")
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise FormatInvalid(f"has several columns {twice[0]!r}", "line 1")
    return header, rows


def _parsed(text: str, delimiter: str) -> Iterator[list[str]]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from rows
    except csv.Error as error:
        raise FormatInvalid(f"is no CSV: {error}", f"line {rows.line_num}") from error


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise FormatInvalid(f"is not {', nor '.join(encodings)}")


def guess(header: list[str], kind: type[Record]) -> ColumnMap:
    """A map by the usual names of columns: lat, longitude, name_fr, the names of our own fields."""
    known = _fields(kind)
    fields: dict[str, str | tuple[str, ...]] = {}
    lower = {name.lower(): name for name in reversed(header) if name}
    for field, names in _GUESSES.items():
        if field in known or field in _WHEN:
            found = next((lower[name] for name in names if name in lower), None)
            if found is not None:
                fields[field] = found
    for name, own in lower.items():
        match = _SUFFIX.match(name)
        stem = "name" if match and match[1] in _NAMES else match[1] if match else ""
        if match and stem in _TEXTS and loose.language(match[2]):
            fields[f"{stem}.{match[2]}"] = own
        elif name in (*_FLAGS, *_NUMBERS, *_LISTS) and name in known:
            fields.setdefault(name, own)
    if kind is not EventRecord:
        fields = {field: column for field, column in fields.items() if field not in _WHEN}
    found_id = next((lower[name] for name in _IDS if name in lower), None)
    return ColumnMap(id=found_id, fields=fields)


def _fields(kind: type[Record]) -> set[str]:
    assert issubclass(kind, msgspec.Struct)
    return set(kind.__struct_fields__)


def _check(mapped: ColumnMap, header: list[str], kind: type[Record]) -> None:
    known = _fields(kind)
    for field, columns in mapped.fields.items():
        stem = field.partition(".")[0]
        if stem not in known and not (kind is EventRecord and stem in _WHEN):
            raise FormatInvalid(f"is to fill {field!r}, which is no field", "columns")
        for column in _each(columns):
            if column not in header:
                raise FormatInvalid(f"has no column {column!r}, which is to fill {field}", "line 1")
    for column in (*mapped.only, *((mapped.id,) if mapped.id else ())):
        if column not in header:
            raise FormatInvalid(f"has no column {column!r}", "line 1")


def _each(columns: str | tuple[str, ...]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else columns


def _cell(row: Row, columns: str | tuple[str, ...]) -> str:
    """The text of one column, or of several with a space between.

    A house number that a spreadsheet took for a decimal (12.0) is whole again when it is joined.
    """
    if isinstance(columns, str):
        return row.get(columns, "")
    parts = (_WHOLE.sub(r"\1", row.get(column, "")) for column in columns)
    return " ".join(part for part in parts if part)


class _Naming:
    """Ids of rows: the id column where it tells rows apart, with the name after it where it does
    not, the name alone where there is no id."""

    def __init__(
        self, header: list[str], rows: list[list[str]], mapped: ColumnMap, language: str
    ) -> None:
        at = header.index(mapped.id) if mapped.id else len(header)
        self._mapped = mapped
        self._language = language
        self._ids = Counter(cells[at].strip() for cells in rows if at < len(cells))
        self._taken: Counter[str] = Counter()

    def draft(self, row: Row) -> Draft:
        """A draft with its id."""
        mapped = self._mapped
        own = row.get(mapped.id, "") if mapped.id else ""
        fields = mapped.fields.items()
        names = (_cell(row, columns) for field, columns in fields if field.startswith("name"))
        name = next(filter(None, names), "")
        if own and self._ids[own] == 1:
            draft = Draft(mapped.id_prefix + own, self._language)
        else:
            parts = (ids.slug(part) for part in (own, name) if part)
            base = "-".join(parts) or "row"
            self._taken[base] += 1
            numbered = f"{base}-{self._taken[base]}" if self._taken[base] > 1 else base
            draft = Draft(mapped.id_prefix + numbered, self._language)
            why = f"several rows have the id {own!r}" if own else "the row has none"
            draft.note("id", f"{why}: made of the name, and a number where that is the same too")
        if not name:
            draft.text("name", draft.id)
            draft.note("name", "is missing: the id stands for it")
        return draft


def _mapped(draft: Draft, row: Row, mapped: ColumnMap) -> None:
    texts: dict[str, dict[str, str]] = {}
    for field, columns in mapped.fields.items():
        cell = _cell(row, columns)
        stem, _, rest = field.partition(".")
        if not cell or stem in _WHEN:
            continue
        if stem in _TEXTS:
            texts.setdefault(stem, {})[rest or draft.language] = cell
        elif stem in _LISTS:
            before = draft.values.get(stem, [])
            draft.tags(stem, [*loose.many(before), *re.split(r"[,;]\s*", cell)])
        elif field in _FLAGS:
            _flag(draft, field, cell)
        elif field in ("website", "booking_url"):
            draft.url(field, cell)
        elif field in ("lon", "lat", *_NUMBERS):
            found = loose.number(cell)
            _nest(draft, field, cell if found is None else found)
        else:
            _nest(draft, field, cell)
    for stem, said in texts.items():
        draft.text(stem, said)
    if draft.values.get("lon") == 0 and draft.values.get("lat") == 0:
        del draft.values["lon"], draft.values["lat"]
        draft.note("lon", "0, 0 stands for an unknown position")
    used = {column for columns in mapped.fields.values() for column in _each(columns)}
    for name, cell in row.items():
        if name and name not in used and name != mapped.id and cell:
            draft.keep(name, cell)
            if loose.is_html(cell):
                draft.note(name, "holds HTML: kept as it is in extra")


def _nest(draft: Draft, field: str, value: object) -> None:
    stem, _, rest = field.partition(".")
    if not rest:
        draft.put(stem, value)
        return
    inner = draft.values.setdefault(stem, {})
    assert isinstance(inner, dict)
    inner[rest] = value


def _flag(draft: Draft, field: str, cell: str) -> None:
    if cell.lower() in _YES | _NO:
        draft.put(field, cell.lower() in _YES)
    else:
        draft.note(field, f"{cell[:40]!r} says neither yes nor no: kept in extra")
        draft.keep(field, cell)


def _when(draft: Draft, row: Row, mapped: ColumnMap, zone: zoneinfo.ZoneInfo) -> None:
    """Set the times of an event. Raises ValueError where there are none."""
    cells = {name: _cell(row, mapped.fields[name]) for name in _WHEN if name in mapped.fields}
    if cells.get("start"):
        draft.put("start", _instant(cells["start"], zone))
        draft.put("end", _instant(cells["end"], zone) if cells.get("end") else None)
        return
    first = loose.day(cells.get("first_date"))
    if first is None:
        raise ValueError(f"{cells.get('first_date', '')!r} is no day (YYYY-MM-DD)")
    last = loose.day(cells.get("last_date")) or first
    starts = loose.clock(cells.get("start_time"))
    ends = loose.clock(cells.get("end_time")) if starts else None
    period = Period(first=first, last=last, starts=starts, ends=ends)
    (made,) = times([period], zone)
    draft.values |= made.fields
    if cells.get("rrule"):
        _recur(draft, period, cells["rrule"], zone)


def _recur(draft: Draft, period: Period, rule: str, zone: zoneinfo.ZoneInfo) -> None:
    start, end = draft.values.get("start"), draft.values.get("end")
    if not isinstance(start, dt.datetime):
        draft.keep("rrule", rule)
        draft.note("rrule", "repeats what is daily already: kept in extra, not used")
        return
    minutes = int((end - start).total_seconds()) // 60 if isinstance(end, dt.datetime) else 0
    fields = {
        "start_rule": {"time": start.time()},
        "duration_min": minutes,
        "time_zone": zone.key,
        "rrule": rule.removeprefix("RRULE:"),
        "first_date": period.first,
    }
    for field in ("start", "end"):
        draft.values.pop(field, None)
    draft.values["recurrence"] = fields


def _instant(cell: str, zone: zoneinfo.ZoneInfo) -> dt.datetime:
    found = dt.datetime.fromisoformat(cell)
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)
