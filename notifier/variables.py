"""The variables that templates know, their types, and how values of them print.

Values come raw from the engine, as JSON would hold them: instants and durations in ms under names
that end in `_ms`, distances in metres under names that end in `_m`, texts in several languages as
{tag: text}. A template names them without the unit, `{{ starts_in }}`, and gets words.

    {"zone": {"id": "lake", "name": {"fr": "Le lac", "en": "The lake"}, "level": "quiet"},
     "event": {"name": {...}, "start_ms": 1787000000000, "starts_in_ms": 1800000},
     "starts_in_ms": 1800000, "distance_m": 230.0}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
from liquid.exceptions import LiquidTypeError

from notifier import formats, languages, text
from notifier.limits import VARIABLE_CHARS_MAX

Kind = Literal[
    "text", "name", "url", "instant", "duration", "distance", "number", "count", "level", "flag",
    "open",
]  # fmt: skip
"""What a variable holds. `name`: a text in several languages. `open`: a map of plain values."""

Purpose = Literal["read", "link", "data"]
"""What a template is for: a text to read; part of an address, percent-encoded; data for an app, in
which instants and durations are ms and distances metres."""

SUFFIXES: Final[dict[Kind, str]] = {"instant": "_ms", "duration": "_ms", "distance": "_m"}

_THING: Final[dict[str, Kind]] = {"id": "text", "name": "name", "summary": "name"}

SCHEMA: Final[dict[str, Kind | dict[str, Kind]]] = {
    "destination": {"name": "name"},
    "visitor": {"language": "text", "attributes": "open"},
    "zone": {
        **_THING,
        "level": "level",
        "occupancy": "count",
        "capacity": "count",
        "quieter_from": "instant",
    },
    "place": {
        **_THING,
        "category": "text",
        "address": "text",
        "website": "url",
        "image_url": "url",
        "distance": "distance",
        "level": "level",
        "closes": "instant",
    },
    "event": {
        **_THING,
        "start": "instant",
        "end": "instant",
        "starts_in": "duration",
        "remaining": "count",
        "price": "text",
        "booking_url": "url",
        "image_url": "url",
        "place_name": "name",
    },
    "offer": {**_THING, "price": "text", "ends": "instant", "url": "url", "image_url": "url"},
    "circuit": {**_THING, "stops": "count", "length": "distance", "duration": "duration"},
    "alert": {**_THING, "until": "instant"},
    "alternative": {
        **_THING,
        "level": "level",
        "distance": "distance",
        "walk": "duration",
        "image_url": "url",
    },
    "departure": {"line": "text", "from_name": "name", "at": "instant", "leaves_in": "duration"},
    "weather": {"summary": "text", "temperature": "number"},
    "feed": "open",
    "level": "level",
    "starts_in": "duration",
    "distance": "distance",
    "dwell": "duration",
    "now": "instant",
    "sunrise": "instant",
    "sunset": "instant",
}
"""Every variable: a kind, or the fields of a record and their kinds."""

PATHS: Final[dict[str, Kind]] = {
    (name if isinstance(kind, str) else f"{name}.{field}"): of
    for name, kind in SCHEMA.items()
    for field, of in ({"": kind} if isinstance(kind, str) else kind).items()
}
"""The same, flat: zone.name, starts_in."""


_NAMES: Final[dict[str, str]] = {
    name + (SUFFIXES.get(kind, "") if isinstance(kind, str) else ""): name
    for name, kind in SCHEMA.items()
}


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """For whom values are printed.

    languages: what the reader reads, best first. lang: the tag by which numbers and times print.
    default: the destination's language. time_zone: the destination's, an IANA name.
    """

    languages: tuple[str, ...]
    lang: str
    default: str
    time_zone: str


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A name that is no variable, and the variable that was perhaps meant."""

    path: str
    nearest: str | None


def resolve(segments: Sequence[object]) -> Kind | Literal["record"] | Unknown:
    """What a path in a template stands for."""
    path = ".".join(str(segment) for segment in segments)
    top = SCHEMA.get(str(segments[0]))
    if top is not None and all(isinstance(segment, str) for segment in segments):
        if isinstance(top, dict):
            if len(segments) == 1:
                return "record"
            field = top.get(str(segments[1]))
            if field is not None and len(segments) == (3 if field == "open" else 2):
                return field
        elif len(segments) == (2 if top == "open" else 1):
            return top
    return Unknown(path=path, nearest=nearest(path))


def nearest(path: str) -> str | None:
    """The variable whose name is most like `path`, if any is."""
    found = difflib.get_close_matches(path, [*PATHS, *SCHEMA], n=1, cutoff=0.6)
    return found[0] if found else None


class Record(Mapping[str, object]):
    """A record as templates see it: its fields print as their kinds say; it does not itself."""

    __slots__ = ("_fields", "_name", "_purpose", "_reader", "_values")

    def __init__(
        self,
        name: str,
        fields: Mapping[str, Kind | dict[str, Kind]],
        values: Mapping[str, Any],
        reader: Reader,
        purpose: Purpose,
    ) -> None:
        self._name = name
        self._fields = fields
        self._values = values
        self._reader = reader
        self._purpose = purpose

    def __getitem__(self, key: str) -> object:
        kind = self._fields[key]
        if isinstance(kind, dict):
            inner = self._values[key]
            if not isinstance(inner, Mapping):
                raise LiquidTypeError(f"{key} has no fields: its value is no record", token=None)
            return Record(key, kind, inner, self._reader, self._purpose)
        raw = self._values[key + SUFFIXES.get(kind, "")]
        if raw is None:
            raise KeyError(key)
        return printed(kind, raw, self._reader, self._purpose)

    def __contains__(self, key: object) -> bool:
        try:
            self[str(key)]
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __str__(self) -> str:
        raise LiquidTypeError(f"{self._name} is a record: say which field of it", token=None)


