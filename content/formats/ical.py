"""iCalendar (RFC 5545) into events, and events back.

Times keep their zone: one with a TZID is local to it, one in UTC stays so, a floating one is of
the destination. A rule that names hours or minutes, which our recurrences do not, leaves the first
occurrence. An occurrence that was moved becomes an event of its own.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Any

import icalendar
from icalendar.prop.broken import vBroken

from content import limits, rrule
from content.errors import FormatInvalid, RecordInvalid
from content.events import EventRecord
from content.formats import loose, packed
from content.formats.drafts import Draft, Gathering
from content.formats.report import Report
from content.occurrences import Sky, expand
from content.texts import pick

_STATUS = {"CANCELLED": "cancelled", "CONFIRMED": "scheduled"}


def read_events(data: bytes, *, language: str, time_zone: str) -> Report[EventRecord]:
    """Read the VEVENTs of one calendar or several.

    language: of texts without one. time_zone: IANA, of floating times and whole days. Raises
    FormatInvalid where the file as a whole cannot be read.
    """
    gathering: Gathering[EventRecord] = Gathering(EventRecord)
    zone = zoneinfo.ZoneInfo(time_zone)
    found = _events(packed.unpacked(data))
    moved: dict[str, list[Any]] = {}
    for event in found:
        if "RECURRENCE-ID" in event:
            moved.setdefault(str(event.get("UID", "")), []).append(event)
    for index, event in enumerate(found):
        uid = str(event.get("UID", "")).strip()
        if "RECURRENCE-ID" in event:
            gathering.other()
            continue
        if not uid:
            gathering.refuse(index, "UID", "is missing")
            continue
        draft = _draft(event, uid, language)
        try:
            times = _Times(event, zone)
        except ValueError as error:
            gathering.refuse(index, "DTSTART", str(error), draft.id)
            continue
        times.put(draft, event)
        own = _changes(draft, moved.get(uid, []), zone, language)
        gathering.add(index, draft, *own)
    return gathering.report()


def _events(data: bytes) -> list[Any]:
    if len(data) > limits.IMPORT_BYTES_MAX:
        raise FormatInvalid(f"has more than {limits.IMPORT_BYTES_MAX} bytes")
    try:
        calendars = icalendar.Calendar.from_ical(data, multiple=True)
    except (ValueError, KeyError, IndexError, RecursionError, AttributeError) as error:
        raise FormatInvalid(f"is no iCalendar: {error}") from error
    if not calendars:
        raise FormatInvalid("is no iCalendar: it holds no calendar")
    return [event for calendar in calendars for event in calendar.walk("VEVENT")]


def _draft(event: Any, uid: str, language: str) -> Draft:
    draft = Draft(uid, language)
    for field, name in (("name", "SUMMARY"), ("description", "DESCRIPTION")):
        draft.text(field, _texts(_got(event, name), language))
    draft.put("address", str(event.get("LOCATION", "")).strip())
    draft.url("website", str(event.get("URL", "")))
    _position(draft, event)
    draft.tags("categories", _categories(event))
    status = str(event.get("STATUS", "")).upper()
    draft.put("status", _STATUS.get(status))
    if status not in ("", *_STATUS):
        draft.keep("status", status)
        draft.note("status", f"{status!r} is kept in extra; the event counts as scheduled")
    for name, reason in event.errors:
        draft.note(str(name), f"cannot be read: {reason}"[:200])
    draft.keep("source", {"format": "icalendar", "id": uid})
    return draft


def _got(event: Any, name: str) -> list[Any]:
    """The values of a property that can be read."""
    return [each for each in loose.many(event.get(name)) if not isinstance(each, vBroken)]


def _dated(event: Any, name: str) -> Any:
    """The date, instant or length of a property; None where there is none."""
    return next((each.dt for each in _got(event, name)), None)


def _texts(values: list[Any], language: str) -> dict[str, str]:
    """A text property by its LANGUAGE; given several times, one for each."""
    found: dict[str, str] = {}
    for each in values:
        tag = loose.language(getattr(each, "params", {}).get("LANGUAGE", "")) or language
        if str(each).strip():
            found.setdefault(tag, str(each).strip())
    return found


def _position(draft: Draft, event: Any) -> None:
    for geo in _got(event, "GEO")[:1]:
        lat, lon = loose.number(geo.latitude), loose.number(geo.longitude)
        if lon is None or lat is None or not (-180 <= lon <= 180 and -90 <= lat <= 90):
            draft.note("GEO", "is no latitude;longitude: left out")
            return
        draft.values |= {"lon": lon, "lat": lat}


def _categories(event: Any) -> list[object]:
    found: list[object] = []
    for each in _got(event, "CATEGORIES"):
        found += [str(name) for name in getattr(each, "cats", [])]
    return found


class _Times:
    """Start, length and zone of a VEVENT. Raises ValueError where it has none that can be read."""

    def __init__(self, event: Any, zone: zoneinfo.ZoneInfo) -> None:
        start = _dated(event, "DTSTART")
        if not isinstance(start, dt.date):
            raise ValueError("is missing or no date")
        self.whole_days = not isinstance(start, dt.datetime)
        self.start, self.zone = _local(start, zone)
        end = _dated(event, "DTEND")
        length = _dated(event, "DURATION")
        self.length: dt.timedelta | None = None
        if isinstance(end, dt.date):
            self.length = _local(end, zone)[0].astimezone(dt.UTC) - self.start.astimezone(dt.UTC)
            if self.whole_days:
                self.length = _local(end, zone)[0].replace(tzinfo=None) - self.start.replace(
                    tzinfo=None
                )
        elif isinstance(length, dt.timedelta):
            self.length = length
        elif self.whole_days:
            self.length = dt.timedelta(days=1)

    def put(self, draft: Draft, event: Any) -> None:
        """Set the times of a draft: once, or a recurrence."""
        rules = _got(event, "RRULE")
        more = _days(event, "RDATE", self.zone, self.start.time(), draft)
        if not rules and not more:
            self.once(draft)
            return
        recurrence: dict[str, object] = {
            "start_rule": {"time": self.start.time().replace(fold=0)},
            "duration_min": self._minutes(draft),
            "time_zone": self.zone.key,
        }
        if rules:
            rule = rules[0].to_ical().decode()
            try:
                self._rule(recurrence, rule, more)
            except RecordInvalid as error:
                draft.keep("rrule", rule)
                draft.note("RRULE", f"{error.reason}: kept in extra; the first occurrence stands")
                self.once(draft)
                return
            if len(rules) > 1:
                draft.keep("rrules", [each.to_ical().decode() for each in rules[1:]])
                draft.note("RRULE", "is given several times: the first counts")
        else:
            more = sorted({self.start.date(), *more})
        recurrence["dates"] = more
        recurrence["except_dates"] = _days(event, "EXDATE", self.zone, self.start.time(), draft)
        draft.put("recurrence", {k: v for k, v in recurrence.items() if v not in ("", [])})

    def once(self, draft: Draft) -> None:
        """Set start and end."""
        draft.put("start", self.start)
        if self.length is None or self.length <= dt.timedelta():
            self._minutes(draft)
            return
        if self.whole_days:
            draft.put("end", self.start + self.length)  # wall-clock: to midnight
        else:
            draft.put("end", (self.start.astimezone(dt.UTC) + self.length).astimezone(self.zone))

    def _minutes(self, draft: Draft) -> int:
        seconds = self.length.total_seconds() if self.length else 0.0
        if seconds < 0:
            draft.note("DTEND", "is before DTSTART: the end is not known")
        elif seconds % 60:
            draft.note("DTEND", "is not at a whole minute: rounded down")
        return max(0, int(seconds // 60))

    def _rule(self, recurrence: dict[str, object], rule: str, more: list[dt.date]) -> None:
        first = self.start.date()
        parsed = rrule.parse(rule)
        recurrence |= {"rrule": rule, "first_date": first}
        if next(rrule.days(parsed, first, first, first), None) is None:
            more.insert(0, first)  # DTSTART counts even where its rule passes it over


def _local(value: dt.date, zone: zoneinfo.ZoneInfo) -> tuple[dt.datetime, zoneinfo.ZoneInfo]:
    """An aware start and the IANA zone whose wall clock it keeps."""
    if not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time(), tzinfo=zone), zone
    if value.tzinfo is None:
        return value.replace(tzinfo=zone), zone
    if value.tzinfo is dt.UTC:
        return value.replace(tzinfo=_UTC), _UTC
    if isinstance(value.tzinfo, zoneinfo.ZoneInfo) and value.tzinfo.key:
        return value, value.tzinfo
    # A VTIMEZONE that is no known zone: the instant is right, the clock is the destination's.
    return value.astimezone(zone), zone


_UTC = zoneinfo.ZoneInfo("UTC")


def _days(
    event: Any, name: str, zone: zoneinfo.ZoneInfo, starts: dt.time, draft: Draft
) -> list[dt.date]:
    """The local days of RDATE or EXDATE; one at another time of day than the start is noted."""
    found = set()
    for group in _got(event, name):
        for each in getattr(group, "dts", []):
            value = each.dt[0] if isinstance(each.dt, tuple) else each.dt
            if isinstance(value, dt.datetime):
                value = value.replace(tzinfo=zone) if value.tzinfo is None else value
                value = value.astimezone(zone)
                if value.time() != starts.replace(fold=value.fold):
                    draft.note(name, f"{value.isoformat()} is at another time of day: left out")
                    continue
                value = value.date()
            if not isinstance(value, dt.date):
                draft.note(name, f"{value} is no date: left out")
                continue
            found.add(value)
    return sorted(found)


def _changes(draft: Draft, moved: list[Any], zone: zoneinfo.ZoneInfo, language: str) -> list[Draft]:
    """Apply the occurrences that differ: off is a change of the day, moved is an event."""
    recurrence = draft.values.get("recurrence")
    if not isinstance(recurrence, dict):
        return []
    changes: list[object] = []
    off: list[dt.date] = []
    own: list[Draft] = []
    home = zoneinfo.ZoneInfo(recurrence["time_zone"])
    for event in moved:
        at = _dated(event, "RECURRENCE-ID")
        if not isinstance(at, dt.date):
            draft.note("RECURRENCE-ID", "is no date: left out")
            continue
        day = _local(at, home)[0].astimezone(home).date()
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            changes.append({"date": day, "status": "cancelled"})
            continue
        apart = _draft(event, f"{draft.id}-{day:%Y%m%d}", language)
        try:
            _Times(event, zone).once(apart)
        except ValueError as error:
            draft.note("RECURRENCE-ID", f"{day}: DTSTART {error}: left out")
            continue
        apart.note("RECURRENCE-ID", f"is an occurrence of {draft.id} that differs")
        off.append(day)
        own.append(apart)
    draft.put("changes", changes)
    if off:
        recurrence["except_dates"] = sorted({*recurrence.get("except_dates", []), *off})
    return own


def write_events(
    events: Iterable[EventRecord],
    *,
    sky: Sky,
    languages: Iterable[str],
    default_language: str,
    now_ms: int,
    days: int = 400,
) -> bytes:
    """A calendar of events.

    Texts are in the first of `languages` that they have, else in `default_language`. What recurs
    by the sun has no rule in iCalendar: its occurrences of the next `days` from `now_ms` stand one
    by one.
    """
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Balise//Balise//EN")
    calendar.add("version", "2.0")
    wanted = list(languages)
    for event in events:
        recurrence = event.recurrence
        if recurrence is None or recurrence.start_rule.time is not None:
            calendar.add_component(_written(event, sky, wanted, default_language, now_ms))
            for change in event.changes:
                if change.status == "cancelled":
                    calendar.add_component(
                        _off(event, change.date, sky, wanted, default_language, now_ms)
                    )
            continue
        for found in expand([event], now_ms, now_ms + days * 86_400_000, sky):
            single = _single(event, wanted, default_language, now_ms, found.id)
            _once(single, _at(found.start_ms), _at(found.end_ms))
            if found.status == "cancelled":
                single["STATUS"] = icalendar.vText("CANCELLED")
            calendar.add_component(single)
    # Zones first, as readers that stream want them.
    calendar.add_missing_timezones()
    written: bytes = calendar.to_ical()
    return written


def _at(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, tz=dt.UTC)


def _once(single: Any, start: dt.datetime, end: dt.datetime | None) -> None:
    single.add("dtstart", start)
    if end is not None and end > start:
        single.add("dtend", end)


def _single(event: EventRecord, wanted: list[str], default: str, now_ms: int, uid: str) -> Any:
    single = icalendar.Event()
    single.add("uid", uid)
    single.add("dtstamp", _at(now_ms))
    for name, text in (
        ("summary", event.name),
        ("description", event.description or event.summary),
    ):
        found = _said(text, wanted, default)
        if found:
            single.add(name, found[1], parameters={"LANGUAGE": found[0]})
    if event.lon is not None and event.lat is not None:
        single.add("geo", (event.lat, event.lon))
    if event.address:
        single.add("location", event.address)
    if event.website or event.booking_url:
        single.add("url", event.website or event.booking_url)
    if event.categories:
        single.add("categories", list(event.categories))
    if event.status == "cancelled":
        single.add("status", "CANCELLED")
    return single


def _said(text: Mapping[str, str], wanted: list[str], default: str) -> tuple[str, str] | None:
    return pick(text, wanted, default)


def _written(event: EventRecord, sky: Sky, wanted: list[str], default: str, now_ms: int) -> Any:
    single = _single(event, wanted, default, now_ms, event.id)
    recurrence = event.recurrence
    if recurrence is None:
        assert event.start is not None
        _once(single, _zoned(event.start, sky), event.end and _zoned(event.end, sky))
        return single
    start = _first(event, sky)
    single.add("dtstart", start)
    if recurrence.duration_min:
        single.add("duration", dt.timedelta(minutes=recurrence.duration_min))
    if recurrence.rrule:
        single.add("rrule", icalendar.vRecur.from_ical(recurrence.rrule.upper()))
    more = [start.replace(year=d.year, month=d.month, day=d.day) for d in recurrence.dates]
    rest = [each for each in more if each != start]
    if rest:
        single.add("rdate", rest)
    if recurrence.except_dates:
        single.add(
            "exdate",
            [start.replace(year=d.year, month=d.month, day=d.day) for d in recurrence.except_dates],
        )
    return single


def _first(event: EventRecord, sky: Sky) -> dt.datetime:
    """The DTSTART of a recurrence by the clock."""
    recurrence = event.recurrence
    assert recurrence is not None
    assert recurrence.start_rule.time is not None
    zone = sky.time_zone
    if recurrence.time_zone is not None:
        zone = zoneinfo.ZoneInfo(recurrence.time_zone)
    days = list(recurrence.dates)
    if recurrence.rrule and recurrence.first_date is not None:
        rule = rrule.parse(recurrence.rrule)
        far = dt.date(limits.YEAR_MAX, 12, 31)
        first = recurrence.first_date
        days += [next(rrule.days(rule, first, first, far), first)]
    return dt.datetime.combine(min(days), recurrence.start_rule.time, tzinfo=zone)


def _off(
    event: EventRecord, day: dt.date, sky: Sky, wanted: list[str], default: str, now_ms: int
) -> Any:
    start = _first(event, sky).replace(year=day.year, month=day.month, day=day.day)
    single = _single(event, wanted, default, now_ms, event.id)
    single.add("recurrence-id", start)
    single.add("dtstart", start)
    single["STATUS"] = icalendar.vText("CANCELLED")
    return single


def _zoned(instant: dt.datetime, sky: Sky) -> dt.datetime:
    """An instant with a zone of a name, which iCalendar wants: the destination's or UTC."""
    if isinstance(instant.tzinfo, zoneinfo.ZoneInfo) or instant.tzinfo is dt.UTC:
        return instant
    return instant.astimezone(sky.time_zone)
