"""schema.org JSON-LD into places, events, circuits and offers.

Read are one object, an array, or an `@graph`, with names written plainly, with the prefix
`schema:` or as addresses. What has a position and is none of the other kinds is a place.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from content.circuits import CircuitRecord
from content.errors import FormatInvalid
from content.events import EventRecord
from content.fields import Record
from content.formats import hours, ids, lenient, loose, packed
from content.formats.drafts import Draft, Gathering
from content.formats.report import Report
from content.offers import OfferRecord
from content.places import PlaceRecord

R = TypeVar("R", bound=Record)
Kind = Literal["place", "event", "circuit", "offer"]

DAYS = {"Monday": "MO", "Tuesday": "TU", "Wednesday": "WE", "Thursday": "TH", "Friday": "FR",
        "Saturday": "SA", "Sunday": "SU"}  # fmt: skip
FREQUENCIES = {"D": "DAILY", "W": "WEEKLY", "M": "MONTHLY", "Y": "YEARLY"}
_PREFIX = re.compile(r"^(?:schema:|https?://schema\.org/)")
_STATUS = {
    "EventScheduled": "scheduled",
    "EventCancelled": "cancelled",
    "EventPostponed": "moved",
    "EventRescheduled": "moved",
    "EventMovedOnline": "moved",
}
_PLAIN = {"Thing", "Place", "TouristAttraction"}
_EVERY = re.compile(r"^P(\d+)([DWMY])$")
_LENGTH = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:\d+S)?)?$")
_ANSWERS = {"true": "yes", "yes": "yes", "limited": "limited", "false": "no", "no": "no"}


def read_places(data: bytes, *, language: str) -> Report[PlaceRecord]:
    """Read the places.

    language: of texts without one. Raises FormatInvalid where the file as a whole cannot be read.
    """
    return _read(data, "place", Gathering(PlaceRecord), language, None)


def read_events(data: bytes, *, language: str, time_zone: str) -> Report[EventRecord]:
    """Read the events; times without an offset are of `time_zone` (IANA). Else as
    `read_places`."""
    return _read(data, "event", Gathering(EventRecord), language, zoneinfo.ZoneInfo(time_zone))


def read_circuits(data: bytes, *, language: str) -> Report[CircuitRecord]:
    """Read the TouristTrips; the places of an itinerary are stops. Else as `read_places`."""
    return _read(data, "circuit", Gathering(CircuitRecord), language, None)


def read_offers(data: bytes, *, language: str, time_zone: str) -> Report[OfferRecord]:
    """Read the Offers that stand on their own; else as `read_events`."""
    return _read(data, "offer", Gathering(OfferRecord), language, zoneinfo.ZoneInfo(time_zone))


def _read(
    data: bytes,
    kind: Kind,
    gathering: Gathering[R],
    language: str,
    zone: zoneinfo.ZoneInfo | None,
) -> Report[R]:
    for index, node in enumerate(_nodes(lenient.documents(packed.unpacked(data)))):
        if isinstance(node, FormatInvalid) or not isinstance(node, dict):
            gathering.refuse(index, "", str(node) if isinstance(node, Exception) else "no object")
            continue
        types = _types(node)
        if _kind(node, types) != kind:
            gathering.other()
            continue
        own = identity(node)
        draft = Draft(own or ids.slug(_name(node, language) or "unnamed"), language)
        if not own:
            draft.note("id", "made of the name: neither identifier, @id nor url is given")
        draft.text("name", node.get("name"))
        draft.text("summary", node.get("disambiguatingDescription"))
        draft.text("description", node.get("description"))
        _image(draft, node)
        try:
            _FIELDS[kind](draft, node, types, zone)
        except ValueError as error:
            gathering.refuse(index, "startDate", str(error), draft.id)
            continue
        draft.keep("source", {"format": "schema.org", "id": loose.text(node.get("@id")) or own})
        gathering.add(index, draft)
    return gathering.report()


def _nodes(documents: list[object]) -> Iterator[object]:
    for document in documents:
        plain = _plain(document)
        graph = plain.get("@graph") if isinstance(plain, dict) else None
        yield from loose.many(graph) if graph is not None else [plain]


def _plain(value: object) -> object:
    """A value with the prefixes of schema.org taken off all keys."""
    if isinstance(value, dict):
        return {_PREFIX.sub("", str(key)): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _types(node: Mapping[str, object]) -> list[str]:
    return [_PREFIX.sub("", loose.text(each)) for each in loose.many(node.get("@type"))]


def _kind(node: Mapping[str, object], types: list[str]) -> Kind | None:
    if any(each.endswith("Event") or each == "Festival" for each in types):
        return "event"
    if "TouristTrip" in types or "Trip" in types:
        return "circuit"
    if "Offer" in types or "AggregateOffer" in types:
        return "offer"
    placed = "geo" in node or "latitude" in node
    return "place" if placed or "TouristAttraction" in types else None


def identity(node: object) -> str:
    """What a node is called: its identifier, or the path of its @id or url; else empty."""
    for each in loose.many(loose.member(node, "identifier")):
        found = loose.text(loose.member(each, "value") or each)
        if found:
            return found
    for key in ("@id", "url"):
        found = loose.text(loose.member(node, key))
        parts = urlsplit(found)
        path = "-".join(
            part for part in (parts.path.strip("/"), parts.query, parts.fragment) if part
        )
        if path:
            return path if ids.is_id(path) else ids.slug(path)
    return ""


def _name(node: object, language: str) -> str:
    """The first name of a node; empty where it has none."""
    names = loose.by_language(loose.member(node, "name"), language)
    return next(iter(names.values()), "")


def _image(draft: Draft, node: Mapping[str, object]) -> None:
    raw = loose.one(node.get("image"))
    if raw is None:
        return
    url = loose.text(raw) if isinstance(raw, str) else ""
    url = url or loose.text(loose.member(raw, "contentUrl") or loose.member(raw, "url"))
    credit = loose.text(loose.member(raw, "creditText"))
    for key in ("creator", "copyrightHolder", "author"):
        credit = credit or loose.text(loose.member(raw, key, "name"))
    if not url or not credit:
        # A picture is not shown without saying whose it is.
        draft.keep("image", raw)
        draft.note("image", "has no address or no credit: kept in extra, not shown")
        return
    image: dict[str, object] = {"url": url, "credit": credit}
    image["alt"] = loose.by_language(loose.member(raw, "caption"), draft.language)
    image["licence"] = loose.text(loose.member(raw, "license"))
    ends = loose.text(loose.member(raw, "expires"))
    if ends:
        image["rights_end"] = loose.day(ends) or ends
    draft.put("image", image)


def _position(draft: Draft, node: object) -> None:
    at = loose.member(node, "geo") or node
    lon, lat = (loose.number(loose.member(at, key)) for key in ("longitude", "latitude"))
    if lon is not None and lat is not None:
        draft.values |= {"lon": lon, "lat": lat}


def _address(node: object) -> str:
    raw = loose.one(loose.member(node, "address"))
    if not isinstance(raw, Mapping):
        return loose.text(raw)
    town = f"{loose.text(raw.get('postalCode'))} {loose.text(raw.get('addressLocality'))}".strip()
    parts = (loose.text(raw.get("streetAddress")), town)
    return ", ".join(part for part in parts if part)


def _place(draft: Draft, node: Any, types: list[str], _zone: object) -> None:
    _position(draft, node)
    draft.put("address", _address(node))
    draft.url("website", node.get("url"))
    kinds = [loose.text(each) for each in loose.many(node.get("additionalType"))]
    draft.tags("categories", [_PREFIX.sub("", each) for each in kinds] or
               [each for each in types if each not in _PLAIN])  # fmt: skip
    _lists(draft, node)
    if node.get("isAccessibleForFree") is True:
        draft.put("price", {"amount": 0})
    for feature in loose.many(node.get("amenityFeature")):
        if "wheelchair" in loose.text(loose.member(feature, "name")).lower():
            said = loose.member(feature, "value")
            answer = _ANSWERS.get(
                (str(said) if isinstance(said, bool) else loose.text(said)).lower()
            )
            draft.put("accessibility", {"wheelchair": answer} if answer else None)
    raw = [loose.text(each) for each in loose.many(node.get("openingHours"))]
    draft.put("opening_hours", "; ".join(raw))
    specifications = loose.many(node.get("openingHoursSpecification"))
    if specifications and not raw:
        rules = hours.opening_hours(specifications)
        draft.put("opening_hours", rules)
        if not rules:
            draft.keep("opening_hours", specifications)
            draft.note("opening_hours", "names no day or no hour: kept as it was in extra")


def _lists(draft: Draft, node: Any) -> None:
    for field, key in (("tags", "keywords"), ("themes", "touristType")):
        raw = node.get(key)
        draft.tags(field, raw if isinstance(raw, str) else loose.many(raw))


def _event(draft: Draft, node: Any, types: list[str], zone: Any) -> None:
    """Raises ValueError where the event has no time that can be read."""
    location = loose.one(node.get("location"))
    _position(draft, location)
    said = location if isinstance(location, str) else ""
    draft.put("address", said or _address(location) or _name(location, draft.language))
    here = loose.member(location, "identifier")
    draft.put("place_id", identity(location) if here is not None else None)
    status = _PREFIX.sub("", loose.text(node.get("eventStatus")))
    draft.put("status", _STATUS.get(status))
    if status and status not in _STATUS:
        draft.keep("eventStatus", status)
        draft.note("eventStatus", f"{status!r} is kept in extra; the event counts as scheduled")
    offer = loose.one(node.get("offers"))
    draft.url("booking_url", loose.member(offer, "url"))
    amount = loose.number(loose.member(offer, "price"))
    if amount is None and node.get("isAccessibleForFree") is True:
        amount = 0.0
    if amount is not None:
        currency = loose.text(loose.member(offer, "priceCurrency")) or "EUR"
        draft.put("price", {"amount": amount, "currency": currency})
    if loose.text(loose.member(offer, "availability")).endswith("SoldOut"):
        draft.values.setdefault("status", "sold_out")
        if draft.values["status"] == "scheduled":
            draft.values["status"] = "sold_out"
    left = loose.number(node.get("remainingAttendeeCapacity"))
    if left is not None:
        draft.values["remaining_places"] = int(left)
    draft.url("website", node.get("url"))
    kinds = [loose.text(each) for each in loose.many(node.get("additionalType"))]
    draft.tags("categories", kinds or [each for each in types if each != "Event"])
    _lists(draft, node)
    schedule = loose.one(node.get("eventSchedule"))
    if isinstance(schedule, Mapping):
        draft.put("recurrence", _recurrence(schedule, zone))
        return
    start = _instant(node.get("startDate"), zone)
    if start is None:
        raise ValueError(f"{loose.text(node.get('startDate'))!r} is no date")
    draft.put("start", start)
    end = _instant(node.get("endDate"), zone, end=True)
    if end is not None or len(loose.text(node.get("startDate"))) > 10:
        draft.put("end", end)
    else:
        draft.put("end", start + dt.timedelta(days=1))


def _instant(raw: object, zone: zoneinfo.ZoneInfo, *, end: bool = False) -> dt.datetime | None:
    """An aware instant; a date is its beginning, as an `end` the beginning of the next day."""
    text = loose.text(raw)
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if end and len(text) <= 10:
        found += dt.timedelta(days=1)
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _recurrence(schedule: Mapping[str, object], zone: zoneinfo.ZoneInfo) -> dict[str, object]:
    """A Schedule as our recurrence. Raises ValueError where it cannot be read."""
    every = _EVERY.match(loose.text(schedule.get("repeatFrequency")))
    first = loose.day(schedule.get("startDate"))
    starts = _time(schedule.get("startTime"))
    if every is None or first is None or starts is None:
        raise ValueError("eventSchedule needs repeatFrequency, startDate and startTime")
    parts = [f"FREQ={FREQUENCIES[every[2]]}"]
    parts += [f"INTERVAL={every[1]}"] if every[1] != "1" else []
    count, last = loose.number(schedule.get("repeatCount")), loose.day(schedule.get("endDate"))
    if count is not None:
        parts.append(f"COUNT={int(count)}")
    elif last is not None:
        parts.append(f"UNTIL={last:%Y%m%d}")
    for key, part in (("byDay", "BYDAY"), ("byMonthDay", "BYMONTHDAY"), ("byMonth", "BYMONTH")):
        found = [_PREFIX.sub("", loose.text(each)) for each in loose.many(schedule.get(key))]
        if found:
            parts.append(f"{part}={','.join(DAYS.get(each, each) for each in found)}")
    named = loose.text(schedule.get("scheduleTimezone")) or zone.key
    days = [loose.day(each) for each in loose.many(schedule.get("exceptDate"))]
    return {
        "start_rule": {"time": starts},
        "duration_min": _minutes(schedule, starts),
        "rrule": ";".join(parts),
        "first_date": first,
        "except_dates": [day for day in days if day is not None],
        "time_zone": named,
    }


def _time(raw: object) -> dt.time | None:
    try:
        return dt.time.fromisoformat(loose.text(raw))
    except ValueError:
        return None


def _minutes(schedule: Mapping[str, object], starts: dt.time) -> int:
    length = _LENGTH.match(loose.text(schedule.get("duration")) or "-")
    if length:
        days, hours_, minutes = (int(part or 0) for part in length.groups())
        return days * 1440 + hours_ * 60 + minutes
    ends = _time(schedule.get("endTime"))
    if ends is None:
        return 0
    found = (ends.hour - starts.hour) * 60 + ends.minute - starts.minute
    return found if found >= 0 else found + 1440


def _circuit(draft: Draft, node: Any, _kinds: list[str], _zone: object) -> None:
    draft.url("website", node.get("url"))
    _lists(draft, node)
    itinerary = loose.one(node.get("itinerary"))
    elements = loose.member(itinerary, "itemListElement") or node.get("itinerary")
    stops = []
    listed = [each for each in loose.many(elements) if isinstance(each, Mapping)]
    listed.sort(key=lambda item: loose.number(item.get("position")) or 0.0)
    for each in listed:
        place = loose.member(each, "item") or each
        own = identity(place)
        if not own:
            draft.note("itinerary", "has a stop without identifier, @id or url: left out")
            continue
        text = loose.by_language(loose.member(each, "description"), draft.language)
        stops.append({"place_id": own if ids.is_id(own) else ids.slug(own), "text": text})
    draft.put("stops", stops)
    if stops:
        first = loose.member(listed[0], "item") or listed[0]
        _position(draft, first)


def _offer(draft: Draft, node: Any, _kinds: list[str], zone: Any) -> None:
    draft.url("website", node.get("url"))
    _lists(draft, node)
    for field, key, end in (
        ("valid_from", "validFrom", False),
        ("valid_until", "validThrough", True),
    ):
        draft.put(field, _instant(node.get(key), zone, end=end))
    for field, wanted in (("place_id", "place"), ("event_id", "event")):
        for key in ("itemOffered", "availableAtOrFrom"):
            item = loose.one(node.get(key))
            if isinstance(item, Mapping) and _kind(item, _types(item)) == wanted:
                draft.put(field, identity(item))
    for key in ("price", "priceCurrency", "availability"):
        draft.keep(key, node.get(key))


_FIELDS = {"place": _place, "event": _event, "circuit": _circuit, "offer": _offer}


def parts_of(rule: str) -> dict[str, str]:
    """The parts of an RRULE by name."""
    return dict(part.split("=", 1) for part in rule.upper().split(";") if "=" in part)