def scope(values: Mapping[str, Any], reader: Reader, purpose: Purpose) -> dict[str, object]:
    """The variables that have a value, by name, for a template; others are undefined there."""
    record = Record("variables", SCHEMA, values, reader, purpose)
    found = (_NAMES.get(raw) for raw, value in values.items() if value is not None)
    return {name: record[name] for name in found if name is not None}


def printed(kind: Kind, raw: Any, reader: Reader, purpose: Purpose) -> object:
    """A raw value as a template sees it: what it prints is for the reader and the purpose."""
    if kind == "open":
        return _open(raw, reader, purpose)
    if kind in ("text", "name", "url"):
        return _text(kind, raw, reader, purpose)
    if kind == "level":
        return Level(str(raw), reader.lang, purpose)
    if kind == "flag":
        return bool(raw)
    if kind == "instant":
        return Instant(int(raw), reader, purpose)
    if kind == "duration":
        return Duration(int(raw), reader.lang, purpose)
    if kind == "distance":
        return Distance(float(raw), reader.lang, purpose)
    return _number(raw, reader, purpose)


class Instant:
    """Prints as the time of day; filters `date` and `weekday` print the rest. Compares in ms."""

    __slots__ = ("at_ms", "purpose", "reader")

    def __init__(self, at_ms: int, reader: Reader, purpose: Purpose) -> None:
        self.at_ms = at_ms
        self.reader = reader
        self.purpose = purpose

    def __liquid__(self) -> int:
        return self.at_ms

    def __str__(self) -> str:
        if self.purpose != "read":
            return str(self.at_ms)
        return formats.time_of_day(self.at_ms, self.reader.lang, self.reader.time_zone)


class Duration:
    """Prints as `30 minutes`. Compares in minutes: `{% if starts_in < 30 %}`."""

    __slots__ = ("duration_ms", "lang", "purpose")

    def __init__(self, duration_ms: int, lang: str, purpose: Purpose) -> None:
        self.duration_ms = duration_ms
        self.lang = lang
        self.purpose = purpose

    def __liquid__(self) -> float:
        return self.duration_ms / formats.MINUTE_MS

    def __str__(self) -> str:
        if self.purpose != "read":
            return str(self.duration_ms)
        return formats.duration(self.duration_ms, self.lang)


class Distance:
    """Prints as `250 m`. Compares in metres."""

    __slots__ = ("distance_m", "lang", "purpose")

    def __init__(self, distance_m: float, lang: str, purpose: Purpose) -> None:
        self.distance_m = distance_m
        self.lang = lang
        self.purpose = purpose

    def __liquid__(self) -> float:
        return self.distance_m

    def __str__(self) -> str:
        if self.purpose != "read":
            return str(round(self.distance_m, 1))
        return formats.distance(self.distance_m, self.lang)


class Level:
    """Prints as `very busy`. Compares by name: `{% if level == "very_busy" %}`."""

    __slots__ = ("lang", "name", "purpose")

    def __init__(self, name: str, lang: str, purpose: Purpose) -> None:
        self.name = name
        self.lang = lang
        self.purpose = purpose

    def __liquid__(self) -> str:
        return self.name

    def __str__(self) -> str:
        return formats.level(self.name, self.lang) if self.purpose == "read" else self.name


class Number(float):
    """A number that prints with the reader's separators."""

    lang: str

    def __new__(cls, value: float, lang: str) -> Number:
        self = super().__new__(cls, value)
        self.lang = lang
        return self

    def __str__(self) -> str:
        return formats.number(float(self), self.lang)


def _number(raw: Any, reader: Reader, purpose: Purpose) -> object:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise LiquidTypeError(f"{raw!r} is not a number", token=None)
    return Number(raw, reader.lang) if purpose == "read" else raw


def _text(kind: Kind, raw: Any, reader: Reader, purpose: Purpose) -> str:
    if isinstance(raw, Mapping):
        raw = languages.pick(raw, reader.languages, reader.default)
    out = text.clean(str(raw), multiline=False)[:VARIABLE_CHARS_MAX]
    return quote(out, safe="") if purpose == "link" and kind != "url" else out


def _open(raw: Any, reader: Reader, purpose: Purpose) -> dict[str, object]:
    if not isinstance(raw, Mapping):
        return {}
    out: dict[str, object] = {}
    for key, value in raw.items():
        if isinstance(value, bool):
            out[str(key)] = value
        elif isinstance(value, int | float):
            out[str(key)] = _number(value, reader, purpose)
        elif isinstance(value, str):
            out[str(key)] = _text("text", value, reader, purpose)
    return out


SAMPLES: Final[dict[Kind, Any]] = {
    "text": "Exemple",
    "name": {"en": "Lakeside Garden", "fr": "Jardin du lac", "de": "Garten am See"},
    "url": "https://example.org/a",
    "instant": 1_787_000_000_000,
    "duration": 1_800_000,
    "distance": 230.0,
    "number": 21.5,
    "count": 12,
    "level": "moderate",
    "flag": True,
    "open": {},
}
"""A value of each kind, for trying a template before there are real ones."""


def sample() -> dict[str, Any]:
    """A raw value for every variable."""
    out: dict[str, Any] = {}
    for name, kind in SCHEMA.items():
        if isinstance(kind, str):
            out[name + SUFFIXES.get(kind, "")] = SAMPLES[kind]
        else:
            out[name] = {key + SUFFIXES.get(of, ""): SAMPLES[of] for key, of in kind.items()}
    return out
